//! What time it is: the only place that asks the machine.
//!
//! A laptop that sleeps for an hour has been idle for an hour, so [`Clock::now`] counts time asleep, which the
//! standard library's clock on Linux and macOS does not. What one counts and the other does not is the time asleep, and
//! that it has grown says that the machine has just woken ([`Clock::wakes`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Tells the time, counting time asleep. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    /// An instant, and what the source said at that instant.
    base: (Instant, Duration),
    source: Source,
    /// How often the machine has woken, and who is waited for before anybody looks.
    woken: Arc<watch::Sender<u64>>,
    wanted: Arc<Notify>,
}

impl Clock {
    /// The machine's clock.
    pub fn machine() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
        let start = Instant::now();
        Self::new(start, since_boot(), Source::Machine)
    }

    /// A clock that stands still until it is turned, for tests.
    pub fn by_hand() -> (Self, Hand) {
        let (woken, wanted) = (Arc::new(watch::Sender::new(0)), Arc::new(Notify::new()));
        let turned = Hand { turned: Arc::default(), slept: Arc::default(), woken };
        #[expect(
            clippy::disallowed_methods,
            reason = "a clock turned by hand begins somewhere, too"
        )]
        let start = Instant::now();
        let source = Source::Hand(turned.clone());
        let woken = Arc::clone(&turned.woken);
        (Self { base: (start, Duration::ZERO), source, woken, wanted }, turned)
    }

    /// This moment. Never goes backwards.
    pub fn now(&self) -> Instant {
        let said = match &self.source {
            Source::Machine => since_boot(),
            Source::Hand(hand) => Duration::from_millis(hand.turned.load(Ordering::Acquire)),
        };
        self.base.0 + said.saturating_sub(self.base.1)
    }

    /// How long the machine has been asleep since this clock was made.
    pub fn slept(&self) -> Duration {
        match &self.source {
            Source::Machine => {
                #[expect(clippy::disallowed_methods, reason = "the clock that stops while asleep")]
                let awake = Instant::now().saturating_duration_since(self.base.0);
                since_boot().saturating_sub(self.base.1).saturating_sub(awake)
            }
            Source::Hand(hand) => Duration::from_millis(hand.slept.load(Ordering::Acquire)),
        }
    }

    /// How often the machine has woken; changes within two seconds of a wake, as long as somebody holds a receiver.
    pub fn wakes(&self) -> watch::Receiver<u64> {
        let receiver = self.woken.subscribe();
        self.wanted.notify_one();
        receiver
    }

    /// Looks whether the machine has woken while anybody wants to know, until `stop` fires.
    pub async fn watch_sleep(self, stop: CancellationToken) {
        let watching = async {
            loop {
                self.wanted.notified().await;
                let mut slept = self.slept();
                while self.woken.receiver_count() > 0 {
                    // This pause does not count time asleep, so what is left of it after a wake is never longer.
                    sleep(LOOK).await;
                    let now = self.slept();
                    if now.saturating_sub(slept) >= A_SLEEP {
                        info!(asleep = ?now.saturating_sub(slept), "the machine has woken");
                        self.woken.send_modify(|wakes| *wakes += 1);
                    }
                    slept = now;
                }
            }
        };
        tokio::select! {
            () = watching => {}
            () = stop.cancelled() => {}
        }
    }

    fn new(start: Instant, said: Duration, source: Source) -> Self {
        let (woken, wanted) = (Arc::new(watch::Sender::new(0)), Arc::new(Notify::new()));
        Self { base: (start, said), source, woken, wanted }
    }

    /// This moment on the calendar, for what people read.
    pub fn calendar(&self) -> Timestamp {
        calendar()
    }
}

/// This moment on the calendar, where no clock is at hand.
pub fn calendar() -> Timestamp {
    Timestamp::now()
}

/// A moment on the calendar, as the standard library has it.
pub fn system_time(at: Timestamp) -> SystemTime {
    // Before 1970 there is nothing that we tell of.
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(at.as_nanosecond()).unwrap_or(0))
}

/// A moment that the standard library has, on the calendar; none where no calendar reaches.
pub fn timestamp(at: SystemTime) -> Option<Timestamp> {
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    Timestamp::from_nanosecond(i128::try_from(since.as_nanos()).ok()?).ok()
}

/// What turns a clock by hand.
#[derive(Clone, Debug)]
pub struct Hand {
    turned: Arc<AtomicU64>,
    slept: Arc<AtomicU64>,
    woken: Arc<watch::Sender<u64>>,
}

impl Hand {
    /// Lets so much time pass; whole milliseconds count.
    pub fn turn(&self, by: Duration) {
        self.turned.fetch_add(millis(by), Ordering::AcqRel);
    }

    /// Lets the machine sleep for so long, and wakes it.
    pub fn sleep(&self, by: Duration) {
        self.turn(by);
        self.slept.fetch_add(millis(by), Ordering::AcqRel);
        self.woken.send_modify(|wakes| *wakes += 1);
    }
}

fn millis(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
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

/// How often the two clocks are compared while anybody wants to know.
const LOOK: Duration = Duration::from_secs(1);

/// By how much they must differ: the machine's own clocks do not drift so far in a second.
const A_SLEEP: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::{Clock, LOOK, Source, system_time, timestamp};

    #[test]
    fn a_clock_turned_by_hand_stands_still_until_it_is_turned() {
        let (clock, hand) = Clock::by_hand();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        hand.turn(Duration::from_secs(45 * 60));
        assert_eq!(clock.now() - before, Duration::from_secs(45 * 60));
    }

    #[test]
    fn a_moment_is_the_same_on_both_calendars() {
        let now = Clock::machine().calendar();
        assert_eq!(timestamp(system_time(now)), Some(now));
    }

    #[test]
    fn the_machines_clock_does_not_go_backwards() {
        let clock = Clock::machine();
        let (first, second) = (clock.now(), clock.now());
        assert!(first <= second);
    }

    #[test]
    fn the_machines_clock_has_not_slept_while_this_test_ran() {
        let clock = Clock::machine();
        assert!(clock.slept() < Duration::from_millis(100), "{:?}", clock.slept());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wake_is_told_within_two_seconds_and_once() {
        let (mut clock, hand) = Clock::by_hand();
        // As the machine's own clock, which nobody tells that it woke.
        let Source::Hand(silent) = &mut clock.source else { panic!("turned by hand") };
        silent.woken = std::sync::Arc::default();
        let silent = silent.clone();
        drop(hand);
        let stop = CancellationToken::new();
        let mut wakes = clock.wakes();
        let watching = clock.clone().watch_sleep(stop.clone());
        let watched = async {
            tokio::time::sleep(10 * LOOK).await;
            assert!(!wakes.has_changed().unwrap(), "it has not slept yet");
            silent.turn(Duration::from_secs(3600));
            tokio::time::sleep(10 * LOOK).await;
            assert!(!wakes.has_changed().unwrap(), "an hour awake is no sleep");
            silent.sleep(Duration::from_secs(45 * 60));
            tokio::time::timeout(2 * LOOK, wakes.changed()).await.unwrap().unwrap();
            tokio::time::sleep(10 * LOOK).await;
            assert_eq!(*wakes.borrow_and_update(), 1);
            stop.cancel();
        };
        tokio::join!(watching, watched);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_looks_for_wakes_that_nobody_wants_to_know_of() {
        let (clock, _hand) = Clock::by_hand();
        let stop = CancellationToken::new();
        drop(clock.wakes());
        let watching = clock.watch_sleep(stop);
        let begun = tokio::time::Instant::now();
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, watching).await.is_err());
        assert_eq!(begun.elapsed(), hour, "paused time would go on in steps");
    }
}
