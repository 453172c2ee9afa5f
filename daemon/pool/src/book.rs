//! What the journal says is out there: its records, folded.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bastion_cloud::{SessionId, Site, TaskId, TaskSpec};

use crate::{Finding, Intention, Raise, Record, Watchdog};

/// What may be out there, as far as the journal tells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Book {
    /// In the order in which they were written down.
    entries: Vec<Entry>,
    sessions: BTreeMap<SessionId, OpenSession>,
    /// By the site's name.
    raised: BTreeMap<String, Raise>,
}

/// A task that may be out there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// When it was asked for, or made.
    pub at: SystemTime,
    /// The target that it is for.
    pub target: String,
    /// Where it runs.
    pub site: Site,
    /// What we know it from.
    pub origin: Origin,
    /// Whether it was to be stopped.
    pub stopping: bool,
}

/// What we know a task from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// We were about to ask for it, and nobody has written down what came of it.
    Asked(Box<TaskSpec>),
    /// We asked for it, and the cloud named it.
    Named(Box<TaskSpec>, TaskId),
    /// It was found in the cloud.
    Found(TaskId),
}

/// A session that may be open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenSession {
    /// The task that it goes through.
    pub task: TaskId,
    /// Whose it is.
    pub target: String,
}

impl Entry {
    /// The task's name, where it has one.
    pub fn task(&self) -> Option<&TaskId> {
        match &self.origin {
            Origin::Asked(_) => None,
            Origin::Named(_, task) | Origin::Found(task) => Some(task),
        }
    }

    /// The token that it was asked for with, where we know that.
    pub fn token(&self) -> Option<&str> {
        match &self.origin {
            Origin::Asked(spec) | Origin::Named(spec, _) => Some(&spec.token),
            Origin::Found(_) => None,
        }
    }

    /// How old its task becomes by its own watchdog, where it was started with one.
    pub fn life(&self) -> Option<Duration> {
        match &self.origin {
            Origin::Asked(spec) | Origin::Named(spec, _) => {
                Watchdog::life_in(spec.command.as_deref()?)
            }
            Origin::Found(_) => None,
        }
    }
}

impl Book {
    /// Takes in one record. One that contradicts what is known changes nothing.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Intend(intention) => self.intend(intention),
            Record::Named { token, task } => self.name(token, task),
            Record::Refused { token } => self.entries.retain(|entry| {
                entry.token() != Some(token) || !matches!(entry.origin, Origin::Asked(_))
            }),
            Record::Unwanted { token } => {
                if let Some(entry) = self.by_token(token) {
                    entry.stopping = true;
                }
            }
            Record::Found(finding) => self.find(finding),
            Record::Stopping { task } => {
                if let Some(entry) = self.entries.iter_mut().find(|e| e.task() == Some(task)) {
                    entry.stopping = true;
                }
            }
            Record::Gone { task } => {
                self.entries.retain(|entry| entry.task() != Some(task));
                self.sessions.retain(|_, session| session.task != *task);
            }
            Record::Session { session, task, target } => {
                let open = OpenSession { task: task.clone(), target: target.clone() };
                self.sessions.insert(session.clone(), open);
            }
            Record::SessionOver { session } => {
                self.sessions.remove(session);
            }
            Record::Raised(raise) => {
                // What we found before the first of several raises is what there is to go back to.
                self.raised.entry(raise.site.name.clone()).or_insert_with(|| (**raise).clone());
            }
            Record::Lowered { site } => {
                self.raised.remove(site);
            }
        }
    }

    /// The records that say the same in as few lines as can be.
    pub fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for entry in &self.entries {
            records.extend(entry.records());
        }
        records.extend(self.sessions.iter().map(|(session, open)| Record::Session {
            session: session.clone(),
            task: open.task.clone(),
            target: open.target.clone(),
        }));
        records.extend(self.raised.values().map(|raise| Record::Raised(Box::new(raise.clone()))));
        records
    }

    /// Every task that may be out there, the oldest record first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is known of one task.
    pub fn entry(&self, task: &TaskId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.task() == Some(task))
    }

    /// Every session that may be open.
    pub fn sessions(&self) -> impl Iterator<Item = (&SessionId, &OpenSession)> {
        self.sessions.iter()
    }

    /// Every service that we have woken and not put to sleep again.
    pub fn raised(&self) -> impl Iterator<Item = &Raise> {
        self.raised.values()
    }

    /// Whether nothing is out there.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.sessions.is_empty() && self.raised.is_empty()
    }

    fn by_token(&mut self, token: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.token() == Some(token))
    }

    fn intend(&mut self, intention: &Intention) {
        let Intention { at, target, site, spec } = intention;
        // The same wish again is the same task.
        if self.by_token(&spec.token).is_none() {
            self.entries.push(Entry {
                at: *at,
                target: target.clone(),
                site: site.clone(),
                origin: Origin::Asked(Box::new(spec.clone())),
                stopping: false,
            });
        }
    }

    fn name(&mut self, token: &str, task: &TaskId) {
        let Some(at) = self.entries.iter().position(|entry| entry.token() == Some(token)) else {
            return;
        };
        let mut entry = self.entries.remove(at);
        if let Origin::Asked(spec) = entry.origin {
            entry.origin = Origin::Named(spec, task.clone());
        }
        // What was found before it was named is one task and not two.
        self.entries.retain(|other| {
            let twin = other.task() == Some(task);
            entry.stopping |= twin && other.stopping;
            !twin
        });
        self.entries.insert(at.min(self.entries.len()), entry);
    }

    fn find(&mut self, finding: &Finding) {
        let Finding { at, target, site, task } = finding;
        if self.entry(task).is_none() {
            self.entries.push(Entry {
                at: *at,
                target: target.clone(),
                site: site.clone(),
                origin: Origin::Found(task.clone()),
                stopping: false,
            });
        }
    }
}

impl Entry {
    fn records(&self) -> Vec<Record> {
        let Self { at, target, site, origin, stopping } = self;
        let intend = |spec: &TaskSpec| {
            Record::Intend(Box::new(Intention {
                at: *at,
                target: target.clone(),
                site: site.clone(),
                spec: spec.clone(),
            }))
        };
        let stop = |task: &TaskId| stopping.then(|| Record::Stopping { task: task.clone() });
        match origin {
            Origin::Asked(spec) => {
                let token = spec.token.clone();
                let unwanted = stopping.then_some(Record::Unwanted { token });
                [intend(spec)].into_iter().chain(unwanted).collect()
            }
            Origin::Named(spec, task) => {
                let named = Record::Named { token: spec.token.clone(), task: task.clone() };
                [intend(spec), named].into_iter().chain(stop(task)).collect()
            }
            Origin::Found(task) => {
                let (target, site) = (target.clone(), site.clone());
                let found = Finding { at: *at, target, site, task: task.clone() };
                [Record::Found(Box::new(found))].into_iter().chain(stop(task)).collect()
            }
        }
    }
}
