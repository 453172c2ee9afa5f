//! Which tunnels there are: by bastion, by remote, and how each came to be. Kept under one lock that nobody holds while
//! waiting.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bastion_cloud::{Remote, TaskId};
use ssm_tunnel::Closed;
use tokio::sync::{Notify, watch};

use super::berth::{Berth, Bundle, Coming, Door, Member, Opened};
use super::place::{self, Placed, Seat};
use super::tend::{self, Chores, Tended, Wish};
use super::{Route, TunnelFailure, key_of};

/// All tunnels.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    berths: HashMap<TaskId, Berth>,
    last_number: u64,
    /// How often a tunnel to a target was away and came back.
    resumes: HashMap<String, u64>,
    /// The targets whose last tunnel was refused, whatever the bastion and the remote.
    refused: HashSet<String>,
}

/// Which tunnels go together: those through one bastion to one remote.
pub(super) type Key = (TaskId, Remote);

/// Where a visit is sent.
#[derive(Debug)]
pub(super) enum Choice {
    /// Through this tunnel.
    Through(Opened, Coming),
    /// Through the one behind this door once it is open, else through the other.
    Wait(Door, Coming, Option<(Opened, Coming)>),
}

/// A tunnel to be opened.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) key: Key,
    pub(super) route: Arc<Route>,
    /// Where to: the route's remote, or where the database is by now.
    pub(super) remote: Remote,
    pub(super) wish: Wish,
    pub(super) answer: watch::Sender<Option<Result<Opened, TunnelFailure>>>,
    /// One that has to go first, because the bastion takes no more.
    pub(super) makes_room: Option<Opened>,
    /// Set where nobody tends these tunnels yet.
    pub(super) tender: Option<Arc<Notify>>,
}

impl Fleet {
    /// Where a visit goes, and what has to be opened for that.
    pub(super) fn choose(&mut self, route: &Route, now: Instant) -> (Choice, Option<Order>) {
        let key = key_of(route);
        let berth = self.berths.entry(key.0.clone()).or_default();
        let room = berth.has_room(route);
        let members = berth.bundles.get_mut(&key.1).map(|bundle| {
            bundle.members.retain(Member::is_of_use);
            &bundle.members
        });
        let members = members.map(Vec::as_slice).unwrap_or_default();
        let seats: Vec<Seat> = members.iter().map(|member| member.seat(now)).collect();
        let way = |at: usize| members[at].opened().map(|opened| (opened, Coming::to(&members[at])));
        match place::place(&seats, room) {
            Placed::Through(at) => {
                if let Some((opened, coming)) = way(at) {
                    return (Choice::Through(opened, coming), None);
                }
            }
            Placed::Await { opening, meanwhile } => {
                let member = &members[opening];
                let choice =
                    Choice::Wait(member.door.clone(), Coming::to(member), meanwhile.and_then(way));
                return (choice, None);
            }
            Placed::Open { meanwhile } => {
                let meanwhile = meanwhile.and_then(way);
                let wish = if meanwhile.is_some() { Wish::Load } else { Wish::Visits };
                return self.choose_new(key, route, wish, meanwhile, now);
            }
        }
        // What is of use and not opening stands, so this is not reached; a new one is never wrong.
        self.choose_new(key, route, Wish::Visits, None, now)
    }

    fn choose_new(
        &mut self,
        key: Key,
        route: &Route,
        wish: Wish,
        meanwhile: Option<(Opened, Coming)>,
        now: Instant,
    ) -> (Choice, Option<Order>) {
        let (door, coming, order) = self.order(key, route, wish, now);
        (Choice::Wait(door, coming, meanwhile), Some(order))
    }

    /// Enters one more tunnel that is to be opened.
    fn order(
        &mut self,
        key: Key,
        route: &Route,
        wish: Wish,
        now: Instant,
    ) -> (Door, Coming, Order) {
        self.last_number += 1;
        let number = self.last_number;
        let (answer, door) = watch::channel(None);
        let berth = self.berths.entry(key.0.clone()).or_default();
        let makes_room = if berth.has_room(route) { None } else { berth.spare(&key.1) };
        let mut tender = None;
        let bundle = berth.bundles.entry(key.1.clone()).or_insert_with(|| {
            let notify = Arc::new(Notify::new());
            tender = Some(Arc::clone(&notify));
            Bundle {
                route: Arc::new(route.clone()),
                remote: key.1.clone(),
                members: Vec::new(),
                tender: notify,
                hold_off: None,
                refused: None,
                asked_where: None,
            }
        });
        let member = Member {
            number,
            door: door.clone(),
            wish,
            retired: false,
            idle_since: None,
            kept: false,
            coming: Arc::default(),
            strikes: 0,
            opened_at: now,
        };
        let coming = Coming::to(&member);
        bundle.members.push(member);
        let (route, remote) = (Arc::clone(&bundle.route), bundle.remote.clone());
        let order = Order { number, key, route, remote, wish, answer, makes_room, tender };
        (door, coming, order)
    }

    /// Enters as many as are lacking to `wanted`, as far as there is room. The doors are all that are open or opening.
    pub(super) fn fan(
        &mut self,
        route: &Route,
        wanted: usize,
        now: Instant,
    ) -> (Vec<Door>, Vec<Order>) {
        let key = key_of(route);
        let mut orders = Vec::new();
        loop {
            let berth = self.berths.entry(key.0.clone()).or_default();
            let room = berth.has_room(route);
            if let Some(bundle) = berth.bundles.get_mut(&key.1) {
                bundle.members.retain(Member::is_of_use);
                // What was opened for load and serves a person's wish now goes when the wish does.
                for member in bundle.members.iter_mut().take(wanted) {
                    member.wish = Wish::Fan;
                }
                if bundle.members.len() >= wanted || !room {
                    let doors = bundle.members.iter().map(|member| member.door.clone());
                    return (doors.collect(), orders);
                }
            }
            let (_, _, order) = self.order(key.clone(), route, Wish::Fan, now);
            orders.push(order);
        }
    }

    /// Whether this one is still wanted; where it failed it is struck out, and it is told whether that shows how many
    /// the bastion takes.
    pub(super) fn opened(
        &mut self,
        key: &Key,
        number: u64,
        failure: Option<&TunnelFailure>,
        now: Instant,
    ) -> Arrival {
        let Some(berth) = self.berths.get_mut(&key.0) else { return Arrival::Unwanted };
        let others = berth.standing();
        let Some(bundle) = berth.bundles.get_mut(&key.1) else { return Arrival::Unwanted };
        let Some(at) = bundle.members.iter().position(|member| member.number == number) else {
            return Arrival::Unwanted;
        };
        bundle.tender.notify_one();
        let Some(failure) = failure else {
            bundle.members[at].opened_at = now;
            if bundle.refused.is_none() {
                bundle.hold_off = None;
            }
            return Arrival::Wanted;
        };
        bundle.members.remove(at);
        bundle.failed(now);
        if failure.is_silence_of_the_agent() && others > 0 {
            berth.takes = Some(others);
            return Arrival::Full(others);
        }
        Arrival::Wanted
    }

    /// The agent has ended a tunnel because it cannot use the remote's name or address: the next would fare no better.
    pub(super) fn refused(&mut self, key: &Key, why: Closed, now: Instant) {
        let Some(bundle) = self.bundle(key) else { return };
        bundle.refused = Some(why);
        bundle.failed(now);
        let target = bundle.route.target.name.clone();
        self.refused.insert(target);
    }

    /// A tunnel to a target has stood for a while. Says whether the last one before it was refused.
    pub(super) fn settled(&mut self, key: &Key, target: &str) -> bool {
        if let Some(bundle) = self.bundle(key)
            && bundle.refused.take().is_some()
        {
            bundle.hold_off = None;
        }
        self.refused.remove(target)
    }

    /// Why the agent takes no tunnel to a remote, as far as it is known; and the newest that stands, with its age.
    pub(super) fn newest(
        &mut self,
        key: &Key,
        now: Instant,
    ) -> (Option<Closed>, Option<(Opened, Duration)>) {
        let Some(bundle) = self.bundle(key) else { return (None, None) };
        let standing = bundle.members.iter().filter_map(|member| {
            let age = now.saturating_duration_since(member.opened_at);
            Some((member.opened()?, age))
        });
        (bundle.refused.clone(), standing.min_by_key(|(_, age)| *age))
    }

    fn bundle(&mut self, key: &Key) -> Option<&mut Bundle> {
        self.berths.get_mut(&key.0)?.bundles.get_mut(&key.1)
    }

    /// What is to be done about the tunnels to one remote: the chores, those that they are about, and what is to be
    /// opened. None where these tunnels have been given up.
    pub(super) fn tend(&mut self, key: &Key, now: Instant) -> Option<Tending> {
        let berth = self.berths.get_mut(&key.0)?;
        let keeps = berth.keeps();
        let bundle = berth.bundles.get_mut(&key.1)?;
        bundle.members.retain(Member::is_of_use);
        let route = Arc::clone(&bundle.route);
        let tended: Vec<Tended> =
            bundle.members.iter_mut().map(|member| member.tended(now)).collect();
        let hold_off = bundle.hold_off.map(|(_, until)| until);
        let room = berth.has_room(&route);
        let keep = keeps.as_ref() == Some(&key.1);
        let chores = tend::chores(&tended, room, keep, hold_off, now);
        let bundle = berth.bundles.get_mut(&key.1)?;
        let opened = |at: &usize| bundle.members[*at].opened();
        let keep: Vec<_> = chores.keep.iter().filter_map(opened).collect();
        let unkeep: Vec<_> = chores.unkeep.iter().filter_map(opened).collect();
        let close: Vec<_> = chores.close.iter().filter_map(opened).collect();
        for at in &chores.unkeep {
            bundle.members[*at].kept = false;
        }
        if let Some(at) = chores.keep {
            bundle.members[at].kept = true;
        }
        let mut at = 0;
        bundle.members.retain(|_| {
            at += 1;
            !chores.close.contains(&(at - 1))
        });
        let Chores { open, pause, .. } = chores;
        let order = open.map(|wish| self.order(key.clone(), &route, wish, now).2);
        Some(Tending { keep, unkeep, close, order, pause })
    }

    /// Takes out the tunnels of a bastion, or those to one remote; those that stand are to be closed.
    pub(super) fn take(&mut self, task: &TaskId, remote: Option<&Remote>) -> Vec<Opened> {
        let Some(berth) = self.berths.get_mut(task) else { return Vec::new() };
        let gone: Vec<Remote> = berth
            .bundles
            .keys()
            .filter(|to| remote.is_none_or(|one| one == *to))
            .cloned()
            .collect();
        let mut standing = Vec::new();
        for remote in gone {
            if let Some(bundle) = berth.bundles.remove(&remote) {
                bundle.tender.notify_one();
                standing.extend(bundle.members.iter().filter_map(Member::opened));
            }
        }
        if berth.bundles.is_empty() {
            self.berths.remove(task);
        }
        standing
    }

    /// Notes whether a bastion is wanted.
    pub(super) fn want(&mut self, task: &TaskId, wanted: bool) {
        if let Some(berth) = self.berths.get_mut(task) {
            berth.wanted = wanted;
            berth.bundles.values().for_each(|bundle| bundle.tender.notify_one());
        }
    }

    /// Those of a bastion that stand.
    pub(super) fn standing(&self, task: &TaskId) -> Vec<Opened> {
        let berth = self.berths.get(task).into_iter();
        berth.flat_map(Berth::members).filter_map(Member::opened).collect()
    }

    /// Those of a bastion to one remote that stand.
    pub(super) fn of_key(&self, key: &Key) -> Vec<Opened> {
        let bundle = self.berths.get(&key.0).and_then(|berth| berth.bundles.get(&key.1));
        bundle.into_iter().flat_map(|bundle| &bundle.members).filter_map(Member::opened).collect()
    }

    /// Those that stand for one target, whatever the bastion.
    pub(super) fn of_target(&self, target: &str) -> Vec<Opened> {
        let bundles = self.berths.values().flat_map(|berth| berth.bundles.values());
        let bundles = bundles.filter(|bundle| bundle.route.target.name == target);
        bundles.flat_map(|bundle| &bundle.members).filter_map(Member::opened).collect()
    }

    /// A tunnel to this target was away and is back.
    pub(super) fn resumed(&mut self, target: &str) {
        *self.resumes.entry(target.to_owned()).or_default() += 1;
    }

    /// How often one was.
    pub(super) fn resumes(&self, target: &str) -> u64 {
        self.resumes.get(target).copied().unwrap_or(0)
    }

    /// Whether one for this route stands.
    pub(super) fn stands(&self, route: &Route) -> bool {
        let berth = self.berths.get(&route.bastion.task);
        let bundle = berth.and_then(|berth| berth.bundles.get(&route.remote));
        bundle.is_some_and(|bundle| bundle.members.iter().any(Member::stands))
    }

    /// Whether a new visit would be better off on another bastion.
    pub(super) fn is_crowded(&self, task: &TaskId, now: Instant) -> bool {
        let Some(berth) = self.berths.get(task) else { return false };
        let of_use = berth.members().filter(|member| member.is_of_use());
        let seats: Vec<Seat> = of_use.map(|member| member.seat(now)).collect();
        let route = berth.bundles.values().next().map(|bundle| &bundle.route);
        route.is_some_and(|route| place::is_crowded(&seats, berth.has_room(route)))
    }

    /// Has the tunnels of a route looked at.
    pub(super) fn stir(&self, key: &Key) {
        let berth = self.berths.get(&key.0);
        if let Some(bundle) = berth.and_then(|berth| berth.bundles.get(&key.1)) {
            bundle.tender.notify_one();
        }
    }

    /// A stream through this tunnel reached the database.
    pub(super) fn reached(&mut self, route: &Route, number: u64) {
        if let Some(member) = self.member(route, number) {
            member.strikes = 0;
        }
    }

    /// A stream through this tunnel did not reach the database. Says where to look whether the database has moved,
    /// unless somebody just has.
    pub(super) fn not_reached(
        &mut self,
        route: &Route,
        number: u64,
        now: Instant,
    ) -> (bool, Option<Suspicion>) {
        let mut given_up = false;
        if let Some(member) = self.member(route, number) {
            member.strikes += 1;
            let old = now.saturating_duration_since(member.opened_at) >= OLD;
            if member.strikes >= STRIKES && old && !member.retired {
                member.retired = true;
                given_up = true;
            }
        }
        let berth = self.berths.get_mut(&route.bastion.task);
        let Some(bundle) = berth.and_then(|berth| berth.bundles.get_mut(&route.remote)) else {
            return (false, None);
        };
        if given_up {
            bundle.tender.notify_one();
        }
        let lately = |at: Instant| now.saturating_duration_since(at) < ASK_AGAIN;
        if bundle.asked_where.is_some_and(lately) {
            return (given_up, None);
        }
        bundle.asked_where = Some(now);
        let opened = bundle.members.iter().filter_map(Member::opened).collect();
        (given_up, Some(Suspicion { remote: bundle.remote.clone(), opened }))
    }

    /// The database is there by now. Tunnels to where it was are retired; says how many.
    pub(super) fn moved(&mut self, route: &Route, to: Option<&Remote>, stale: &[u64]) -> usize {
        let berth = self.berths.get_mut(&route.bastion.task);
        let Some(bundle) = berth.and_then(|berth| berth.bundles.get_mut(&route.remote)) else {
            return 0;
        };
        let elsewhere = to.filter(|to| **to != bundle.remote).cloned();
        let all = elsewhere.is_some();
        if let Some(to) = elsewhere {
            bundle.remote = to;
        }
        let mut retired = 0;
        for member in &mut bundle.members {
            if !member.retired && (all || stale.contains(&member.number)) {
                member.retired = true;
                retired += 1;
            }
        }
        bundle.tender.notify_one();
        retired
    }

    fn member(&mut self, route: &Route, number: u64) -> Option<&mut Member> {
        let berth = self.berths.get_mut(&route.bastion.task)?;
        let bundle = berth.bundles.get_mut(&route.remote)?;
        bundle.members.iter_mut().find(|member| member.number == number)
    }
}

/// What came of opening a tunnel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arrival {
    /// It is entered, or struck out.
    Wanted,
    /// It was given up meanwhile.
    Unwanted,
    /// It is struck out, and shows that the bastion takes no more than so many.
    Full(usize),
}

/// Chores with those that they are about.
#[derive(Debug)]
pub(super) struct Tending {
    pub(super) keep: Vec<Opened>,
    pub(super) unkeep: Vec<Opened>,
    pub(super) close: Vec<Opened>,
    pub(super) order: Option<Order>,
    pub(super) pause: Option<Duration>,
}

/// Where the database was when streams did not reach it.
#[derive(Debug)]
pub(super) struct Suspicion {
    pub(super) remote: Remote,
    pub(super) opened: Vec<Opened>,
}

/// Streams in a row that do not reach the database before their tunnel is suspected: one may be the database's own
/// refusal, and two a coincidence.
const STRIKES: u32 = 3;

/// How old a tunnel must be before another could know the database at another address: a new one asks DNS anew, and
/// where that did not help the next will not either.
const OLD: Duration = Duration::from_secs(30);

/// How often it is asked where the database is: a failover takes half a minute and more.
const ASK_AGAIN: Duration = Duration::from_secs(5);
