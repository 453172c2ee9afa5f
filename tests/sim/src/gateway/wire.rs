//! One direction of a session: what happens to frames between their arrival and their departure.
//!
//! ```text
//!   push ─loss─► [ due, due, due … ] ─pop, not before it is due─►
//!                  delay · rate · a frame overtaken or doubled
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::settings::WireSettings;
use crate::agent::Dice;

#[derive(Debug)]
pub(super) struct Wire {
    dice: Dice,
    /// In the order of departure.
    frames: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    /// A frame that the next one overtakes.
    held: Option<Bytes>,
    /// Until when a message that is held waits at most.
    held_until: Option<Instant>,
    /// When the last frame's bytes will have passed the cap.
    busy_until: Option<Instant>,
}

/// What became of a frame on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Passed,
    Lost,
    Doubled,
    Overtaken,
}

impl Wire {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            frames: VecDeque::new(),
            bytes: 0,
            held: None,
            held_until: None,
            busy_until: None,
        }
    }

    /// A frame arrives.
    pub(super) fn push(&mut self, frame: Bytes, settings: &WireSettings, now: Instant) -> Fate {
        if self.dice.throw(settings.loss) {
            return Fate::Lost;
        }
        if self.held.is_none() && self.dice.throw(settings.reordering) {
            self.bytes += frame.len();
            self.held = Some(frame);
            self.held_until = Some(now + settings.delay + OVERTAKING_LIMIT);
            return Fate::Overtaken;
        }
        let twice = self.dice.throw(settings.doubling);
        if twice {
            self.queue(frame.clone(), settings, now);
        }
        self.queue(frame, settings, now);
        if let Some(held) = self.held.take() {
            self.bytes -= held.len();
            self.held_until = None;
            self.queue(held, settings, now);
        }
        if twice { Fate::Doubled } else { Fate::Passed }
    }

    /// A frame that neither gets lost nor overtakes another: the service's own.
    pub(super) fn push_sure(&mut self, frame: Bytes, settings: &WireSettings, now: Instant) {
        self.release(now);
        self.queue(frame, settings, now);
    }

    /// The next frame that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Bytes> {
        if self.held_until.is_some_and(|until| until <= now) {
            self.release(now);
        }
        if self.frames.front()?.0 > now {
            return None;
        }
        let (_, frame) = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }

    /// Whether a frame is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.timeout().is_some_and(|due| due <= now)
    }

    /// When the next frame is due.
    pub(super) fn timeout(&self) -> Option<Instant> {
        let first = self.frames.front().map(|(due, _)| *due);
        first.into_iter().chain(self.held_until).min()
    }

    /// Whether it takes more: a slow cap and a slow receiver make the sender wait, as TCP does.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < MOST_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.held.is_none()
    }

    fn release(&mut self, now: Instant) {
        self.held_until = None;
        if let Some(held) = self.held.take() {
            self.frames.push_back((now, held));
        }
    }

    fn queue(&mut self, frame: Bytes, settings: &WireSettings, now: Instant) {
        let mut due = now + settings.delay;
        if !settings.jitter.is_zero() {
            due += settings.jitter.mul_f64(self.dice.fraction());
        }
        if let Some(rate) = settings.rate.filter(|rate| *rate > 0) {
            let takes = Duration::from_secs_f64(frame.len() as f64 / rate as f64);
            let from = self.busy_until.map_or(now, |until| until.max(now));
            self.busy_until = Some(from + takes);
            due = due.max(from + takes + settings.delay);
        }
        // A delay that was made shorter lets nobody overtake.
        if let Some((last, _)) = self.frames.back() {
            due = due.max(*last);
        }
        self.bytes += frame.len();
        self.frames.push_back((due, frame));
    }
}

/// How much lies on a wire at most.
const MOST_BYTES: usize = 1024 * 1024;
/// How long a frame waits for the one that overtakes it.
const OVERTAKING_LIMIT: Duration = Duration::from_millis(20);

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
mod tests {
    use super::*;

    fn frame(number: u8) -> Bytes {
        Bytes::copy_from_slice(&[number; 100])
    }

    fn drain(wire: &mut Wire, now: Instant) -> Vec<u8> {
        std::iter::from_fn(|| wire.pop(now)).map(|frame| frame[0]).collect()
    }

    #[test]
    fn a_frame_is_late_by_the_delay_and_not_more() {
        let start = Instant::now();
        let settings = WireSettings { delay: Duration::from_millis(20), ..WireSettings::default() };
        let mut wire = Wire::new(1);
        wire.push(frame(1), &settings, start);
        assert_eq!(wire.pop(start + Duration::from_millis(19)), None);
        assert_eq!(wire.timeout(), Some(start + Duration::from_millis(20)));
        assert_eq!(drain(&mut wire, start + Duration::from_millis(20)), [1]);
    }

    #[test]
    fn the_share_of_lost_frames_is_the_one_that_was_set() {
        let start = Instant::now();
        let settings = WireSettings { loss: 0.1, ..WireSettings::default() };
        let mut wire = Wire::new(1);
        let lost = (0..10_000)
            .filter(|_| {
                let fate = wire.push(frame(1), &settings, start);
                drain(&mut wire, start);
                fate == Fate::Lost
            })
            .count();
        assert!((900..1100).contains(&lost), "{lost}");
    }

    #[test]
    fn frames_are_doubled_and_overtaken() {
        let start = Instant::now();
        let mut wire = Wire::new(1);
        let doubling = WireSettings { doubling: 1.0, ..WireSettings::default() };
        wire.push(frame(1), &doubling, start);
        assert_eq!(drain(&mut wire, start), [1, 1]);
        let reordering = WireSettings { reordering: 1.0, ..WireSettings::default() };
        wire.push(frame(1), &reordering, start);
        wire.push(frame(2), &reordering, start);
        assert_eq!(drain(&mut wire, start), [2, 1]);
        wire.push(frame(3), &reordering, start);
        assert_eq!(drain(&mut wire, start), [0_u8; 0], "it waits for the next");
        assert_eq!(drain(&mut wire, start + OVERTAKING_LIMIT), [3], "but not for ever");
        assert!(wire.is_empty() && wire.bytes == 0);
    }

    #[test]
    fn the_cap_lets_pass_so_many_bytes_a_second() {
        let start = Instant::now();
        let settings = WireSettings { rate: Some(1000), ..WireSettings::default() };
        let mut wire = Wire::new(1);
        for number in 0..20 {
            wire.push(frame(number), &settings, start);
        }
        assert_eq!(drain(&mut wire, start + Duration::from_millis(999)).len(), 9);
        assert_eq!(drain(&mut wire, start + Duration::from_secs(2)).len(), 11);
    }

    #[test]
    fn the_service_s_own_frames_neither_vanish_nor_overtake() {
        let start = Instant::now();
        let settings = WireSettings { loss: 1.0, reordering: 1.0, ..WireSettings::default() };
        let mut wire = Wire::new(1);
        assert_eq!(wire.push(frame(1), &settings, start), Fate::Lost);
        let reordering = WireSettings { loss: 0.0, ..settings };
        assert_eq!(wire.push(frame(2), &reordering, start), Fate::Overtaken);
        wire.push_sure(frame(3), &settings, start);
        assert_eq!(drain(&mut wire, start), [2, 3]);
    }
}
