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

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bastion_api::EventKind;
use bastion_cloud::{Cloud, CloudError, Seen, SessionId, Site, TaskId};
use bastion_pool::adopt::{self, Scene, Sighting, Verdict, Wanted};
use bastion_pool::{Backoff, Finding, LeaseId, Limits, Raise, Record};
use tracing::{debug, info, warn};

use super::berth::Berth;
use super::desk::{Running, Stand};
use super::errands::{self, End, Post};
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
    backoff: Backoff,
}

/// How far the look at a place has come.
#[derive(Debug)]
enum Look {
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
    /// Whether the journal was lost: then anything may be out there at a place that was not seen yet.
    blind: bool,
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
            || (self.blind && errands::is_ours(target) && self.unseen(&target.site))
    }

    fn unseen(&self, site: &Site) -> bool {
        let at = self.places.iter().find(|place| same_place(&place.site, site));
        at.is_some_and(|place| matches!(place.standing, Look::Under | Look::Failed(..)))
    }

    fn is_over(&self) -> bool {
        self.places.iter().all(|place| matches!(place.standing, Look::Done))
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
            Some(Place { site, cloud, standing: Look::Under, backoff })
        };
        let places = sites.into_iter().filter_map(place).collect();
        let blind = left.set_aside.is_some();
        self.settling =
            Settling { book: left.book, blind, places, lowering: raised, ours: Vec::new() };
        self.hold_back(now);
    }

    /// Sends somebody to every place.
    pub(super) fn survey_all(&mut self) {
        for at in 0..self.settling.places.len() {
            self.survey(at);
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
                Look::Again(_) | Look::Failed(..) | Look::Under | Look::Done => {}
            }
        }
    }

    /// When a place is next looked at.
    pub(super) fn next_settling(&self) -> Option<Instant> {
        let due = |place: &Place| match place.standing {
            Look::Again(due) | Look::Failed(_, due) => Some(due),
            Look::Under | Look::Done => None,
        };
        self.settling.places.iter().filter_map(due).min()
    }

    /// Places that could not be looked at for want of a login, where something waits to be decided.
    pub(super) fn sites_without_login(&self) -> Vec<(String, Arc<dyn Cloud>)> {
        let places = self.settling.places.iter();
        let without = places.filter(|place| match &place.standing {
            Look::Failed(why, _) => is_login(why) && self.is_awaited(place),
            Look::Under | Look::Again(_) | Look::Done => false,
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

    /// Takes note that a task is of this run.
    pub(super) fn claim(&mut self, task: &TaskId) {
        if !self.settling.is_over() {
            self.settling.ours.push(task.clone());
        }
    }

    /// What was seen at a place: everything there is decided upon.
    pub(super) fn decide(&mut self, at: usize, found: Result<Survey, Refusal>, now: Instant) {
        match found {
            Ok(survey) => self.carry_out(at, survey, now),
            Err(why) => self.put_off(at, &why, now),
        }
        self.hold_back(now);
    }

    fn put_off(&mut self, at: usize, why: &Refusal, now: Instant) {
        let Some(place) = self.settling.places.get_mut(at) else { return };
        let due = now + place.backoff.strike();
        place.standing = Look::Failed(why.clone(), due);
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

    fn carry_out(&mut self, at: usize, survey: Survey, now: Instant) {
        let Some(place) = self.settling.places.get_mut(at) else { return };
        place.backoff.clear();
        place.standing = Look::Done;
        let (site, cloud) = (place.site.clone(), Arc::clone(&place.cloud));
        let post = self.post(&site, &cloud);
        // A start of this run that has no name yet may be among what was seen.
        let nameless: Vec<&str> = self
            .berths
            .values()
            .filter(|berth| berth.task.is_none() && same_place(&berth.target.site, &site))
            .map(|berth| berth.target.name.as_str())
            .collect();
        let mut postponed = false;
        let mut seen = Vec::new();
        for (task, sighted) in survey.seen {
            let of_this_run = self.settling.ours.contains(&task);
            let target = sighted.facts().and_then(|facts| facts.variable(adopt::TARGET_VARIABLE));
            let recorded = self.settling.book.entry(&task).is_some();
            let doubtful = !recorded && target.is_some_and(|target| nameless.contains(&target));
            postponed |= doubtful && !of_this_run;
            if !of_this_run && !doubtful {
                seen.push(Sighting { task, seen: sighted });
            }
        }
        let scene = Scene {
            book: &self.settling.book,
            wanted: &self.wanted(),
            site: &site,
            mark: &self.parts.started_by,
            seen: &seen,
            now: self.calendar(),
        };
        let verdicts = adopt::decide(&scene);
        // One whose end was never told: the journal has lost it, and the ledger has not.
        let running = self.parts.ledger.running();
        for Sighting { task, seen } in &seen {
            if running.contains(task) && self.settling.book.entry(task).is_none() {
                self.bill_sighting(task, seen, None);
            }
        }
        let mut ends: Vec<(SessionId, TaskId)> = Vec::new();
        let (mut kept, mut stopped, mut forgotten) = (0, 0, 0);
        let mut again: Option<SystemTime> = None;
        for verdict in &verdicts {
            if let Verdict::EndSession { session, task } = verdict {
                ends.push((session.clone(), task.clone()));
            }
        }
        for verdict in verdicts {
            match verdict {
                Verdict::EndSession { .. } => {}
                Verdict::ForgetSession { session } => self.write(Record::SessionOver { session }),
                Verdict::Keep { task, target, age, unrecorded } => {
                    kept += 1;
                    if unrecorded {
                        self.found(&task, &target, &site);
                    }
                    let of_it = ends.extract_if(.., |(_, of)| *of == task);
                    let sessions = of_it.map(|(session, _)| session).collect();
                    self.keep(task, &target, age, sessions, now);
                }
                Verdict::Stop { task, target, because, unrecorded } => {
                    stopped += 1;
                    info!(%task, ?because, "a task of an earlier run is stopped");
                    let target = target.unwrap_or_default();
                    if unrecorded {
                        self.found(&task, &target, &site);
                    }
                    self.stop_left(task, &target, &post, now);
                }
                Verdict::Learn { target, spec } => {
                    info!(target, "asking what became of a start that a crash cut short");
                    let name = format!("learn a task's name at {}", site.name);
                    self.parts.tasks.spawn(name, errands::reask(post.clone(), at, *spec));
                }
                Verdict::Forget { task, token } => {
                    forgotten += 1;
                    self.forget(task, token, &seen);
                }
                Verdict::Later { at, .. } => {
                    again = Some(again.map_or(at, |before| before.min(at)));
                }
                Verdict::Lower(raise) => self.lower(&post, &raise),
            }
        }
        if !ends.is_empty() {
            let sessions = ends.into_iter().map(|(session, _)| session).collect();
            let ending = errands::end_sessions(post, sessions);
            self.parts.tasks.spawn(format!("end old sessions at {}", site.name), ending);
        }
        if kept + stopped + forgotten > 0 {
            info!(site = site.name, kept, stopped, forgotten, "decided what was left");
        }
        let later = again.map(|at| at.duration_since(self.calendar()).unwrap_or_default());
        let later = later.or(postponed.then_some(AGAIN));
        if let (Some(later), Some(place)) = (later, self.settling.places.get_mut(at)) {
            place.standing = Look::Again(now + later.max(LEAST_PAUSE));
        }
        self.clear_problems_of_settling(&site);
    }

    /// The place can be looked at: what said that it could not is over.
    fn clear_problems_of_settling(&mut self, site: &Site) {
        let names: Vec<String> = self
            .wards
            .iter()
            .filter(|(_, ward)| same_place(&ward.target.site, site))
            .filter(|(name, ward)| {
                ward.failure.is_some()
                    && self.pool.held_back(name, self.parts.clock.now()).is_none()
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            if self.pool.bastions_of(&name).all(|view| view.found)
                && let Some(ward) = self.wards.get_mut(&name)
            {
                ward.failure = None;
            }
        }
    }

    /// What an intention of an earlier run has come to.
    pub(super) fn hear_reasked(
        &mut self,
        at: usize,
        token: &str,
        came: Result<TaskId, CloudError>,
        now: Instant,
    ) {
        let Some(place) = self.settling.places.get(at) else { return };
        let post = self.post(&place.site.clone(), &Arc::clone(&place.cloud));
        match came {
            Ok(task) => {
                let token = token.to_owned();
                self.write(Record::Named { token, task: task.clone() });
                let Some(entry) = self.settling.book.entry(&task).cloned() else { return };
                let of_target = self.pool.bastions_of(&entry.target);
                let kept = of_target.filter(|view| view.phase.task().is_some()).count();
                match adopt::judge(&entry, &task, &self.wanted(), kept, self.calendar()) {
                    Verdict::Keep { task, target, age, .. } => {
                        self.keep(task, &target, age, Vec::new(), now);
                    }
                    Verdict::Stop { task, target, .. } => {
                        self.stop_left(task, &target.unwrap_or_default(), &post, now);
                    }
                    Verdict::EndSession { .. }
                    | Verdict::ForgetSession { .. }
                    | Verdict::Learn { .. }
                    | Verdict::Forget { .. }
                    | Verdict::Later { .. }
                    | Verdict::Lower(_) => {}
                }
            }
            Err(err) if err.is_transient() || is_login(&Refusal::Cloud(err.clone())) => {
                self.put_off(at, &Refusal::Cloud(err), now);
            }
            Err(err) => {
                warn!(call = err.call, "a start that a crash cut short has come to nothing");
                debug!(%err, "asked again");
                self.write(Record::Refused { token: token.to_owned() });
            }
        }
        self.hold_back(now);
    }

    /// A service that an earlier run had woken sleeps again.
    pub(super) fn hear_lowered(&mut self, site: &str, now: Instant) {
        self.settling.lowering.retain(|lowering| lowering != site);
        self.hold_back(now);
    }

    /// Tells the pool which targets start nothing yet.
    fn hold_back(&mut self, now: Instant) {
        let names: Vec<String> = self.wards.keys().cloned().collect();
        for name in names {
            let undecided = self.is_undecided(&name);
            self.pool.undecided(&name, undecided, now);
        }
        if self.settling.is_over() {
            self.settling.ours = Vec::new();
        }
    }

    fn keep(
        &mut self,
        task: TaskId,
        target: &str,
        age: Duration,
        sessions: Vec<SessionId>,
        now: Instant,
    ) {
        let Some(bastion) = self.pool.adopt(target, task.clone(), age, now) else { return };
        let Some(ward) = self.wards.get_mut(target) else { return };
        ward.begin(bastion, None, now);
        let mut berth =
            Berth::new(Arc::clone(&ward.target), Arc::clone(&ward.cloud), Some(task.clone()));
        berth.started_at = self.parts.clock.calendar().checked_sub(age).ok();
        let give_up = berth.give_up.clone();
        self.berths.insert(bastion, berth);
        self.decided(&task);
        let words = "a bastion of an earlier run is used on";
        self.parts.events.tell(Some(target), EventKind::BastionAdopted, words);
        if let Some(desk) = self.errand(bastion) {
            let post = self.post(&desk.target.site, &desk.cloud);
            self.parts.tasks.spawn(format!("adopt {task}"), async move {
                errands::end_sessions(post, sessions).await;
                errands::adopt(desk, task, give_up).await;
            });
        }
    }

    fn stop_left(&mut self, task: TaskId, target: &str, post: &Post, now: Instant) {
        self.decided(&task);
        let ward = self.wards.get(target);
        let ward = ward.filter(|ward| {
            errands::is_ours(&ward.target) && same_place(&ward.target.site, &post.site)
        });
        let Some(ward) = ward else {
            self.write(Record::Stopping { task: task.clone() });
            let name = format!("stop {task}");
            return self.parts.tasks.spawn(name, errands::stop_stray(post.clone(), None, task));
        };
        // Its target starts no other before the cloud has taken the order.
        let (of, cloud) = (Arc::clone(&ward.target), Arc::clone(&ward.cloud));
        let limits = limits(&of);
        let bastion = self.pool.abandon(target, task.clone(), limits, now);
        self.berths.insert(bastion, Berth::new(of, cloud, Some(task)));
    }

    fn forget(&mut self, task: Option<TaskId>, token: Option<String>, seen: &[Sighting]) {
        let Some(task) = task else {
            if let Some(token) = token {
                self.write(Record::Refused { token });
            }
            return;
        };
        let sighting = seen.iter().find(|sighting| sighting.task == task);
        let entry = self.settling.book.entry(&task).cloned();
        let seen = sighting.map_or(&Seen::Missing, |sighting| &sighting.seen);
        self.bill_sighting(&task, seen, entry.as_ref());
        self.write(Record::Gone { task });
    }

    fn bill_sighting(&mut self, task: &TaskId, seen: &Seen, entry: Option<&bastion_pool::Entry>) {
        match seen {
            Seen::Stopped(end) => self.bill_left(task, &End::Told(end.clone()), entry),
            Seen::Missing => self.bill_left(task, &End::Forgotten, entry),
            Seen::Starting(_) | Seen::Running { .. } | Seen::Stopping(_) => {}
        }
    }

    fn lower(&mut self, post: &Post, raise: &Raise) {
        let raise = raise.clone();
        let name = format!("put the service of {} back to sleep", raise.site.name);
        self.parts.tasks.spawn(name, errands::lower(post.clone(), raise));
    }

    fn found(&mut self, task: &TaskId, target: &str, site: &Site) {
        let finding = Finding {
            at: self.calendar(),
            target: target.to_owned(),
            site: site.clone(),
            task: task.clone(),
        };
        self.write(Record::Found(Box::new(finding)));
    }

    /// Writes a record, and takes it in.
    fn write(&mut self, record: Record) {
        self.settling.book.apply(&record);
        self.parts.journal.note(record);
    }

    /// A task is in somebody's care from here on.
    fn decided(&mut self, task: &TaskId) {
        self.claim(task);
        // The journal keeps it, until it is gone; what is left to be decided does not.
        self.settling.book.apply(&Record::Gone { task: task.clone() });
    }

    fn wanted(&self) -> Vec<Wanted> {
        let wanted = |ward: &super::ward::Ward| Wanted {
            target: ward.target.name.clone(),
            site: ward.target.site.clone(),
            most: ward.target.max_bastions,
            life: ward.target.max_life,
        };
        self.wards.values().map(wanted).collect()
    }

    fn calendar(&self) -> SystemTime {
        system_time(self.parts.clock.calendar())
    }
}

/// What a target's bastions are held to.
pub(super) fn limits(target: &Target) -> Limits {
    Limits {
        start: target.start_timeout,
        idle: target.idle_timeout,
        stop: errands::STOP_PATIENCE,
        life: errands::is_ours(target).then_some(target.max_life),
    }
}

/// Whether the same account, region and cluster are meant.
fn same_place(one: &Site, other: &Site) -> bool {
    let place = |site: &'_ Site| (site.profile.clone(), site.region.clone(), site.cluster.clone());
    place(one) == place(other)
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

/// However soon something is to be looked at again: not sooner than this.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
