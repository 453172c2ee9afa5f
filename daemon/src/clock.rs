//! What time it is: the only place that asks the machine.
//!
//! A laptop that sleeps for an hour has been idle for an hour, so [`Clock::now`] counts time asleep, which the
//! standard library's clock on Linux and macOS does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Tells the time, counting time asleep. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    /// An instant, and what the source said at that instant.
    base: (Instant, Duration),
    source: Source,
}

impl Clock {
    /// The machine's clock.
    pub fn machine() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
        let start = Instant::now();
        Self { base: (start, since_boot()), source: Source::Machine }
    }

    /// A clock that stands still until it is turned, for tests.
    pub fn by_hand() -> (Self, Hand) {
        let turned = Hand(Arc::new(AtomicU64::new(0)));
        #[expect(
            clippy::disallowed_methods,
            reason = "a clock turned by hand begins somewhere, too"
        )]
        let start = Instant::now();
        (Self { base: (start, Duration::ZERO), source: Source::Hand(turned.clone()) }, turned)
    }

    /// This moment. Never goes backwards.
    pub fn now(&self) -> Instant {
        let said = match &self.source {
            Source::Machine => since_boot(),
            Source::Hand(hand) => Duration::from_millis(hand.0.load(Ordering::Acquire)),
        };
        self.base.0 + said.saturating_sub(self.base.1)
    }

    /// This moment on the calendar, for what people read.
    pub fn calendar(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// What turns a clock by hand.
#[derive(Clone, Debug)]
pub struct Hand(Arc<AtomicU64>);

impl Hand {
    /// Lets so much time pass; whole milliseconds count.
    pub fn turn(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::AcqRel);
    }
}

#[derive(Clone, Debug)]
enum Source {
    Machine,
    Hand(Hand),
}

fn since_boot() -> Duration {
    // Linux: CLOCK_MONOTONIC stops while asleep, CLOCK_BOOTTIME does not. macOS: CLOCK_MONOTONIC goes on while asleep.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let id = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let id = rustix::time::ClockId::Monotonic;
    let read = rustix::time::clock_gettime(id);
    let secs = u64::try_from(read.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(read.tv_nsec).unwrap_or(0);
    Duration::new(secs, nanos)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Clock;

    #[test]
    fn a_clock_turned_by_hand_stands_still_until_it_is_turned() {
        let (clock, hand) = Clock::by_hand();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        hand.turn(Duration::from_secs(45 * 60));
        assert_eq!(clock.now() - before, Duration::from_secs(45 * 60));
    }

    #[test]
    fn the_machines_clock_does_not_go_backwards() {
        let clock = Clock::machine();
        let (first, second) = (clock.now(), clock.now());
        assert!(first <= second);
    }
}
