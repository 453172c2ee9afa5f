//! What the pool keeps of each target, group, bastion and lease.

use super::*;

/// A number of a group, unique while the daemon runs.
pub(super) type GroupId = u64;

/// One target.
#[derive(Debug)]
pub(super) struct Berth {
    pub(super) group: GroupId,
    pub(super) limits: Limits,
    pub(super) restraint: Restraint,
}

/// What shares bastions.
#[derive(Debug)]
pub(super) struct Group {
    /// The site whose targets share, where they do.
    pub(super) site: Option<String>,
    /// How many targets a bastion takes; none where there is only one anyway.
    pub(super) seats: Option<usize>,
    /// How many bastions there may be for load.
    pub(super) most: usize,
    /// How many a person wants.
    pub(super) width: usize,
    /// The target that a person wants so many for.
    pub(super) wider: Option<Arc<str>>,
    /// Whether some of them could not be started yet.
    pub(super) short: bool,
    pub(super) targets: BTreeSet<Arc<str>>,
    pub(super) members: BTreeSet<BastionId>,
    /// Who waits for a start to be possible, and until when.
    pub(super) queue: BTreeMap<LeaseId, (Claim, Instant)>,
    /// Whether bastions of it may be out there that nobody has decided upon yet.
    pub(super) undecided: bool,
}

/// One bastion, and what the pool knows of it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) bastion: Bastion,
    pub(super) group: Option<GroupId>,
    /// The target that it was started for.
    pub(super) target: Arc<str>,
    pub(super) crowded: bool,
    pub(super) found: bool,
    /// The bastion whose start has made its task, where that has no use for it.
    pub(super) origin: Option<BastionId>,
    /// Since when it serves.
    pub(super) ready: Option<Instant>,
    /// Targets that may have tunnels through it.
    pub(super) seated: BTreeSet<Arc<str>>,
    /// Whether it retires, and a successor was started or tried.
    pub(super) succeeded: bool,
}

/// Where a lease is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) target: Arc<str>,
    pub(super) at: At,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum At {
    Queue(GroupId),
    Waiting(BastionId),
    Granted(BastionId),
}

impl Member {
    pub(super) fn new(bastion: Bastion, group: Option<GroupId>, target: Arc<str>) -> Self {
        Self {
            bastion,
            group,
            target,
            crowded: false,
            found: false,
            origin: None,
            ready: None,
            seated: BTreeSet::new(),
            succeeded: false,
        }
    }

    /// Whether nobody is on it or waits for it.
    pub(super) fn is_unused(&self) -> bool {
        self.bastion.leases().is_none_or(Leases::is_empty)
    }

    pub(super) fn stirring(&self) -> usize {
        self.bastion.leases().map_or(0, Leases::stirring)
    }

    pub(super) fn is_used_and_retires(&self) -> bool {
        self.bastion.stand() == Stand::Retiring && self.stirring() > 0
    }

    /// The targets to which it matters what becomes of it.
    pub(super) fn concerned(&self) -> BTreeSet<Arc<str>> {
        let leases = self.bastion.leases().into_iter();
        let mut targets: BTreeSet<_> = leases.flat_map(Leases::targets).cloned().collect();
        targets.insert(Arc::clone(&self.target));
        targets
    }
}
