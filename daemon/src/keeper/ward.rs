//! A ward: one target in the keeper's care, and how its state is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bastion_api::{EventKind, State};
use bastion_cloud::{Cloud, Stage};
use bastion_pool::BastionId;
use tokio::sync::watch;

use super::view::{self, Seen};
use super::{Refusal, Start};
use crate::config::Target;

/// One target in the keeper's care.
#[derive(Debug)]
pub(super) struct Ward {
    pub(super) target: Arc<Target>,
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) start: watch::Sender<Start>,
    /// Which bastion that start is of.
    starting: Option<Starting>,
    /// Why the last start failed, or why the bastion was lost.
    pub(super) failure: Option<Refusal>,
    /// What was last told of it, and since when.
    state: (State, Instant),
    idle: bool,
}

/// A start that is under way.
#[derive(Debug)]
struct Starting {
    bastion: BastionId,
    /// When it reached each stage.
    stages: Vec<(Stage, Instant)>,
}

impl Ward {
    pub(super) fn new(target: Arc<Target>, cloud: Arc<dyn Cloud>, now: Instant) -> Self {
        Self {
            target,
            cloud,
            start: watch::Sender::new(Start::default()),
            starting: None,
            failure: None,
            state: (State::Cold, now),
            idle: false,
        }
    }

    /// A start begins, unless one is shown already.
    pub(super) fn begin(&mut self, bastion: BastionId, estimate: Option<Duration>, now: Instant) {
        if self.starting.is_some() {
            return;
        }
        self.starting = Some(Starting { bastion, stages: vec![(Stage::Discovering, now)] });
        self.start.send_modify(|start| {
            let stage = Some(in_words(Stage::Discovering));
            *start = Start { stage, since: Some(now), estimate };
        });
    }

    /// The start that is shown has come so far; its stage's word, where that is news.
    pub(super) fn reach(
        &mut self,
        bastion: BastionId,
        stage: Stage,
        now: Instant,
    ) -> Option<&'static str> {
        let starting = self.starting.as_mut().filter(|starting| starting.bastion == bastion)?;
        if starting.stages.last().is_some_and(|(last, _)| *last == stage) {
            return None;
        }
        starting.stages.push((stage, now));
        let stage = in_words(stage);
        self.start.send_modify(|start| start.stage = Some(stage));
        Some(stage.words())
    }

    /// The stage that the start of a bastion hangs in.
    pub(super) fn stage(&self, bastion: BastionId) -> Option<bastion_api::Stage> {
        let starting = self.starting.as_ref().filter(|starting| starting.bastion == bastion)?;
        starting.stages.last().map(|(stage, _)| in_words(*stage))
    }

    /// The start is over; how long it spent in each of its stages.
    pub(super) fn end_start(
        &mut self,
        bastion: BastionId,
        now: Instant,
    ) -> Option<Vec<(Stage, Duration)>> {
        let starting = self.starting.take_if(|starting| starting.bastion == bastion)?;
        self.start.send_modify(|start| {
            start.stage = None;
            start.since = None;
        });
        let ends = starting.stages.iter().skip(1).map(|(_, since)| *since).chain([now]);
        let took = starting.stages.iter().zip(ends);
        Some(took.map(|((stage, since), end)| (*stage, end - *since)).collect())
    }

    /// What was last told of it, and since when.
    pub(super) fn state(&self) -> (State, Instant) {
        self.state
    }

    /// Takes note of the state that it is in, and says what there is to tell of it.
    pub(super) fn note(
        &mut self,
        bastions: &[Seen],
        undecided: bool,
        now: Instant,
    ) -> Option<(EventKind, &'static str)> {
        let idle = view::idle_stop(bastions, now).is_some();
        let was_idle = std::mem::replace(&mut self.idle, idle);
        let fell_idle = idle && !was_idle;
        let state = view::state(bastions, undecided, self.failure.as_ref());
        if self.state.0 == state {
            return fell_idle.then_some((EventKind::BastionIdle, "nobody uses it any more"));
        }
        let was = std::mem::replace(&mut self.state, (state, now)).0;
        match state {
            State::Ready if was == State::Unknown => Some((EventKind::BastionReady, "still ready")),
            State::Ready if idle => Some((EventKind::BastionReady, "ready, nobody uses it yet")),
            State::Ready => Some((EventKind::BastionReady, "ready")),
            State::Stopping => Some((EventKind::BastionStopping, "stopping")),
            // What was lost is told as a problem; and what only was about to run had nothing to stop.
            State::Cold | State::Problem => {
                let ended = was == State::Stopping || (was == State::Ready && state == State::Cold);
                ended.then_some((EventKind::BastionStopped, "stopped"))
            }
            State::Starting | State::Unknown => None,
        }
    }
}

/// A stage in bastion-api's word.
fn in_words(stage: Stage) -> bastion_api::Stage {
    match stage {
        Stage::Discovering => bastion_api::Stage::Discovering,
        Stage::Requesting => bastion_api::Stage::Requesting,
        Stage::Provisioning => bastion_api::Stage::Provisioning,
        Stage::Pulling => bastion_api::Stage::Pulling,
        Stage::StartingAgent => bastion_api::Stage::StartingAgent,
        Stage::Connecting => bastion_api::Stage::Connecting,
    }
}
