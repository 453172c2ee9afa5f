//! Who is here: every visit, from accept to close, and what last went wrong for a target's visitors.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bastion_api::{KeptUp, Problem, Timestamp, VisitStatus, Visitor};
use bastion_cloud::TaskId;

use super::moved::Moved;
use super::peer::{Found, Peer};
use super::receipt;

/// The visits of the daemon. Clones are the same roster.
#[derive(Clone, Debug, Default)]
pub struct Roster(Arc<Mutex<Book>>);

impl Roster {
    /// The visits of one target, in the order of their coming; these bastions of it retire.
    pub fn of(&self, target: &str, retiring: &[TaskId], now: Instant) -> Vec<VisitStatus> {
        let book = self.book();
        let here = book.guests.iter().filter(|(_, guest)| guest.target == target);
        here.map(|(id, guest)| guest.status(*id, retiring, now)).collect()
    }

    /// Which visit alone keeps a target's bastion: the one that was the last to move a byte, where all have been silent
    /// for a while.
    pub fn kept_up(
        &self,
        target: &str,
        silent_after: Option<Duration>,
        now: Instant,
    ) -> Option<KeptUp> {
        let book = self.book();
        let here = book.guests.values().filter(|guest| guest.target == target);
        let last = here.min_by_key(|guest| guest.silent_for(now).unwrap_or_default())?;
        let silent = last.silent_for(now).filter(|silent| *silent >= WORTH_A_WORD)?;
        let Visitor { program, pid, uid: _ } = last.visitor();
        Some(KeptUp {
            program,
            pid,
            silent_seconds: silent.as_secs(),
            counts_for_seconds: silent_after.map(|after| after.saturating_sub(silent).as_secs()),
        })
    }

    /// What last went wrong for a target's visitors, and how long ago; none once a visit went through.
    pub fn trouble(&self, target: &str, now: Instant) -> Option<(Problem, Duration)> {
        let book = self.book();
        let (problem, at) = book.troubles.get(target)?;
        Some((problem.clone(), now.saturating_duration_since(*at)))
    }

    /// How many bytes have gone to a target's database and come from it, those of visits that have ended too.
    pub fn moved(&self, target: &str) -> (u64, u64) {
        let book = self.book();
        let ended = book.ended.get(target).copied().unwrap_or_default();
        let here = book.guests.values().filter(|guest| guest.target == target);
        here.fold(ended, |(inward, outward), guest| {
            (inward + guest.moved.inward(), outward + guest.moved.outward())
        })
    }

    /// How many visits a target has.
    pub fn count(&self, target: &str) -> u32 {
        let here = self.book().guests.values().filter(|guest| guest.target == target).count();
        u32::try_from(here).unwrap_or(u32::MAX)
    }

    /// How many visits there are in all.
    pub fn len(&self) -> usize {
        self.book().guests.len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn enter(&self, target: &str, peer: Peer, since: Timestamp, now: Instant) -> Entry {
        let mut book = self.book();
        book.last += 1;
        let id = book.last;
        let guest = Arc::new(Guest {
            target: target.to_owned(),
            peer,
            found: Found::default(),
            since,
            waiting: AtomicBool::new(true),
            task: OnceLock::new(),
            moved: Moved::since(now),
        });
        book.guests.insert(id, Arc::clone(&guest));
        Entry { id, guest, roster: self.clone() }
    }

    /// Notes what goes wrong for a target's visitors.
    pub fn note_trouble(&self, target: &str, problem: Problem, now: Instant) {
        self.book().troubles.insert(target.to_owned(), (problem, now));
    }

    /// It goes wrong no longer.
    pub fn clear_trouble(&self, target: &str) {
        self.book().troubles.remove(target);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One visit's line in the roster, struck out when it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: u64,
    guest: Arc<Guest>,
    roster: Roster,
}

impl Entry {
    /// The visit no longer waits: bytes flow, through this bastion.
    pub(super) fn admitted(&self, task: &TaskId) {
        // Admitted once is enough.
        self.guest.task.set(task.clone()).ok();
        self.guest.waiting.store(false, Ordering::Relaxed);
    }

    pub(super) fn moved(&self) -> &Moved {
        &self.guest.moved
    }

    /// When it came.
    pub(super) fn since(&self) -> Timestamp {
        self.guest.since
    }

    /// Who it is, as far as that is known by now.
    pub(super) fn visitor(&self) -> Visitor {
        self.guest.visitor()
    }

    /// Where its process is written once it is found.
    pub(super) fn found(&self) -> &Found {
        &self.guest.found
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut book = self.roster.book();
        book.guests.remove(&self.id);
        let (inward, outward) = book.ended.entry(self.guest.target.clone()).or_default();
        *inward += self.guest.moved.inward();
        *outward += self.guest.moved.outward();
    }
}

#[derive(Debug, Default)]
struct Book {
    last: u64,
    guests: BTreeMap<u64, Arc<Guest>>,
    troubles: BTreeMap<String, (Problem, Instant)>,
    /// What the visits moved that have ended, inward and outward.
    ended: BTreeMap<String, (u64, u64)>,
}

#[derive(Debug)]
struct Guest {
    target: String,
    peer: Peer,
    found: Found,
    since: Timestamp,
    waiting: AtomicBool,
    task: OnceLock<TaskId>,
    moved: Moved,
}

impl Guest {
    fn status(&self, id: u64, retiring: &[TaskId], now: Instant) -> VisitStatus {
        let Visitor { program, pid, uid } = self.visitor();
        VisitStatus {
            id,
            program,
            pid,
            uid,
            since: self.since,
            waiting: self.waiting.load(Ordering::Relaxed),
            bytes_in: self.moved.inward(),
            bytes_out: self.moved.outward(),
            silent_seconds: self.silent_for(now).map(|silent| silent.as_secs()),
            retiring: self.task.get().is_some_and(|task| retiring.contains(task)),
        }
    }

    /// For how long it has moved no byte; none while it waits.
    fn silent_for(&self, now: Instant) -> Option<Duration> {
        let waiting = self.waiting.load(Ordering::Relaxed);
        (!waiting).then(|| self.moved.silent_for(now))
    }

    fn visitor(&self) -> Visitor {
        receipt::visitor(&self.peer, self.found.process())
    }
}

/// How long all of a target's visits have to be silent before it is worth a line who keeps its bastion up.
const WORTH_A_WORD: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bastion_api::Timestamp;
    use bastion_cloud::TaskId;

    use super::super::peer::Peer;
    use super::{Entry, Roster};
    use crate::clock::Clock;

    #[test]
    fn a_visit_stands_in_the_roster_until_it_is_dropped() {
        let (roster, (clock, _)) = (Roster::default(), Clock::by_hand());
        let one = enter(&roster, "a", &clock);
        let two = enter(&roster, "b", &clock);
        one.admitted(&TaskId::new("t"));
        let here = roster.of("a", &[], clock.now());
        assert_eq!(here.iter().map(|v| (v.id, v.waiting)).collect::<Vec<_>>(), [(1, false)]);
        assert_eq!(here[0].silent_seconds, Some(0));
        let waiting = &roster.of("b", &[], clock.now())[0];
        assert_eq!((waiting.waiting, waiting.silent_seconds), (true, None));
        drop(one);
        assert!(roster.of("a", &[], clock.now()).is_empty());
        assert_eq!((roster.len(), roster.count("b")), (1, 1));
        drop(two);
        assert!(roster.is_empty());
    }

    #[test]
    fn what_a_visit_moved_is_counted_beyond_its_end_and_for_its_target_alone() {
        let (roster, (clock, _)) = (Roster::default(), Clock::by_hand());
        let (one, two) = (enter(&roster, "a", &clock), enter(&roster, "a", &clock));
        one.moved().count_inward(10, clock.now());
        two.moved().count_outward(7, clock.now());
        assert_eq!(roster.moved("a"), (10, 7));
        drop(one);
        two.moved().count_inward(1, clock.now());
        assert_eq!(roster.moved("a"), (11, 7));
        drop(two);
        assert_eq!((roster.moved("a"), roster.moved("b")), ((11, 7), (0, 0)));
    }

    #[test]
    fn who_was_silent_the_least_keeps_the_bastion_up_once_all_are_silent_for_a_while() {
        let (roster, (clock, hand)) = (Roster::default(), Clock::by_hand());
        let (one, two) = (enter(&roster, "a", &clock), enter(&roster, "a", &clock));
        one.admitted(&TaskId::new("t"));
        two.admitted(&TaskId::new("t"));
        let hour = Some(Duration::from_secs(3600));
        hand.turn(Duration::from_secs(60));
        two.moved().count_inward(1, clock.now());
        hand.turn(Duration::from_secs(299));
        assert_eq!(roster.kept_up("a", hour, clock.now()), None);
        hand.turn(Duration::from_secs(47 * 60 - 299));
        let kept = roster.kept_up("a", hour, clock.now()).unwrap();
        assert_eq!((kept.silent_seconds, kept.counts_for_seconds), (47 * 60, Some(13 * 60)));
        assert_eq!(roster.kept_up("a", None, clock.now()).unwrap().counts_for_seconds, None);
        let waits = enter(&roster, "a", &clock);
        assert_eq!(roster.kept_up("a", hour, clock.now()), None, "one that waits is not silent");
        drop(waits);
    }

    #[test]
    fn the_visits_of_a_bastion_that_retires_are_told_from_those_of_another() {
        let (roster, (clock, _)) = (Roster::default(), Clock::by_hand());
        let (one, two) = (enter(&roster, "a", &clock), enter(&roster, "a", &clock));
        one.admitted(&TaskId::new("old"));
        two.admitted(&TaskId::new("new"));
        let here = roster.of("a", &[TaskId::new("old")], clock.now());
        assert_eq!(
            here.iter().map(|v| (v.id, v.retiring)).collect::<Vec<_>>(),
            [(1, true), (2, false)]
        );
    }

    fn enter(roster: &Roster, target: &str, clock: &Clock) -> Entry {
        roster.enter(target, Peer::default(), Timestamp::UNIX_EPOCH, clock.now())
    }
}
