//! The life of one bastion.
//!
//! ```text
//!      ordered                                 found in the cloud after a crash
//!         │                                                   │
//!         ▼           task answers           too old soon,    │
//!   ┌──────────┐ ◀────────────────────────── target dropped ──┘
//!   │ Starting │ ────────────▶ ┌───────┐ ─────────────▶ ┌──────────┐
//!   └──────────┘               │ Ready │                │ Retiring │   takes nobody new where another can be had
//!     │      │                 └───────┘                └──────────┘
//!     │      │ start failed with   │ idle too long,           │ last lease ended, idle too long,
//!     │      │ a task or uncertain,│ too old, closed          │ too old, closed
//!     │      │ overdue, closed     ▼                          ▼
//!     │      │                    ┌─────────────────────────────┐
//!     │      └──────────────────▶ │          Draining           │ ──┐ stop asked for again
//!     │ start failed,             └─────────────────────────────┘ ◀─┘ and again
//!     │ no task yet                  │ task is gone
//!     ▼                              ▼
//!    Gone  ◀──────────────────────  Gone       (from any state with a task, that task's end leads here)
//! ```
//!
//! A bastion reads no clock and calls nobody: it is told what happened and when ([`Bastion::handle`]), says what to do
//! about it ([`Bastion::poll`]), and when it next wants an [`Input::Tick`] ([`Bastion::timeout`]). Leases that move nothing
//! hold nothing: when only such ones are left, the idle time runs as if nobody were there, and at its end they are told so.

mod talk;

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bastion_cloud::TaskId;

use crate::Limits;
use crate::leases::{Leases, Mood};

pub(crate) use talk::Stand;
pub use talk::{Deed, Input, Phase, Timer, Why};

/// One ECS task, from the wish for it to its end.
#[derive(Debug)]
pub struct Bastion {
    limits: Limits,
    /// None where the task is somebody else's, and lives as long as they like.
    life: Option<Life>,
    state: State,
    deeds: VecDeque<Deed>,
}

impl Bastion {
    /// A bastion whose task is about to be asked for.
    pub fn ordered(limits: Limits, now: Instant) -> Self {
        Self::new(limits, Duration::ZERO, State::starting(None, limits, now), now)
    }

    /// A bastion whose task was found running, this old, and may be of use.
    pub fn found(limits: Limits, task: TaskId, age: Duration, now: Instant) -> Self {
        Self::new(limits, age, State::starting(Some(task), limits, now), now)
    }

    /// A bastion of which nothing is wanted but its task's end.
    pub fn unwanted(limits: Limits, task: TaskId, now: Instant) -> Self {
        let mut it = Self::new(limits, Duration::ZERO, State::Gone, now);
        it.state = it.stop(Some(task), now);
        it
    }

    fn new(limits: Limits, age: Duration, state: State, now: Instant) -> Self {
        let life = limits.life.map(|life| Life::new(life, age, now));
        Self { limits, life, state, deeds: VecDeque::new() }
    }

    /// Takes in what happened at `now`. This is the whole table.
    pub fn handle(&mut self, input: Input, now: Instant) {
        use Input::*;
        use State::*;

        self.state = match (mem::take(&mut self.state), input) {
            // A task is on its way.
            (Starting { mut waiting, task, due }, LeaseWanted(lease, claim)) => {
                waiting.insert(lease, claim);
                Starting { waiting, task, due }
            }
            (Starting { mut waiting, task, due }, LeaseEnded(lease)) => {
                waiting.remove(lease);
                Starting { waiting, task, due }
            }
            (Starting { waiting, task, due }, TaskNamed(named)) => {
                self.supersede(task, &named);
                Starting { waiting, task: Some(named), due }
            }
            (Starting { waiting, task, .. }, TaskReady(ready)) => {
                self.supersede(task, &ready);
                self.deeds.extend(waiting.iter().map(|(l, _)| Deed::Grant(l, ready.clone())));
                let idle_due = self.idle(&waiting, false, None, now);
                Ready { task: ready, leases: waiting, idle_due, kept: false }
            }
            (Starting { waiting, task: None, .. }, StartFailed) => {
                self.revoke(&waiting, Why::StartFailed);
                Gone
            }
            (Starting { waiting, task, .. }, StartFailed | StartUncertain) => {
                let draining = self.stop(task, now);
                self.revoke(&waiting, Why::StartFailed);
                draining
            }
            (Starting { waiting, task: Some(task), .. }, TaskGone(gone)) if gone == task => {
                self.revoke(&waiting, Why::TaskGone);
                Gone
            }
            (Starting { waiting, task, .. }, CloseWanted) => {
                let draining = self.stop(task, now);
                self.revoke(&waiting, Why::Closed);
                draining
            }
            (Starting { waiting, task, .. }, RetireWanted) => {
                let draining = self.stop(task, now);
                self.revoke(&waiting, Why::Removed);
                draining
            }
            (Starting { waiting, task, due }, Tick) if due <= now => {
                self.deeds.push_back(Deed::Overdue);
                let draining = self.stop(task, now);
                self.revoke(&waiting, Why::TookTooLong);
                draining
            }
            // Another task's end says nothing about this one, and who waits is neither silent nor not.
            (
                starting @ Starting { .. },
                LeaseSilent(_) | LeaseStirs(_) | StopTaken(_) | TaskGone(_) | Keep(_) | Tick,
            ) => starting,

            // The task serves.
            (Ready { task, mut leases, idle_due, kept }, LeaseWanted(lease, claim)) => {
                self.deeds.push_back(Deed::Grant(lease, task.clone()));
                leases.insert(lease, claim);
                let idle_due = self.idle(&leases, kept, idle_due, now);
                Ready { task, leases, idle_due, kept }
            }
            (Ready { task, mut leases, idle_due, kept }, LeaseEnded(lease)) => {
                leases.remove(lease);
                let idle_due = self.idle(&leases, kept, idle_due, now);
                Ready { task, leases, idle_due, kept }
            }
            (Ready { task, mut leases, idle_due, kept }, LeaseSilent(lease)) => {
                leases.set_mood(lease, Mood::Silent);
                let idle_due = self.idle(&leases, kept, idle_due, now);
                Ready { task, leases, idle_due, kept }
            }
            (Ready { task, mut leases, idle_due, kept }, LeaseStirs(lease)) => {
                leases.set_mood(lease, Mood::Stirring);
                let idle_due = self.idle(&leases, kept, idle_due, now);
                Ready { task, leases, idle_due, kept }
            }
            (Ready { task, leases, idle_due, .. }, Keep(kept)) => {
                let idle_due = self.idle(&leases, kept, idle_due, now);
                Ready { task, leases, idle_due, kept }
            }
            (Ready { task, leases, .. }, TaskGone(gone)) if gone == task => {
                self.revoke(&leases, Why::TaskGone);
                Gone
            }
            (Ready { task, leases, .. }, CloseWanted) => {
                // They learn of it before their task goes.
                self.revoke(&leases, Why::Closed);
                self.stop(Some(task), now)
            }
            (Ready { task, leases, idle_due, .. }, RetireWanted) => {
                self.retire(task, leases, idle_due, now)
            }
            (Ready { task, leases, .. }, Tick) if self.is_too_old(now) => {
                self.revoke(&leases, Why::TooOld);
                self.stop(Some(task), now)
            }
            (Ready { task, leases, idle_due: Some(due), .. }, Tick) if due <= now => {
                self.fall_asleep(task, &leases, now)
            }
            (Ready { task, leases, idle_due, .. }, Tick) if self.is_old(now) => {
                self.retire(task, leases, idle_due, now)
            }
            (Ready { task, leases, idle_due, kept }, TaskNamed(other) | TaskReady(other)) => {
                if other != task {
                    self.deeds.push_back(Deed::Stray(other));
                }
                Ready { task, leases, idle_due, kept }
            }
            (
                ready @ Ready { .. },
                StartFailed | StartUncertain | StopTaken(_) | TaskGone(_) | Tick,
            ) => ready,

            // The task serves those whom it has.
            (Retiring { task, mut leases, idle_due }, LeaseWanted(lease, claim)) => {
                self.deeds.push_back(Deed::Grant(lease, task.clone()));
                leases.insert(lease, claim);
                let idle_due = self.idle(&leases, false, idle_due, now);
                Retiring { task, leases, idle_due }
            }
            (Retiring { task, mut leases, idle_due }, LeaseEnded(lease)) => {
                leases.remove(lease);
                self.retire(task, leases, idle_due, now)
            }
            (Retiring { task, mut leases, idle_due }, LeaseSilent(lease)) => {
                leases.set_mood(lease, Mood::Silent);
                let idle_due = self.idle(&leases, false, idle_due, now);
                Retiring { task, leases, idle_due }
            }
            (Retiring { task, mut leases, idle_due }, LeaseStirs(lease)) => {
                leases.set_mood(lease, Mood::Stirring);
                let idle_due = self.idle(&leases, false, idle_due, now);
                Retiring { task, leases, idle_due }
            }
            (Retiring { task, leases, .. }, TaskGone(gone)) if gone == task => {
                self.revoke(&leases, Why::TaskGone);
                Gone
            }
            (Retiring { task, leases, .. }, CloseWanted) => {
                self.revoke(&leases, Why::Closed);
                self.stop(Some(task), now)
            }
            (Retiring { task, leases, .. }, Tick) if self.is_too_old(now) => {
                self.revoke(&leases, Why::TooOld);
                self.stop(Some(task), now)
            }
            (Retiring { task, leases, idle_due: Some(due) }, Tick) if due <= now => {
                self.fall_asleep(task, &leases, now)
            }
            (Retiring { task, leases, idle_due }, TaskNamed(other) | TaskReady(other)) => {
                if other != task {
                    self.deeds.push_back(Deed::Stray(other));
                }
                Retiring { task, leases, idle_due }
            }
            (
                retiring @ Retiring { .. },
                StartFailed | StartUncertain | StopTaken(_) | TaskGone(_) | RetireWanted | Keep(_)
                | Tick,
            ) => retiring,

            // The task is on its way out.
            (Draining { task: None, .. }, TaskNamed(late) | TaskReady(late)) => {
                self.stop(Some(late), now)
            }
            (Draining { task: Some(task), taken, due }, TaskNamed(late) | TaskReady(late)) => {
                if late != task {
                    self.deeds.push_back(Deed::Stray(late));
                }
                Draining { task: Some(task), taken, due }
            }
            // The start that was given up had started nothing.
            (Draining { task: None, .. }, StartFailed) => Gone,
            (Draining { task: Some(task), .. }, TaskGone(gone)) if gone == task => Gone,
            (Draining { task: Some(task), due, .. }, StopTaken(taken)) if taken == task => {
                Draining { task: Some(task), taken: true, due }
            }
            (Draining { task, taken, due }, Tick) if due <= now => {
                self.deeds.push_back(Deed::Stop(task.clone()));
                Draining { task, taken, due: now + self.limits.stop }
            }
            // No lease is ever brought to one that goes; whoever does so is answered.
            (draining @ Draining { .. }, LeaseWanted(lease, _)) => {
                self.deeds.push_back(Deed::Revoke(lease, Why::TaskGone));
                draining
            }
            (
                draining @ Draining { .. },
                LeaseEnded(_) | LeaseSilent(_) | LeaseStirs(_) | StartFailed | StartUncertain
                | StopTaken(_) | TaskGone(_) | CloseWanted | RetireWanted | Keep(_) | Tick,
            ) => draining,

            // There is no task any more, unless somebody says so.
            (Gone, TaskNamed(stray) | TaskReady(stray)) => {
                self.deeds.push_back(Deed::Stray(stray));
                Gone
            }
            (Gone, LeaseWanted(lease, _)) => {
                self.deeds.push_back(Deed::Revoke(lease, Why::TaskGone));
                Gone
            }
            (
                Gone,
                LeaseEnded(_) | LeaseSilent(_) | LeaseStirs(_) | StartFailed | StartUncertain
                | StopTaken(_) | TaskGone(_) | CloseWanted | RetireWanted | Keep(_) | Tick,
            ) => Gone,
        };
    }

    /// The next thing to do, if any.
    pub fn poll(&mut self) -> Option<Deed> {
        self.deeds.pop_front()
    }

    /// When it next wants an [`Input::Tick`], and what for.
    pub fn timeout(&self) -> Option<(Instant, Timer)> {
        let life = self.life.map(|life| (life.end, Timer::Life));
        match &self.state {
            State::Starting { due, .. } => Some((*due, Timer::Start)),
            State::Ready { idle_due, .. } => {
                let idle = idle_due.map(|due| (due, Timer::Idle));
                let retire = self.life.map(|life| (life.old, Timer::Retire));
                [idle, retire, life].into_iter().flatten().min()
            }
            State::Retiring { idle_due, .. } => {
                let idle = idle_due.map(|due| (due, Timer::Idle));
                [idle, life].into_iter().flatten().min()
            }
            State::Draining { due, .. } => Some((*due, Timer::Stop)),
            State::Gone => None,
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Starting { task, .. } => Phase::Starting { task: task.clone() },
            State::Ready { task, idle_due, .. } => {
                Phase::Ready { task: task.clone(), idle_due: *idle_due }
            }
            State::Retiring { task, idle_due, .. } => {
                Phase::Retiring { task: task.clone(), idle_due: *idle_due }
            }
            State::Draining { task, taken, .. } => {
                Phase::Draining { task: task.clone(), taken: *taken }
            }
            State::Gone => Phase::Gone,
        }
    }

    /// When it takes nobody new any more, and when it ends; none where the task is somebody else's.
    pub fn life(&self) -> Option<(Instant, Instant)> {
        self.life.map(|life| (life.old, life.end))
    }

    /// Other limits from here on. Its age limit stays: its task was told it when it was started.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Who is on it or waits for it.
    pub(crate) fn leases(&self) -> Option<&Leases> {
        match &self.state {
            State::Starting { waiting: leases, .. }
            | State::Ready { leases, .. }
            | State::Retiring { leases, .. } => Some(leases),
            State::Draining { .. } | State::Gone => None,
        }
    }

    /// Whether it stays though nobody uses it.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self.state, State::Ready { kept: true, .. })
    }

    pub(crate) fn stand(&self) -> Stand {
        match self.state {
            State::Starting { .. } => Stand::Starting,
            State::Ready { .. } => Stand::Ready,
            State::Retiring { .. } => Stand::Retiring,
            State::Draining { taken, .. } => Stand::Draining { taken },
            State::Gone => Stand::Gone,
        }
    }

    /// The task that came first is of no use once another has taken its place.
    fn supersede(&mut self, before: Option<TaskId>, by: &TaskId) {
        if let Some(before) = before.filter(|before| before != by) {
            self.deeds.push_back(Deed::Stray(before));
        }
    }

    /// When its idle time is over, if it runs: it goes on where it ran already.
    fn idle(
        &self,
        leases: &Leases,
        kept: bool,
        was: Option<Instant>,
        now: Instant,
    ) -> Option<Instant> {
        if kept || leases.stirring() > 0 {
            return None;
        }
        let idle = match leases.all_on_trial() {
            true => self.limits.idle.min(TRIAL),
            false => self.limits.idle,
        };
        was.or(Some(now + idle))
    }

    fn is_old(&self, now: Instant) -> bool {
        self.life.is_some_and(|life| life.old <= now)
    }

    fn is_too_old(&self, now: Instant) -> bool {
        self.life.is_some_and(|life| life.end <= now)
    }

    /// Goes on for those who are left, if anybody is.
    fn retire(
        &mut self,
        task: TaskId,
        leases: Leases,
        idle_due: Option<Instant>,
        now: Instant,
    ) -> State {
        if leases.is_empty() {
            return self.stop(Some(task), now);
        }
        let idle_due = self.idle(&leases, false, idle_due, now);
        State::Retiring { task, leases, idle_due }
    }

    /// Nobody who holds it has been there for long enough.
    fn fall_asleep(&mut self, task: TaskId, leases: &Leases, now: Instant) -> State {
        self.deeds.extend(leases.iter().map(|(lease, claim)| {
            let why = match claim.mood {
                Mood::Stirring | Mood::Silent => Why::Silent,
                Mood::OnTrial => Why::Reconnects,
            };
            Deed::Revoke(lease, why)
        }));
        self.stop(Some(task), now)
    }

    fn revoke(&mut self, leases: &Leases, why: Why) {
        self.deeds.extend(leases.iter().map(|(lease, _)| Deed::Revoke(lease, why)));
    }

    fn stop(&mut self, task: Option<TaskId>, now: Instant) -> State {
        self.deeds.push_back(Deed::Stop(task.clone()));
        State::Draining { task, taken: false, due: now + self.limits.stop }
    }
}

/// Every state carries what it needs and nothing else; `due` is when it gives up.
#[derive(Debug, Default)]
enum State {
    Starting {
        waiting: Leases,
        /// `None` until the cloud has named it.
        task: Option<TaskId>,
        due: Instant,
    },
    Ready {
        task: TaskId,
        leases: Leases,
        /// Set while nobody holds it.
        idle_due: Option<Instant>,
        /// Whether it stays though nobody uses it.
        kept: bool,
    },
    Retiring {
        task: TaskId,
        leases: Leases,
        /// Set while nobody holds it.
        idle_due: Option<Instant>,
    },
    Draining {
        /// `None` where the start was given up before the task had a name.
        task: Option<TaskId>,
        taken: bool,
        due: Instant,
    },
    #[default]
    Gone,
}

impl State {
    fn starting(task: Option<TaskId>, limits: Limits, now: Instant) -> Self {
        Self::Starting { waiting: Leases::default(), task, due: now + limits.start }
    }
}

/// When a bastion is old, and when it ends.
#[derive(Clone, Copy, Debug)]
struct Life {
    old: Instant,
    end: Instant,
}

impl Life {
    fn new(whole: Duration, age: Duration, now: Instant) -> Self {
        let left = whole.saturating_sub(age);
        Self { old: now + left.saturating_sub(SUCCESSION.min(whole / 2)), end: now + left }
    }
}

/// How long before its end a bastion takes nobody new: so long may the visits that it has go on.
const SUCCESSION: Duration = Duration::from_secs(60 * 60);

/// How long a client that came right back after it was ended for silence may take to ask for something.
const TRIAL: Duration = Duration::from_secs(120);
