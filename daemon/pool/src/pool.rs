//! The bastions of a daemon's targets: which one a lease gets, when one more is wanted.
//!
//! ```text
//!   a lease:   a ready one with a seat (not crowded, then the fewest leases)      ── granted at once;
//!                   all crowded: granted all the same, one more started beside
//!              else one that is starting                                          ── waits
//!              else a new one                                                     ── waits
//!                   the last start failed not long ago: refused, or the one that retires
//!                   a task is still being asked to stop, or the journal is not compared yet: waits its turn
//! ```
//!
//! A *group* is what shares bastions: one target, or the targets of a site that shares. Within a shared one each target
//! takes a seat, for the agent serves so many sessions and no more. The seat of a target that nobody uses goes to the next
//! that needs one ([`Output::Vacate`]).

mod group;
mod place;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bastion_cloud::TaskId;

use crate::bastion::Stand;
use crate::leases::Leases;
use crate::restraint::{Leave, Restraint};
use crate::{Bastion, BastionId, Claim, Deed, Input, LeaseId, Limits, Mood, Terms, Timer, Why};

use group::{At, Berth, Group, GroupId, Member, Place};
pub use view::View;

/// Every bastion, who is on it, and what is wanted next.
#[derive(Debug, Default)]
pub struct Pool {
    targets: BTreeMap<Arc<str>, Berth>,
    groups: BTreeMap<GroupId, Group>,
    bastions: BTreeMap<BastionId, Member>,
    leases: BTreeMap<LeaseId, Place>,
    outputs: VecDeque<Output>,
    /// Bastions that have gone, of which a start that still runs may name a task yet: their targets.
    graves: VecDeque<(BastionId, Arc<str>, Limits)>,
    last_bastion: u64,
    last_group: u64,
}

/// Somebody who wants to go to a target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wish {
    /// The lease's number.
    pub lease: LeaseId,
    /// Where to.
    pub target: String,
    /// Whether a person asked for it in so many words: then no failure of late, and no client's reconnecting, holds it
    /// back, and it is never silent.
    pub by_person: bool,
}

/// What to do, in this order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Ask the cloud for a task; this target wanted it first.
    StartTask {
        /// The bastion.
        bastion: BastionId,
        /// The target.
        target: Arc<str>,
    },
    /// Ask the cloud to end the task; `None` where it has no name yet: the start is given up.
    StopTask {
        /// The bastion.
        bastion: BastionId,
        /// Its task.
        task: Option<TaskId>,
    },
    /// Note that a start took longer than it may, whether anybody waits for it or not.
    Overdue {
        /// The bastion.
        bastion: BastionId,
    },
    /// Let this lease through.
    Grant {
        /// The lease.
        lease: LeaseId,
        /// Through this bastion.
        bastion: BastionId,
        /// Which is this task.
        task: TaskId,
    },
    /// Tell this lease that it gets none, or that its bastion is no more.
    Revoke {
        /// The lease.
        lease: LeaseId,
        /// Why.
        why: Why,
    },
    /// Close this target's tunnels through this bastion: nobody uses them, and another target takes the seat.
    Vacate {
        /// The bastion.
        bastion: BastionId,
        /// The target.
        target: Arc<str>,
    },
    /// Nothing is left of this bastion.
    Gone {
        /// The bastion.
        bastion: BastionId,
    },
}

/// How a target leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Removal {
    /// Whoever uses it is told to go.
    AtOnce,
    /// Whoever uses it may stay to the end; whoever waits is refused.
    WhenUnused,
}

impl Pool {
    /// A pool of no targets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a target; one that is known already stays as it is.
    pub fn add(&mut self, target: &str, terms: &Terms) {
        if self.targets.contains_key(target) {
            return;
        }
        let target: Arc<str> = target.into();
        let shared = terms.share.as_ref().and_then(|share| {
            let of_site = |group: &&mut Group| group.site.as_ref() == Some(&share.site);
            self.groups.iter_mut().find_map(|(id, group)| of_site(&group).then_some(*id))
        });
        let group = shared.unwrap_or_else(|| self.new_group(terms));
        let restraint = Restraint::new(seed(&target));
        self.groups.get_mut(&group).expect("just found").targets.insert(Arc::clone(&target));
        self.targets.insert(target, Berth { group, limits: terms.limits, restraint });
    }

    /// Other terms for a target, which its leases do not feel. Where it shares now and did not, or the other way round, its
    /// bastions go when they are no longer used, and who waits gets one of the new kind.
    pub fn alter(&mut self, target: &str, terms: &Terms, now: Instant) {
        let Some(berth) = self.targets.get_mut(target) else { return };
        let Some(group) = self.groups.get_mut(&berth.group) else { return };
        if group.site.as_ref() != terms.share.as_ref().map(|share| &share.site) {
            return self.replace(target, terms, now);
        }
        berth.limits = terms.limits;
        group.most = terms.most.max(1);
        group.seats = terms.share.as_ref().map(|share| share.seats.max(1));
        for id in &group.members {
            if let Some(member) = self.bastions.get_mut(id).filter(|m| *m.target == *target) {
                member.bastion.set_limits(terms.limits);
            }
        }
        let group = berth.group;
        self.settle(group, now);
    }

    /// A target of the same name that is another: its bastions go when they are no longer used, and who waits gets a new
    /// one.
    pub fn replace(&mut self, target: &str, terms: &Terms, now: Instant) {
        let waiting: Vec<LeaseId> = self
            .leases
            .iter()
            .filter(|(_, place)| *place.target == *target && !matches!(place.at, At::Granted(_)))
            .map(|(lease, _)| *lease)
            .collect();
        for lease in &waiting {
            self.end(*lease, now);
        }
        self.remove(target, Removal::WhenUnused, now);
        self.add(target, terms);
        for lease in waiting {
            self.lease(Wish { lease, target: target.to_owned(), by_person: false }, now);
        }
    }

    /// Sends away everybody who uses a target or waits for it. Its bastions stay, and are idle from here on.
    pub fn evict(&mut self, target: &str, now: Instant) {
        let Some((target, berth)) = self.targets.get_key_value(target) else { return };
        let (target, group) = (Arc::clone(target), berth.group);
        self.revoke_all(&target, Why::Removed, true, now);
        self.settle(group, now);
    }

    /// Lets a target go. In a shared bastion others stay as they are.
    pub fn remove(&mut self, target: &str, how: Removal, now: Instant) {
        let Some((target, berth)) = self.targets.remove_entry(target) else { return };
        let Some(group) = self.groups.get_mut(&berth.group) else { return };
        group.targets.remove(&target);
        let (last, members) = (group.targets.is_empty(), group.members.clone());
        self.revoke_all(&target, Why::Removed, how == Removal::AtOnce, now);
        for id in members {
            match how {
                Removal::AtOnce if last => self.tell(id, Input::CloseWanted, now),
                Removal::WhenUnused if last => self.tell(id, Input::RetireWanted, now),
                Removal::AtOnce => self.vacate(id, &target),
                // Its tunnels go with its visits.
                Removal::WhenUnused => {}
            }
        }
        self.settle(berth.group, now);
    }

    /// Notes that somebody wants to go to a target; false where there is no such target. The answer is an output:
    /// [`Output::Grant`] or [`Output::Revoke`].
    pub fn lease(&mut self, wish: Wish, now: Instant) -> bool {
        let Wish { lease, target, by_person } = wish;
        let Some((target, berth)) = self.targets.get_key_value(target.as_str()) else {
            return false;
        };
        let (target, group) = (Arc::clone(target), berth.group);
        let restraint = &mut self.targets.get_mut(&target).expect("just found").restraint;
        if by_person {
            restraint.forgive();
        }
        let leave = restraint.judge(now);
        self.place(lease, &target, leave, group, now);
        self.fill_up(group, now);
        self.settle(group, now);
        true
    }

    /// Notes that a lease is no longer wanted; a second end of the same lease means nothing.
    pub fn end(&mut self, lease: LeaseId, now: Instant) {
        let Some(place) = self.leases.remove(&lease) else { return };
        match place.at {
            At::Queue(group) => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.queue.remove(&lease);
                }
            }
            At::Waiting(bastion) | At::Granted(bastion) => {
                self.tell(bastion, Input::LeaseEnded(lease), now);
            }
        }
    }

    /// Notes that a lease has been silent for as long as the config allows, or that it stirs again.
    pub fn silent(&mut self, lease: LeaseId, silent: bool, now: Instant) {
        let Some(Place { at: At::Granted(bastion), .. }) = self.leases.get(&lease) else { return };
        let input = match silent {
            true => Input::LeaseSilent(lease),
            false => Input::LeaseStirs(lease),
        };
        self.tell(*bastion, input, now);
    }

    /// Notes that a lease has asked its database for something, beyond its login: whoever does so is no client that merely
    /// reconnects.
    pub fn asked(&mut self, lease: LeaseId, now: Instant) {
        let Some(place) = self.leases.get(&lease) else { return };
        if let Some(berth) = self.targets.get_mut(&place.target) {
            berth.restraint.calm();
        }
        self.silent(lease, false, now);
    }

    /// Tells one bastion what happened. Leases have calls of their own.
    pub fn handle(&mut self, bastion: BastionId, input: Input, now: Instant) {
        match input {
            Input::LeaseEnded(lease) => self.end(lease, now),
            Input::LeaseSilent(lease) => self.silent(lease, true, now),
            Input::LeaseStirs(lease) => self.silent(lease, false, now),
            // A lease is brought to a bastion by the pool alone.
            Input::LeaseWanted(..) => {}
            told @ (Input::TaskNamed(_)
            | Input::TaskReady(_)
            | Input::StartFailed
            | Input::StartUncertain
            | Input::StopTaken(_)
            | Input::TaskGone(_)
            | Input::CloseWanted
            | Input::RetireWanted
            | Input::Keep(_)
            | Input::Tick) => self.tell_or_bury(bastion, told, now),
        }
    }

    /// Stops a target's bastions whoever uses them; a bastion that others share stays for them. What held starts back is
    /// forgotten, for whoever closes a target knows of it.
    pub fn close(&mut self, target: &str, now: Instant) {
        let Some((target, berth)) = self.targets.get_key_value(target) else { return };
        let (target, id) = (Arc::clone(target), berth.group);
        self.forgive(&target);
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.width = 0;
        let (shared, members) = (group.site.is_some(), group.members.clone());
        self.revoke_all(&target, Why::Closed, true, now);
        for id in members {
            if shared && self.bastions.get(&id).is_some_and(|member| !member.is_unused()) {
                self.vacate(id, &target);
            } else {
                self.tell(id, Input::CloseWanted, now);
            }
        }
        self.settle(id, now);
    }

    /// Stops every bastion, and refuses whoever waits: the daemon's own end.
    pub fn close_all(&mut self, now: Instant) {
        let targets: Vec<_> = self.targets.keys().cloned().collect();
        for target in targets {
            self.close(&target, now);
        }
        // What is left belongs to targets that were removed.
        let left: Vec<_> = self.bastions.keys().copied().collect();
        for bastion in left {
            self.tell(bastion, Input::CloseWanted, now);
        }
    }

    /// Says whether every tunnel of a bastion is busy with bulk, and none may be opened beside.
    pub fn crowd(&mut self, bastion: BastionId, crowded: bool) {
        if let Some(member) = self.bastions.get_mut(&bastion) {
            member.crowded = crowded;
        }
    }

    /// Says how many bastions a person wants for a target, beyond any limit; they are started now, and stay while any of
    /// them is used. It holds until another number is said, the target is closed, or all of them have gone.
    pub fn widen(&mut self, target: &str, bastions: usize, now: Instant) {
        let Some(berth) = self.targets.get_mut(target) else { return };
        berth.restraint.forgive();
        let id = berth.group;
        if let Some(group) = self.groups.get_mut(&id) {
            group.width = bastions;
            group.wider = Some(target.into());
        }
        self.fill_up(id, now);
        self.settle(id, now);
    }

    /// Says that what made a target's starts fail is mended: the next visit starts a bastion at once.
    pub fn forgive(&mut self, target: &str) {
        if let Some(berth) = self.targets.get_mut(target) {
            berth.restraint.forgive();
        }
    }

    /// Says whether bastions of a target may be out there that nobody has decided upon: while so, nothing is started for
    /// it, and visits wait.
    pub fn undecided(&mut self, target: &str, undecided: bool, now: Instant) {
        let Some(berth) = self.targets.get(target) else { return };
        let id = berth.group;
        if let Some(group) = self.groups.get_mut(&id) {
            group.undecided = undecided;
        }
        self.settle(id, now);
    }

    /// Takes in a task that was found, may live for so long, and may be of use to a target: it is starting until it has
    /// proven itself ([`Input::TaskReady`]). None where there is no such target.
    pub fn adopt(
        &mut self,
        target: &str,
        task: TaskId,
        left: Duration,
        now: Instant,
    ) -> Option<BastionId> {
        let (target, berth) = self.targets.get_key_value(target)?;
        let (target, group, limits) = (Arc::clone(target), berth.group, berth.limits);
        let age = limits.life.map(|life| life.saturating_sub(left)).unwrap_or_default();
        let bastion = Bastion::found(limits, task, age, now);
        let id = self.insert(Member { found: true, ..Member::new(bastion, Some(group), target) });
        self.settle(group, now);
        Some(id)
    }

    /// Takes in a task of which nothing is wanted but its end; it is asked to stop until it has.
    pub fn abandon(
        &mut self,
        target: &str,
        task: TaskId,
        limits: Limits,
        now: Instant,
    ) -> BastionId {
        self.abandon_from(None, target, task, limits, now)
    }

    /// The same for a task that a start has made, and that its bastion has no use for.
    fn abandon_from(
        &mut self,
        origin: Option<BastionId>,
        target: &str,
        task: TaskId,
        limits: Limits,
        now: Instant,
    ) -> BastionId {
        let group = self.targets.get(target).map(|berth| berth.group);
        let bastion = Bastion::unwanted(limits, task, now);
        let id = self.insert(Member { origin, ..Member::new(bastion, group, target.into()) });
        self.take_deeds(id, now);
        id
    }

    /// Tells every bastion whose time has come, and whoever has waited too long.
    pub fn tick(&mut self, now: Instant) {
        let is_due = |member: &Member| member.bastion.timeout().is_some_and(|(due, _)| due <= now);
        let due: Vec<_> =
            self.bastions.iter().filter(|(_, m)| is_due(m)).map(|(id, _)| *id).collect();
        for bastion in due {
            self.tell(bastion, Input::Tick, now);
        }
        for group in self.groups.values_mut() {
            let why = if group.undecided { Why::TookTooLong } else { Why::NotStopped };
            let due = group.queue.extract_if(.., |_, (_, due)| *due <= now);
            for (lease, _) in due {
                self.leases.remove(&lease);
                self.outputs.push_back(Output::Revoke { lease, why });
            }
        }
    }

    /// The next thing to do, if any.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Pool::tick`] is next wanted, and what for.
    pub fn timeout(&self) -> Option<(Instant, Timer)> {
        let bastions = self.bastions.values().filter_map(|member| member.bastion.timeout());
        let queued = self.groups.values().flat_map(|group| group.queue.values());
        bastions.chain(queued.map(|(_, due)| (*due, Timer::Queue))).min()
    }

    fn new_group(&mut self, terms: &Terms) -> GroupId {
        self.last_group += 1;
        let group = Group {
            site: terms.share.as_ref().map(|share| share.site.clone()),
            seats: terms.share.as_ref().map(|share| share.seats.max(1)),
            most: terms.most.max(1),
            width: 0,
            wider: None,
            short: false,
            targets: BTreeSet::new(),
            members: BTreeSet::new(),
            queue: BTreeMap::new(),
            undecided: false,
        };
        self.groups.insert(self.last_group, group);
        self.last_group
    }

    fn insert(&mut self, member: Member) -> BastionId {
        self.last_bastion += 1;
        let id = BastionId(self.last_bastion);
        if let Some(group) = member.group.and_then(|group| self.groups.get_mut(&group)) {
            group.members.insert(id);
        }
        self.bastions.insert(id, member);
        id
    }
}

/// A target's dice: the same for the same name, and others for others.
fn seed(target: &str) -> u64 {
    // FNV-1a.
    target.bytes().fold(0xcbf2_9ce4_8422_2325, |seed, byte| {
        (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
