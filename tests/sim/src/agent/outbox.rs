//! What the agent sent and the client has not acknowledged.
//!
//! ```text
//!   written ──keep──► [oldest | … | newest] ──acknowledged──► gone
//!                        │
//!                        └─ every 100 ms, if its last sending is longer ago than the time-out: sent again
//! ```
//!
//! Only the oldest is ever sent again. An acknowledgement for what is not (yet) kept is forgotten.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

#[derive(Debug)]
pub(super) struct Outbox {
    kept: BTreeMap<i64, Kept>,
    /// Seconds, as the agent's own floating point numbers.
    rtt: f64,
    variation: f64,
    rto: Duration,
}

#[derive(Debug)]
struct Kept {
    bytes: Bytes,
    last_sent: Instant,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { kept: BTreeMap::new(), rtt: FIRST_RTT.as_secs_f64(), variation: 0.0, rto: FIRST_RTO }
    }

    /// Keeps a message that was written; when there are too many it is not kept, and so never sent again.
    pub(super) fn keep(&mut self, seq: i64, bytes: Bytes, sent: Instant) {
        if self.kept.len() < MOST_KEPT {
            self.kept.insert(seq, Kept { bytes, last_sent: sent });
        }
    }

    /// Takes an acknowledgement; what it is for may be unknown.
    pub(super) fn acknowledged(&mut self, seq: i64, now: Instant) {
        let Some(kept) = self.kept.remove(&seq) else { return };
        // No Karn's rule: an acknowledgement of something sent again is measured from the last sending.
        let seen = now.saturating_duration_since(kept.last_sent).as_secs_f64();
        self.variation += VARIATION_GAIN * ((self.rtt - seen).abs() - self.variation);
        self.rtt += RTT_GAIN * (seen - self.rtt);
        let spread = (4.0 * self.variation).max(CLOCK_GRANULARITY.as_secs_f64());
        self.rto = Duration::from_secs_f64(self.rtt + spread).min(LARGEST_RTO);
    }

    /// The oldest message, if it is to be sent again at this tick.
    pub(super) fn due(&mut self, now: Instant) -> Option<(i64, Bytes)> {
        let mut oldest = self.kept.first_entry()?;
        let age = now.saturating_duration_since(oldest.get().last_sent);
        if age <= self.rto {
            return None;
        }
        oldest.get_mut().last_sent = now;
        Some((*oldest.key(), oldest.get().bytes.clone()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    #[cfg(test)]
    pub(super) fn rto(&self) -> Duration {
        self.rto
    }
}

/// How many messages are kept (the agent's OutgoingMessageBufferCapacity).
pub(super) const MOST_KEPT: usize = 100_000;
const FIRST_RTO: Duration = Duration::from_millis(200);
const FIRST_RTT: Duration = Duration::from_millis(100);
const RTT_GAIN: f64 = 1.0 / 8.0;
const VARIATION_GAIN: f64 = 1.0 / 4.0;
const CLOCK_GRANULARITY: Duration = Duration::from_millis(10);
const LARGEST_RTO: Duration = Duration::from_secs(1);

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn the_time_out_follows_the_round_trips_and_has_no_lower_bound_but_the_granularity() {
        let start = Instant::now();
        let mut outbox = Outbox::new();
        for seq in 0..200 {
            outbox.keep(seq, Bytes::new(), start);
            outbox.acknowledged(seq, start + Duration::from_millis(1));
        }
        assert!(outbox.rto() < Duration::from_millis(13), "{:?}", outbox.rto());
        outbox.keep(200, Bytes::new(), start);
        outbox.acknowledged(200, start + Duration::from_secs(60));
        assert_eq!(outbox.rto(), Duration::from_secs(1));
    }

    #[test]
    fn a_message_sent_again_is_measured_from_its_last_sending() {
        let start = Instant::now();
        let mut outbox = Outbox::new();
        outbox.keep(0, Bytes::new(), start);
        assert!(outbox.due(start + Duration::from_millis(300)).is_some());
        outbox.acknowledged(0, start + Duration::from_millis(310));
        // 10 ms seen, not 310: variation 22.5 ms, round trip 88.75 ms.
        assert_eq!(outbox.rto(), Duration::from_micros(178_750));
    }

    #[test]
    fn the_hundred_thousand_and_first_message_is_not_kept() {
        let start = Instant::now();
        let mut outbox = Outbox::new();
        for seq in 0..=100_000 {
            outbox.keep(seq, Bytes::new(), start);
        }
        assert_eq!(outbox.len(), 100_000);
        for seq in 0..100_000 {
            outbox.acknowledged(seq, start);
        }
        assert!(outbox.is_empty());
        assert_eq!(outbox.due(start + Duration::from_secs(10)), None);
    }
}
