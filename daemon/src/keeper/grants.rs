//! Who goes through which bastion: leases let through, joined, turned away and taken back.

use std::sync::Arc;
use std::time::Instant;

use bastion_api::Stage;
use bastion_cloud::TaskId;
use bastion_pool::{BastionId, LeaseId, Phase, View, Why};

use super::berth::Proof;
use super::desk::{Running, Stand};
use super::lease::{Granted, Pulse, Revoked};
use super::silence::Quiet;
use super::{Refusal, errands, view};
use crate::tunnels::Route;

impl Running {
    pub(super) fn grant(
        &mut self,
        lease: LeaseId,
        bastion: BastionId,
        task: &TaskId,
        now: Instant,
    ) {
        let Some(held) = self.leases.get(&lease) else {
            return self.pool.end(lease, now);
        };
        let target = held.target.clone();
        let Some(berth) = self.berths.get_mut(&bastion).filter(|b| b.task.as_ref() == Some(task))
        else {
            // Its task is on its way out already.
            self.pool.end(lease, now);
            return self.revoke(lease, Why::TaskGone);
        };
        if let Proof::Awaited(waiting) = &mut berth.proof {
            return waiting.push(lease);
        }
        match berth.routes.get(&target) {
            Some(route) => {
                let route = Arc::clone(route);
                self.admit(lease, route, now);
            }
            None => self.join(lease, bastion, &target),
        }
    }

    /// Sends somebody for a target's way through a bastion that serves others, or served it elsewhere.
    pub(super) fn join(&mut self, lease: LeaseId, bastion: BastionId, target: &str) {
        let Some(berth) = self.berths.get_mut(&bastion) else { return };
        if let Some(waiting) = berth.joining.get_mut(target) {
            return waiting.push(lease);
        }
        let agent = berth.routes.values().next().map(|route| route.bastion.clone());
        berth.joining.insert(target.to_owned(), vec![lease]);
        let target = self.wards.get(target).map(|ward| Arc::clone(&ward.target));
        let task = berth.task.clone();
        let Some((target, task)) = target.zip(task) else { return };
        let name = format!("join {}", target.name);
        if let Some(desk) = self.errand_for(bastion, target) {
            self.parts.tasks.spawn(name, errands::join(desk, task, agent));
        }
    }

    pub(super) fn joined(
        &mut self,
        bastion: BastionId,
        target: &str,
        came: Result<Arc<Route>, Refusal>,
        now: Instant,
    ) {
        let Some(berth) = self.berths.get_mut(&bastion) else { return };
        let waiting = berth.joining.remove(target).unwrap_or_default();
        match came {
            Ok(route) => {
                berth.routes.insert(target.to_owned(), Arc::clone(&route));
                for lease in waiting {
                    self.admit(lease, Arc::clone(&route), now);
                }
            }
            Err(why) => {
                for lease in waiting {
                    self.turn_away(lease, &why, now);
                }
                self.look_at(&[bastion]);
            }
        }
    }

    /// Lets a lease through.
    pub(super) fn admit(&mut self, lease: LeaseId, route: Arc<Route>, now: Instant) {
        // Whoever is not there any more has been told to the pool already.
        let Some(held) = self.leases.get_mut(&lease) else { return };
        let (revoked, pulse) = (Revoked::default(), Pulse::default());
        let stand = Stand::Granted(revoked.clone(), Quiet::new(pulse.clone(), now));
        let granted = Granted { route, revoked, pulse };
        if let Stand::Waiting(answer) = std::mem::replace(&mut held.stand, stand) {
            // Whoever gave up in this very moment says so by itself, when its claim is dropped.
            drop(answer.send(Ok(granted)));
        }
    }

    /// Ends a lease that the pool still has.
    pub(super) fn turn_away(&mut self, lease: LeaseId, why: &Refusal, now: Instant) {
        self.pool.end(lease, now);
        self.take_back(lease, why.clone());
    }

    pub(super) fn revoke(&mut self, lease: LeaseId, why: Why) {
        let Some(target) = self.leases.get(&lease).map(|held| held.target.clone()) else { return };
        let ward = self.wards.get(&target);
        let stuck = || {
            self.pool
                .bastions_of(&target)
                .find_map(|it| self.berths.get(&it.bastion).and_then(|berth| berth.stuck.clone()))
        };
        let failure = ward.and_then(|ward| ward.failure.clone());
        let refusal = match why {
            Why::StartFailed | Why::TaskGone => {
                failure.unwrap_or_else(|| Refusal::TaskGone(String::new()))
            }
            Why::TookTooLong => failure.unwrap_or(Refusal::TookTooLong(Stage::Discovering)),
            Why::NotStopped => stuck().unwrap_or(Refusal::NotStopped),
            Why::Closed if self.stopping.is_some() => Refusal::Stopping,
            Why::Closed => Refusal::Closed,
            Why::Silent => Refusal::Silent(
                ward.and_then(|ward| ward.target.rules.silent_after).unwrap_or_default(),
            ),
            Why::Reconnects => Refusal::Reconnects,
            Why::TooOld => {
                Refusal::TooOld(ward.map(|ward| ward.target.rules.max_life).unwrap_or_default())
            }
            Why::Removed => Refusal::Removed,
        };
        self.take_back(lease, refusal);
    }

    pub(super) fn take_back(&mut self, lease: LeaseId, refusal: Refusal) {
        match self.leases.remove(&lease).map(|held| held.stand) {
            Some(Stand::Waiting(answer)) => drop(answer.send(Err(refusal))),
            Some(Stand::Granted(revoked, _)) => revoked.revoke(refusal),
            None => {}
        }
    }

    /// The ways to a target through every bastion that serves it, the least used first.
    pub(super) fn routes(&self, target: &str) -> Vec<Arc<Route>> {
        let mut serving: Vec<_> =
            self.pool.bastions_of(target).filter(|view| view::serves(&view.phase)).collect();
        serving.sort_by_key(|view| (view.crowded, view.leases));
        let route = |view: View| self.berths.get(&view.bastion)?.routes.get(target).map(Arc::clone);
        serving.into_iter().filter_map(route).collect()
    }

    /// Answers those who wait for several bastions, once they are there or no more will come.
    pub(super) fn answer_wide(&mut self) {
        let mut waiting = Vec::new();
        for wide in std::mem::take(&mut self.wide) {
            let routes = self.routes(&wide.target);
            let coming = self.is_undecided(&wide.target)
                || self.pool.bastions_of(&wide.target).any(|view| {
                    matches!(
                        view.phase,
                        Phase::Starting { .. } | Phase::Draining { taken: false, .. }
                    )
                });
            if routes.len() < wide.bastions && coming && self.stopping.is_none() {
                waiting.push(wide);
                continue;
            }
            let failure = self.wards.get(&wide.target).and_then(|ward| ward.failure.clone());
            let answer = if routes.is_empty() {
                Err(failure.unwrap_or(Refusal::Closed))
            } else {
                Ok(routes)
            };
            // Whoever has left wants no answer.
            drop(wide.answer.send(answer));
        }
        self.wide = waiting;
    }
}
