//! A ward: one target in the keeper's care, and how its state is told.

use std::sync::Arc;
use std::time::Instant;

use bastion_api::{EventKind, Stage, State, Timestamp};
use bastion_cloud::{Cloud, TaskId};
use bastion_pool::single::Phase;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Refusal, Standing, Start, view};
use crate::config::Target;
use crate::tunnels::Route;

/// One target in the keeper's care.
#[derive(Debug)]
pub(super) struct Ward {
    pub(super) target: Arc<Target>,
    pub(super) cloud: Arc<dyn Cloud>,
    /// Ends the start that is under way, where it may be ended.
    pub(super) give_up: CancellationToken,
    pub(super) start: watch::Sender<Start>,
    /// The task, from its name to its end.
    pub(super) task: Option<TaskId>,
    pub(super) started_at: Option<Timestamp>,
    /// The way to the database, while the bastion is ready.
    pub(super) route: Option<Arc<Route>>,
    /// Why the last start failed, or why the bastion was lost.
    pub(super) failure: Option<Refusal>,
    /// Why the cloud does not take the order to stop the task.
    pub(super) stuck: Option<Refusal>,
    /// Whether the cloud has taken the order to stop the task that is on its way out.
    pub(super) stop_taken: bool,
    /// Whether somebody is looking at this moment whether the task lives.
    pub(super) looked_at: bool,
    /// What was last told of it, and since when.
    state: (State, Instant),
    idle: bool,
}

impl Ward {
    pub(super) fn new(target: Arc<Target>, cloud: Arc<dyn Cloud>, now: Instant) -> Self {
        Self {
            target,
            cloud,
            give_up: CancellationToken::new(),
            start: watch::Sender::new(Start::default()),
            task: None,
            started_at: None,
            route: None,
            failure: None,
            stuck: None,
            stop_taken: false,
            looked_at: false,
            state: (State::Cold, now),
            idle: false,
        }
    }

    /// A start begins.
    pub(super) fn begin(&mut self, now: Instant, calendar: Timestamp) {
        self.give_up = CancellationToken::new();
        self.task = None;
        self.started_at = Some(calendar);
        self.start.send_modify(|start| {
            start.stage = Some(Stage::Discovering);
            start.since = Some(now);
        });
    }

    /// Takes note of the state that it is in, and says what there is to tell of it.
    pub(super) fn note(
        &mut self,
        phase: &Phase,
        now: Instant,
    ) -> Option<(EventKind, &'static str)> {
        let idle = matches!(phase, Phase::Ready { idle_due: Some(_), .. });
        let was_idle = std::mem::replace(&mut self.idle, idle);
        let fell_idle = idle && !was_idle;
        let state = view::state(phase, self.failure.as_ref());
        if self.state.0 == state {
            return fell_idle.then_some((EventKind::BastionIdle, "nobody uses it any more"));
        }
        let was = std::mem::replace(&mut self.state, (state, now)).0;
        if was == State::Starting {
            self.start.send_modify(|start| {
                if state == State::Ready {
                    start.estimate = start.since.map(|since| now.duration_since(since));
                }
                start.stage = None;
                start.since = None;
            });
        }
        match state {
            State::Ready if idle => Some((EventKind::BastionReady, "ready, nobody uses it yet")),
            State::Ready => Some((EventKind::BastionReady, "ready")),
            State::Stopping => Some((EventKind::BastionStopping, "stopping")),
            State::Problem if was != State::Stopping => None,
            // A problem that a person has put aside had nothing left to stop.
            State::Cold if was == State::Problem => None,
            State::Cold | State::Problem => Some((EventKind::BastionStopped, "stopped")),
            State::Starting | State::Unknown => None,
        }
    }

    /// Where it stands; `holds` of its leases are holds.
    pub(super) fn standing(&self, phase: &Phase, holds: usize, now: Instant) -> Standing {
        let start = *self.start.borrow();
        Standing {
            target: self.target.name.clone(),
            state: view::state(phase, self.failure.as_ref()),
            for_so_long: now.saturating_duration_since(self.state.1),
            elapsed: start.since.map(|since| now.saturating_duration_since(since)),
            start,
            task: self.task.clone(),
            started_at: self.task.as_ref().and(self.started_at),
            holds: u32::try_from(holds).unwrap_or(u32::MAX),
            idle_stop: view::idle_stop(phase, now),
            failure: self.failure.clone(),
            stuck: self.stuck.clone(),
        }
    }
}
