//! What the ledger knows by heart: the bastions that run or ran today, and the tunnels that stand.

use std::collections::BTreeMap;
use std::io;

use bastion_api::{
    AuditRecord, BastionEndedRecord, BastionStartedRecord, CostSum, Timestamp, TunnelOpenedRecord,
};
use jiff::ToSpan;
use tracing::warn;

use super::cost::{self, Billed, End};
use super::months::Months;

/// Bastions by their tasks' names, and open tunnels by their sessions'.
#[derive(Debug, Default)]
pub(super) struct Book {
    bastions: BTreeMap<String, Billed>,
    tunnels: BTreeMap<String, TunnelOpenedRecord>,
}

impl Book {
    /// What an earlier run of the daemon wrote and is still of use.
    pub(super) fn remembered(months: &Months, now: Timestamp) -> Self {
        let since = now.saturating_sub(LOOK_BACK.hours()).unwrap_or(now);
        match Self::read(months, since, now) {
            Ok(mut book) => {
                book.forget(now);
                book
            }
            Err(err) => {
                warn!(%err, "the ledger cannot be read: what ran before is missing in today's cost");
                Self::default()
            }
        }
    }

    /// The bastions of which the months from one time to another tell.
    pub(super) fn read(months: &Months, since: Timestamp, until: Timestamp) -> io::Result<Self> {
        let mut book = Self::default();
        // Of thousands of lines a few are about bastions, and the others need not be understood.
        months.read(
            since,
            until,
            |line| line.contains(ABOUT_BASTIONS),
            |record| match record {
                AuditRecord::BastionStarted(started) => drop(book.started(&started)),
                AuditRecord::BastionEnded(ended) => drop(book.ended(&ended)),
                AuditRecord::Visit(_)
                | AuditRecord::Refused(_)
                | AuditRecord::TunnelOpened(_)
                | AuditRecord::TunnelClosed(_)
                | AuditRecord::Unknown => {}
            },
        )?;
        Ok(book)
    }

    /// Whether that is news.
    pub(super) fn started(&mut self, record: &BastionStartedRecord) -> bool {
        if self.bastions.contains_key(&record.task) {
            return false;
        }
        let bastion = Billed {
            target: record.target.clone(),
            size: record.size.clone(),
            from: record.time,
            end: None,
        };
        self.bastions.insert(record.task.clone(), bastion);
        true
    }

    pub(super) fn pulled(&mut self, task: &str, at: Timestamp) {
        if let Some(bastion) = self.bastions.get_mut(task).filter(|bastion| bastion.end.is_none()) {
            bastion.from = at;
        }
    }

    /// Whether that is news.
    pub(super) fn ended(&mut self, record: &BastionEndedRecord) -> bool {
        if self.bastions.get(&record.task).is_some_and(|bastion| bastion.end.is_some()) {
            return false;
        }
        let bastion = Billed {
            target: record.target.clone(),
            size: record.size.clone(),
            from: record.billed_from,
            end: Some(End {
                at: record.time,
                seconds: record.seconds,
                estimated: record.estimated_within.unwrap_or_default(),
            }),
        };
        self.bastions.insert(record.task.clone(), bastion);
        self.forget(record.time);
        true
    }

    pub(super) fn tunnel_opened(&mut self, record: &TunnelOpenedRecord) {
        self.tunnels.insert(record.session.clone(), record.clone());
    }

    pub(super) fn tunnel_closed(&mut self, session: &str) -> Option<TunnelOpenedRecord> {
        self.tunnels.remove(session)
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &str> {
        let running = self.bastions.iter().filter(|(_, bastion)| bastion.end.is_none());
        running.map(|(task, _)| task.as_str())
    }

    /// The bastions that run, by their tasks' names.
    pub(super) fn unended(&self) -> BTreeMap<String, Billed> {
        let running = self.bastions.iter().filter(|(_, bastion)| bastion.end.is_none());
        running.map(|(task, bastion)| (task.clone(), bastion.clone())).collect()
    }

    /// Takes in bastions that run, unless their end is known by now.
    pub(super) fn join(&mut self, running: BTreeMap<String, Billed>) {
        for (task, bastion) in running {
            match self.bastions.get_mut(&task) {
                Some(known) if known.end.is_some() => {}
                Some(known) => *known = bastion,
                None => drop(self.bastions.insert(task, bastion)),
            }
        }
    }

    pub(super) fn billed(&self, target: Option<&str>) -> Vec<Billed> {
        self.of(target).cloned().collect()
    }

    pub(super) fn sum(&self, target: Option<&str>, since: Timestamp, now: Timestamp) -> CostSum {
        let bastions: Vec<&Billed> = self.of(target).collect();
        cost::sum(&bastions, since, now, now)
    }

    fn of<'a>(&'a self, target: Option<&'a str>) -> impl Iterator<Item = &'a Billed> {
        self.bastions.values().filter(move |b| target.is_none_or(|name| b.target == name))
    }

    /// Lets go of what ended too long ago to be part of today.
    fn forget(&mut self, now: Timestamp) {
        let Ok(old) = now.checked_sub(KEPT.hours()) else { return };
        self.bastions.retain(|_, bastion| bastion.end.is_none_or(|end| end.at >= old));
    }
}

/// What every line about a bastion holds, and hardly another one.
const ABOUT_BASTIONS: &str = "\"record\":\"bastion_";

/// How far back a start looks, in hours: no bastion of ours lives as long.
const LOOK_BACK: i64 = 31 * 24;

/// How long a bastion that has ended is kept, in hours: longer than any day, with a change of the clocks in it.
const KEPT: i64 = 26;
