//! The ledger: who went where, and what it cost. What is written here is never changed.
//!
//! ```text
//!   visits, keeper, tunnels ──record──▶ ┌────────┐ ──lines──▶ writer ──▶ ledger/2026-11.jsonl
//!                                       │ Ledger │           (its own thread: a slow disk delays nobody)
//!   status: today's cost ◀──── book ────┤        │
//!   cost, audit ◀─────────── files ─────┘
//! ```
//!
//! **When a line is safe.** It is handed to the system, whole, as soon as it is told, so a crash of ours loses none. What
//! has to do with money, a bastion's beginning and its end, is synced to the disk at once; everything else within
//! `SYNC_WITHIN`: a power cut may cost the audit that much. On stopping, everything is synced.

mod audit;
mod book;
mod cost;
mod months;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use bastion_api::{
    Audit, AuditRecord, BastionEndedRecord, BastionStartedRecord, Cost, CostSum, GroupBy,
    RefusedRecord, Size, Timestamp, TunnelClosedRecord, TunnelOpenedRecord, VisitRecord,
};
use bastion_cloud::{SessionId, TaskId, TaskSize};
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::book::Book;
use self::months::Months;
use self::writer::Order;
use crate::clock::Clock;
use crate::state::StateError;
use crate::tunnels::TunnelLog;

/// A handle on the ledger. Clones write the same one.
#[derive(Clone, Debug)]
pub struct Ledger {
    clock: Clock,
    months: Months,
    book: Arc<Mutex<Book>>,
    /// Unbounded, because nobody who goes through a tunnel waits for a disk; a line has a few hundred bytes.
    orders: mpsc::Sender<Order>,
}

/// A bastion, as the ledger knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct BastionNote {
    /// The task.
    pub task: TaskId,
    /// The target that it was started for; of a shared one, the first that wanted it.
    pub target: String,
    /// The site's name.
    pub site: String,
    /// What its price hangs on.
    pub size: TaskSize,
    /// The price that the config names, where it names one: US dollars an hour.
    pub price_per_hour: Option<f64>,
}

/// How a bastion has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct BastionEnd {
    /// When the pull of its image began: it is paid for from here on. None where it never came so far.
    pub pull_started: Option<Timestamp>,
    /// When it had ended, at the latest.
    pub at: Timestamp,
    /// How much earlier it may have ended, where the cloud no longer tells.
    pub estimated: Option<Duration>,
    /// Why, in the cloud's words.
    pub why: Option<String>,
}

/// Which part of the ledger is asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// From when.
    pub since: Option<Timestamp>,
    /// Until when; until now where none is given.
    pub until: Option<Timestamp>,
    /// Only what concerns this target.
    pub target: Option<String>,
    /// Sums, by this.
    pub by: Option<GroupBy>,
}

/// Why the ledger cannot be read.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The system said no.
    #[error("reading the ledger")]
    Read(#[source] std::io::Error),
}

impl Ledger {
    /// The ledger under a state directory, with what it says of bastions that ran lately. Reads files: not for a moment
    /// when somebody waits.
    pub fn open(state_dir: &Path, clock: Clock) -> Result<Self, StateError> {
        let months = Months::open(state_dir)?;
        let book = Book::remembered(&months, clock.calendar());
        let orders = writer::start(months.clone()).map_err(|err| StateError::Io {
            deed: "writing",
            path: state_dir.join("ledger"),
            err,
        })?;
        Ok(Self { clock, months, book: Arc::new(Mutex::new(book)), orders })
    }

    /// A visit that went through is over.
    pub fn visit(&self, record: VisitRecord) {
        self.write(AuditRecord::Visit(record));
    }

    /// A visitor was sent away.
    pub fn refused(&self, record: RefusedRecord) {
        self.write(AuditRecord::Refused(record));
    }

    /// A task was asked for, and has a name. Told twice, it counts once.
    pub fn bastion_started(&self, bastion: &BastionNote, asked: Timestamp) {
        let record = BastionStartedRecord {
            time: asked,
            task: bastion.task.as_str().to_owned(),
            target: bastion.target.clone(),
            site: bastion.site.clone(),
            size: size(bastion),
        };
        if self.book().started(&record) {
            self.write(AuditRecord::BastionStarted(record));
        }
    }

    /// The pull of a task's image has begun: until its end is told, it counts from here on.
    pub fn bastion_pulled(&self, task: &TaskId, at: Timestamp) {
        self.book().pulled(task.as_str(), at);
    }

    /// A task has ended. Told twice, it counts once.
    pub fn bastion_ended(&self, bastion: &BastionNote, end: BastionEnd) {
        let (size, task) = (size(bastion), bastion.task.as_str().to_owned());
        let seconds = cost::billed_seconds(end.pull_started, end.at);
        let usd = cost::usd(&size, seconds);
        let record = BastionEndedRecord {
            time: end.at,
            task,
            target: bastion.target.clone(),
            site: bastion.site.clone(),
            size,
            billed_from: end.pull_started.unwrap_or(end.at),
            seconds,
            usd,
            estimated_within: end.estimated.map(|within| within.as_secs_f64()),
            why: end.why,
        };
        if self.book().ended(&record) {
            self.write(AuditRecord::BastionEnded(record));
        }
    }

    /// A task of an earlier run has ended, and the cloud tells nothing of it any more: it did so by `at` at the latest.
    pub fn bastion_forgotten(&self, task: &TaskId, site: &str, at: Timestamp) {
        let Some(billed) = self.book().unended().remove(task.as_str()) else { return };
        let seconds = cost::billed_seconds(Some(billed.from), at);
        let usd = cost::usd(&billed.size, seconds);
        let record = BastionEndedRecord {
            time: at,
            task: task.as_str().to_owned(),
            target: billed.target,
            site: site.to_owned(),
            size: billed.size,
            billed_from: billed.from,
            seconds,
            usd,
            // Nothing is known of it from its beginning on.
            estimated_within: Some(seconds),
            why: None,
        };
        if self.book().ended(&record) {
            self.write(AuditRecord::BastionEnded(record));
        }
    }

    /// The tasks that have begun and of which no end is told, by their names: after a crash, somebody has to find out.
    pub fn running(&self) -> Vec<TaskId> {
        self.book().running().map(TaskId::new).collect()
    }

    /// A tunnel was opened.
    pub fn tunnel_opened(&self, target: &str, task: &TaskId, session: &str) {
        let time = self.clock.calendar();
        let record = TunnelOpenedRecord {
            time,
            target: target.to_owned(),
            session: session.to_owned(),
            task: Some(task.as_str().to_owned()),
        };
        self.book().tunnel_opened(&record);
        self.write(AuditRecord::TunnelOpened(record));
    }

    /// A tunnel has ended. Of one whose beginning was not told to this run of the daemon there is nothing to say.
    pub fn tunnel_closed(&self, session: &str, why: Option<String>) {
        let time = self.clock.calendar();
        let Some(opened) = self.book().tunnel_closed(session) else { return };
        self.write(AuditRecord::TunnelClosed(TunnelClosedRecord {
            time,
            target: opened.target,
            session: opened.session,
            task: opened.task,
            since: opened.time,
            seconds: time.duration_since(opened.time).as_secs_f64().max(0.0),
            why,
        }));
    }

    /// What the bastions of one target have cost today, or those of all.
    pub fn today(&self, target: Option<&str>) -> CostSum {
        let now = self.clock.calendar();
        self.book().sum(target, cost::day_began(now), now)
    }

    /// What bastions cost from one time to another; today, where no beginning is given.
    pub async fn cost(&self, wanted: Wanted) -> Result<Cost, LedgerError> {
        let now = self.clock.calendar();
        let since = wanted.since.unwrap_or_else(|| cost::day_began(now));
        let until = wanted.until.unwrap_or(now);
        let target = wanted.target;
        let running = self.book().unended();
        self.reading(move |months| {
            let mut book = Book::read(months, since, now).map_err(LedgerError::Read)?;
            // What began before the first of those months and still runs stands in memory alone.
            book.join(running);
            let bastions = book.billed(target.as_deref());
            Ok(cost::report(&bastions, since, until, wanted.by.unwrap_or_default(), now))
        })
        .await
    }

    /// Who went where from one time to another; the last week, where no beginning is given.
    pub async fn audit(&self, wanted: Wanted) -> Result<Audit, LedgerError> {
        let now = self.clock.calendar();
        self.reading(move |months| audit::find(months, &wanted, now).map_err(LedgerError::Read))
            .await
    }

    /// Returns once everything told so far is on the disk, or cannot be put there.
    pub async fn synced(&self) {
        let (done, synced) = oneshot::channel();
        if self.orders.send(Order::Sync(done)).is_ok() {
            // A disk that does not answer holds nobody up for ever.
            drop(timeout(DISK_PATIENCE, synced).await);
        }
    }

    /// Reads the files, with everything in them that was told so far.
    async fn reading<T, F>(&self, read: F) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        F: FnOnce(&Months) -> Result<T, LedgerError> + Send + 'static,
    {
        self.synced().await;
        let months = self.months.clone();
        let read = tokio::task::spawn_blocking(move || read(&months)).await;
        read.unwrap_or_else(|err| Err(LedgerError::Read(std::io::Error::other(err))))
    }

    fn write(&self, record: AuditRecord) {
        // The writer ends with the process, and after it nothing can be written.
        drop(self.orders.send(Order::Write(Box::new(record))));
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TunnelLog for Ledger {
    fn opened(&self, target: &str, task: &TaskId, session: &SessionId) {
        self.tunnel_opened(target, task, session.as_str());
    }

    fn closed(&self, session: &SessionId, why: &str) {
        self.tunnel_closed(session.as_str(), Some(why.to_owned()));
    }
}

fn size(bastion: &BastionNote) -> Size {
    Size {
        region: bastion.size.region.clone(),
        architecture: bastion.size.architecture.to_string(),
        cpu: bastion.size.cpu.unwrap_or_default(),
        memory: bastion.size.memory.unwrap_or_default(),
        price_per_hour: bastion.price_per_hour,
    }
}

/// How long a line that is not about money may be without being synced.
const SYNC_WITHIN: Duration = Duration::from_secs(5);

/// How long a disk may take.
const DISK_PATIENCE: Duration = Duration::from_secs(5);
