//! How much a visit has moved, and when it last moved anything.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// What a visit has moved so far: written by the visit, read by whoever shows it.
#[derive(Debug)]
pub(super) struct Moved {
    began: Instant,
    /// From the visitor to the database, in bytes.
    inward: AtomicU64,
    /// From the database to the visitor, in bytes.
    outward: AtomicU64,
    /// When the last byte was moved, in milliseconds since it began.
    last: AtomicU64,
    /// Whether the visitor has closed its side, and who waits for it.
    parted: AtomicBool,
    parting: Notify,
}

impl Moved {
    /// Nothing yet.
    pub(super) fn since(began: Instant) -> Self {
        Self {
            began,
            inward: AtomicU64::new(0),
            outward: AtomicU64::new(0),
            last: AtomicU64::new(0),
            parted: AtomicBool::new(false),
            parting: Notify::new(),
        }
    }

    pub(super) fn count_inward(&self, bytes: usize, now: Instant) {
        self.inward.fetch_add(bytes as u64, Ordering::Relaxed);
        self.stir(now);
    }

    pub(super) fn count_outward(&self, bytes: usize, now: Instant) {
        self.outward.fetch_add(bytes as u64, Ordering::Relaxed);
        self.stir(now);
    }

    /// The visitor has closed its side: it asks for nothing more, though an answer may be on its way.
    pub(super) fn part(&self, now: Instant) {
        self.parted.store(true, Ordering::Relaxed);
        self.stir(now);
        self.parting.notify_one();
    }

    /// Waits, for one who waits, until the visitor has closed its side.
    pub(super) async fn parted(&self) {
        self.parting.notified().await;
    }

    pub(super) fn has_parted(&self) -> bool {
        self.parted.load(Ordering::Relaxed)
    }

    pub(super) fn inward(&self) -> u64 {
        self.inward.load(Ordering::Relaxed)
    }

    pub(super) fn outward(&self) -> u64 {
        self.outward.load(Ordering::Relaxed)
    }

    /// For how long nothing was moved.
    pub(super) fn silent_for(&self, now: Instant) -> Duration {
        self.age(now).saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }

    /// For how long it has been there.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    fn stir(&self, now: Instant) {
        let at = u64::try_from(self.age(now).as_millis()).unwrap_or(u64::MAX);
        self.last.store(at, Ordering::Relaxed);
    }
}
