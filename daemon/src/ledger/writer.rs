//! The thread that writes the ledger's lines. It sleeps while nobody tells anything.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;

use bastion_api::AuditRecord;
use tokio::sync::oneshot;
use tracing::warn;

use super::SYNC_WITHIN;
use super::months::{self, Months, Page};

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Write this.
    Write(Box<AuditRecord>),
    /// Sync, and say when it is done.
    Sync(oneshot::Sender<()>),
}

/// Starts the thread; it ends when every sender has gone.
pub(super) fn start(months: Months) -> io::Result<Sender<Order>> {
    let (orders, told) = mpsc::channel();
    let writer = Writer { months, page: None, unsynced: false, failing: false };
    // A thread and no task: a disk may hang, and what hangs here hangs alone.
    thread::Builder::new().name("ledger".to_owned()).spawn(move || writer.run(&told))?;
    Ok(orders)
}

struct Writer {
    months: Months,
    page: Option<Page>,
    unsynced: bool,
    /// Whether the last line could not be written: that is said once, not with each line.
    failing: bool,
}

impl Writer {
    fn run(mut self, told: &Receiver<Order>) {
        loop {
            let order = if self.unsynced {
                told.recv_timeout(SYNC_WITHIN)
            } else {
                told.recv().map_err(RecvTimeoutError::from)
            };
            match order {
                Ok(Order::Write(record)) => self.write(&record),
                Ok(Order::Sync(done)) => {
                    self.sync();
                    // Whoever asked may have stopped waiting.
                    done.send(()).ok();
                }
                Err(RecvTimeoutError::Timeout) => self.sync(),
                Err(RecvTimeoutError::Disconnected) => return self.sync(),
            }
        }
    }

    fn write(&mut self, record: &AuditRecord) {
        let Some(time) = record.time() else { return };
        let written = self.months.page(time, self.page.take()).and_then(|mut page| {
            page.write(&months::line(record))?;
            self.page = Some(page);
            Ok(())
        });
        self.note(written);
        self.unsynced = true;
        if is_money(record) {
            self.sync();
        }
    }

    fn sync(&mut self) {
        self.unsynced = false;
        if let Some(synced) = self.page.as_ref().map(Page::sync) {
            self.note(synced);
        }
    }

    fn note(&mut self, done: io::Result<()>) {
        match done {
            Ok(()) => self.failing = false,
            Err(err) if self.failing => drop(err),
            Err(err) => {
                self.failing = true;
                warn!(%err, "the ledger cannot be written: what happens meanwhile is missing in it");
            }
        }
    }
}

fn is_money(record: &AuditRecord) -> bool {
    match record {
        AuditRecord::BastionStarted(_) | AuditRecord::BastionEnded(_) => true,
        AuditRecord::Visit(_)
        | AuditRecord::Refused(_)
        | AuditRecord::TunnelOpened(_)
        | AuditRecord::TunnelClosed(_)
        | AuditRecord::Unknown => false,
    }
}
