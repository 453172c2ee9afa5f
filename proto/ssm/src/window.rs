//! How much may be sent before it is acknowledged.
//!
//! ```text
//!   ┌─────────┐ data sent ┌────┐ one of them acknowledged ┌─────┐
//!   │ Silence │ ────────▶ │ On │ ───────────────────────▶ │ Won │
//!   └─────────┘           └────┘                          └─────┘
//!         a few messages at most                     the whole window
//! ```
//!
//! The agent says that the handshake is complete before its port session takes data; what comes too
//! early it leaves unacknowledged, and it must be sent again. So the race is run with little.
//!
//! After that the window follows the road. Whatever is on its way stands in *one* queue, in front of
//! the slowest part of the road or of a destination that reads slowly (the agent acknowledges what it
//! could write on, so that its pace is seen here), and a short query waits for all of it. The window
//! therefore grows while acknowledgements come about as quickly as they ever did, and shrinks when even
//! the quickest of a round trip took much longer: jitter and losses make some slow, a queue all of
//! them. Some room is kept for streams that have little on their way.

use std::time::{Duration, Instant};

use crate::config::Config;
use crate::outbox::Outbox;

/// The bounds of what is on its way.
#[derive(Debug)]
pub(crate) struct Window {
    race: Race,
    first_frames: usize,
    frames: usize,
    most_bytes: usize,
    bytes: usize,
    /// Up to here it grows by doubling.
    threshold: usize,
    /// Whether it was all that kept somebody from sending, since the round began.
    limited: bool,
    round: Round,
    /// The first message on this road.
    road_begins: i64,
    quickest: Quickest,
}

#[derive(Debug)]
enum Race {
    Silence,
    On {
        /// The number of the first message with data.
        first: i64,
    },
    Won,
}

/// From some message to the acknowledgement of one that was sent later.
#[derive(Debug, Default)]
struct Round {
    ends_at: i64,
    quickest: Option<Duration>,
}

/// The quickest acknowledgement of late.
#[derive(Debug, Default)]
struct Quickest {
    before: Option<Duration>,
    now: Option<Duration>,
    since: Option<Instant>,
}

/// How much room there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Room {
    /// For everybody.
    All,
    /// For those that have little on their way.
    Little,
    /// None.
    None,
}

impl Window {
    /// The window of a channel that has not sent any data.
    pub(crate) fn new(config: &Config) -> Self {
        let most_bytes = config.window_bytes.max(1);
        Self {
            race: Race::Silence,
            first_frames: config.first_frames.max(1),
            frames: config.window_frames.max(1),
            most_bytes,
            bytes: most_bytes.min(FIRST_BYTES),
            threshold: most_bytes,
            limited: false,
            round: Round::default(),
            road_begins: 0,
            quickest: Quickest::default(),
        }
    }

    /// Whether one more message with data may be sent, and by whom.
    pub(crate) fn room(&mut self, outbox: &Outbox) -> Room {
        let (frames, bytes) = (outbox.frames(), outbox.bytes());
        let Race::Won = self.race else {
            let room = frames < self.first_frames && bytes < self.bytes;
            return if room { Room::All } else { Room::None };
        };
        if outbox.span() >= WIDEST_SPAN {
            return Room::None;
        }
        if frames < self.frames && bytes < self.bytes {
            return Room::All;
        }
        self.limited = true;
        let spare = (self.frames / SPARE, self.most_bytes / SPARE);
        let room = frames < self.frames + spare.0 && bytes < self.bytes + spare.1;
        if room { Room::Little } else { Room::None }
    }

    /// Whether the agent takes data.
    pub(crate) fn is_won(&self) -> bool {
        matches!(self.race, Race::Won)
    }

    /// Takes in that a message with data is sent.
    pub(crate) fn data_sent(&mut self, number: i64) {
        if let Race::Silence = self.race {
            self.race = Race::On { first: number };
        }
    }

    /// Takes in that a message, of whatever kind, is acknowledged, how long that took, and whether it
    /// can be told; `next` is the number of the next message.
    pub(crate) fn acknowledged(
        &mut self,
        number: i64,
        (took, certain): (Duration, bool),
        next: i64,
        now: Instant,
    ) {
        if let Race::On { first } = self.race
            && number >= first
        {
            self.race = Race::Won;
        }
        if certain && number >= self.road_begins && self.quickest.measured(took, now) {
            // A queue of our own would be taken for the road's length: it is let run out, for a moment.
            self.threshold = self.bytes;
            self.bytes = self.bytes.min(LEAST_BYTES);
        }
        self.round.quickest = Some(self.round.quickest.map_or(took, |other| other.min(took)));
        if number >= self.round.ends_at {
            self.end_round(next);
        }
    }

    /// Takes in that the road is another one from the message with this number on: what was measured is
    /// of the one before.
    pub(crate) fn road_ready(&mut self, next: i64) {
        self.quickest = Quickest::default();
        self.road_begins = next;
        self.round.quickest = None;
    }

    fn end_round(&mut self, next: i64) {
        let (Some(took), Some(quickest)) = (self.round.quickest, self.quickest.get()) else {
            return;
        };
        let most = quickest + MOST_QUEUE.max(quickest / 2);
        if took > most {
            // What was on its way, in that time, leaves this much for the time that it should take.
            let share = most.as_secs_f64() / took.as_secs_f64();
            let bytes = (self.bytes as f64 * share) as usize;
            self.bytes = bytes.max(LEAST_BYTES).min(self.most_bytes);
            self.threshold = self.bytes;
        } else if self.limited {
            let more = if self.bytes < self.threshold { self.bytes } else { self.bytes / 8 };
            self.bytes = (self.bytes + more).min(self.most_bytes);
        }
        self.limited = false;
        self.round = Round { ends_at: next, quickest: None };
    }
}

impl Quickest {
    /// Takes in how long an acknowledgement took; says whether what was known before is fading.
    fn measured(&mut self, took: Duration, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let fades = now.saturating_duration_since(since) >= REMEMBERED;
        if fades {
            (self.before, self.now, self.since) = (self.now, None, Some(now));
        }
        self.now = Some(self.now.map_or(took, |other| other.min(took)));
        fades
    }

    fn get(&self) -> Option<Duration> {
        self.now.into_iter().chain(self.before).min()
    }
}

/// How far the newest message may be ahead of the oldest unacknowledged: the agent keeps 100,000
/// that came too early, Amazon's plugin 10,000.
const WIDEST_SPAN: usize = 8192;
/// What is on its way at first: 12 MB/s at 20 ms.
const FIRST_BYTES: usize = 256 << 10;
/// No road is so slow that it wants less.
const LEAST_BYTES: usize = 64 << 10;
/// A queue that nobody feels; half the quickest round trip where that is more.
const MOST_QUEUE: Duration = Duration::from_millis(25);
/// This part of the window is there for short queries when the window is full.
const SPARE: usize = 8;
/// How long the quickest acknowledgement is believed in, once or twice: roads change.
const REMEMBERED: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::tests::now;
    use crate::outbox::Acknowledged;

    const MS: Duration = Duration::from_millis(1);

    /// A window on a road of some length, which takes so many bytes a millisecond, and a stream that has
    /// no end of data in messages of 1024 bytes.
    struct Road {
        window: Window,
        outbox: Outbox,
        start: Instant,
        time: u32,
        delay: u32,
        pace: usize,
        /// When each message is acknowledged, and the queue's end in bytes.
        wire: std::collections::BTreeMap<(u32, i64), ()>,
        queued: usize,
        acknowledged: usize,
    }

    impl Road {
        fn new(delay: u32, pace: usize) -> Self {
            let config = Config::default();
            Self {
                window: Window::new(&config),
                outbox: Outbox::new(config.rto_floor, config.rto_ceiling),
                start: now().instant,
                time: 0,
                delay,
                pace,
                wire: std::collections::BTreeMap::new(),
                queued: 0,
                acknowledged: 0,
            }
        }

        /// A time passes; the jitter is what some messages take longer.
        fn pass(&mut self, ms: u32, jitter: u32) {
            for _ in 0..ms {
                self.time += 1;
                let now = self.start + self.time * MS;
                self.queued = self.queued.saturating_sub(self.pace);
                while let Some(entry) = self.wire.first_entry()
                    && entry.key().0 <= self.time
                {
                    let number = entry.remove_entry().0.1;
                    let Acknowledged::Now { payload, took, once, .. } =
                        self.outbox.acknowledged(number, now)
                    else {
                        panic!("twice")
                    };
                    self.acknowledged += payload;
                    let next = self.outbox.next_number();
                    self.window.acknowledged(number, (took, once), next, now);
                }
                while let Room::All = self.window.room(&self.outbox) {
                    let number = self.outbox.next_number();
                    self.queued += 1024;
                    let queue = u32::try_from(self.queued / self.pace).unwrap();
                    let late = u32::try_from(number).unwrap().wrapping_mul(7919) % (jitter + 1);
                    self.wire.insert((self.time + 1 + self.delay + queue + late, number), ());
                    self.outbox.sent(Bytes::from_static(b"x"), 1024, 3, now);
                    self.window.data_sent(number);
                }
            }
        }

        /// What is delivered in a second from now, in thousands of bytes.
        fn per_second(&mut self, jitter: u32) -> usize {
            let before = self.acknowledged;
            self.pass(1000, jitter);
            (self.acknowledged - before) / 1000
        }
    }

    #[test]
    fn a_long_and_wide_road_is_filled() {
        for delay in [20, 50] {
            let mut road = Road::new(delay, 60_000);
            road.pass(1000, 0);
            let speed = road.per_second(0);
            assert!(speed > 44_000, "{speed} KB/s at {delay} ms");
        }
    }

    #[test]
    fn a_narrow_road_is_filled_and_no_queue_is_built_in_front_of_it() {
        for (delay, pace) in [(0, 2_000), (20, 2_000), (20, 10_000)] {
            let mut road = Road::new(delay, pace);
            road.pass(3000, 0);
            let speed = road.per_second(0);
            assert!(speed > pace * 9 / 10, "{speed} KB/s of {pace}");
            let queue = road.queued / pace;
            assert!(queue < 70, "the queue is {queue} ms at {delay} ms and {pace} KB/s");
        }
    }

    #[test]
    fn a_queue_is_not_taken_for_a_long_road_however_long_it_stands() {
        let mut road = Road::new(20, 2_000);
        road.pass(3000, 0);
        let mut longest = 0;
        for _ in 0..180 {
            road.pass(1000, 0);
            longest = longest.max(road.queued / road.pace);
        }
        assert!(longest < 100, "the queue was {longest} ms");
        assert!(road.acknowledged > 180 * 2_000 * 1000 * 9 / 10, "{}", road.acknowledged);
    }

    #[test]
    fn another_road_is_not_measured_by_the_one_before() {
        let mut road = Road::new(5, 60_000);
        road.pass(1000, 0);
        road.delay = 200;
        road.window.road_ready(road.outbox.next_number());
        road.pass(5000, 0);
        let speed = road.per_second(0);
        assert!(speed > 12_000, "{speed} KB/s");
    }

    #[test]
    fn jitter_is_not_taken_for_a_queue() {
        let mut road = Road::new(20, 60_000);
        road.pass(2000, 100);
        let speed = road.per_second(100);
        assert!(speed > 20_000, "{speed} KB/s");
    }

    #[test]
    fn a_full_window_has_room_for_those_that_have_little_on_their_way_and_not_for_ever() {
        let mut road = Road::new(1000, 60_000);
        road.pass(1100, 0);
        let mut window = road.window;
        assert_eq!(window.room(&road.outbox), Room::Little);
        while let Room::Little = window.room(&road.outbox) {
            road.outbox.sent(Bytes::from_static(b"x"), 1024, 5, road.start);
        }
        assert_eq!(window.room(&road.outbox), Room::None);
    }

    #[test]
    fn the_newest_message_does_not_run_away_from_the_oldest() {
        let config = Config::default();
        let now = now().instant;
        let mut outbox = Outbox::new(config.rto_floor, config.rto_ceiling);
        let mut window = Window::new(&config);
        let send = |outbox: &mut Outbox| outbox.sent(Bytes::from_static(b"x"), 1, 3, now);
        send(&mut outbox);
        window.data_sent(0);
        window.acknowledged(0, (Duration::ZERO, true), 1, now);
        let mut number = 1;
        while window.room(&outbox) != Room::None {
            send(&mut outbox);
            outbox.acknowledged(number, now);
            number += 1;
        }
        assert_eq!((number, outbox.frames()), (8192, 1));
        outbox.acknowledged(0, now);
        assert_eq!(window.room(&outbox), Room::All);
    }
}
