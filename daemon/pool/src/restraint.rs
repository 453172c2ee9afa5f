//! What holds a target's starts back: failures of late, and clients that only reconnect.
//!
//! ```text
//!   a start failed ──▶ for 5 s, 10 s, … 5 min no visit starts another; it is told of that failure at once
//!
//!   ended for silence ──▶ for 1 min, 2 min, … 1 h:  a visit is refused   ┐ as long as one comes at least
//!                          then:                     a visit is on trial ┘ every 5 min
//!      on trial: holds its bastion for 2 min only, until it asks for something; asks nothing: ended for silence again
//! ```
//!
//! A person's own `open` passes both and ends both, and so does a visit that asks for something.

use std::time::{Duration, Instant};

use crate::{Backoff, Mood, Why};

/// One target's restraint.
#[derive(Clone, Debug)]
pub(crate) struct Restraint {
    starts: Backoff,
    /// Until when the last failure stands.
    failed_until: Option<Instant>,
    reconnects: Backoff,
    quiet: Option<Quiet>,
}

/// What came of the last end for silence.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    /// Until when no visit starts a bastion.
    until: Instant,
    /// When one last tried, or was ended.
    last: Instant,
}

/// What a visit may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leave {
    /// Start a bastion where there is none.
    Start(Mood),
    /// Go through a bastion that is there, or comes anyway.
    Join(Mood, Why),
}

impl Restraint {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            starts: Backoff::new(FIRST_RETRY, LAST_RETRY, seed),
            failed_until: None,
            reconnects: Backoff::new(FIRST_QUIET, LAST_QUIET, seed.rotate_left(32)),
            quiet: None,
        }
    }

    /// What a visit may do that comes now.
    pub(crate) fn judge(&mut self, now: Instant) -> Leave {
        let (mood, refused) = match &mut self.quiet {
            Some(quiet) if now.saturating_duration_since(quiet.last) < CALM => {
                quiet.last = now;
                (Mood::OnTrial, now < quiet.until)
            }
            // Whoever comes after so long is somebody, and not a client's timer.
            Some(_) => {
                self.calm();
                (Mood::Stirring, false)
            }
            None => (Mood::Stirring, false),
        };
        if refused {
            Leave::Join(mood, Why::Reconnects)
        } else if self.failed(now) {
            Leave::Join(mood, Why::StartFailed)
        } else {
            Leave::Start(mood)
        }
    }

    /// Whether the last start's failure still stands.
    pub(crate) fn failed(&self, now: Instant) -> bool {
        self.failed_until.is_some_and(|until| now < until)
    }

    /// Why no visit starts a bastion now, and until when.
    pub(crate) fn standing(&self, now: Instant) -> Option<(Why, Instant)> {
        let failed = self.failed_until.map(|until| (Why::StartFailed, until));
        let quiet = self.quiet.map(|quiet| (Why::Reconnects, quiet.until));
        quiet.filter(|(_, until)| now < *until).or(failed.filter(|(_, until)| now < *until))
    }

    /// A start failed.
    pub(crate) fn strike(&mut self, now: Instant) {
        self.failed_until = Some(now + self.starts.strike());
    }

    /// A bastion has served.
    pub(crate) fn served(&mut self) {
        self.starts.clear();
        self.failed_until = None;
    }

    /// A bastion was stopped under visits that moved nothing.
    pub(crate) fn fell_silent(&mut self, now: Instant) {
        self.quiet = Some(Quiet { until: now + self.reconnects.strike(), last: now });
    }

    /// A visit has asked for something.
    pub(crate) fn calm(&mut self) {
        self.reconnects.clear();
        self.quiet = None;
    }

    /// A person wants it, or what made starts fail is mended.
    pub(crate) fn forgive(&mut self) {
        self.served();
        self.calm();
    }
}

/// The first wait after a failed start: less than a person takes to read why.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// The longest: twelve tasks an hour at most, of those that fail late enough to cost.
const LAST_RETRY: Duration = Duration::from_secs(5 * 60);

/// The first wait after an end for silence. A client that reconnects by itself does so within seconds.
const FIRST_QUIET: Duration = Duration::from_secs(60);

/// The longest: with two minutes' trial, such a client costs a twentieth of a bastion that never stops.
const LAST_QUIET: Duration = Duration::from_secs(60 * 60);

/// How long nobody must have come for the next visit to be a person's: clients' own timers are shorter.
const CALM: Duration = Duration::from_secs(5 * 60);
