//! One DescribeTasks for all tasks that anybody waits for.
//!
//! Nobody runs in the background: whoever's timer is up first takes the turn and asks for all; the others hear the
//! answer. A turn that is dropped half-way wakes them, and one of them takes it.
//!
//! ```text
//!              due, nobody asks                 answer: published to all
//!   waiting ───────────────────► asking ───────────────────────────────────► waiting (next due after a pause)
//!      ▲                           │
//!      └───────────────────────────┘ dropped: all are woken, due at once
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_ecs::types::Task;
use bastion_cloud::{CloudError, TaskId};
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::Instant;

use crate::pace;

/// What one asking brought: the tasks that AWS knows among those asked for, or why there is no answer.
pub(crate) type Round = Option<Arc<Result<Asked, CloudError>>>;

/// An answer for several tasks.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) about: Vec<TaskId>,
    pub(crate) known: HashMap<TaskId, Task>,
}

/// Who waits for which task, and when AWS is asked next.
#[derive(Debug)]
pub(crate) struct Watch {
    state: Mutex<State>,
    rounds: Sender<Round>,
}

#[derive(Debug, Default)]
struct State {
    /// Each task, how many wait for it, and since when the youngest of them does.
    waiting: BTreeMap<TaskId, (usize, Option<Instant>)>,
    asking: bool,
    /// The end of the pause after the last answer; none before the first.
    due: Option<Instant>,
    failures: u32,
}

impl Default for Watch {
    fn default() -> Self {
        Self { state: Mutex::default(), rounds: Sender::new(None) }
    }
}

impl Watch {
    /// Begins to wait for a task; the wait ends when its handle is dropped.
    pub(crate) fn wait(&self, task: &TaskId, now: Instant) -> Wait<'_> {
        let mut state = self.lock();
        let (count, since) = state.waiting.entry(task.clone()).or_default();
        *count += 1;
        *since = Some(now);
        Wait { watch: self, task: task.clone(), rounds: self.rounds.subscribe() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One wait for one task.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    watch: &'a Watch,
    task: TaskId,
    rounds: Receiver<Round>,
}

/// What a wait has come to.
pub(crate) enum Next<'a> {
    /// It is this wait's turn to ask for all.
    Turn(Turn<'a>),
    /// Somebody has asked.
    Round(Arc<Result<Asked, CloudError>>),
}

impl<'a> Wait<'a> {
    /// Until an answer comes, or it is our turn to ask for one. `dice` shake the pause that follows.
    pub(crate) async fn next(&mut self) -> Next<'a> {
        loop {
            let due = self.due();
            tokio::select! {
                biased;
                changed = self.rounds.changed() => {
                    changed.expect("the watch outlives its waits");
                    if let Some(round) = self.rounds.borrow_and_update().clone()
                        && round.as_ref().as_ref().map_or(true, |asked| asked.about.contains(&self.task))
                    {
                        return Next::Round(round);
                    }
                }
                () = until(due) => {
                    if let Some(turn) = self.take_turn() {
                        return Next::Turn(turn);
                    }
                }
            }
        }
    }

    /// When to ask: never while somebody does.
    fn due(&self) -> Option<Instant> {
        let state = self.watch.lock();
        if state.asking { None } else { Some(state.due.unwrap_or_else(Instant::now)) }
    }

    fn take_turn(&self) -> Option<Turn<'a>> {
        let mut state = self.watch.lock();
        if state.asking {
            return None;
        }
        state.asking = true;
        Some(Turn {
            watch: self.watch,
            tasks: state.waiting.keys().cloned().collect(),
            answer: None,
        })
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut state = self.watch.lock();
        let Some((count, _)) = state.waiting.get_mut(&self.task) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            state.waiting.remove(&self.task);
        }
    }
}

/// The right, and the duty, to ask for all.
pub(crate) struct Turn<'a> {
    watch: &'a Watch,
    pub(crate) tasks: Vec<TaskId>,
    answer: Option<Result<Asked, CloudError>>,
}

impl Turn<'_> {
    /// Tells everybody.
    pub(crate) fn publish(mut self, answer: Result<HashMap<TaskId, Task>, CloudError>) {
        let about = std::mem::take(&mut self.tasks);
        self.answer = Some(answer.map(|known| Asked { about, known }));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let answer = self.answer.take();
        let mut state = self.watch.lock();
        state.asking = false;
        match &answer {
            Some(answer) => {
                state.failures = if answer.is_ok() { 0 } else { state.failures.saturating_add(1) };
                let now = Instant::now();
                let youngest = state.waiting.values().filter_map(|(_, since)| *since).max();
                let age = youngest.map_or_else(Default::default, |since| now.duration_since(since));
                state.due = Some(now + pace::tasks(age, state.failures, rand::random()));
            }
            None => state.due = None,
        }
        drop(state);
        self.watch.rounds.send_replace(answer.map(Arc::new));
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use bastion_cloud::{CloudError, Kind, TaskId};
    use tokio::time::Instant;

    use super::{Next, Watch};

    fn task(name: &str) -> TaskId {
        TaskId::new(name)
    }

    #[tokio::test(start_paused = true)]
    async fn one_turn_asks_for_everybody_and_everybody_hears_the_answer() {
        let watch = Watch::default();
        let mut first = watch.wait(&task("a"), Instant::now());
        let mut second = watch.wait(&task("b"), Instant::now());
        let mut again = watch.wait(&task("a"), Instant::now());
        let Next::Turn(turn) = first.next().await else { panic!("no turn") };
        assert_eq!(turn.tasks, [task("a"), task("b")]);
        turn.publish(Ok(HashMap::new()));
        for wait in [&mut first, &mut second, &mut again] {
            assert!(matches!(wait.next().await, Next::Round(_)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_somebody_asks_nobody_else_does() {
        let watch = Watch::default();
        let mut first = watch.wait(&task("a"), Instant::now());
        let mut second = watch.wait(&task("b"), Instant::now());
        let Next::Turn(turn) = first.next().await else { panic!("no turn") };
        let waited = tokio::time::timeout(Duration::from_secs(60), second.next()).await;
        assert!(waited.is_err(), "a second turn while the first lasts");
        drop(turn);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_is_dropped_passes_to_another() {
        let watch = Watch::default();
        let mut first = watch.wait(&task("a"), Instant::now());
        let mut second = watch.wait(&task("b"), Instant::now());
        let Next::Turn(turn) = first.next().await else { panic!("no turn") };
        let (next, ()) = tokio::join!(second.next(), async { drop(turn) });
        assert!(matches!(next, Next::Turn(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_followed_by_a_pause_and_a_failure_by_a_longer_one() {
        let watch = Watch::default();
        let mut wait = watch.wait(&task("a"), Instant::now());
        let mut pauses = Vec::new();
        for failed in [false, true, true, false] {
            let asked = Instant::now();
            let Next::Turn(turn) = wait.next().await else { panic!("no turn") };
            pauses.push(asked.elapsed());
            turn.publish(if failed { Err(throttled()) } else { Ok(HashMap::new()) });
            assert!(matches!(wait.next().await, Next::Round(_)));
        }
        assert!(pauses[0] < Duration::from_millis(10), "{pauses:?}");
        assert!(pauses[1] < Duration::from_millis(700), "{pauses:?}");
        assert!(pauses[2] > Duration::from_millis(700), "{pauses:?}");
        assert!(pauses[3] > pauses[2], "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_has_ended_is_not_asked_for() {
        let watch = Watch::default();
        drop(watch.wait(&task("gone"), Instant::now()));
        let mut wait = watch.wait(&task("a"), Instant::now());
        let Next::Turn(turn) = wait.next().await else { panic!("no turn") };
        assert_eq!(turn.tasks, [task("a")]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_was_asked_for_before_the_wait_began_is_none_for_it() {
        let watch = Watch::default();
        let mut first = watch.wait(&task("a"), Instant::now());
        let Next::Turn(turn) = first.next().await else { panic!("no turn") };
        let mut late = watch.wait(&task("b"), Instant::now());
        turn.publish(Ok(HashMap::new()));
        assert!(matches!(late.next().await, Next::Turn(_)));
    }

    fn throttled() -> CloudError {
        CloudError {
            call: "ecs:DescribeTasks",
            kind: Kind::Throttled,
            message: "Rate exceeded".to_owned(),
            request_id: None,
        }
    }
}
