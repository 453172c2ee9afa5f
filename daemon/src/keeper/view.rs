//! Where a target stands, as the keeper knows it; `control/status.rs` makes bastion-api's words of it.

use std::time::{Duration, Instant};

use bastion_api::{State, Timestamp};
use bastion_cloud::TaskId;
use bastion_pool::Phase;

use super::{Refusal, Start};

/// One target at one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The target's name.
    pub target: String,
    /// Its state, as far as its bastions decide it.
    pub state: State,
    /// For how long it has been in that state.
    pub for_so_long: Duration,
    /// How far the start has come, while there is one.
    pub start: Start,
    /// How long the start has taken so far, while there is one.
    pub elapsed: Option<Duration>,
    /// The task, from its name to its end; of several, the first that serves.
    pub task: Option<TaskId>,
    /// When that task was asked for.
    pub started_at: Option<Timestamp>,
    /// How many bastions serve it.
    pub bastions: usize,
    /// How many tunnels stand through them.
    pub tunnels: usize,
    /// How many holds keep it.
    pub holds: u32,
    /// How long until the last of its bastions is stopped for idleness.
    pub idle_stop: Option<Duration>,
    /// How long until a bastion that retires ends by itself, whoever uses it.
    pub ends_in: Option<Duration>,
    /// The bastions that retire, by their tasks.
    pub retiring: Vec<TaskId>,
    /// How many of its visits are on a bastion that retires.
    pub on_retiring: usize,
    /// Why the last start failed, or why the bastion was lost; none once a start succeeded.
    pub failure: Option<Refusal>,
    /// Why a task cannot be stopped, while it cannot.
    pub stuck: Option<Refusal>,
}

/// One bastion of a target, as far as its state goes.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) phase: Phase,
    /// Whether the machine has slept and nothing is proven since.
    pub(super) doubtful: bool,
}

/// The state of a target with these bastions, in bastion-api's word.
pub(super) fn state(bastions: &[Seen], undecided: bool, failure: Option<&Refusal>) -> State {
    let is = |stands: fn(&Phase) -> bool| bastions.iter().any(|bastion| stands(&bastion.phase));
    let serving = bastions.iter().filter(|bastion| serves(&bastion.phase));
    if serving.clone().any(|bastion| !bastion.doubtful) {
        State::Ready
    } else if serving.count() > 0 {
        State::Unknown
    } else if is(|phase| matches!(phase, Phase::Starting { .. })) {
        State::Starting
    } else if undecided && failure.is_none() {
        State::Unknown
    } else if is(|phase| matches!(phase, Phase::Draining { .. })) {
        State::Stopping
    } else if failure.is_some() {
        State::Problem
    } else {
        State::Cold
    }
}

/// Whether visits go through it.
pub(super) fn serves(phase: &Phase) -> bool {
    match phase {
        Phase::Ready { .. } | Phase::Retiring { .. } => true,
        Phase::Starting { .. } | Phase::Draining { .. } | Phase::Gone => false,
    }
}

/// How long until the last of these bastions is stopped for idleness; none while one of them is used.
pub(super) fn idle_stop(bastions: &[Seen], now: Instant) -> Option<Duration> {
    let serving = bastions.iter().filter(|bastion| serves(&bastion.phase));
    let dues: Option<Vec<Instant>> = serving.map(|bastion| bastion.phase.idle_due()).collect();
    Some(dues?.into_iter().max()?.saturating_duration_since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_ready_as_long_as_one_of_its_bastions_is_proven() {
        let task = || TaskId::new("t");
        let ready = Phase::Ready { task: task(), idle_due: None };
        let seen = |phase: &Phase, doubtful| Seen { phase: phase.clone(), doubtful };
        let starting = Phase::Starting { task: None };
        let draining = Phase::Draining { task: Some(task()), taken: false };
        assert_eq!(
            state(&[seen(&starting, false), seen(&ready, false)], false, None),
            State::Ready
        );
        assert_eq!(state(&[seen(&ready, true)], false, None), State::Unknown);
        assert_eq!(
            state(&[seen(&draining, false), seen(&starting, false)], false, None),
            State::Starting
        );
        assert_eq!(
            state(&[seen(&draining, false)], false, Some(&Refusal::Closed)),
            State::Stopping
        );
        assert_eq!(state(&[], true, None), State::Unknown);
        assert_eq!(state(&[], true, Some(&Refusal::Closed)), State::Problem);
        assert_eq!(state(&[], false, Some(&Refusal::Closed)), State::Problem);
        assert_eq!(state(&[], false, None), State::Cold);
    }

    #[test]
    fn a_target_is_idle_when_all_of_its_bastions_are() {
        let (clock, _hand) = crate::clock::Clock::by_hand();
        let now = clock.now();
        let ready = |due: Option<u64>| Seen {
            phase: Phase::Ready {
                task: TaskId::new("t"),
                idle_due: due.map(|secs| now + Duration::from_secs(secs)),
            },
            doubtful: false,
        };
        assert_eq!(idle_stop(&[ready(Some(5)), ready(Some(9))], now), Some(Duration::from_secs(9)));
        assert_eq!(idle_stop(&[ready(Some(5)), ready(None)], now), None);
        assert_eq!(idle_stop(&[], now), None);
    }
}
