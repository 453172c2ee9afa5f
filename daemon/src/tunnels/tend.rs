//! What is to be done about the tunnels to one remote while visits come and go: one more opened before it is needed, one
//! closed that nobody needs any more, one kept alive. Decided here, done by [`super::Tunnels`].

use std::time::{Duration, Instant};

use super::place::{Condition, Seat, wants_another};

/// Why a tunnel was opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wish {
    /// A visit, or the proof that visits go through.
    Visits,
    /// Others were loaded.
    Load,
    /// A person asked for so many.
    Fan,
}

/// One tunnel, seen by who tends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tended {
    pub(super) seat: Seat,
    pub(super) wish: Wish,
    /// Since when nobody goes through it.
    pub(super) idle_since: Option<Instant>,
    /// Whether it is kept alive.
    pub(super) kept: bool,
}

/// What is to be done, by the tunnels' places in the list.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Chores {
    /// Close these.
    pub(super) close: Vec<usize>,
    /// Open one, and why.
    pub(super) open: Option<Wish>,
    /// Keep this one alive.
    pub(super) keep: Option<usize>,
    /// Keep these no longer.
    pub(super) unkeep: Vec<usize>,
    /// Look again after so long; where none, when something happens.
    pub(super) pause: Option<Duration>,
}

/// What is to be done now. `room` says whether one more may be opened, and `hold_off` until when not after all; `keep`
/// says whether one session of the bastion is to be kept alive, and this is the remote to do it for.
pub(super) fn chores(
    tunnels: &[Tended],
    room: bool,
    keep: bool,
    hold_off: Option<Instant>,
    now: Instant,
) -> Chores {
    let seats: Vec<Seat> = tunnels.iter().map(|tunnel| tunnel.seat).collect();
    let mut chores = Chores::default();
    let mut due: Option<Instant> = None;
    let mut busy = false;
    let mut standing = 0;
    for (at, tunnel) in tunnels.iter().enumerate() {
        let Seat::Standing { condition, streams, .. } = tunnel.seat else {
            busy = true;
            continue;
        };
        standing += 1;
        busy |= streams > 0;
        let last = tunnels.len() == 1;
        let idle = tunnel.idle_since.filter(|_| streams == 0);
        match (condition, tunnel.wish, idle) {
            (Condition::Retired, _, Some(_)) => chores.close.push(at),
            (_, Wish::Load, Some(since)) if !last => {
                let ends = since + LOAD_IDLE;
                if ends <= now {
                    chores.close.push(at);
                } else {
                    due = Some(due.map_or(ends, |due| due.min(ends)));
                }
            }
            (_, Wish::Visits | Wish::Fan | Wish::Load, _) => {}
        }
    }
    if room && wants_another(&seats) {
        chores.open = Some(Wish::Load);
    }
    // One that stands lives on without us for as long as somebody goes through it; kept is the first that will stay.
    let stays = |at: &usize| {
        matches!(seats[*at], Seat::Standing { condition, .. } if condition != Condition::Retired)
            && !chores.close.contains(at)
    };
    let mut candidates: Vec<usize> = (0..tunnels.len()).filter(stays).collect();
    candidates.sort_by_key(|at| (tunnels[*at].wish == Wish::Load, !tunnels[*at].kept));
    let chosen = candidates.first().copied().filter(|_| keep);
    chores.keep = chosen.filter(|at| !tunnels[*at].kept);
    chores.unkeep =
        (0..tunnels.len()).filter(|at| tunnels[*at].kept && Some(*at) != chosen).collect();
    // The bastion's watchdog ends a task that no session leads to.
    if keep && standing == 0 && !seats.contains(&Seat::Opening) {
        chores.open = Some(Wish::Visits);
    }
    if let Some(until) = hold_off.filter(|until| *until > now)
        && chores.open.take().is_some()
    {
        due = Some(due.map_or(until, |due| due.min(until)));
    }
    chores.pause = if busy || chores.open.is_some() {
        Some(LOOK)
    } else {
        due.map(|due| due.saturating_duration_since(now).max(LOOK))
    };
    chores
}

/// How often tunnels are looked at while anybody goes through them: a flow is told from a burst within half a second.
const LOOK: Duration = Duration::from_millis(250);

/// How long a tunnel that was opened for load outlives it: downloads come in a row, and opening one takes a second.
pub(super) const LOAD_IDLE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_second_tunnel_is_opened_as_soon_as_the_first_moves_bulk() {
        let now = now();
        let seen = chores(&[busy(Condition::Bulk, Wish::Visits)], true, false, None, now);
        assert_eq!((seen.open, seen.pause), (Some(Wish::Load), Some(LOOK)));
        let full = chores(&[busy(Condition::Bulk, Wish::Visits)], false, false, None, now);
        assert_eq!((full.open, full.pause), (None, Some(LOOK)), "it is looked at on");
    }

    #[test]
    fn a_tunnel_opened_for_load_is_closed_when_it_was_idle_long_enough_and_no_other_is() {
        let now = now();
        let seen = [
            idle(Wish::Visits, now - 10 * LOAD_IDLE),
            idle(Wish::Load, now - LOAD_IDLE),
            idle(Wish::Load, now - LOAD_IDLE / 2),
            idle(Wish::Fan, now - 10 * LOAD_IDLE),
        ];
        let seen = chores(&seen, true, false, None, now);
        assert_eq!((seen.close, seen.pause), (vec![1], Some(LOAD_IDLE / 2)));
        let alone = chores(&[idle(Wish::Load, now - 10 * LOAD_IDLE)], true, false, None, now);
        assert_eq!(alone.close, [0; 0], "the last one is what the next visit goes through");
    }

    #[test]
    fn a_retired_tunnel_is_closed_when_its_last_stream_has_ended() {
        let now = now();
        let retired = |streams| Tended {
            seat: Seat::Standing { condition: Condition::Retired, extra: false, streams },
            ..idle(Wish::Visits, now)
        };
        assert_eq!(chores(&[retired(1)], false, false, None, now).close, [0; 0]);
        assert_eq!(chores(&[retired(0)], false, false, None, now).close, [0]);
    }

    #[test]
    fn nobody_looks_at_tunnels_that_nobody_uses() {
        let now = now();
        assert_eq!(chores(&[idle(Wish::Visits, now)], true, false, None, now), Chores::default());
    }

    #[test]
    fn one_tunnel_of_a_wanted_bastion_is_kept_alive_and_it_remains_the_same() {
        let now = now();
        let mut both = [idle(Wish::Load, now), idle(Wish::Visits, now)];
        assert_eq!(chores(&both, true, true, None, now).keep, Some(1));
        both[1].kept = true;
        let seen = chores(&both, true, true, None, now);
        assert_eq!((seen.keep, seen.unkeep), (None, vec![]));
        let seen = chores(&both, true, false, None, now);
        assert_eq!((seen.keep, seen.unkeep), (None, vec![1]), "no longer wanted");
    }

    #[test]
    fn a_wanted_bastion_whose_last_tunnel_is_gone_gets_another() {
        let now = now();
        assert_eq!(chores(&[], true, true, None, now).open, Some(Wish::Visits));
        assert_eq!(chores(&[], true, false, None, now).open, None);
        let opening = Tended { seat: Seat::Opening, ..idle(Wish::Visits, now) };
        assert_eq!(chores(&[opening], true, true, None, now).open, None);
    }

    #[test]
    fn after_a_failure_none_is_opened_ahead_of_need_for_a_while() {
        let now = now();
        let later = Some(now + LOAD_IDLE);
        let seen = chores(&[], true, true, later, now);
        assert_eq!((seen.open, seen.pause), (None, Some(LOAD_IDLE)));
        assert_eq!(chores(&[], true, true, Some(now), now).open, Some(Wish::Visits));
        let bulk = [busy(Condition::Bulk, Wish::Visits)];
        assert_eq!(chores(&bulk, true, false, later, now).open, None);
    }

    fn now() -> Instant {
        Clock::by_hand().0.now() + 100 * LOAD_IDLE
    }

    fn busy(condition: Condition, wish: Wish) -> Tended {
        let seat = Seat::Standing { condition, extra: wish == Wish::Load, streams: 1 };
        Tended { seat, wish, idle_since: None, kept: false }
    }

    fn idle(wish: Wish, since: Instant) -> Tended {
        let seat =
            Seat::Standing { condition: Condition::Clear, extra: wish == Wish::Load, streams: 0 };
        Tended { seat, wish, idle_since: Some(since), kept: false }
    }
}
