//! Where a target stands, as the keeper knows it; `control/status.rs` makes bastion-api's words of it.

use std::time::{Duration, Instant};

use bastion_api::{State, Timestamp};
use bastion_cloud::TaskId;
use bastion_pool::single::Phase;

use super::{Refusal, Start};

/// One target's bastion at one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The target's name.
    pub target: String,
    /// Its state, as far as the bastion decides it.
    pub state: State,
    /// For how long it has been in that state.
    pub for_so_long: Duration,
    /// How far the start has come, while there is one.
    pub start: Start,
    /// How long the start has taken so far, while there is one.
    pub elapsed: Option<Duration>,
    /// The task, from its name to its end.
    pub task: Option<TaskId>,
    /// When the task was asked for.
    pub started_at: Option<Timestamp>,
    /// How many holds keep it.
    pub holds: u32,
    /// How long until it is stopped for idleness.
    pub idle_stop: Option<Duration>,
    /// Why the last start failed, or why the bastion was lost; none once a start succeeded.
    pub failure: Option<Refusal>,
    /// Why its task cannot be stopped, while it cannot.
    pub stuck: Option<Refusal>,
}

/// The pool's phase in bastion-api's word.
pub(super) fn state(phase: &Phase, failure: Option<&Refusal>) -> State {
    match (phase, failure) {
        (Phase::Cold, None) => State::Cold,
        (Phase::Cold, Some(_)) => State::Problem,
        (Phase::Starting, _) => State::Starting,
        (Phase::Ready { .. }, _) => State::Ready,
        (Phase::Draining, _) => State::Stopping,
    }
}

/// How long until the bastion is stopped for idleness.
pub(super) fn idle_stop(phase: &Phase, now: Instant) -> Option<Duration> {
    match phase {
        Phase::Ready { idle_due: Some(due), .. } => Some(due.saturating_duration_since(now)),
        Phase::Ready { idle_due: None, .. } | Phase::Cold | Phase::Starting | Phase::Draining => {
            None
        }
    }
}
