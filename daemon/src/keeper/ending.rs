//! The daemon's own end: bastions stopped, or left.

use std::sync::Arc;
use std::time::Instant;

use bastion_pool::{BastionId, Input, LeaseId, Phase};

use super::desk::Running;
use super::{Answer, Refusal};
use crate::config::OnStop;

impl Running {
    pub(super) fn begin_to_stop(&mut self, answer: Answer<()>, now: Instant) {
        let first = self.stopping.is_none();
        self.stopping.get_or_insert_default().push(answer);
        if !first {
            return;
        }
        if self.parts.on_stop == OnStop::Stop {
            self.sweep.cancel();
        }
        self.no_more.cancel();
        match self.parts.on_stop {
            OnStop::Stop => self.pool.close_all(now),
            OnStop::Leave => self.leave(now),
        }
    }

    /// Whether the daemon is stopping, and leaves everything as it is.
    pub(super) fn leaves(&self) -> bool {
        self.stopping.is_some() && self.parts.on_stop == OnStop::Leave
    }

    /// What is taken into care while the daemon is stopping is stopped like everything else.
    pub(super) fn stop_on(&mut self, now: Instant) {
        if self.stopping.is_some() {
            self.pool.close_all(now);
        }
    }

    /// Lets what serves go on without us; what is on its way has nobody who waits for it.
    fn leave(&mut self, now: Instant) {
        let starting =
            self.pool.bastions().filter(|view| matches!(view.phase, Phase::Starting { .. }));
        let starting: Vec<BastionId> = starting.map(|view| view.bastion).collect();
        for bastion in starting {
            self.pool.handle(bastion, Input::CloseWanted, now);
        }
        let leases: Vec<LeaseId> = self.leases.keys().copied().collect();
        for lease in leases {
            self.take_back(lease, Refusal::Stopping);
        }
        for berth in self.berths.values().filter(|berth| !berth.routes.is_empty()) {
            if let Some(task) = berth.task.clone() {
                // Nobody could resume their sessions, and each would hold a place until its idle limit.
                let tunnels = Arc::clone(&self.parts.tunnels);
                self.parts.tasks.spawn("close tunnels", async move { tunnels.close(&task).await });
            }
        }
    }

    /// Answers those who wait for the end, once the cloud has taken every order.
    pub(super) fn answer_stop(&mut self) {
        let leaves = self.leaves();
        let looking = !leaves && self.is_looking();
        let Some(waiting) = &mut self.stopping else { return };
        let done = !looking
            && self.pool.bastions().all(|view| match view.phase {
                Phase::Gone | Phase::Draining { taken: true, .. } => true,
                Phase::Ready { .. } | Phase::Retiring { .. } => leaves,
                // A start that was given up may still be named, and is stopped then; or it fails, and is gone.
                Phase::Starting { .. } | Phase::Draining { taken: false, .. } => false,
            });
        if done {
            for answer in waiting.drain(..) {
                // Nobody waiting any more is no fault.
                answer.send(()).ok();
            }
        }
    }
}
