//! The life of one bastion.
//!
//! ```text
//!            lease wanted             task answers
//!   ┌──────┐ ────────────▶ ┌──────────┐ ────────▶ ┌───────┐
//!   │ Cold │               │ Starting │           │ Ready │
//!   └──────┘ ◀──────────── └──────────┘           └───────┘
//!       ▲     start failed,     │ start failed with a   │ idle too long,
//!       │     no task yet       │ task or uncertainly,  │ closed
//!       │                       │ took too long, closed │
//!       │                       ▼                       ▼
//!       │                      ┌───────────────────────────┐
//!       └───────────────────── │         Draining          │
//!             task is gone     └───────────────────────────┘
//!
//! From any state with a task, that task's end leads to Cold.
//! ```
//!
//! A bastion reads no clock and calls nobody: it is told what happened and when
//! ([`Bastion::handle`]), says what to do about it ([`Bastion::poll`]), and when
//! it next wants a [`Input::Tick`] ([`Bastion::timeout`]).

use std::collections::{BTreeSet, VecDeque};
use std::mem;
use std::time::{Duration, Instant};

use bastion_cloud::TaskId;

use crate::LeaseId;

/// One ECS task, from the wish for it to its end.
#[derive(Debug)]
pub struct Bastion {
    limits: Limits,
    state: State,
    outputs: VecDeque<Output>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Somebody wants to go through this bastion.
    LeaseWanted(LeaseId),
    /// Somebody is done with it, or gave up waiting for it.
    LeaseEnded(LeaseId),
    /// The cloud took the order: the task has a name, and is not of use yet.
    TaskNamed(TaskId),
    /// The task runs and its SSM agent answers.
    TaskReady(TaskId),
    /// The start is over without a usable task; what was started of it is to be stopped.
    StartFailed,
    /// The start is over, and nobody can say yet whether it has started a task; a name or a failure follows.
    StartUncertain,
    /// This task is gone, whoever ended it.
    TaskGone(TaskId),
    /// A person, or the daemon's own end, wants it stopped whoever uses it.
    CloseWanted,
    /// Time has passed.
    Tick,
}

/// What to do about it, in this order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Ask the cloud for a task.
    StartTask,
    /// Ask the cloud to end the task; `None` where it has no name yet: the start is given up.
    StopTask(Option<TaskId>),
    /// Note that the start took longer than it may, whether anybody waits for it or not.
    Overdue,
    /// Let this lease through.
    Grant(LeaseId, TaskId),
    /// Tell this lease that its bastion is no more, or never came.
    Revoke(LeaseId, Why),
}

/// Why a lease was revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// The start failed; the keeper knows with what error.
    StartFailed,
    /// The start took longer than it may.
    TookTooLong,
    /// The task ended by itself, or somebody else ended it.
    TaskGone,
    /// Somebody asked for the bastion to be closed.
    Closed,
    /// The task before does not end, so that no other is started.
    NotStopped,
}

/// What [`Bastion::timeout`] is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Timer {
    /// The task should have answered by then.
    Start,
    /// Nobody will have used the bastion for long enough.
    Idle,
    /// The task should have ended by then; ask again.
    Stop,
}

/// How long a bastion may take, and how long it may be of no use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// From asking for a task to its agent's answer.
    pub start: Duration,
    /// From the last lease's end to the task's.
    pub idle: Duration,
    /// From asking a task to end to asking again.
    pub stop: Duration,
}

/// Where a bastion stands, for those who show it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Nothing runs.
    Cold,
    /// A task is on its way.
    Starting,
    /// The task serves; idle since nobody uses it, until it is stopped at that time.
    Ready {
        /// The task.
        task: TaskId,
        /// When it is stopped if nobody comes; set while there is no lease.
        idle_due: Option<Instant>,
    },
    /// The task is on its way out.
    Draining,
}

impl Bastion {
    /// A bastion that nobody has asked for yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: State::Cold, outputs: VecDeque::new() }
    }

    /// Takes in what happened at `now`. This is the whole table.
    pub fn handle(&mut self, input: Input, now: Instant) {
        use Input::*;
        use State::*;

        self.state = match (mem::take(&mut self.state), input) {
            // Nothing runs, nobody waits.
            (Cold, LeaseWanted(lease)) => self.start([lease].into(), now),
            (Cold, TaskNamed(stray) | TaskReady(stray)) => self.stop(Some(stray), now),
            (
                Cold,
                LeaseEnded(_) | StartFailed | StartUncertain | TaskGone(_) | CloseWanted | Tick,
            ) => Cold,

            // A task is on its way.
            (Starting { waiting, task, due }, LeaseWanted(lease)) => {
                Starting { waiting: with(waiting, lease), task, due }
            }
            (Starting { waiting, task, due }, LeaseEnded(lease)) => {
                Starting { waiting: without(waiting, lease), task, due }
            }
            (Starting { waiting, due, .. }, TaskNamed(task)) => {
                Starting { waiting, task: Some(task), due }
            }
            (Starting { waiting, .. }, TaskReady(task)) => self.admit(waiting, task, now),
            (Starting { waiting, task: None, .. }, StartFailed) => {
                self.revoke(waiting, Why::StartFailed, Cold)
            }
            (Starting { waiting, task, .. }, StartFailed | StartUncertain) => {
                let draining = self.stop(task, now);
                self.revoke(waiting, Why::StartFailed, draining)
            }
            (Starting { waiting, task: Some(task), .. }, TaskGone(gone)) if gone == task => {
                self.revoke(waiting, Why::TaskGone, Cold)
            }
            (Starting { waiting, task, .. }, CloseWanted) => {
                let draining = self.stop(task, now);
                self.revoke(waiting, Why::Closed, draining)
            }
            (Starting { waiting, task, due }, Tick) if due <= now => {
                self.outputs.push_back(Output::Overdue);
                let draining = self.stop(task, now);
                self.revoke(waiting, Why::TookTooLong, draining)
            }
            // Another task's end says nothing about this one.
            (starting @ Starting { .. }, TaskGone(_) | Tick) => starting,

            // The task serves.
            (Ready { task, leases, .. }, LeaseWanted(lease)) => {
                self.outputs.push_back(Output::Grant(lease, task.clone()));
                Ready { task, leases: with(leases, lease), idle_due: None }
            }
            (Ready { task, leases, idle_due }, LeaseEnded(lease)) => {
                let leases = without(leases, lease);
                let idle_due = idle_due.or(leases.is_empty().then_some(now + self.limits.idle));
                Ready { task, leases, idle_due }
            }
            (Ready { task, leases, .. }, TaskGone(gone)) if gone == task => {
                self.revoke(leases, Why::TaskGone, Cold)
            }
            (Ready { task, leases, .. }, CloseWanted) => {
                // They learn of it before their task goes.
                self.outputs.extend(leases.into_iter().map(|l| Output::Revoke(l, Why::Closed)));
                self.stop(Some(task), now)
            }
            (Ready { task, idle_due: Some(due), .. }, Tick) if due <= now => {
                self.stop(Some(task), now)
            }
            (Ready { task, leases, idle_due }, TaskNamed(stray) | TaskReady(stray))
                if stray != task =>
            {
                self.outputs.push_back(Output::StopTask(Some(stray)));
                Ready { task, leases, idle_due }
            }
            (
                ready @ Ready { .. },
                TaskNamed(_) | TaskReady(_) | StartFailed | StartUncertain | TaskGone(_) | Tick,
            ) => ready,

            // The task is on its way out; whoever comes now waits for the next one.
            (Draining { waiting, task, due }, LeaseWanted(lease)) => {
                Draining { waiting: with(waiting, lease), task, due }
            }
            (Draining { waiting, task, due }, LeaseEnded(lease)) => {
                Draining { waiting: without(waiting, lease), task, due }
            }
            (Draining { waiting, .. }, TaskNamed(late) | TaskReady(late)) => {
                self.stop_for(waiting, Some(late), now)
            }
            // The start that was given up had started nothing.
            (Draining { waiting, task: None, .. }, StartFailed) => self.after(waiting, now),
            (Draining { waiting, task: Some(task), .. }, TaskGone(gone)) if gone == task => {
                self.after(waiting, now)
            }
            (Draining { waiting, task, due }, CloseWanted) => {
                self.revoke(waiting, Why::Closed, Draining { waiting: BTreeSet::new(), task, due })
            }
            (Draining { waiting, task, due }, Tick) if due <= now => {
                let draining = self.stop(task, now);
                self.revoke(waiting, Why::NotStopped, draining)
            }
            (draining @ Draining { .. }, StartFailed | StartUncertain | TaskGone(_) | Tick) => {
                draining
            }
        };
    }

    /// The next thing to do, if any.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When it next wants a [`Input::Tick`], and what for.
    pub fn timeout(&self) -> Option<(Instant, Timer)> {
        match &self.state {
            State::Cold => None,
            State::Starting { due, .. } => Some((*due, Timer::Start)),
            State::Ready { idle_due, .. } => idle_due.map(|due| (due, Timer::Idle)),
            State::Draining { due, .. } => Some((*due, Timer::Stop)),
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Cold => Phase::Cold,
            State::Starting { .. } => Phase::Starting,
            State::Ready { task, idle_due, .. } => {
                Phase::Ready { task: task.clone(), idle_due: *idle_due }
            }
            State::Draining { .. } => Phase::Draining,
        }
    }

    fn start(&mut self, waiting: BTreeSet<LeaseId>, now: Instant) -> State {
        self.outputs.push_back(Output::StartTask);
        State::Starting { waiting, task: None, due: now + self.limits.start }
    }

    fn admit(&mut self, leases: BTreeSet<LeaseId>, task: TaskId, now: Instant) -> State {
        self.outputs.extend(leases.iter().map(|lease| Output::Grant(*lease, task.clone())));
        let idle_due = leases.is_empty().then_some(now + self.limits.idle);
        State::Ready { task, leases, idle_due }
    }

    fn revoke(&mut self, leases: BTreeSet<LeaseId>, why: Why, next: State) -> State {
        self.outputs.extend(leases.into_iter().map(|lease| Output::Revoke(lease, why)));
        next
    }

    fn stop(&mut self, task: Option<TaskId>, now: Instant) -> State {
        self.stop_for(BTreeSet::new(), task, now)
    }

    fn stop_for(
        &mut self,
        waiting: BTreeSet<LeaseId>,
        task: Option<TaskId>,
        now: Instant,
    ) -> State {
        self.outputs.push_back(Output::StopTask(task.clone()));
        State::Draining { waiting, task, due: now + self.limits.stop }
    }

    fn after(&mut self, waiting: BTreeSet<LeaseId>, now: Instant) -> State {
        if waiting.is_empty() { State::Cold } else { self.start(waiting, now) }
    }
}

/// Every state carries what it needs and nothing else; `due` is when it gives up.
#[derive(Debug, Default)]
enum State {
    #[default]
    Cold,
    Starting {
        waiting: BTreeSet<LeaseId>,
        /// `None` until the cloud has named it.
        task: Option<TaskId>,
        due: Instant,
    },
    Ready {
        task: TaskId,
        leases: BTreeSet<LeaseId>,
        /// Set while there is no lease.
        idle_due: Option<Instant>,
    },
    Draining {
        waiting: BTreeSet<LeaseId>,
        /// `None` where the start was given up before the task had a name.
        task: Option<TaskId>,
        due: Instant,
    },
}

fn with(mut leases: BTreeSet<LeaseId>, lease: LeaseId) -> BTreeSet<LeaseId> {
    leases.insert(lease);
    leases
}

fn without(mut leases: BTreeSet<LeaseId>, lease: LeaseId) -> BTreeSet<LeaseId> {
    leases.remove(&lease);
    leases
}
