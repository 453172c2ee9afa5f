//! The tasks of the simulated ECS: what is known of each, now and as a lagging reader sees it.

mod containers;
mod life;
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::container::Container;

pub(crate) use life::{Plan, launch};
pub use view::{ContainerView, Launch, Status, TaskView, Times};

/// Every task there is or was, shared by the API and the tasks' own lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    entries: Arc<Mutex<BTreeMap<String, Entry>>>,
}

/// One task: what it was at each moment, and how to ask it to stop.
#[derive(Debug)]
struct Entry {
    history: Vec<(Instant, TaskView)>,
    wish: watch::Sender<Option<StopWish>>,
    containers: Vec<Container>,
}

/// Why a task is asked to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StopWish {
    /// AWS's `stopCode`.
    pub(crate) code: String,
    /// AWS's `stoppedReason`.
    pub(crate) reason: String,
}

impl Tasks {
    /// Notes a new task; the receiver tells its life when it shall stop.
    pub(crate) fn insert(&self, task: TaskView, now: Instant) -> watch::Receiver<Option<StopWish>> {
        let (wish, asked) = watch::channel(None);
        let entry = Entry { history: vec![(now, task.clone())], wish, containers: Vec::new() };
        self.lock().insert(task.arn, entry);
        asked
    }

    /// Alters a task and remembers how it was before.
    pub(crate) fn alter(&self, arn: &str, now: Instant, change: impl FnOnce(&mut TaskView)) {
        if let Some(entry) = self.lock().get_mut(arn) {
            let mut next = entry.latest().clone();
            change(&mut next);
            entry.history.push((now, next));
        }
    }

    /// Asks a task to stop; the first wish counts. False if there is no such task.
    pub(crate) fn wish(&self, arn: &str, wish: StopWish) -> bool {
        let entries = self.lock();
        let Some(entry) = entries.get(arn) else {
            return false;
        };
        entry.wish.send_if_modified(|standing| {
            let first = standing.is_none();
            if first {
                *standing = Some(wish);
            }
            first
        })
    }

    /// Every task as it is.
    pub(crate) fn all(&self) -> Vec<TaskView> {
        self.lock().values().map(|entry| entry.latest().clone()).collect()
    }

    /// Every task as a reader sees it that lags behind.
    pub(crate) fn seen(&self, now: Instant, lag: Duration) -> Vec<TaskView> {
        self.lock().values().filter_map(|entry| entry.seen(now, lag)).collect()
    }

    /// One task as it is.
    pub(crate) fn get(&self, arn: &str) -> Option<TaskView> {
        self.lock().get(arn).map(|entry| entry.latest().clone())
    }

    /// Sets which processes stand for a task's containers.
    fn hold(&self, arn: &str, containers: Vec<Container>) {
        if let Some(entry) = self.lock().get_mut(arn) {
            entry.containers = containers;
        }
    }

    /// The process of that container, while it runs.
    pub(crate) fn container(&self, arn: &str, name: &str) -> Option<Container> {
        self.lock().get(arn)?.containers.iter().find(|container| container.name() == name).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn latest(&self) -> &TaskView {
        &self.history.last().expect("an entry is made with its first state").1
    }

    fn seen(&self, now: Instant, lag: Duration) -> Option<TaskView> {
        let seen = self.history.iter().rev().find(|(since, _)| now.duration_since(*since) >= lag);
        seen.map(|(_, task)| task.clone())
    }
}
