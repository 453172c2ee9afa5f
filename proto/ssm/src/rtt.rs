//! How long to wait before sending again.
//!
//! Amazon's estimate (start 100 ms, gains 1/8 and 1/4) with two things that it lacks: a floor, so
//! that a quick peer is not asked twice for every hiccup, and doubling while nothing is heard, so
//! that a slow road is not filled with copies.

use std::time::{Duration, Instant};

/// An estimate of how long an acknowledgement takes.
#[derive(Debug)]
pub(crate) struct Rtt {
    floor: Duration,
    ceiling: Duration,
    smooth: Duration,
    variation: Duration,
    /// How often the wait was doubled since something was measured.
    doublings: u32,
    /// When it was last doubled.
    doubled_at: Option<Instant>,
}

impl Rtt {
    /// An estimate of a road that nobody has measured.
    pub(crate) fn new(floor: Duration, ceiling: Duration) -> Self {
        Self {
            floor,
            ceiling,
            smooth: FIRST_GUESS,
            variation: Duration::ZERO,
            doublings: 0,
            doubled_at: None,
        }
    }

    /// Takes in how long an acknowledgement took. Only for a message that was sent once: which
    /// sending an acknowledgement answers, nobody can tell (Karn's rule).
    pub(crate) fn measured(&mut self, took: Duration) {
        self.variation = (self.variation * 3 + took.abs_diff(self.smooth)) / 4;
        self.smooth = (self.smooth * 7 + took) / 8;
        self.doublings = 0;
    }

    /// Takes in that the wait for a message sent at `sent_at` was over at `now`. What was lost in one
    /// burst doubles the wait once: only a message sent since the last doubling is news.
    pub(crate) fn expired(&mut self, sent_at: Instant, now: Instant) {
        let news = self.doubled_at.is_none_or(|doubled_at| sent_at >= doubled_at);
        if news && self.wait() < self.ceiling {
            self.doublings += 1;
            self.doubled_at = Some(now);
        }
    }

    /// Forgets that waits were over: the road is another one.
    pub(crate) fn forgive(&mut self) {
        self.doublings = 0;
    }

    /// How long to wait.
    pub(crate) fn wait(&self) -> Duration {
        let estimate = self.smooth + (self.variation * 4).max(LEAST_MARGIN);
        let doubled = estimate.max(self.floor).saturating_mul(1 << self.doublings.min(16));
        doubled.min(self.ceiling)
    }
}

/// As Amazon's plugin and agent.
const FIRST_GUESS: Duration = Duration::from_millis(100);
/// As Amazon's plugin and agent: the grain of their clocks.
const LEAST_MARGIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::now;

    const MS: Duration = Duration::from_millis(1);

    fn rtt() -> Rtt {
        Rtt::new(200 * MS, 5000 * MS)
    }

    #[test]
    fn a_quick_road_waits_no_less_than_the_floor() {
        let mut rtt = rtt();
        assert_eq!(rtt.wait(), 200 * MS);
        (0..100).for_each(|_| rtt.measured(MS));
        assert_eq!(rtt.wait(), 200 * MS);
    }

    #[test]
    fn a_slow_road_is_learnt() {
        let mut rtt = rtt();
        (0..100).for_each(|_| rtt.measured(600 * MS));
        let wait = rtt.wait();
        assert!(wait >= 600 * MS && wait < 620 * MS, "{wait:?}");
    }

    #[test]
    fn an_uneven_road_gets_a_margin() {
        let mut rtt = rtt();
        (0..100).for_each(|round| rtt.measured(if round % 2 == 0 { 200 * MS } else { 400 * MS }));
        assert!(rtt.wait() > 600 * MS, "{:?}", rtt.wait());
    }

    #[test]
    fn silence_doubles_the_wait_up_to_the_ceiling_and_an_answer_ends_that() {
        let (mut rtt, mut now) = (rtt(), now().instant);
        let waits = [200, 400, 800, 1600, 3200, 5000, 5000].map(|wait| wait * MS);
        for wait in waits {
            assert_eq!(rtt.wait(), wait);
            rtt.expired(now, now + wait);
            now += wait;
        }
        rtt.measured(MS);
        assert!(rtt.wait() < 600 * MS, "{:?}", rtt.wait());
    }

    #[test]
    fn a_burst_of_losses_doubles_the_wait_once() {
        let (mut rtt, start) = (rtt(), now().instant);
        for number in 0..100 {
            rtt.expired(start + number * MS, start + (200 + number) * MS);
        }
        assert_eq!(rtt.wait(), 400 * MS);
    }
}
