//! What goes wrong, and when: a script of faults, from Rust or as JSON.
//!
//! Each call asks the script once, before it is acted upon. The first fault that fits and still has turns is taken; a
//! fault lets the first `skip` fitting calls pass. What happens to a *task* (it dies, its agent never comes) is also a fault
//! of the RunTask call that made it.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// One thing that goes wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only calls to this service: `ecs`, ….
    #[serde(default)]
    pub service: Option<String>,
    /// Only calls of this action: `RunTask`, ….
    #[serde(default)]
    pub action: Option<String>,
    /// How many fitting calls pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many calls it meets; without it, every one.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub what: What,
}

impl Fault {
    /// Meets every call of every service.
    pub fn always(what: What) -> Self {
        Self { service: None, action: None, skip: 0, times: None, what }
    }

    /// Meets every call of that action.
    pub fn on(action: &str, what: What) -> Self {
        Self { action: Some(action.to_owned()), ..Self::always(what) }
    }

    /// Meets the next call of that action only.
    pub fn once(action: &str, what: What) -> Self {
        Self { times: Some(1), ..Self::on(action, what) }
    }

    /// Limits it to one service.
    #[must_use]
    pub fn of(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Limits it to so many calls.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Lets so many calls pass first.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    fn fits(&self, service: &str, action: &str) -> bool {
        self.service.as_deref().is_none_or(|wanted| wanted == service)
            && self.action.as_deref().is_none_or(|wanted| wanted == action)
    }
}

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

/// What becomes of a held answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Release,
    Drop,
}

/// The script, shared by all who read it.
#[derive(Clone, Debug)]
pub struct Faults {
    script: Arc<Mutex<Script>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Script {
    faults: Vec<Fault>,
    verdicts: Vec<(String, Verdict)>,
    held: Vec<String>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { script: Arc::default(), changed: watch::Sender::new(0) }
    }
}

impl Faults {
    /// Adds a fault at the end of the script.
    pub fn add(&self, fault: Fault) {
        self.alter(|script| {
            if let What::Held { name, .. } = &fault.what {
                script.verdicts.retain(|(known, _)| known != name);
            }
            script.faults.push(fault);
        });
    }

    /// Takes every fault back; what is held stays held.
    pub fn clear(&self) {
        self.alter(|script| script.faults.clear());
    }

    /// What still stands in the script.
    pub fn standing(&self) -> Vec<Fault> {
        self.look(|script| script.faults.clone())
    }

    /// Lets the answers go that are held, or will be, by that name.
    pub fn release(&self, name: &str) {
        self.alter(|script| script.verdicts.push((name.to_owned(), Verdict::Release)));
    }

    /// Cuts the connections of the answers that are held, or will be, by that name.
    pub fn drop_held(&self, name: &str) {
        self.alter(|script| script.verdicts.push((name.to_owned(), Verdict::Drop)));
    }

    /// How many answers are held by that name.
    pub fn held(&self, name: &str) -> usize {
        self.look(|script| script.held.iter().filter(|held| *held == name).count())
    }

    /// Waits until so many answers are held by that name.
    pub async fn until_held(&self, name: &str, count: usize) {
        let mut changed = self.changed.subscribe();
        while self.held(name) < count {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// The faults that meet this call: all delays and one real trouble at most.
    pub(crate) fn meet(&self, service: &str, action: &str) -> Vec<What> {
        self.alter(|script| {
            let mut met = Vec::new();
            for fault in &mut script.faults {
                if !fault.fits(service, action) || fault.times == Some(0) {
                    continue;
                }
                if fault.skip > 0 {
                    fault.skip -= 1;
                    continue;
                }
                let only_late = matches!(fault.what, What::Slow { .. } | What::Skewed { .. });
                if !only_late
                    && met
                        .iter()
                        .any(|what| !matches!(what, What::Slow { .. } | What::Skewed { .. }))
                {
                    continue;
                }
                if let Some(times) = &mut fault.times {
                    *times -= 1;
                }
                met.push(fault.what.clone());
            }
            script.faults.retain(|fault| fault.times != Some(0));
            met
        })
    }

    /// Holds the caller until that name is released or dropped.
    pub(crate) async fn hold(&self, name: &str) -> Verdict {
        let mut changed = self.changed.subscribe();
        self.alter(|script| script.held.push(name.to_owned()));
        let _place = Place { faults: self, name };
        loop {
            let found = self.look(|script| {
                script.verdicts.iter().find(|(known, _)| known == name).map(|(_, v)| *v)
            });
            if let Some(verdict) = found {
                return verdict;
            }
            if changed.changed().await.is_err() {
                return Verdict::Drop;
            }
        }
    }

    /// Changes the script and wakes who waits for it.
    fn alter<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        let answer = act(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_modify(|version| *version += 1);
        answer
    }

    /// Reads the script; wakes nobody, for those who wait look, too.
    fn look<T>(&self, act: impl FnOnce(&Script) -> T) -> T {
        act(&self.script.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One held answer's place in the list of those, given back also when its caller hangs up.
struct Place<'a> {
    faults: &'a Faults,
    name: &'a str,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.faults.alter(|script| {
            if let Some(place) = script.held.iter().position(|held| held == self.name) {
                script.held.remove(place);
            }
        });
    }
}
