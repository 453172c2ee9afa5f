//! A berth: one bastion in the keeper's care, and who waits for its way.

use std::collections::BTreeMap;
use std::sync::Arc;

use bastion_api::Timestamp;
use bastion_cloud::{Cloud, TaskId};
use bastion_pool::LeaseId;
use tokio_util::sync::CancellationToken;

use super::Refusal;
use crate::config::Target;
use crate::tunnels::Route;

/// One bastion in the keeper's care.
#[derive(Debug)]
pub(super) struct Berth {
    /// The target that it was started for.
    pub(super) target: Arc<Target>,
    pub(super) cloud: Arc<dyn Cloud>,
    /// Ends the start that is under way, where it may be ended.
    pub(super) give_up: CancellationToken,
    /// The task, from its name to its end.
    pub(super) task: Option<TaskId>,
    pub(super) started_at: Option<Timestamp>,
    /// The ways to the databases of its targets, by the targets' names, while it serves.
    pub(super) routes: BTreeMap<String, Arc<Route>>,
    /// Leases that it was granted to, and whose target has no way through it yet.
    pub(super) joining: BTreeMap<String, Vec<LeaseId>>,
    /// Why the cloud does not take the order to stop the task.
    pub(super) stuck: Option<Refusal>,
    /// Whether somebody has been sent to stop the task.
    pub(super) stopping: bool,
    /// Whether somebody is looking at this moment whether the task lives.
    pub(super) looked_at: bool,
    pub(super) proof: Proof,
    /// Whether it was told that it takes nobody new any more.
    pub(super) retiring: bool,
}

/// Whether it is proven that visits will go through.
#[derive(Debug)]
pub(super) enum Proof {
    /// A tunnel stood, and the machine has not slept since.
    Proven,
    /// The machine has slept; these wait for the proof.
    Awaited(Vec<LeaseId>),
    /// The machine has slept, and the proof takes long: visits meet what there is.
    Overdue,
}

impl Berth {
    pub(super) fn new(target: Arc<Target>, cloud: Arc<dyn Cloud>, task: Option<TaskId>) -> Self {
        Self {
            target,
            cloud,
            give_up: CancellationToken::new(),
            task,
            started_at: None,
            routes: BTreeMap::new(),
            joining: BTreeMap::new(),
            stuck: None,
            stopping: false,
            looked_at: false,
            proof: Proof::Proven,
            retiring: false,
        }
    }

    /// Forgets a target's way, so that its next lease has it made anew.
    pub(super) fn remake(&mut self, target: &str) {
        self.routes.remove(target);
    }

    /// Whether nobody may be told that it is ready.
    pub(super) fn is_doubtful(&self) -> bool {
        match self.proof {
            Proof::Proven => false,
            Proof::Awaited(_) | Proof::Overdue => true,
        }
    }
}
