//! Which tunnel a new visit goes through, and what becomes of tunnels: decided from how each does, and nothing else.
//!
//! ```text
//!   better ◀──────────────────────────────────────────────────────────────────────▶ worse
//!   clear · paused │ bulk · stalled · away │ locked │ hanging · retired
//!   taken as it is │ taken where no other can be had
//! ```

use std::time::Duration;

use ssm_tunnel::{State, Stats};

/// One tunnel, seen by somebody who looks for a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seat {
    /// It is being opened.
    Opening,
    /// It stands.
    Standing {
        /// How it does.
        condition: Condition,
        /// Whether it was opened only because others were loaded.
        extra: bool,
        /// How many go through it.
        streams: usize,
    },
}

/// How a tunnel does, better before worse.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Condition {
    /// A small query is answered at once.
    Clear,
    /// Its websocket is being replaced, and that takes a moment.
    Paused,
    /// It moves so much that a small answer waits in line.
    Bulk,
    /// A visitor of it has stopped reading, and when its bound is full all wait.
    Stalled,
    /// Its websocket is gone, and has been for a while.
    Away,
    /// As before, until somebody has logged in: no other could be opened either.
    Locked,
    /// Its agent is dialing for somebody, and makes everybody else wait for that.
    Hanging,
    /// It dials where the database may no longer be.
    Retired,
}

/// What a visitor is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Placed {
    /// Go through this one.
    Through(usize),
    /// Wait for one that is being opened; where that takes too long or fails, go through the other.
    Await { opening: usize, meanwhile: Option<usize> },
    /// Have one more opened, and wait for it as before.
    Open { meanwhile: Option<usize> },
}

impl Condition {
    /// How a tunnel with these figures does. `away_for` is how long its websocket has been gone.
    pub(super) fn of(state: &State, away_for: Duration, stats: &Stats) -> Self {
        // The kernel gives a dial up by itself after a while, so what has waited longer is a talk in which nobody speaks.
        let hangs = |for_so_long| (HANGS..KERNEL_DIALS).contains(&for_so_long);
        match state {
            State::WaitingForLogin { .. } => Self::Locked,
            State::Resuming { .. } if away_for >= A_MOMENT => Self::Away,
            State::Resuming { .. } => Self::Paused,
            State::Live if stats.oldest_dial.is_some_and(hangs) => Self::Hanging,
            State::Live if stats.stalled_readers > 0 => Self::Stalled,
            State::Live if stats.is_bulk() => Self::Bulk,
            State::Live => Self::Clear,
        }
    }

    /// Whether a visit is as well off here as anywhere.
    fn will_do(self) -> bool {
        match self {
            Self::Clear | Self::Paused => true,
            Self::Bulk
            | Self::Stalled
            | Self::Away
            | Self::Locked
            | Self::Hanging
            | Self::Retired => false,
        }
    }
}

/// Where a new visit goes; `room` says whether one more tunnel may be opened.
///
/// Of tunnels that do equally well the one with the fewest streams is taken; one that was opened for load alone comes
/// after the others, so that it falls idle when the load is gone.
pub(super) fn place(seats: &[Seat], room: bool) -> Placed {
    let standing = seats.iter().enumerate().filter_map(|(at, seat)| match *seat {
        Seat::Opening => None,
        Seat::Standing { condition, extra, streams } => Some((condition, extra, streams, at)),
    });
    let best = standing.min();
    let meanwhile = best.map(|(_, _, _, at)| at);
    let opening = seats.iter().position(|seat| *seat == Seat::Opening);
    match (best, opening) {
        (Some((condition, _, _, at)), _) if condition.will_do() => Placed::Through(at),
        (Some((Condition::Locked, _, _, at)), _) => Placed::Through(at),
        (_, Some(opening)) => Placed::Await { opening, meanwhile },
        (None, None) => Placed::Open { meanwhile },
        (Some(_), None) if room => Placed::Open { meanwhile },
        (Some((_, _, _, at)), None) => Placed::Through(at),
    }
}

/// Whether one more is to be opened before the next visit asks for it.
pub(super) fn wants_another(seats: &[Seat]) -> bool {
    let busy = |seat: &Seat| match seat {
        Seat::Opening => false,
        Seat::Standing { condition, .. } => match condition {
            // Where the network is away, or the login, there is no other to be had.
            Condition::Clear | Condition::Paused | Condition::Away | Condition::Locked => false,
            Condition::Bulk | Condition::Stalled | Condition::Hanging | Condition::Retired => true,
        },
    };
    !seats.is_empty() && seats.iter().all(busy)
}

/// Whether every visit here is worse off than it would be on another bastion: none stands that will do, none is on its
/// way, and no more may be opened.
pub(super) fn is_crowded(seats: &[Seat], room: bool) -> bool {
    !room && wants_another(seats)
}

/// How long a dial may take before it is taken for one that nobody answers: a round trip inside a VPC has a millisecond.
const HANGS: Duration = Duration::from_secs(1);

/// How long the kernel of the container tries before it gives a dial up (ssm-data-channel.md 5).
const KERNEL_DIALS: Duration = Duration::from_secs(130);

/// How long a websocket may be gone before another tunnel is worth its while: resuming takes less.
const A_MOMENT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::Condition::{Away, Bulk, Clear, Hanging, Locked, Paused, Retired, Stalled};
    use super::*;

    #[test]
    fn a_visit_goes_through_the_clear_tunnel_with_the_fewest_streams() {
        assert_eq!(place(&[on(Clear, 3), on(Clear, 1), on(Clear, 2)], true), Placed::Through(1));
        assert_eq!(place(&[on(Clear, 1), on(Clear, 1)], true), Placed::Through(0));
        assert_eq!(place(&[on(Bulk, 0), on(Paused, 9)], true), Placed::Through(1));
    }

    #[test]
    fn a_tunnel_opened_for_load_is_used_for_load_alone() {
        let seats = |first| [on(first, 5), extra(Clear, 0)];
        assert_eq!(place(&seats(Clear), true), Placed::Through(0));
        assert_eq!(place(&seats(Bulk), true), Placed::Through(1));
    }

    #[test]
    fn no_visit_lands_on_a_bad_tunnel_while_another_can_be_had() {
        for bad in [Bulk, Stalled, Away, Hanging, Retired] {
            assert_eq!(place(&[on(bad, 1)], true), Placed::Open { meanwhile: Some(0) }, "{bad:?}");
            assert_eq!(place(&[on(bad, 1)], false), Placed::Through(0), "{bad:?}");
            let opening = [on(bad, 1), Seat::Opening];
            let awaits = Placed::Await { opening: 1, meanwhile: Some(0) };
            assert_eq!(place(&opening, true), awaits, "one that opens is enough: {bad:?}");
            assert_eq!(place(&opening, false), awaits, "{bad:?}");
        }
    }

    #[test]
    fn the_least_bad_is_taken_where_all_are_bad() {
        let all = [Retired, Hanging, Away, Stalled, Bulk];
        for most in 1..=all.len() {
            let seats: Vec<_> = all[..most].iter().map(|bad| on(*bad, 0)).collect();
            assert_eq!(place(&seats, false), Placed::Through(most - 1));
        }
    }

    #[test]
    fn nobody_opens_another_while_only_a_login_is_missing() {
        assert_eq!(place(&[on(Locked, 1)], true), Placed::Through(0));
        assert!(!wants_another(&[on(Locked, 1)]));
    }

    #[test]
    fn the_first_visit_has_a_tunnel_opened_and_the_next_wait_for_it() {
        assert_eq!(place(&[], true), Placed::Open { meanwhile: None });
        assert_eq!(place(&[], false), Placed::Open { meanwhile: None }, "there is no other way");
        let awaits = Placed::Await { opening: 0, meanwhile: None };
        assert_eq!(place(&[Seat::Opening], true), awaits);
    }

    #[test]
    fn another_is_opened_ahead_only_where_none_is_clear_and_none_on_its_way() {
        assert!(!wants_another(&[]));
        assert!(wants_another(&[on(Bulk, 1)]));
        assert!(wants_another(&[on(Bulk, 1), on(Hanging, 1), on(Stalled, 2)]));
        assert!(!wants_another(&[on(Bulk, 1), on(Clear, 0)]));
        assert!(!wants_another(&[on(Bulk, 1), Seat::Opening]));
        assert!(!wants_another(&[on(Away, 1)]));
        assert!(is_crowded(&[on(Bulk, 1)], false) && !is_crowded(&[on(Bulk, 1)], true));
    }

    #[test]
    fn a_dial_hangs_from_a_second_until_the_kernel_would_have_given_it_up() {
        let after = |millis| {
            let mut stats = Stats::default();
            stats.oldest_dial = Some(Duration::from_millis(millis));
            Condition::of(&State::Live, Duration::ZERO, &stats)
        };
        assert_eq!((after(900), after(1000)), (Clear, Hanging));
        assert_eq!((after(129_000), after(131_000)), (Hanging, Clear));
    }

    fn on(condition: Condition, streams: usize) -> Seat {
        Seat::Standing { condition, extra: false, streams }
    }

    fn extra(condition: Condition, streams: usize) -> Seat {
        Seat::Standing { condition, extra: true, streams }
    }
}
