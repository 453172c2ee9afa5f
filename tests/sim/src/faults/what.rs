//! What can go wrong: with a call, with the task that it makes.

use serde::{Deserialize, Serialize};

/// What happens to the call, or to the task that it makes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// Refused: too many calls.
    Throttled,
    /// Refused: the caller may not; in AWS's words for a missing allow or an explicit deny.
    AccessDenied {
        /// A policy forbids it, rather than none allowing it.
        #[serde(default)]
        explicit: bool,
        /// The resource named in the text; without it, one made up for the action.
        #[serde(default)]
        resource: Option<String>,
    },
    /// Refused: the caller's credentials have expired.
    Expired,
    /// RunTask is refused: Fargate has no capacity.
    NoCapacity,
    /// Refused with any code and text.
    Refused {
        /// The HTTP status.
        #[serde(default = "bad_request")]
        status: u16,
        /// AWS's code.
        code: String,
        /// AWS's text.
        message: String,
    },
    /// RunTask answers 200 with no task and this in `failures`.
    Failure {
        /// Such as `RESOURCE:ENI`.
        reason: String,
        /// More words.
        #[serde(default)]
        detail: Option<String>,
    },
    /// The task comes to an end by itself at `stage`.
    TaskDies {
        /// When.
        #[serde(default)]
        stage: Stage,
        /// Such as `TaskFailedToStart`.
        stop_code: String,
        /// The task's `stoppedReason`.
        reason: String,
        /// The container's `reason`.
        #[serde(default)]
        container_reason: Option<String>,
        /// The container's exit code.
        #[serde(default)]
        exit_code: Option<i32>,
    },
    /// The task's image cannot be pulled.
    ImagePull,
    /// The task's managed agent stays PENDING for ever.
    AgentNever,
    /// The managed agent says RUNNING, but never connects.
    AgentSilent,
    /// The task's managed agent is STOPPED with this reason.
    AgentStopped {
        /// The agent's `reason`.
        #[serde(default)]
        reason: Option<String>,
    },
    /// The task is made without ECS Exec, whatever was asked.
    ExecOff,
    /// The call is acted upon (or not yet, with `before`), and its answer held until released or dropped.
    Held {
        /// By which it is released.
        name: String,
        /// Held before anything is done.
        #[serde(default)]
        before: bool,
    },
    /// Refused with HTTP 500, in the service's own envelope.
    Broken,
    /// HTTP 503 with a body that is no AWS answer at all, as a proxy between would give.
    Garbled,
    /// Answered late.
    Slow {
        /// By so many milliseconds of model time.
        ms: u64,
    },
    /// The connection is reset before (or, with `after`, once) the call is acted upon.
    Reset {
        /// Act first.
        #[serde(default)]
        after: bool,
    },
    /// For this call the cloud's time of day is off by so much: the signature is judged by it and `Date` shows it.
    Skewed {
        /// How far ahead.
        seconds: i64,
    },
}

fn bad_request() -> u16 {
    400
}

impl What {
    /// The name it has in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::AccessDenied { .. } => "access_denied",
            Self::Expired => "expired",
            Self::NoCapacity => "no_capacity",
            Self::Refused { .. } => "refused",
            Self::Failure { .. } => "failure",
            Self::TaskDies { .. } => "task_dies",
            Self::ImagePull => "image_pull",
            Self::AgentNever => "agent_never",
            Self::AgentSilent => "agent_silent",
            Self::AgentStopped { .. } => "agent_stopped",
            Self::ExecOff => "exec_off",
            Self::Held { .. } => "held",
            Self::Broken => "broken",
            Self::Garbled => "garbled",
            Self::Slow { .. } => "slow",
            Self::Reset { .. } => "reset",
            Self::Skewed { .. } => "skewed",
        }
    }
}

/// When a task dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// While its network is made.
    Provisioning,
    /// While its image is pulled.
    #[default]
    Pending,
    /// As soon as it is RUNNING.
    Running,
    /// As soon as its agent is connected.
    Connected,
}
