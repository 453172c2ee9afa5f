//! How much a tunnel moves, and whether it is one to send a new visit through.
//!
//! ```text
//!   eighths of a second:   ├──┼──┼──┼──┼──┼──┼──┼──┼──┤ now
//!                             └──── a second ─────┘  └ not over yet
//!                                      └─ half ──┘ each with its share: bulk
//! ```

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ssm_proto::StreamId;

use crate::switchboard::Moved;

/// How a tunnel does at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Streams that have a visitor.
    pub streams: usize,
    /// Bytes that visitors sent, in all.
    pub bytes_up: u64,
    /// Bytes that came for visitors, in all.
    pub bytes_down: u64,
    /// Bytes that visitors sent during the last second.
    pub rate_up: u64,
    /// Bytes that came for visitors during the last second.
    pub rate_down: u64,
    /// Bytes that came and that no visitor has read.
    pub unread: usize,
    /// Streams whose visitors have left their buffers full for half a second.
    pub stalled_readers: usize,
    /// Streams whose destination was asked for something and has not given a sign: the agent may still be dialing for
    /// them, and then all that are opened later wait. Those that were given up since count, until the agent is done.
    pub dialing: usize,
    /// How long the first of these has been waiting.
    pub oldest_dial: Option<Duration>,
    /// See [`Stats::is_bulk`].
    bulk: bool,
}

impl Stats {
    /// Whether it moves so much that a small answer has to wait in line behind it.
    ///
    /// The agent sends no more than about 700 KB in a second, and some 200 KB stand in line in front of that: whoever moves
    /// 256 KB/s for half a second has filled the line or is about to. A tunnel remains bulk for a second after that.
    pub fn is_bulk(&self) -> bool {
        self.bulk
    }
}

/// What the driver measures and the tunnel's handles read.
#[derive(Debug)]
pub(crate) struct Meter(Mutex<Readings>);

#[derive(Debug)]
struct Readings {
    start: Instant,
    up: Flow,
    down: Flow,
    unread: usize,
    /// Streams that the agent has given no sign of, since when.
    asked: BTreeMap<StreamId, Instant>,
    /// Streams whose visitors have left their buffers full, since when.
    starved: BTreeMap<StreamId, Instant>,
}

/// One direction's bytes by eighths of a second.
#[derive(Debug, Default)]
struct Flow {
    total: u64,
    slots: [u64; SLOTS],
    /// The number, since the meter's start, of the slot that is written.
    at: u64,
}

impl Meter {
    pub(crate) fn new(start: Instant) -> Self {
        Self(Mutex::new(Readings {
            start,
            up: Flow::default(),
            down: Flow::default(),
            unread: 0,
            asked: BTreeMap::new(),
            starved: BTreeMap::new(),
        }))
    }

    /// Adds what was moved in one turn of the driver.
    pub(crate) fn moved(&self, moved: Moved, unread: usize, now: Instant) {
        let mut readings = self.lock();
        let slot = readings.slot(now);
        readings.up.add(moved.up as u64, slot);
        readings.down.add(moved.down as u64, slot);
        readings.unread = unread;
    }

    /// A stream's destination was asked for something.
    pub(crate) fn asked(&self, id: StreamId, now: Instant) {
        self.lock().asked.entry(id).or_insert(now);
    }

    /// A stream's destination has given a sign, or need not any more.
    pub(crate) fn answered(&self, id: StreamId) {
        self.lock().asked.remove(&id);
    }

    /// A stream's visitor has left its buffer full, or no longer.
    pub(crate) fn starved(&self, id: StreamId, since: Option<Instant>) {
        let starved = &mut self.lock().starved;
        match since {
            Some(now) => drop(starved.entry(id).or_insert(now)),
            None => drop(starved.remove(&id)),
        }
    }

    /// There is no stream any more.
    pub(crate) fn forget_all(&self) {
        let mut readings = self.lock();
        (readings.unread, readings.asked, readings.starved) = Default::default();
    }

    /// What is known now of a tunnel with so many streams.
    pub(crate) fn stats(&self, streams: usize, now: Instant) -> Stats {
        let readings = self.lock();
        let slot = readings.slot(now);
        let age = |since: &Instant| now.saturating_duration_since(*since);
        Stats {
            streams,
            bytes_up: readings.up.total,
            bytes_down: readings.down.total,
            rate_up: readings.up.last_second(slot),
            rate_down: readings.down.last_second(slot),
            unread: readings.unread,
            stalled_readers: readings.starved.values().filter(|since| age(since) >= STALL).count(),
            dialing: readings.asked.len(),
            oldest_dial: readings.asked.values().map(age).max(),
            bulk: readings.up.is_bulk(slot) || readings.down.is_bulk(slot),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Readings> {
        // Nothing in here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readings {
    fn slot(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.start).as_millis() / SLOT.as_millis();
        u64::try_from(passed).unwrap_or(u64::MAX)
    }
}

impl Flow {
    fn add(&mut self, bytes: u64, slot: u64) {
        if bytes == 0 {
            return;
        }
        let passed = slot.saturating_sub(self.at);
        for stale in 1..=passed.min(SLOTS as u64) {
            self.slots[index(self.at + stale)] = 0;
        }
        self.at += passed;
        self.slots[index(self.at)] += bytes;
        self.total += bytes;
    }

    /// The bytes of one slot, seen from the slot `now`.
    fn get(&self, slot: u64) -> u64 {
        let kept = slot <= self.at && slot + SLOTS as u64 > self.at;
        if kept { self.slots[index(slot)] } else { 0 }
    }

    fn last_second(&self, now: u64) -> u64 {
        (now.saturating_sub(SECOND - 1)..=now).map(|slot| self.get(slot)).sum()
    }

    /// Whether there were, among the last second's slots that are over, as many in a row that had their share.
    fn is_bulk(&self, now: u64) -> bool {
        let mut row = 0;
        for slot in now.saturating_sub(SECOND + SUSTAINED)..now {
            row = if self.get(slot) >= SHARE { row + 1 } else { 0 };
            if row >= SUSTAINED {
                return true;
            }
        }
        false
    }
}

fn index(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).expect("less than SLOTS")
}

/// How long a buffer is full before its reader counts as one that has stopped: in a bulk flow it is full now and then.
const STALL: Duration = Duration::from_millis(500);

/// One slot: short enough to tell a burst from a flow within half a second.
const SLOT: Duration = Duration::from_millis(125);

/// Slots of a second.
const SECOND: u64 = 8;

/// Slots in a row that make a flow of a burst: half a second.
const SUSTAINED: u64 = 4;

/// Slots that are kept: what is asked for, and some.
const SLOTS: usize = 16;

/// Bytes of a slot in a bulk flow: 256 KB/s, a third of what the agent can send.
const SHARE: u64 = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
    fn meter() -> (Meter, Instant) {
        let start = Instant::now();
        (Meter::new(start), start)
    }

    fn up(meter: &Meter, bytes: usize, at: Instant) {
        meter.moved(Moved { up: bytes, down: 0 }, 0, at);
    }

    fn down(meter: &Meter, bytes: usize, at: Instant) {
        meter.moved(Moved { up: 0, down: bytes }, 0, at);
    }

    #[test]
    fn a_download_at_the_agents_limit_is_bulk_after_half_a_second_and_a_second_longer_than_it_lasts()
     {
        let (meter, start) = meter();
        let mut at = start;
        let mut first = None;
        while at < start + 3000 * MS {
            down(&meter, 1000, at);
            at += 2 * MS;
            if meter.stats(0, at).is_bulk() {
                first.get_or_insert(at - start);
            }
        }
        let first = first.unwrap();
        assert!(first >= 500 * MS && first <= 630 * MS, "{first:?}");
        assert!(meter.stats(0, at + 900 * MS).is_bulk());
        assert!(!meter.stats(0, at + 1300 * MS).is_bulk());
    }

    #[test]
    fn small_queries_and_one_large_answer_are_no_bulk() {
        let (meter, start) = meter();
        for query in 0..1000 {
            let at = start + query * 2 * MS;
            up(&meter, 60, at);
            down(&meter, 400, at);
            assert!(!meter.stats(0, at).is_bulk());
        }
        down(&meter, 10_000_000, start + 2500 * MS);
        for later in 0..40 {
            assert!(!meter.stats(0, start + (2500 + later * 50) * MS).is_bulk());
        }
    }

    #[test]
    fn a_reader_counts_as_stalled_once_its_buffer_was_full_for_a_while() {
        let (meter, start) = meter();
        meter.starved(StreamId(3), Some(start));
        meter.starved(StreamId(3), Some(start + 400 * MS));
        assert_eq!(meter.stats(0, start + 499 * MS).stalled_readers, 0);
        assert_eq!(meter.stats(0, start + 500 * MS).stalled_readers, 1);
        meter.starved(StreamId(3), None);
        assert_eq!(meter.stats(0, start + 600 * MS).stalled_readers, 0);
    }

    #[test]
    fn dials_are_counted_until_they_are_answered_and_the_oldest_is_told() {
        let (meter, start) = meter();
        meter.asked(StreamId(3), start);
        meter.asked(StreamId(5), start + 10 * MS);
        meter.asked(StreamId(3), start + 20 * MS);
        let stats = meter.stats(2, start + 30 * MS);
        assert_eq!((stats.dialing, stats.oldest_dial), (2, Some(30 * MS)));
        meter.answered(StreamId(3));
        let stats = meter.stats(2, start + 30 * MS);
        assert_eq!((stats.dialing, stats.oldest_dial), (1, Some(20 * MS)));
    }

    #[test]
    fn rates_are_of_the_last_second_and_totals_of_all_time() {
        let (meter, start) = meter();
        up(&meter, 300, start);
        down(&meter, 500, start + 100 * MS);
        up(&meter, 70, start + 900 * MS);
        let stats = meter.stats(0, start + 950 * MS);
        assert_eq!((stats.rate_up, stats.rate_down), (370, 500));
        let stats = meter.stats(0, start + 1600 * MS);
        assert_eq!((stats.rate_up, stats.rate_down), (70, 0));
        up(&meter, 1, start + 3_600_000 * MS);
        let stats = meter.stats(0, start + 3_600_500 * MS);
        assert_eq!((stats.rate_up, stats.bytes_up, stats.bytes_down), (1, 371, 500));
    }
}
