//! What all tunnels together may keep for visitors who do not read.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// A bound on the unread bytes of all tunnels that share it. Clones are the same bound.
///
/// Where it is reached, only the tunnels that keep much stop taking in; one whose visitors read keeps nearly nothing.
#[derive(Clone)]
pub struct Budget {
    limit: usize,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    kept: usize,
    /// Who waits for others to keep less.
    waiting: Vec<Waker>,
}

/// One tunnel's part of a budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    budget: Budget,
    kept: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, shared: Arc::default() }
    }

    /// How many bytes are kept now.
    pub fn kept(&self) -> usize {
        self.lock().kept
    }

    pub(crate) fn part(&self) -> Part {
        Part { budget: self.clone(), kept: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Nothing in here can panic half-way.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// Takes in how much the tunnel keeps now.
    pub(crate) fn keep(&mut self, kept: usize) {
        if kept == self.kept {
            return;
        }
        let mut shared = self.budget.lock();
        let before = shared.kept;
        shared.kept = before - self.kept + kept;
        self.kept = kept;
        if before >= self.budget.limit && shared.kept < self.budget.limit {
            for waker in std::mem::take(&mut shared.waiting) {
                waker.wake();
            }
        }
    }

    /// Whether the tunnel has to stop taking in: all of the budget is used, and it is among those who use it. It is woken
    /// when others give back.
    pub(crate) fn is_used_up(&self, cx: &Context<'_>) -> bool {
        if self.kept <= FREE {
            return false;
        }
        let mut shared = self.budget.lock();
        let used_up = shared.kept >= self.budget.limit;
        if used_up && !shared.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            shared.waiting.push(cx.waker().clone());
        }
        used_up
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.keep(0);
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("limit", &self.limit).field("kept", &self.kept()).finish()
    }
}

/// Bytes kept by all tunnels: four streams that have stopped reading, each with its own bound full.
const LIMIT: usize = 256 << 20;

/// Bytes that a tunnel may keep whatever others do: a second and a half of what an agent can send.
const FREE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_used_up_budget_stops_who_keeps_much_and_nobody_else() {
        let budget = Budget::new(10 << 20);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        let (mut greedy, mut second, mut modest) = (budget.part(), budget.part(), budget.part());
        greedy.keep(7 << 20);
        second.keep(2 << 20);
        assert!(!greedy.is_used_up(&cx));
        modest.keep(1 << 20);
        assert!(greedy.is_used_up(&cx) && second.is_used_up(&cx) && second.is_used_up(&cx));
        assert!(!modest.is_used_up(&cx));
        assert_eq!(budget.lock().waiting.len(), 1, "a waker is kept once");
        modest.keep(1 << 10);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(!greedy.is_used_up(&cx));
    }

    #[test]
    fn what_a_tunnel_kept_is_given_back_with_it() {
        let budget = Budget::new(100);
        let (mut first, mut second) = (budget.part(), budget.part());
        first.keep(60);
        second.keep(50);
        first.keep(30);
        assert_eq!(budget.kept(), 80);
        drop(second);
        assert_eq!(budget.kept(), 30);
    }
}
