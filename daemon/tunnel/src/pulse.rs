//! Whether a websocket is alive: when to ask it, and when its silence means that nobody is there.
//!
//! ```text
//!                 nothing heard for a while           no answer in time,
//!   ┌─────────┐   (ping)          ┌───────┐           by one that has answered before
//!   │ Content │ ────────────────▶ │ Asked │ ─────────────────────────────────────────▶ silent
//!   └─────────┘ ◀──────────────── └───────┘
//!        │       anything heard
//!        │ something is sent that must be acknowledged, nothing heard in time: silent, too
//! ```
//!
//! A gateway need not answer pings: where it never has, only what it owes us counts.

use std::time::{Duration, Instant};

/// The signs of life of one websocket.
#[derive(Debug)]
pub(crate) struct Pulse {
    every: Duration,
    heard: Instant,
    /// When the last ping was sent.
    pinged: Instant,
    /// Whether that ping is still to be answered.
    asked: bool,
    /// Whether a ping was ever answered.
    answers: bool,
    /// Since when something is unacknowledged and nothing was heard.
    owed: Option<Instant>,
    /// Until when it is to show that it is alive.
    proof: Option<Instant>,
}

/// What is to be done about a websocket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Beat {
    /// Nothing now.
    Rest,
    /// Send a ping.
    Ping,
    /// Nobody is there: nothing came for so long.
    Silent(Duration),
}

impl Pulse {
    /// The pulse of a websocket on which a ping was sent now, and that is pinged at this interval while nobody uses it.
    pub(crate) fn new(every: Duration, now: Instant) -> Self {
        Self {
            every,
            heard: now,
            pinged: now,
            asked: true,
            answers: false,
            owed: None,
            proof: None,
        }
    }

    /// Whether a ping was ever answered.
    pub(crate) fn answers(&self) -> bool {
        self.answers
    }

    /// When anything was heard last.
    pub(crate) fn heard_at(&self) -> Instant {
        self.heard
    }

    /// Takes in that something was heard.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
        (self.asked, self.owed, self.proof) = (false, None, None);
    }

    /// Takes in that a ping was answered.
    pub(crate) fn answered(&mut self, now: Instant) {
        self.answers = true;
        self.heard(now);
    }

    /// Takes in that we do not listen: till we do again, silence is our own.
    pub(crate) fn deaf(&mut self, now: Instant) {
        self.heard(now);
    }

    /// Takes in whether anything is unacknowledged.
    pub(crate) fn owes(&mut self, unacknowledged: bool, now: Instant) {
        match (unacknowledged, self.owed) {
            (true, None) => self.owed = Some(now),
            (false, Some(_)) => self.owed = None,
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Has it show that it is alive; the ping, or what must be acknowledged, is sent by the caller.
    pub(crate) fn prove(&mut self, now: Instant) {
        (self.pinged, self.asked) = (now, true);
        self.proof = Some(now + PROOF);
    }

    /// When it is to be looked after next.
    pub(crate) fn due(&self, in_use: bool) -> Instant {
        let answer = (self.asked && self.answers).then_some(self.pinged + ANSWER);
        let owed = self.owed.map(|since| since + OWED);
        let rest = [answer, owed, self.proof];
        rest.into_iter().flatten().fold(self.next_ping(in_use), Instant::min)
    }

    /// What is to be done now.
    pub(crate) fn beat(&mut self, in_use: bool, now: Instant) -> Beat {
        if self.proof.is_some_and(|until| until <= now) {
            self.proof = None;
            if self.answers || self.owed.is_some() {
                return Beat::Silent(PROOF);
            }
        }
        if self.asked && self.answers && self.pinged + ANSWER <= now {
            return Beat::Silent(now - self.heard);
        }
        if self.owed.is_some_and(|since| since + OWED <= now) {
            return Beat::Silent(now - self.heard);
        }
        if self.next_ping(in_use) <= now {
            (self.pinged, self.asked) = (now, true);
            return Beat::Ping;
        }
        Beat::Rest
    }

    fn next_ping(&self, in_use: bool) -> Instant {
        if self.asked {
            return self.pinged + self.every;
        }
        let quiet = if in_use && self.answers { QUIET.min(self.every) } else { self.every };
        self.heard.max(self.pinged) + quiet
    }
}

/// How long nothing may be heard of a websocket in use before it is asked.
const QUIET: Duration = Duration::from_secs(6);

/// How long it may take to answer: with [`QUIET`] a lost websocket is noticed within 15 s; a round trip of the farthest
/// region takes half a second at worst.
const ANSWER: Duration = Duration::from_secs(6);

/// How long nothing at all may be heard while something is unacknowledged. The agent acknowledges at once.
const OWED: Duration = Duration::from_secs(12);

/// How long a websocket may take to show that it has outlived a sleep.
const PROOF: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
    fn pulse() -> (Pulse, Instant) {
        let now = Instant::now();
        (Pulse::new(300 * S, now), now)
    }

    /// How long after `start` it is found silent, looked after only when it wants to be.
    fn silent_after(pulse: &mut Pulse, start: Instant) -> Option<Duration> {
        for _ in 0..100 {
            let due = pulse.due(true);
            match pulse.beat(true, due) {
                Beat::Rest | Beat::Ping => {}
                Beat::Silent(_) => return Some(due - start),
            }
        }
        None
    }

    #[test]
    fn one_that_has_answered_is_found_silent_within_15_s() {
        let (mut pulse, start) = pulse();
        pulse.answered(start + S);
        let last = start + 2 * S;
        pulse.heard(last);
        let after = silent_after(&mut pulse, last).unwrap();
        assert!(after >= 6 * S && after <= 15 * S, "{after:?}");
    }

    #[test]
    fn one_that_never_answers_pings_is_silent_only_when_it_owes() {
        let (mut pulse, start) = pulse();
        pulse.heard(start + S);
        assert_eq!(silent_after(&mut pulse, start), None);
        let (mut pulse, start) = self::pulse();
        pulse.owes(true, start + S);
        pulse.owes(true, start + 5 * S);
        let after = silent_after(&mut pulse, start + S).unwrap();
        assert!(after <= 15 * S, "{after:?}");
    }

    #[test]
    fn anything_heard_and_everything_acknowledged_is_a_sign_of_life() {
        let (mut pulse, start) = pulse();
        pulse.answered(start);
        for second in 1..1000 {
            let now = start + second * S;
            pulse.owes(true, now);
            assert!(!matches!(pulse.beat(true, now), Beat::Silent(_)), "after {second} s");
            pulse.heard(now);
        }
        let last = start + 999 * S;
        pulse.owes(true, last);
        pulse.owes(false, last + S);
        assert_eq!(pulse.beat(true, last + 3 * S), Beat::Rest);
    }

    #[test]
    fn while_nobody_uses_it_a_ping_goes_at_the_interval_and_a_silent_one_is_found_then() {
        let (mut pulse, start) = pulse();
        pulse.answered(start);
        assert_eq!(pulse.due(false), start + 300 * S);
        assert_eq!(pulse.beat(false, start + 299 * S), Beat::Rest);
        assert_eq!(pulse.beat(false, start + 300 * S), Beat::Ping);
        assert_eq!(pulse.due(false), start + 306 * S);
        assert!(matches!(pulse.beat(false, start + 306 * S), Beat::Silent(_)));
    }

    #[test]
    fn a_proof_is_due_after_two_seconds_from_one_that_can_give_it() {
        let (mut pulse, start) = pulse();
        pulse.answered(start);
        pulse.prove(start + 10 * S);
        assert_eq!(pulse.due(true), start + 12 * S);
        assert_eq!(pulse.beat(true, start + 12 * S), Beat::Silent(2 * S));
        let (mut pulse, start) = self::pulse();
        pulse.prove(start);
        assert_eq!(pulse.beat(true, start + 2 * S), Beat::Rest, "it never answered a ping");
        pulse.owes(true, start + 3 * S);
        pulse.prove(start + 3 * S);
        assert_eq!(pulse.beat(true, start + 5 * S), Beat::Silent(2 * S));
        let (mut pulse, start) = self::pulse();
        pulse.prove(start);
        pulse.answered(start + S);
        assert_eq!(pulse.beat(true, start + 2 * S), Beat::Rest);
    }
}
