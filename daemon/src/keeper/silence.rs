//! Who moves bytes and who does not, felt at each tick.

use std::time::{Duration, Instant};

use bastion_pool::LeaseId;

use super::Holder;
use super::desk::{Running, Stand};
use super::lease::Pulse;
use super::view;

/// What is known of one lease's pulse.
#[derive(Debug)]
pub(super) struct Quiet {
    pulse: Pulse,
    /// How often it had beaten when it was last felt.
    beats: u64,
    /// When it was granted.
    since: Instant,
    /// When it was last felt to have beaten.
    beaten: Instant,
    /// Whether the pool was told that it is silent.
    silent: bool,
}

/// What is to be told of a pulse.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// It has asked for something: it moves bytes long after its login.
    Asked,
    /// It moves bytes again.
    Stirs,
    /// It has moved none for too long.
    Silent,
}

impl Quiet {
    pub(super) fn new(pulse: Pulse, now: Instant) -> Self {
        Self { pulse, beats: 0, since: now, beaten: now, silent: false }
    }

    /// Feels the pulse; `after` is how long it may stand still.
    pub(super) fn feel(&mut self, after: Option<Duration>, now: Instant) -> Option<Change> {
        let beats = self.pulse.beats();
        if beats != self.beats {
            self.beats = beats;
            self.beaten = now;
            let was_silent = std::mem::replace(&mut self.silent, false);
            if now.saturating_duration_since(self.since) >= LOGIN {
                return Some(Change::Asked);
            }
            return was_silent.then_some(Change::Stirs);
        }
        let still = now.saturating_duration_since(self.beaten);
        if !self.silent && after.is_some_and(|after| still >= after) {
            self.silent = true;
            return Some(Change::Silent);
        }
        None
    }
}

impl Running {
    /// Feels every visit's pulse. What a person holds is never silent.
    pub(super) fn feel_pulses(&mut self, now: Instant) {
        let mut changes: Vec<(LeaseId, Change)> = Vec::new();
        for (lease, held) in &mut self.leases {
            let (Stand::Granted(_, quiet), Holder::Visit) = (&mut held.stand, held.holder) else {
                continue;
            };
            let after =
                self.wards.get(&held.target).and_then(|ward| ward.target.rules.silent_after);
            changes.extend(quiet.feel(after, now).map(|change| (*lease, change)));
        }
        for (lease, change) in changes {
            match change {
                Change::Asked => self.pool.asked(lease, now),
                Change::Stirs => self.pool.silent(lease, false, now),
                Change::Silent => self.pool.silent(lease, true, now),
            }
        }
    }

    /// Tells the pool which bastions are busy with bulk.
    pub(super) fn weigh_loads(&mut self) {
        let serving = self.pool.bastions().filter(|view| view::serves(&view.phase));
        let loads: Vec<_> = serving
            .filter_map(|view| {
                let crowded = self.parts.tunnels.crowded(view.phase.task()?);
                (crowded != view.crowded).then_some((view.bastion, crowded))
            })
            .collect();
        for (bastion, crowded) in loads {
            self.pool.crowd(bastion, crowded);
        }
    }

    /// Whether there is anybody whose pulse is to be felt, or anything that may be crowded.
    pub(super) fn is_watching(&self) -> bool {
        self.pool.bastions().any(|view| view::serves(&view.phase))
    }
}

/// How long after its beginning a visit may still be busy with its login, and with what clients ask of every server.
const LOGIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_pulse_is_silent_after_its_time_and_not_before_and_stirs_again() {
        let (clock, hand) = Clock::by_hand();
        let pulse = Pulse::default();
        let mut quiet = Quiet::new(pulse.clone(), clock.now());
        let after = Some(Duration::from_secs(3600));
        hand.turn(Duration::from_secs(3599));
        assert_eq!(quiet.feel(after, clock.now()), None);
        assert_eq!(quiet.feel(None, clock.now()), None);
        hand.turn(Duration::from_secs(1));
        assert_eq!(quiet.feel(None, clock.now()), None, "0 = never");
        assert_eq!(quiet.feel(after, clock.now()), Some(Change::Silent));
        assert_eq!(quiet.feel(after, clock.now()), None, "told once");
        pulse.beat();
        assert_eq!(quiet.feel(after, clock.now()), Some(Change::Asked));
        hand.turn(Duration::from_secs(3600));
        assert_eq!(quiet.feel(after, clock.now()), Some(Change::Silent));
    }

    #[test]
    fn a_login_asks_for_nothing() {
        let (clock, hand) = Clock::by_hand();
        let pulse = Pulse::default();
        let mut quiet = Quiet::new(pulse.clone(), clock.now());
        hand.turn(Duration::from_secs(1));
        pulse.beat();
        assert_eq!(quiet.feel(None, clock.now()), None);
        hand.turn(LOGIN);
        assert_eq!(quiet.feel(None, clock.now()), None);
        pulse.beat();
        assert_eq!(quiet.feel(None, clock.now()), Some(Change::Asked));
    }
}
