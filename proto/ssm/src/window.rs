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

use crate::config::Config;
use crate::outbox::Outbox;

/// The bounds of what is on its way.
#[derive(Debug)]
pub(crate) struct Window {
    race: Race,
    first_frames: usize,
    frames: usize,
    bytes: usize,
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

impl Window {
    /// The window of a channel that has not sent any data.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            race: Race::Silence,
            first_frames: config.first_frames.max(1),
            frames: config.window_frames.max(1),
            bytes: config.window_bytes.max(1),
        }
    }

    /// Whether one more message with data may be sent.
    pub(crate) fn has_room(&self, outbox: &Outbox) -> bool {
        let frames = match self.race {
            Race::Silence | Race::On { .. } => self.first_frames,
            Race::Won => self.frames,
        };
        outbox.frames() < frames && outbox.bytes() < self.bytes && outbox.span() < WIDEST_SPAN
    }

    /// Takes in that a message with data is sent.
    pub(crate) fn data_sent(&mut self, number: i64) {
        if let Race::Silence = self.race {
            self.race = Race::On { first: number };
        }
    }

    /// Takes in that a message, of whatever kind, is acknowledged.
    pub(crate) fn acknowledged(&mut self, number: i64) {
        if let Race::On { first } = self.race
            && number >= first
        {
            self.race = Race::Won;
        }
    }
}

/// How far the newest message may be ahead of the oldest unacknowledged: the agent keeps 100,000
/// that came too early, Amazon's plugin 10,000.
const WIDEST_SPAN: usize = 8192;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::tests::now;

    #[test]
    fn the_newest_message_does_not_run_away_from_the_oldest() {
        let config = Config::default();
        let now = now().instant;
        let mut outbox = Outbox::new(config.rto_floor, config.rto_ceiling);
        let mut window = Window::new(&config);
        let send = |outbox: &mut Outbox| outbox.sent(Bytes::from_static(b"x"), 1, 3, now);
        send(&mut outbox);
        window.data_sent(0);
        window.acknowledged(0);
        let mut number = 1;
        while window.has_room(&outbox) {
            send(&mut outbox);
            outbox.acknowledged(number, now);
            number += 1;
        }
        assert_eq!((number, outbox.frames()), (8192, 1));
        outbox.acknowledged(0, now);
        assert!(window.has_room(&outbox));
    }
}
