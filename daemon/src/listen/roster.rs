//! Who is here: every visit, from accept to close, and what last went wrong for a target's visitors.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bastion_api::{Problem, Timestamp, VisitStatus};

use super::pipe::Moved;

/// The visits of the daemon. Clones are the same roster.
#[derive(Clone, Debug, Default)]
pub struct Roster(Arc<Mutex<Book>>);

impl Roster {
    /// The visits of one target, in the order of their coming.
    pub fn of(&self, target: &str) -> Vec<VisitStatus> {
        let book = self.book();
        let here = book.guests.iter().filter(|(_, guest)| guest.target == target);
        here.map(|(id, guest)| guest.status(*id)).collect()
    }

    /// What last went wrong for a target's visitors, and how long ago; none once a visit went through.
    pub fn trouble(&self, target: &str, now: Instant) -> Option<(Problem, Duration)> {
        let book = self.book();
        let (problem, at) = book.troubles.get(target)?;
        Some((problem.clone(), now.saturating_duration_since(*at)))
    }

    /// How many visits there are in all.
    pub fn len(&self) -> usize {
        self.book().guests.len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn enter(&self, target: &str, since: Timestamp) -> Entry {
        let mut book = self.book();
        book.last += 1;
        let id = book.last;
        let guest = Arc::new(Guest {
            target: target.to_owned(),
            since,
            waiting: AtomicBool::new(true),
            moved: Moved::default(),
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
    /// The visit no longer waits: bytes flow.
    pub(super) fn admitted(&self) {
        self.guest.waiting.store(false, Ordering::Relaxed);
    }

    pub(super) fn moved(&self) -> &Moved {
        &self.guest.moved
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roster.book().guests.remove(&self.id);
    }
}

#[derive(Debug, Default)]
struct Book {
    last: u64,
    guests: BTreeMap<u64, Arc<Guest>>,
    troubles: BTreeMap<String, (Problem, Instant)>,
}

#[derive(Debug)]
struct Guest {
    target: String,
    since: Timestamp,
    waiting: AtomicBool,
    moved: Moved,
}

impl Guest {
    fn status(&self, id: u64) -> VisitStatus {
        VisitStatus {
            id,
            program: None,
            pid: None,
            since: self.since,
            waiting: self.waiting.load(Ordering::Relaxed),
            bytes_in: self.moved.inward.load(Ordering::Relaxed),
            bytes_out: self.moved.outward.load(Ordering::Relaxed),
            uid: None,
            silent_seconds: None,
            retiring: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use bastion_api::Timestamp;

    use super::Roster;

    #[test]
    fn a_visit_stands_in_the_roster_until_it_is_dropped() {
        let roster = Roster::default();
        let one = roster.enter("a", Timestamp::UNIX_EPOCH);
        let two = roster.enter("b", Timestamp::UNIX_EPOCH);
        one.admitted();
        assert_eq!(
            roster.of("a").iter().map(|v| (v.id, v.waiting)).collect::<Vec<_>>(),
            [(1, false)]
        );
        assert!(roster.of("b")[0].waiting);
        drop(one);
        assert!(roster.of("a").is_empty());
        assert_eq!(roster.len(), 1);
        drop(two);
        assert!(roster.is_empty());
    }
}
