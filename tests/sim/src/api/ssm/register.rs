//! Which sessions there are and were, as DescribeSessions tells it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One session's entry.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(super) id: String,
    pub(super) target: String,
    pub(super) owner: String,
    pub(super) document: String,
    pub(super) reason: String,
    pub(super) started_ms: i64,
    pub(super) ended_ms: Option<i64>,
}

/// All of them, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    known: Arc<Mutex<BTreeMap<String, Session>>>,
}

impl Sessions {
    pub(super) fn insert(&self, session: Session) {
        self.lock().insert(session.id.clone(), session);
    }

    pub(super) fn get(&self, id: &str) -> Option<Session> {
        self.lock().get(id).cloned()
    }

    /// Notes the end; the first time counts.
    pub(super) fn ended(&self, id: &str, now_ms: i64) {
        if let Some(session) = self.lock().get_mut(id) {
            session.ended_ms.get_or_insert(now_ms);
        }
    }

    /// Newest first, as AWS lists them.
    pub(super) fn all(&self) -> Vec<Session> {
        let mut all: Vec<Session> = self.lock().values().cloned().collect();
        all.sort_by_key(|session| std::cmp::Reverse(session.started_ms));
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Session>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
