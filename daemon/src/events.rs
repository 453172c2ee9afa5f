//! What happened lately, for those who ask and those who listen.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bastion_api::{Event, EventKind, Problem};
use tokio::sync::broadcast;
use tracing::{debug, info, warn};

use crate::clock::Clock;

/// The daemon's memory of what happened. Clones are the same memory.
#[derive(Clone, Debug)]
pub struct Events {
    clock: Clock,
    past: Arc<Mutex<VecDeque<Event>>>,
    live: broadcast::Sender<Event>,
}

impl Events {
    /// A memory of nothing.
    pub fn new(clock: Clock) -> Self {
        let (live, _) = broadcast::channel(LISTENER_MAY_LAG);
        Self { clock, past: Arc::default(), live }
    }

    /// Notes that something happened, and logs it.
    pub fn tell(&self, target: Option<&str>, kind: EventKind, message: impl Into<String>) {
        let message = message.into();
        info!(target = target.unwrap_or("-"), event = kind.word(), "{message}");
        self.note(target, kind, message, None);
    }

    /// Notes that something happened and why; the log has the reason at DEBUG, for it may hold an address.
    pub fn tell_why(
        &self,
        target: Option<&str>,
        kind: EventKind,
        what: &str,
        why: &dyn std::fmt::Display,
    ) {
        info!(target = target.unwrap_or("-"), event = kind.word(), "{what}");
        debug!(target = target.unwrap_or("-"), event = kind.word(), %why, "{what}");
        self.note(target, kind, format!("{what}: {why}"), None);
    }

    /// Notes that something went wrong, and logs it; its causes at DEBUG, for they may hold addresses.
    pub fn tell_problem(&self, target: Option<&str>, kind: EventKind, problem: &Problem) {
        let (target_name, code) = (target.unwrap_or("-"), &problem.code);
        let request = problem.request_id.as_deref().filter(|id| !id.is_empty());
        warn!(target = target_name, event = kind.word(), code, request, "{}", problem.message);
        let because = problem.causes.join("; ");
        debug!(target = target_name, event = kind.word(), code, because, "{}", problem.message);
        self.note(target, kind, problem.message.clone(), Some(problem.clone()));
    }

    /// Everything remembered after number `since`, and everything from now on, with no gap between.
    pub fn since(&self, since: u64) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let found = past.iter().filter(|event| event.seq > since).cloned().collect();
        (found, self.live.subscribe())
    }

    fn note(
        &self,
        target: Option<&str>,
        kind: EventKind,
        message: String,
        problem: Option<Problem>,
    ) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = past.back().map_or(1, |last| last.seq + 1);
        let time = self.clock.calendar();
        let target = target.map(str::to_owned);
        let event = Event { seq, time, target, kind, message, problem };
        if past.len() == REMEMBERED {
            past.pop_front();
        }
        past.push_back(event.clone());
        // Nobody listening is no fault.
        drop(self.live.send(event));
    }
}

/// How many events are kept: about a working day of a busy developer, and well under a megabyte.
const REMEMBERED: usize = 1_000;

/// How many events a listener may be behind before it loses some.
const LISTENER_MAY_LAG: usize = 256;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Mutex;

    use bastion_api::{EventKind, Problem, ProblemKind};
    use tracing::Level;

    use super::{Events, REMEMBERED};
    use crate::clock::Clock;

    #[tokio::test]
    async fn what_happened_and_what_happens_join_without_a_gap() {
        let events = Events::new(Clock::machine());
        events.tell(None, EventKind::DaemonStarted, "one");
        events.tell(Some("db"), EventKind::VisitOpened, "two");
        let (past, mut live) = events.since(1);
        events.tell(Some("db"), EventKind::VisitClosed, "three");
        assert_eq!(past.iter().map(|e| e.message.as_str()).collect::<Vec<_>>(), ["two"]);
        let next = live.recv().await.unwrap();
        assert_eq!((next.seq, next.message.as_str()), (3, "three"));
    }

    #[test]
    fn no_address_reaches_the_log_above_debug() {
        let events = Events::new(Clock::machine());
        let tell = || {
            let problem =
                Problem::new("D24", ProblemKind::DatabaseUnreachable, "db does not answer")
                    .because("no way to db.internal:5432");
            events.tell_problem(Some("db"), EventKind::VisitRefused, &problem);
            let why = "lookup db.internal: no such host";
            events.tell_why(Some("db"), EventKind::TunnelClosed, "tunnel closed", &why);
        };
        let info = logged(Level::INFO, tell);
        assert!(info.contains("D24") && info.contains("tunnel closed"), "{info}");
        assert!(!info.contains("db.internal"), "{info}");
        assert!(logged(Level::DEBUG, tell).contains("db.internal:5432"));
        let (past, _live) = events.since(0);
        assert!(past[1].message.contains("no such host"), "who asks hears all");
    }

    /// What `deed` logs at this level and above.
    fn logged(level: Level, deed: impl FnOnce()) -> String {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let log = tracing_subscriber::fmt().with_max_level(level).with_writer(Mutex::new(writer));
        tracing::subscriber::with_default(log.finish(), deed);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_oldest_are_forgotten_and_the_numbers_go_on() {
        let events = Events::new(Clock::machine());
        for _ in 0..REMEMBERED + 5 {
            events.tell(None, EventKind::Asked, "again");
        }
        let (past, _live) = events.since(0);
        assert_eq!(past.len(), REMEMBERED);
        assert_eq!(past.first().unwrap().seq, 6);
    }
}
