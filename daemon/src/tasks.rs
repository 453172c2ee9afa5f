//! Named tasks: spawned here, waited for here; `tokio::spawn` stands nowhere else.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, error, info_span, warn};

/// Every task of the daemon. Clones are the same set.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    alarm: CancellationToken,
    failed: Arc<Mutex<Option<String>>>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// An empty set.
    pub fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            alarm: CancellationToken::new(),
            failed: Arc::default(),
        }
    }

    /// Runs `task` under a name that stands in its log lines.
    pub fn spawn<F>(&self, name: impl Into<String>, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let span = info_span!(parent: None, "task", name = name.into());
        #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
        let handle = tokio::spawn(self.tracker.track_future(task.instrument(span)));
        drop(handle);
    }

    /// Runs a task without which the daemon is of no use: its failure, or its end before `may_end` fires, gives the
    /// alarm with that reason.
    pub fn spawn_vital<F, E>(&self, name: &'static str, may_end: CancellationToken, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let (alarm, failed) = (self.alarm.clone(), Arc::clone(&self.failed));
        self.spawn(name, async move {
            // Dropped when the task ends, however it ends: by panic too.
            let ended = alarm.drop_guard();
            let reason = match task.await {
                Ok(()) if may_end.is_cancelled() => return disarm(ended),
                Ok(()) => format!("{name} ended by itself"),
                Err(err) => format!("{name}: {err}"),
            };
            error!(%reason, "a vital task failed");
            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
            drop(ended);
        });
    }

    /// Fires once, when everything is to end.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Fires once, when a vital task has failed: what still runs goes on until it is stopped in order.
    pub fn alarm(&self) -> CancellationToken {
        self.alarm.clone()
    }

    /// Why a vital task failed, if one did.
    pub fn failure(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells every task to end and waits for them, `grace` at most.
    pub async fn join(&self, grace: Duration) {
        self.stop.cancel();
        self.tracker.close();
        if timeout(grace, self.tracker.wait()).await.is_err() {
            warn!(left = self.tracker.len(), "some tasks did not end in time");
        } else {
            debug!("every task has ended");
        }
    }
}

/// Lets a guard go without firing.
fn disarm(guard: DropGuard) {
    drop(guard.disarm());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::Tasks;

    #[tokio::test]
    async fn a_vital_task_that_fails_gives_the_alarm_and_stops_nothing_by_itself() {
        let tasks = Tasks::new();
        let never = CancellationToken::new();
        tasks.spawn_vital("listener", never, async { Err::<(), _>("no more descriptors") });
        tasks.alarm().cancelled().await;
        assert!(!tasks.stop_token().is_cancelled(), "the keeper has bastions to stop first");
        tasks.join(Duration::from_secs(5)).await;
        assert_eq!(tasks.failure().as_deref(), Some("listener: no more descriptors"));
    }

    #[tokio::test]
    async fn a_vital_task_may_end_once_it_was_told_to() {
        let tasks = Tasks::new();
        let told = CancellationToken::new();
        let stop = told.clone();
        tasks.spawn_vital("control", told.clone(), async move {
            stop.cancelled().await;
            Ok::<(), String>(())
        });
        told.cancel();
        tasks.join(Duration::from_secs(5)).await;
        assert_eq!(tasks.failure(), None);
    }
}
