//! The bastions of a daemon's targets: each target has its own, and never shares it.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Bastion, Input, Limits, Output, Phase, Timer};
use crate::LeaseId;

/// Every target's bastion, and who asked for which.
#[derive(Debug, Default)]
pub struct Pool {
    bastions: BTreeMap<String, Bastion>,
    /// Leases that were wanted and have not ended, with their targets.
    leases: BTreeMap<LeaseId, String>,
}

impl Pool {
    /// A pool of no targets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a target that has no bastion yet.
    pub fn add(&mut self, target: &str, limits: Limits) {
        self.bastions.entry(target.to_owned()).or_insert_with(|| Bastion::new(limits));
    }

    /// Notes that somebody wants to go to `target`; false where there is no such target.
    pub fn lease(&mut self, target: &str, lease: LeaseId, now: Instant) -> bool {
        let Some(bastion) = self.bastions.get_mut(target) else { return false };
        self.leases.insert(lease, target.to_owned());
        bastion.handle(Input::LeaseWanted(lease), now);
        true
    }

    /// Notes that a lease is no longer wanted; a second end of the same lease means nothing.
    pub fn end(&mut self, lease: LeaseId, now: Instant) {
        if let Some(target) = self.leases.remove(&lease) {
            self.handle(&target, Input::LeaseEnded(lease), now);
        }
    }

    /// Tells one target's bastion what happened.
    pub fn handle(&mut self, target: &str, input: Input, now: Instant) {
        if let Some(bastion) = self.bastions.get_mut(target) {
            bastion.handle(input, now);
        }
    }

    /// Tells every bastion whose time has come.
    pub fn tick(&mut self, now: Instant) {
        for bastion in self.bastions.values_mut() {
            if bastion.timeout().is_some_and(|(due, _)| due <= now) {
                bastion.handle(Input::Tick, now);
            }
        }
    }

    /// The next thing to do, and for which target.
    pub fn poll(&mut self) -> Option<(String, Output)> {
        let (target, output) =
            self.bastions.iter_mut().find_map(|(t, b)| Some((t.clone(), b.poll()?)))?;
        if let Output::Revoke(lease, _) = output {
            self.leases.remove(&lease);
        }
        Some((target, output))
    }

    /// When [`Pool::tick`] is next wanted, and what for.
    pub fn timeout(&self) -> Option<(Instant, Timer)> {
        self.bastions.values().filter_map(Bastion::timeout).min_by_key(|(due, _)| *due)
    }

    /// Where a target's bastion stands.
    pub fn phase(&self, target: &str) -> Option<Phase> {
        Some(self.bastions.get(target)?.phase())
    }

    /// How many leases a target has, waiting ones included.
    pub fn leases(&self, target: &str) -> usize {
        self.leases.values().filter(|of| *of == target).count()
    }

    /// Every target's name, in order.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.bastions.keys().map(String::as_str)
    }
}
