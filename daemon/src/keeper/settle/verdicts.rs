//! What was decided, carried out.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bastion_api::EventKind;
use bastion_cloud::{CloudError, Seen, SessionId, Site, TaskId};
use bastion_pool::adopt::{self, Scene, Sighting, Verdict, same_place};
use bastion_pool::{Entry, Finding, Raise, Record};
use tracing::{debug, info, warn};

use super::{AGAIN, AGAIN_BLIND, LEAST_PAUSE, Look, limits};
use crate::keeper::berth::Berth;
use crate::keeper::desk::Running;
use crate::keeper::errands::{self, End, Post};
use crate::keeper::logins::is_login;
use crate::keeper::{Refusal, Survey};

impl Running {
    pub(super) fn carry_out(&mut self, at: usize, survey: Survey, now: Instant) {
        let Some(place) = self.settling.places.get_mut(at) else { return };
        place.backoff.clear();
        place.standing = Look::Done;
        place.seen = true;
        let (site, cloud) = (place.site.clone(), Arc::clone(&place.cloud));
        if let Some(err) = survey.unlisted {
            self.explain_at(&site, err);
        }
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
            wanted: &self.still_wanted(),
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
                Verdict::Keep { task, target, age, left, unrecorded } => {
                    kept += 1;
                    if unrecorded {
                        self.found(&task, &target, &site, age);
                    }
                    let of_it = ends.extract_if(.., |(_, of)| *of == task);
                    let sessions = of_it.map(|(session, _)| session).collect();
                    self.keep(task, &target, (age, left), sessions, now);
                }
                Verdict::Stop { task, target, because, unrecorded } => {
                    stopped += 1;
                    info!(%task, ?because, "a task of an earlier run is stopped");
                    let target = target.unwrap_or_default();
                    if unrecorded {
                        self.found(&task, &target, &site, Duration::ZERO);
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
        let blind = self.settling.blind.is_some_and(|until| now < until);
        let later = later.or(blind.then_some(AGAIN_BLIND));
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
    pub(in crate::keeper) fn hear_reasked(
        &mut self,
        at: usize,
        token: &str,
        came: Result<TaskId, CloudError>,
        now: Instant,
    ) {
        if self.leaves() {
            return;
        }
        let Some(place) = self.settling.places.get(at) else { return };
        let post = self.post(&place.site.clone(), &Arc::clone(&place.cloud));
        match came {
            Ok(task) => {
                let token = token.to_owned();
                self.write(Record::Named { token, task: task.clone() });
                let Some(entry) = self.settling.book.entry(&task).cloned() else { return };
                let kept = self.kept(&entry.target);
                match adopt::judge(&entry, &task, &self.wanted(), kept, self.calendar()) {
                    Verdict::Keep { task, target, age, left, .. } => {
                        self.keep(task, &target, (age, left), Vec::new(), now);
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
        self.stop_on(now);
    }

    fn keep(
        &mut self,
        task: TaskId,
        target: &str,
        (age, left): (Duration, Duration),
        sessions: Vec<SessionId>,
        now: Instant,
    ) {
        let Some(bastion) = self.pool.adopt(target, task.clone(), left, now) else { return };
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

    fn bill_sighting(&mut self, task: &TaskId, seen: &Seen, entry: Option<&Entry>) {
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

    fn found(&mut self, task: &TaskId, target: &str, site: &Site, age: Duration) {
        let now = self.calendar();
        let finding = Finding {
            at: now.checked_sub(age).unwrap_or(now),
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
        self.settling.ours.push(task.clone());
        // The journal keeps it, until it is gone; what is left to be decided does not.
        self.settling.book.apply(&Record::Gone { task: task.clone() });
    }
}
