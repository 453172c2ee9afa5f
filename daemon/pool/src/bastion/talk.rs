//! What a bastion is told, what it says, and how it is shown.

use std::time::Instant;

use bastion_cloud::TaskId;

use crate::{Claim, LeaseId};

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Input {
    /// Somebody wants to go through this bastion.
    LeaseWanted(LeaseId, Claim),
    /// Somebody is done with it, or gave up waiting for it.
    LeaseEnded(LeaseId),
    /// A lease has moved no byte for as long as the config allows.
    LeaseSilent(LeaseId),
    /// A lease moves bytes again, or one on trial has asked for something.
    LeaseStirs(LeaseId),
    /// The cloud took the order: the task has a name, and is not of use yet.
    TaskNamed(TaskId),
    /// The task runs, its SSM agent answers, and a tunnel through it stands.
    TaskReady(TaskId),
    /// The start is over without a usable task; what was started of it is to be stopped.
    StartFailed,
    /// The start is over, and nobody can say yet whether it has started a task; a name or a failure follows.
    StartUncertain,
    /// The cloud took the order to stop this task: it will end, however long that takes.
    StopTaken(TaskId),
    /// This task is gone, whoever ended it.
    TaskGone(TaskId),
    /// A person, or the daemon's own end, wants it stopped whoever uses it.
    CloseWanted,
    /// It is to take nobody new, and to go when nobody is left.
    RetireWanted,
    /// Whether it is to stay though nobody uses it, because others of its group are used.
    Keep(bool),
    /// Time has passed.
    Tick,
}

/// What to do about it, in this order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Ask the cloud to end the task; `None` where it has no name yet: the start is given up.
    Stop(Option<TaskId>),
    /// See to it that this task ends, too: nobody asked for it, or another has taken its place.
    Stray(TaskId),
    /// Note that the start took longer than it may, whether anybody waits for it or not.
    Overdue,
    /// Let this lease through.
    Grant(LeaseId, TaskId),
    /// Tell this lease that its bastion is no more, or never came.
    Revoke(LeaseId, Why),
}

/// Why a lease was revoked, or refused.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Why {
    /// The start failed, now or not long ago; the keeper knows with what error.
    StartFailed,
    /// The start took longer than it may.
    TookTooLong,
    /// The task ended by itself, or somebody else ended it.
    TaskGone,
    /// Somebody asked for the bastion to be closed.
    Closed,
    /// The task before does not end, so that no other is started.
    NotStopped,
    /// The lease was silent for so long that its bastion was stopped.
    Silent,
    /// The lease's client comes back again and again after it was ended for silence, and asks for nothing.
    Reconnects,
    /// The bastion has reached the age at which it ends by itself.
    TooOld,
    /// The target is no longer served.
    Removed,
}

/// What [`crate::Bastion::timeout`] is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Timer {
    /// The task should have answered by then.
    Start,
    /// Nobody will have used the bastion for long enough.
    Idle,
    /// It will be so old that a successor should be there.
    Retire,
    /// It will be as old as it may be.
    Life,
    /// The task should have ended by then; ask again.
    Stop,
    /// Whoever waits for something to end before a start may begin will have waited long enough.
    Queue,
}

/// Where a bastion stands, for those who show it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Phase {
    /// A task is on its way; named as soon as the cloud has named it.
    Starting {
        /// The task.
        task: Option<TaskId>,
    },
    /// The task serves.
    Ready {
        /// The task.
        task: TaskId,
        /// When it is stopped if nobody comes or stirs; set while nobody holds it.
        idle_due: Option<Instant>,
    },
    /// The task serves those whom it has, and nobody new where another bastion can be had.
    Retiring {
        /// The task.
        task: TaskId,
        /// When it is stopped if nobody stirs; set while nobody holds it.
        idle_due: Option<Instant>,
    },
    /// The task is on its way out.
    Draining {
        /// The task; none where the start was given up before it had a name.
        task: Option<TaskId>,
        /// Whether the cloud has taken the order.
        taken: bool,
    },
    /// There is no task any more.
    Gone,
}

impl Phase {
    /// The task, where there is one with a name.
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Starting { task } | Self::Draining { task, .. } => task.as_ref(),
            Self::Ready { task, .. } | Self::Retiring { task, .. } => Some(task),
            Self::Gone => None,
        }
    }

    /// When it is stopped if nobody comes or stirs.
    pub fn idle_due(&self) -> Option<Instant> {
        match self {
            Self::Ready { idle_due, .. } | Self::Retiring { idle_due, .. } => *idle_due,
            Self::Starting { .. } | Self::Draining { .. } | Self::Gone => None,
        }
    }
}

/// A phase without its data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stand {
    Starting,
    Ready,
    Retiring,
    Draining { taken: bool },
    Gone,
}
