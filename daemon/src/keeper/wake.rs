//! The machine has slept: nothing that was ready is called so until it is proven.

use std::time::{Duration, Instant};

use bastion_api::EventKind;
use bastion_pool::BastionId;
use tracing::info;

use super::berth::Proof;
use super::desk::Running;
use super::errands;

impl Running {
    /// Looks whether the machine has slept since the last look, and sends somebody to prove each bastion that serves.
    pub(super) fn notice_sleep(&mut self) {
        let slept = self.parts.clock.slept();
        let asleep = slept.saturating_sub(self.slept);
        if asleep < A_SLEEP {
            return;
        }
        self.slept = slept;
        info!(?asleep, "the machine has slept");
        // What is due by now is due: a bastion whose idle time ended in the night is stopped, and not proven.
        self.pool.tick(self.parts.clock.now());
        for bastion in self.serving() {
            self.prove(bastion);
        }
    }

    fn prove(&mut self, bastion: BastionId) {
        let Some(berth) = self.berths.get_mut(&bastion) else { return };
        if let Proof::Awaited(_) = berth.proof {
            return;
        }
        let again = matches!(berth.proof, Proof::Overdue);
        berth.proof = Proof::Awaited(Vec::new());
        let (task, route) = (berth.task.clone(), berth.routes.values().next().cloned());
        let name = format!("prove {}", berth.target.name);
        // Whoever tries to prove it already goes on trying.
        if let (Some(desk), Some(task), false) = (self.errand(bastion), task, again) {
            let target = desk.target.name.clone();
            let words = "the machine has slept: looking whether the bastion still serves";
            self.parts.events.tell(Some(&target), EventKind::Asked, words);
            let route = route.map(|route| (*route).clone());
            self.parts.tasks.spawn(name, errands::alive(desk, task, route));
        }
    }

    /// The proof has come, or has taken too long: whoever waits for it goes on.
    pub(super) fn release(&mut self, bastion: BastionId, proof: Proof, now: Instant) {
        let Some(berth) = self.berths.get_mut(&bastion) else { return };
        let was = std::mem::replace(&mut berth.proof, proof);
        let task = berth.task.clone();
        if let (Proof::Awaited(waiting), Some(task)) = (was, task) {
            for lease in waiting {
                self.grant(lease, bastion, &task, now);
            }
        }
    }
}

/// How long a sleep must be: clocks that drift, or a machine that is stopped for a moment, are none.
const A_SLEEP: Duration = Duration::from_secs(1);
