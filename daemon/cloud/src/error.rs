use std::time::SystemTime;

use thiserror::Error;

use crate::{EndClass, TaskId};

/// One call on the cloud that did not do what was asked.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{call}: {message}")]
pub struct CloudError {
    /// Which call, by the cloud's own name for it: `ecs:RunTask`.
    pub call: &'static str,
    /// What kind of failure: what may be done about it hangs on this.
    pub kind: Kind,
    /// The cloud's own words, or ours where it said none. Never a debug print.
    pub message: String,
    /// What the cloud calls this request, to quote to its support.
    pub request_id: Option<String>,
}

/// What kind of failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// No credentials, or they or their login have expired. Holds the profile where one is named.
    Login {
        /// The profile that has to log in again.
        profile: Option<String>,
        /// How it comes by its credentials.
        way: LoginWay,
    },
    /// The credentials are good and do not allow this.
    Denied {
        /// Whether a policy denies it explicitly, as opposed to none allowing it.
        explicit: bool,
        /// The action that is not allowed, where AWS names one: it need not be the call's own (`iam:PassRole`).
        action: Option<String>,
        /// What it is not allowed on, where AWS names it.
        resource: Option<String>,
    },
    /// The clock of this machine is wrong by about so many seconds, where known.
    ClockSkew {
        /// How far off, positive where this machine is ahead.
        seconds: Option<i64>,
    },
    /// Too many calls; the same call may succeed later.
    Throttled,
    /// No capacity, or a quota is used up.
    NoCapacity,
    /// What was named is not there.
    NotFound {
        /// What was looked for: `cluster`, `task definition`, `database`, `subnets`, `security group`, `secret`, …
        what: &'static str,
        /// What is there and may have been meant.
        candidates: Vec<String>,
    },
    /// What was named is there more than once.
    Ambiguous {
        /// What was looked for.
        what: &'static str,
        /// All that fit.
        candidates: Vec<String>,
    },
    /// The database is there but takes no connections: its status.
    NotAvailable {
        /// The cloud's word for it: `stopped`, `creating`, …
        status: String,
    },
    /// The task stopped before it was of use.
    TaskStopped {
        /// What kind of end it came to.
        class: EndClass,
        /// The cloud's code: `TaskFailedToStart`, …
        code: Option<String>,
        /// The container's exit code, where it got that far.
        exit_code: Option<i32>,
        /// The last lines of its log, where it keeps one that we may read.
        log: Box<[String]>,
    },
    /// ECS Exec is off for the task, so no agent will ever answer.
    ExecDisabled,
    /// The agent was started and has stopped, or never came.
    AgentStopped,
    /// The agent is not known to the session service.
    NotConnected,
    /// The service runs no task because it is not meant to: its desired count is 0.
    ScaledToZero,
    /// The session is over.
    SessionOver,
    /// The same token with another request: these tasks exist.
    Conflict {
        /// The tasks that the token stands for.
        tasks: Vec<TaskId>,
    },
    /// Nobody answered: no route, no DNS.
    Unreachable,
    /// Something between here and AWS speaks in its place: a proxy that refuses, a certificate that nobody vouches for.
    Intercepted {
        /// Who signed the certificate that was shown, where one was.
        issuer: Option<String>,
    },
    /// It took too long; which stage it hung in stands in the message.
    TimedOut,
    /// The request itself is wrong: a setting names something impossible.
    Invalid,
    /// The service failed in itself.
    Service,
}

impl CloudError {
    /// Whether the very same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self.kind {
            Kind::Throttled
            | Kind::NoCapacity
            | Kind::NotConnected
            | Kind::Unreachable
            | Kind::TimedOut
            | Kind::Service => true,
            Kind::Login { .. }
            | Kind::Denied { .. }
            | Kind::ClockSkew { .. }
            | Kind::NotFound { .. }
            | Kind::Ambiguous { .. }
            | Kind::NotAvailable { .. }
            | Kind::TaskStopped { .. }
            | Kind::ExecDisabled
            | Kind::AgentStopped
            | Kind::Intercepted { .. }
            | Kind::ScaledToZero
            | Kind::SessionOver
            | Kind::Conflict { .. }
            | Kind::Invalid => false,
        }
    }
}

/// How a profile comes by its credentials, and so what brings new ones.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum LoginWay {
    /// `aws login`, which keeps its own cache.
    Console,
    /// A program that prints them.
    Helper {
        /// Its name, without its arguments: they may hold secrets.
        program: Box<str>,
        /// Whether it gave no answer in time, as one that asks on a terminal that isn't there; else it has failed.
        silent: bool,
    },
    /// Keys in a file or in the environment.
    Keys,
    /// A role that wants an MFA code, which nobody here can ask for.
    Mfa {
        /// The device's serial number.
        serial: Box<str>,
    },
    /// `aws sso login`.
    Sso {
        /// When the login ended, where a cache on disk tells; none where there has been no login at all.
        ended: Option<SystemTime>,
    },
    /// Nothing tells.
    #[default]
    Unknown,
}

/// What files on this machine tell of a login, without anybody being asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LoginState {
    /// Nothing speaks against a try.
    Promising,
    /// Every call would fail like this: there is no need to make one.
    Hopeless(CloudError),
}
