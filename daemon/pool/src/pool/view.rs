//! The pool, for those who show it.

use super::*;
use crate::Phase;

/// One bastion at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct View {
    /// The bastion.
    pub bastion: BastionId,
    /// The target that it was started for; the config may know it no more.
    pub target: Arc<str>,
    /// Where it stands.
    pub phase: Phase,
    /// How many leases are on it or wait for it.
    pub leases: usize,
    /// How many of them hold it.
    pub stirring: usize,
    /// Every target that one of them is for.
    pub targets: Vec<Arc<str>>,
    /// Whether every tunnel of it is busy with bulk.
    pub crowded: bool,
    /// Whether a run before us started it.
    pub found: bool,
    /// The bastion whose start has made its task, where that has no use for it: it runs where that one was started.
    pub origin: Option<BastionId>,
    /// Since when it serves.
    pub ready: Option<Instant>,
    /// When it takes nobody new any more, and when it ends; none where the task is somebody else's.
    pub life: Option<(Instant, Instant)>,
}

impl Pool {
    /// Every bastion, in the order in which they came to be.
    pub fn bastions(&self) -> impl Iterator<Item = View> {
        self.bastions.iter().map(|(id, member)| member.view(*id))
    }

    /// One bastion.
    pub fn bastion(&self, bastion: BastionId) -> Option<View> {
        Some(self.bastions.get(&bastion)?.view(bastion))
    }

    /// The bastions that a target may go through, in the order in which they came to be; one that retires since the target
    /// is another now is not among them.
    pub fn bastions_of(&self, target: &str) -> impl Iterator<Item = View> {
        let group = self.targets.get(target).and_then(|berth| self.groups.get(&berth.group));
        let members = group.into_iter().flat_map(|group| &group.members);
        members.filter_map(|id| self.bastion(*id))
    }

    /// Every lease that is on a bastion or waits for it: whose it is, and what it does.
    pub fn leases_on(&self, bastion: BastionId) -> impl Iterator<Item = (LeaseId, &Claim)> {
        let leases = self.bastions.get(&bastion).and_then(|member| member.bastion.leases());
        leases.into_iter().flat_map(Leases::iter)
    }

    /// The bastion that a lease was granted.
    pub fn granted(&self, lease: LeaseId) -> Option<BastionId> {
        match self.leases.get(&lease)?.at {
            At::Granted(bastion) => Some(bastion),
            At::Waiting(_) | At::Queue(_) => None,
        }
    }

    /// How many leases a target has, waiting ones included.
    pub fn leases(&self, target: &str) -> usize {
        self.leases.values().filter(|place| *place.target == *target).count()
    }

    /// Every target's name, in order.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(|target| &**target)
    }

    /// Why no visit starts a bastion for a target now, and until when; a person's own `open` does.
    pub fn held_back(&self, target: &str, now: Instant) -> Option<(Why, Instant)> {
        self.targets.get(target)?.restraint.standing(now)
    }
}

impl Member {
    fn view(&self, bastion: BastionId) -> View {
        let leases = self.bastion.leases();
        View {
            bastion,
            target: Arc::clone(&self.target),
            phase: self.bastion.phase(),
            leases: leases.map_or(0, Leases::len),
            stirring: leases.map_or(0, Leases::stirring),
            targets: leases.into_iter().flat_map(Leases::targets).cloned().collect(),
            crowded: self.crowded,
            found: self.found,
            origin: self.origin,
            ready: self.ready,
            life: self.bastion.life(),
        }
    }
}
