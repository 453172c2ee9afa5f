//! Who is on one bastion, or waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::LeaseId;

/// Leases, counted by what they do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Leases {
    all: BTreeMap<LeaseId, Claim>,
    /// How many leases each target has.
    targets: BTreeMap<Arc<str>, usize>,
    stirring: usize,
    on_trial: usize,
}

/// Whose lease it is, and what it does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// The target that it leads to.
    pub target: Arc<str>,
    /// What it does.
    pub mood: Mood,
}

/// What a lease does with its bastion.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mood {
    /// It moves bytes, or has done so not long ago: it holds its bastion.
    Stirring,
    /// It has moved no byte for long: it is let be, and holds nothing.
    Silent,
    /// It came right after such a one was ended: it holds nothing until it has asked for something.
    OnTrial,
}

impl Leases {
    pub(crate) fn insert(&mut self, lease: LeaseId, claim: Claim) {
        self.remove(lease);
        *self.targets.entry(Arc::clone(&claim.target)).or_default() += 1;
        self.count(claim.mood, true);
        self.all.insert(lease, claim);
    }

    pub(crate) fn remove(&mut self, lease: LeaseId) -> Option<Claim> {
        let claim = self.all.remove(&lease)?;
        if let Some(count) = self.targets.get_mut(&claim.target) {
            *count -= 1;
            if *count == 0 {
                self.targets.remove(&claim.target);
            }
        }
        self.count(claim.mood, false);
        Some(claim)
    }

    pub(crate) fn set_mood(&mut self, lease: LeaseId, mood: Mood) {
        if let Some(claim) = self.remove(lease) {
            self.insert(lease, Claim { mood, ..claim });
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LeaseId, &Claim)> {
        self.all.iter().map(|(lease, claim)| (*lease, claim))
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many hold the bastion.
    pub(crate) fn stirring(&self) -> usize {
        self.stirring
    }

    /// Whether there is somebody, and everybody is on trial.
    pub(crate) fn all_on_trial(&self) -> bool {
        self.on_trial > 0 && self.on_trial == self.all.len()
    }

    pub(crate) fn has_target(&self, target: &str) -> bool {
        self.targets.contains_key(target)
    }

    /// Every target that somebody is here for.
    pub(crate) fn targets(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.targets.keys()
    }

    fn count(&mut self, mood: Mood, more: bool) {
        let count = match mood {
            Mood::Stirring => &mut self.stirring,
            Mood::OnTrial => &mut self.on_trial,
            Mood::Silent => return,
        };
        if more {
            *count += 1;
        } else {
            *count -= 1;
        }
    }
}
