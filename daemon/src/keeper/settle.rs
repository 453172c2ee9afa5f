//! After a start of the daemon: what an earlier run has left is looked at place by place, and kept, stopped or forgotten.
//!
//! ```text
//!   the journal's entries ──▶ ┌────────────┐ ◀── what the cloud shows      each place by itself, all at once
//!                             │  decided   │
//!                             └────────────┘
//!      Keep ──▶ a bastion that proves itself        Stop ──▶ stopped until it has        Forget ──▶ the ledger is told
//!      Learn ─▶ the same RunTask again: its name ─▶ Keep, Stop                           Later ──▶ looked at again
//! ```
//!
//! A target of which something may be out there starts nothing until that is decided; its visits wait. Where the place
//! cannot be looked at, they are told why at once, and each of them has it looked at again.

mod verdicts;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bastion_cloud::{Cloud, CloudError, Site, TaskId};
use bastion_pool::adopt::{self, Wanted, same_place};
use bastion_pool::{Backoff, LeaseId, Limits, Phase, View};
use tracing::debug;

use super::desk::{Running, Stand};
use super::errands;
use super::logins::is_login;
use super::{Refusal, Survey};
use crate::clock::system_time;
use crate::config::Target;

/// A place at which an earlier run may have left something.
#[derive(Debug)]
pub(super) struct Place {
    site: Site,
    cloud: Arc<dyn Cloud>,
    standing: Look,
    /// Whether it was seen at least once.
    seen: bool,
    backoff: Backoff,
}

/// How far the look at a place has come.
#[derive(Debug)]
enum Look {
    /// Nothing is known to be there: it is looked at when somebody first goes there, for tasks that no journal knows.
    Asleep,
    /// Somebody is looking.
    Under,
    /// It was seen, and is to be looked at again then, for something could not be said yet.
    Again(Instant),
    /// It could not be looked at; it is tried again then.
    Failed(Refusal, Instant),
    /// Nothing is left to be decided.
    Done,
}

/// What is left to be decided, and where.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// What the journal said, without what has been decided.
    book: bastion_pool::Book,
    /// Set where the journal was lost: then anything may be out there at a place that was not seen yet, and until this
    /// time a list may not show it.
    blind: Option<Instant>,
    places: Vec<Place>,
    /// Services that are being put back to sleep, by their sites' names.
    lowering: Vec<String>,
    /// The tasks of this run: none of them is a stranger.
    ours: Vec<TaskId>,
}

impl Settling {
    /// Whether a target may have something out there that nobody has decided upon.
    fn concerns(&self, target: &Target) -> bool {
        self.book.entries().iter().any(|entry| entry.target == target.name)
            || self.lowering.contains(&target.site.name)
            || (self.blind.is_some() && errands::is_ours(target) && self.unseen(&target.site))
    }

    /// A service is about to be put back to sleep: until it is, nothing is started through it.
    pub(super) fn lowers(&mut self, site: &str) {
        self.lowering.push(site.to_owned());
    }

    fn unseen(&self, site: &Site) -> bool {
        let at = self.places.iter().find(|place| same_place(&place.site, site));
        at.is_some_and(|place| !place.seen)
    }

    /// Whether everything at a site's place is decided.
    fn is_over(&self, site: &Site) -> bool {
        let at = self.places.iter().find(|place| same_place(&place.site, site));
        at.is_none_or(|place| matches!(place.standing, Look::Done))
    }
}

impl Running {
    /// Takes in what an earlier run has left.
    pub(super) fn begin_to_settle(&mut self, now: Instant) {
        let left = std::mem::take(&mut self.parts.left);
        let wanted = self.wanted();
        let raised = left.book.raised().map(|raise| raise.site.name.clone()).collect();
        let sites: Vec<Site> = adopt::places(&left.book, &wanted).into_iter().cloned().collect();
        let place = |site: Site| {
            let known = self.wards.values().map(|ward| (&ward.target.site, &ward.cloud));
            let old = self.parts.left_at.iter().map(|(site, cloud)| (site, cloud));
            let cloud = known.chain(old).find(|(other, _)| same_place(other, &site));
            let cloud = Arc::clone(cloud?.1);
            let backoff = Backoff::new(FIRST_RETRY, LAST_RETRY, 0);
            Some(Place { site, cloud, standing: Look::Asleep, seen: false, backoff })
        };
        let places = sites.into_iter().filter_map(place).collect();
        let blind = left.set_aside.is_some().then(|| now + adopt::LAG);
        self.settling =
            Settling { book: left.book, blind, places, lowering: raised, ours: Vec::new() };
        self.hold_back(now);
    }

    /// Sends somebody to every place where something may be.
    pub(super) fn survey_all(&mut self) {
        let running = self.parts.ledger.running();
        for at in 0..self.settling.places.len() {
            let place = &self.settling.places[at];
            let unended = running.iter().any(|task| is_at(task, &place.site));
            if self.is_awaited(place) || unended {
                self.survey(at);
            }
        }
    }

    fn survey(&mut self, at: usize) {
        let ledger = self.parts.ledger.running();
        let Some(place) = self.settling.places.get_mut(at) else { return };
        place.standing = Look::Under;
        let entries = self.settling.book.entries().iter();
        let here = entries.filter(|entry| same_place(&entry.site, &place.site));
        let mut known: Vec<TaskId> = here.filter_map(|entry| entry.task().cloned()).collect();
        known.extend(ledger.into_iter().filter(|task| is_at(task, &place.site)));
        known.sort();
        known.dedup();
        let (site, cloud) = (place.site.clone(), Arc::clone(&place.cloud));
        let name = format!("look at what was left at {}", site.name);
        self.parts.tasks.spawn(name, errands::survey(self.post(&site, &cloud), at, known));
    }

    /// A visit has come for this target: where its place could not be looked at, that is tried again now.
    pub(super) fn hurry(&mut self, target: &str) {
        let Some(ward) = self.wards.get(target) else { return };
        let asleep = |place: &Place| {
            matches!(place.standing, Look::Asleep) && same_place(&place.site, &ward.target.site)
        };
        if let Some(at) = self.settling.places.iter().position(asleep) {
            return self.survey(at);
        }
        if !self.settling.concerns(&ward.target) {
            return;
        }
        let entries = self.settling.book.entries().iter();
        let sites: Vec<Site> = entries
            .filter(|entry| entry.target == target)
            .map(|entry| entry.site.clone())
            .chain([ward.target.site.clone()])
            .collect();
        for at in 0..self.settling.places.len() {
            let place = &self.settling.places[at];
            let idle = matches!(place.standing, Look::Failed(..) | Look::Again(_));
            if idle && sites.iter().any(|site| same_place(site, &place.site)) {
                self.survey(at);
            }
        }
    }

    /// Looks again where it is time to.
    pub(super) fn settle_on(&mut self, now: Instant) {
        for at in 0..self.settling.places.len() {
            match self.settling.places[at].standing {
                Look::Again(due) | Look::Failed(_, due) if due <= now => self.survey(at),
                Look::Asleep | Look::Again(_) | Look::Failed(..) | Look::Under | Look::Done => {}
            }
        }
    }

    /// When a place is next looked at.
    pub(super) fn next_settling(&self) -> Option<Instant> {
        let due = |place: &Place| match place.standing {
            Look::Again(due) | Look::Failed(_, due) => Some(due),
            Look::Asleep | Look::Under | Look::Done => None,
        };
        self.settling.places.iter().filter_map(due).min()
    }

    /// Places that could not be looked at for want of a login, where something waits to be decided.
    pub(super) fn sites_without_login(&self) -> Vec<(String, Arc<dyn Cloud>)> {
        let places = self.settling.places.iter();
        let without = places.filter(|place| match &place.standing {
            Look::Failed(why, _) => is_login(why) && self.is_awaited(place),
            Look::Asleep | Look::Under | Look::Again(_) | Look::Done => false,
        });
        without.map(|place| (place.site.name.clone(), Arc::clone(&place.cloud))).collect()
    }

    /// A site can be reached again, as far as anybody knows.
    pub(super) fn survey_again(&mut self, site: &str) {
        for at in 0..self.settling.places.len() {
            let place = &self.settling.places[at];
            if place.site.name == site && matches!(place.standing, Look::Failed(..)) {
                self.survey(at);
            }
        }
    }

    pub(super) fn is_undecided(&self, target: &str) -> bool {
        self.wards.get(target).is_some_and(|ward| self.settling.concerns(&ward.target))
    }

    /// Whether something is to be decided at a place.
    fn is_awaited(&self, place: &Place) -> bool {
        let entries = self.settling.book.entries().iter();
        entries.into_iter().any(|entry| same_place(&entry.site, &place.site))
            || self.wards.values().any(|ward| {
                same_place(&ward.target.site, &place.site) && self.settling.concerns(&ward.target)
            })
    }

    /// Takes note that a task at a site is of this run.
    pub(super) fn claim(&mut self, task: &TaskId, site: &Site) {
        if !self.settling.is_over(site) {
            self.settling.ours.push(task.clone());
        }
    }

    /// What was seen at a place: everything there is decided upon.
    pub(super) fn decide(&mut self, at: usize, found: Result<Survey, Refusal>, now: Instant) {
        if self.leaves() {
            return;
        }
        match found {
            Ok(survey) => self.carry_out(at, survey, now),
            Err(why) => self.put_off(at, &why, now),
        }
        self.hold_back(now);
        self.stop_on(now);
    }

    /// Whether the daemon is stopping while an earlier run's tasks are looked at that it would stop, too.
    pub(super) fn is_looking(&self) -> bool {
        let under = |place: &&Place| matches!(place.standing, Look::Under);
        self.settling.places.iter().filter(under).any(|place| self.is_awaited(place))
    }

    fn put_off(&mut self, at: usize, why: &Refusal, now: Instant) {
        let Some(place) = self.settling.places.get_mut(at) else { return };
        let due = now + place.backoff.strike();
        place.standing = Look::Failed(why.clone(), due);
        let place = &self.settling.places[at];
        if !self.is_awaited(place) && self.settling.blind.is_none_or(|until| until <= now) {
            // Whoever goes there next has it looked at again.
            self.settling.places[at].standing = Look::Asleep;
            return;
        }
        debug!(site = place.site.name, ?why, "what was left there cannot be looked at");
        let site = place.site.clone();
        let entries = self.settling.book.entries().iter();
        let awaited: Vec<String> = entries
            .filter(|entry| same_place(&entry.site, &site))
            .map(|entry| entry.target.clone())
            .collect();
        let meant = |ward: &super::ward::Ward| {
            awaited.contains(&ward.target.name) || same_place(&ward.target.site, &site)
        };
        let targets: Vec<String> = self
            .wards
            .iter()
            .filter(|(_, ward)| meant(ward) && self.settling.concerns(&ward.target))
            .map(|(name, _)| name.clone())
            .collect();
        for target in targets {
            if self.wards.get(&target).is_some_and(|ward| ward.failure.is_none()) {
                self.fail(&target, why.clone());
            }
            let waits = |held: &super::desk::Held| {
                held.target == target && matches!(held.stand, Stand::Waiting(_))
            };
            let waiting: Vec<LeaseId> =
                self.leases.iter().filter(|(_, held)| waits(held)).map(|(id, _)| *id).collect();
            for lease in waiting {
                self.turn_away(lease, why, now);
            }
        }
    }

    /// What is amiss at a place and stops nobody is told once, by one of its targets.
    fn explain_at(&self, site: &Site, err: CloudError) {
        let mut wards = self.wards.iter();
        if let Some((name, _)) = wards.find(|(_, ward)| same_place(&ward.target.site, site)) {
            self.explain(name, Refusal::Cloud(err));
        }
    }

    /// A service that an earlier run had woken sleeps again.
    pub(super) fn hear_lowered(&mut self, site: &str, now: Instant) {
        self.settling.lowering.retain(|lowering| lowering != site);
        self.hold_back(now);
    }

    /// Tells the pool which targets start nothing yet.
    pub(super) fn hold_back(&mut self, now: Instant) {
        let names: Vec<String> = self.wards.keys().cloned().collect();
        for name in names {
            let undecided = self.is_undecided(&name);
            self.pool.undecided(&name, undecided, now);
        }
    }

    /// Every target, with as many bastions as it may have in all.
    fn wanted(&self) -> Vec<Wanted> {
        let wanted = |ward: &super::ward::Ward| Wanted {
            target: ward.target.name.clone(),
            site: ward.target.site.clone(),
            most: ward.target.rules.max_bastions,
            life: ward.target.rules.max_life,
        };
        self.wards.values().map(wanted).collect()
    }

    /// The same, with as many as it may have beside those that it has.
    fn still_wanted(&self) -> Vec<Wanted> {
        let beside = |wanted: Wanted| {
            let most = wanted.most.saturating_sub(self.kept(&wanted.target));
            Wanted { most, ..wanted }
        };
        self.wanted().into_iter().map(beside).collect()
    }

    /// How many bastions a target has that serve or are about to.
    fn kept(&self, target: &str) -> usize {
        let stays = |view: &View| match view.phase {
            Phase::Starting { .. } | Phase::Ready { .. } => *view.target == *target,
            Phase::Retiring { .. } | Phase::Draining { .. } | Phase::Gone => false,
        };
        self.pool.bastions_of(target).filter(stays).count()
    }

    pub(super) fn calendar(&self) -> SystemTime {
        system_time(self.parts.clock.calendar())
    }
}

/// What a target's bastions are held to.
pub(super) fn limits(target: &Target) -> Limits {
    Limits {
        start: target.start_timeout,
        idle: target.idle_timeout,
        stop: errands::STOP_PATIENCE,
        life: errands::is_ours(target).then_some(target.rules.max_life),
    }
}

/// Whether a task's name says that it is of this site's cluster.
fn is_at(task: &TaskId, site: &Site) -> bool {
    let cluster = site.cluster.rsplit('/').next().unwrap_or(&site.cluster);
    task.as_str().contains(&format!(":task/{cluster}/"))
}

/// How soon a place is looked at again that could not be, at first and at the longest.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_secs(5 * 60);

/// How soon a place is looked at again where a start of this run had no name yet.
const AGAIN: Duration = Duration::from_secs(5);

/// How soon a place is looked at again that may not show everything yet, for want of a journal.
const AGAIN_BLIND: Duration = Duration::from_secs(20);

/// However soon something is to be looked at again: not sooner than this.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
