//! What the pool wants done: errands sent out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bastion_api::EventKind;
use bastion_cloud::{Cloud, Site, TaskId};
use bastion_pool::{BastionId, Output, Phase, Raise, View};
use tracing::warn;

use super::berth::Berth;
use super::desk::Running;
use super::{Refusal, errands, view};
use crate::config::Target;

impl Running {
    pub(super) fn run_errands(&mut self, now: Instant) {
        while let Some(output) = self.pool.poll() {
            match output {
                Output::StartTask { bastion, target } => self.start_task(bastion, &target, now),
                Output::StopTask { bastion, task } => self.stop_task(bastion, task),
                Output::Overdue { bastion } => {
                    let Some(berth) = self.berths.get(&bastion) else { continue };
                    let target = berth.target.name.clone();
                    let stage = self.wards.get(&target).and_then(|ward| ward.stage(bastion));
                    self.fail(
                        &target,
                        Refusal::TookTooLong(stage.unwrap_or(bastion_api::Stage::Requesting)),
                    );
                }
                Output::Grant { lease, bastion, task } => self.grant(lease, bastion, &task, now),
                Output::Revoke { lease, why } => self.revoke(lease, why),
                Output::Vacate { bastion, target } => self.vacate(bastion, &target),
                Output::Gone { bastion } => self.let_go(bastion, now),
            }
        }
    }

    fn start_task(&mut self, bastion: BastionId, target: &str, now: Instant) {
        let Some(ward) = self.wards.get_mut(target) else { return };
        let estimate = self.history.estimate(&ward.target.site.name);
        ward.begin(bastion, estimate, now);
        let mut berth = Berth::new(Arc::clone(&ward.target), Arc::clone(&ward.cloud), None);
        berth.started_at = Some(self.parts.clock.calendar());
        let give_up = berth.give_up.clone();
        self.berths.insert(bastion, berth);
        let events = &self.parts.events;
        events.tell(Some(target), EventKind::BastionStarting, "starting a bastion");
        if let Some(desk) = self.errand(bastion) {
            self.parts.tasks.spawn(format!("start {target}"), errands::start(desk, give_up));
        }
    }

    fn stop_task(&mut self, bastion: BastionId, task: Option<TaskId>) {
        if !self.berths.contains_key(&bastion) {
            // A task that nobody asked for: all that is wanted of it is its end.
            let Some((of, cloud)) = self.origin(bastion) else {
                return warn!(?task, "nobody knows where a task is to be stopped");
            };
            self.berths.insert(bastion, Berth::new(of, cloud, task.clone()));
        }
        let Some(berth) = self.berths.get_mut(&bastion) else { return };
        berth.give_up.cancel();
        berth.routes.clear();
        let name = format!("stop {}", berth.target.name);
        berth.stopping |= task.is_some();
        if let Some(task) = &task {
            self.parts.tunnels.keep(task, false);
        }
        if let (Some(desk), Some(task)) = (self.errand(bastion), task) {
            self.parts.tasks.spawn(name, errands::stop(desk, task));
        }
    }

    /// Where a stray task runs: where the bastion was started that it came of, whatever its target means by now.
    fn origin(&self, stray: BastionId) -> Option<(Arc<Target>, Arc<dyn Cloud>)> {
        let view = self.pool.bastion(stray)?;
        let origin = view.origin?;
        let berth = self.berths.get(&origin);
        let berth = berth.map(|berth| (Arc::clone(&berth.target), Arc::clone(&berth.cloud)));
        berth.or_else(|| {
            let grave = self.graves.iter().find(|grave| grave.bastion == origin)?;
            Some((Arc::clone(&grave.target), Arc::clone(&grave.cloud)))
        })
    }

    /// A bastion is no more.
    fn let_go(&mut self, bastion: BastionId, now: Instant) {
        let Some(berth) = self.berths.remove(&bastion) else { return };
        let target = berth.target.name.clone();
        if self.graves.len() == MOST_GRAVES {
            self.graves.pop_front();
        }
        let (of, cloud) = (Arc::clone(&berth.target), Arc::clone(&berth.cloud));
        self.graves.push_back(Grave { bastion, target: of, cloud });
        if let Some(ward) = self.wards.get_mut(&target) {
            ward.end_start(bastion, now);
        }
        // A start that is given up in this way knows it by this.
        berth.give_up.cancel();
        self.lower_unused(&berth.target.site, &berth.cloud, now);
        if let Some(task) = berth.task.filter(|_| !berth.stopping) {
            // Its tunnels are of no use to anybody; who stops a task closes them first.
            let tunnels = Arc::clone(&self.parts.tunnels);
            self.parts.tasks.spawn(format!("close tunnels to {target}"), async move {
                tunnels.close(&task).await;
            });
        }
    }

    /// A service that was woken for a bastion which came to nothing is put back to sleep: no stop will do it.
    fn lower_unused(&mut self, site: &Site, cloud: &Arc<dyn Cloud>, now: Instant) {
        let used = self.berths.values().any(|other| other.target.site.name == site.name);
        if !used && self.raised.remove(&site.name) {
            let post = self.post(site, cloud);
            self.settling.lowers(&site.name);
            self.hold_back(now);
            let raise = Raise { at: self.calendar(), site: site.clone(), from: 0, to: 1 };
            let name = format!("put the service of {} back to sleep", site.name);
            self.parts.tasks.spawn(name, errands::lower(post, raise));
        }
    }

    /// A task that ends by itself is followed to its end, for the ledger.
    pub(super) fn see_off(&mut self, bastion: BastionId, task: &TaskId) {
        let Some(berth) = self.berths.get(&bastion) else { return };
        if errands::is_ours(&berth.target) {
            let post = self.post(&berth.target.site, &berth.cloud);
            let stop = errands::stop_stray(post, Some(Arc::clone(&berth.target)), task.clone());
            self.parts.tasks.spawn(format!("see off {task}"), stop);
        }
    }

    pub(super) fn vacate(&mut self, bastion: BastionId, target: &str) {
        let Some(berth) = self.berths.get_mut(&bastion) else { return };
        let Some(route) = berth.routes.remove(target) else { return };
        let tunnels = Arc::clone(&self.parts.tunnels);
        self.parts.tasks.spawn(format!("close tunnels to {target}"), async move {
            tunnels.close_route(&route.bastion.task, &route.remote).await;
        });
    }

    /// What an errand for a bastion works with.
    pub(super) fn errand(&self, bastion: BastionId) -> Option<errands::Desk> {
        let target = Arc::clone(&self.berths.get(&bastion)?.target);
        self.errand_for(bastion, target)
    }

    pub(super) fn errand_for(
        &self,
        bastion: BastionId,
        target: Arc<Target>,
    ) -> Option<errands::Desk> {
        let berth = self.berths.get(&bastion)?;
        let site = &target.site.name;
        let others = self.berths.iter().filter(|(id, other)| {
            let live = |view: View| !matches!(view.phase, Phase::Draining { .. } | Phase::Gone);
            **id != bastion
                && other.target.site.name == *site
                && self.pool.bastion(**id).is_some_and(live)
        });
        let lowers = self.raised.contains(site) && others.count() == 0;
        Some(errands::Desk {
            bastion,
            cloud: Arc::clone(&berth.cloud),
            tunnels: Arc::clone(&self.parts.tunnels),
            journal: self.parts.journal.clone(),
            clock: self.parts.clock.clone(),
            started_by: self.parts.started_by.clone(),
            lowers,
            asks: self.asks.clone(),
            stopping: self.no_more.clone(),
            sweep: self.sweep.clone(),
            target,
        })
    }

    /// What an errand for a site works with.
    pub(super) fn post(&self, site: &Site, cloud: &Arc<dyn Cloud>) -> errands::Post {
        errands::Post {
            site: site.clone(),
            cloud: Arc::clone(cloud),
            journal: self.parts.journal.clone(),
            started_by: self.parts.started_by.clone(),
            asks: self.asks.clone(),
        }
    }

    /// Looks, every now and then, whether the tasks that serve still live.
    pub(super) fn look_around(&mut self, now: Instant) {
        let serving = self.serving();
        if serving.is_empty() {
            self.next_look = None;
            return;
        }
        let due = *self.next_look.get_or_insert(now + errands::LOOK_EVERY);
        if due <= now {
            self.look_at(&serving);
            self.next_look = Some(now + errands::LOOK_EVERY);
        }
    }

    /// The bastions that visits go through, in the order in which they came to be.
    pub(super) fn serving(&self) -> Vec<BastionId> {
        let serving = self.pool.bastions().filter(|it| view::serves(&it.phase));
        serving.map(|it| it.bastion).collect()
    }

    /// Sends somebody to look whether tasks that serve still live: one question for each site, and many who doubt the same
    /// task need one look.
    pub(super) fn look_at(&mut self, bastions: &[BastionId]) {
        let mut looks: BTreeMap<String, (errands::Post, Vec<(BastionId, TaskId)>)> =
            BTreeMap::new();
        for bastion in bastions {
            let phase = self.pool.bastion(*bastion).map(|view| view.phase);
            let Some(task) = phase.and_then(|phase| phase.task().cloned()) else {
                continue;
            };
            let Some(berth) = self.berths.get_mut(bastion).filter(|berth| !berth.looked_at) else {
                continue;
            };
            berth.looked_at = true;
            let (site, cloud) = (berth.target.site.clone(), Arc::clone(&berth.cloud));
            let post = self.post(&site, &cloud);
            looks.entry(site.name).or_insert_with(|| (post, Vec::new())).1.push((*bastion, task));
        }
        for (site, (post, tasks)) in looks {
            self.parts.tasks.spawn(format!("look at {site}"), errands::look(post, tasks));
        }
    }
}

/// A bastion that is no more, and whose start may name a task yet.
#[derive(Debug)]
pub(super) struct Grave {
    bastion: BastionId,
    target: Arc<Target>,
    cloud: Arc<dyn Cloud>,
}

/// How many bastions are remembered after they have gone: as many as the pool remembers.
const MOST_GRAVES: usize = 256;
