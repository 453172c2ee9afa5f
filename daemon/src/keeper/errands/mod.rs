//! What the pool wants done, done on the cloud: each errand tells the keeper how it went, and ends by itself.

mod look;
mod service;
mod settle;
mod start;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use bastion_cloud::{Bastion, Cloud, Database, Runs, Site, Stage, TaskEnd, TaskId, TaskSpec};
use bastion_pool::{BastionId, Intention, Raise, Record};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Ask, News};
use crate::clock::{Clock, system_time};
use crate::config::Target;
use crate::state::{Journal, NotWritten};
use crate::tunnels::{Route, Ways};

pub(super) use look::{alive, join, look};
pub(super) use settle::{end_sessions, lower, reask, survey};
pub(super) use start::{adopt, start};
pub(super) use stop::{stop, stop_stray};

/// What an errand for one bastion works with.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) bastion: BastionId,
    pub(super) target: Arc<Target>,
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) tunnels: Arc<dyn Ways>,
    pub(super) journal: Journal,
    pub(super) clock: Clock,
    pub(super) started_by: String,
    /// Whether the service that was woken is put back to sleep when this bastion is no longer wanted.
    pub(super) lowers: bool,
    pub(super) asks: mpsc::UnboundedSender<Ask>,
    /// Fires when the daemon is stopping.
    pub(super) stopping: CancellationToken,
    /// Fired by then where no task of ours is to be left.
    pub(super) sweep: CancellationToken,
}

impl Desk {
    fn tell(&self, news: News) {
        // A keeper that has ended hears no news.
        drop(self.asks.send(Ask::Told { bastion: self.bastion, news }));
    }

    fn stage(&self, stage: Stage) {
        self.tell(News::Stage(stage));
    }

    fn route(&self, bastion: Bastion, database: &Database) -> Route {
        Route {
            target: Arc::clone(&self.target),
            cloud: Arc::clone(&self.cloud),
            bastion,
            remote: database.remote.clone(),
        }
    }

    /// Writes down what is about to be asked for, and returns once it is on disk.
    async fn intend(&self, spec: &TaskSpec) -> Result<(), NotWritten> {
        let intention = Intention {
            at: system_time(self.clock.calendar()),
            target: self.target.name.clone(),
            site: self.target.site.clone(),
            spec: spec.clone(),
        };
        self.journal.write(Record::Intend(Box::new(intention))).await
    }

    fn named(&self, spec: &TaskSpec, task: &TaskId) {
        self.journal.note(Record::Named { token: spec.token.clone(), task: task.clone() });
    }

    fn refused(&self, spec: &TaskSpec) {
        self.journal.note(Record::Refused { token: spec.token.clone() });
    }

    /// Writes down that a service is about to be raised, and returns once it is on disk.
    async fn raise(&self) -> Result<(), NotWritten> {
        let raise = Raise {
            at: system_time(self.clock.calendar()),
            site: self.target.site.clone(),
            from: 0,
            to: 1,
        };
        self.journal.write(Record::Raised(Box::new(raise))).await
    }

    /// Says that a task has ended, on disk and to the keeper.
    fn gone(&self, task: TaskId, end: End) {
        self.journal.note(Record::Gone { task: task.clone() });
        self.tell(News::Gone(task, end));
    }
}

/// What an errand for a whole site works with.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) site: Site,
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) journal: Journal,
    pub(super) started_by: String,
    pub(super) asks: mpsc::UnboundedSender<Ask>,
}

/// How a task ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The cloud tells.
    Told(Box<TaskEnd>),
    /// The cloud no longer knows it.
    Forgotten,
    /// It belongs to a service, which goes on with it.
    Left,
}

impl End {
    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Told(end) => end.to_string(),
            Self::Forgotten => "the task is no longer known".to_owned(),
            Self::Left => "left to its service".to_owned(),
        }
    }
}

/// Whether the target's bastions are tasks of our own, to be started and stopped by us.
pub(super) fn is_ours(target: &Target) -> bool {
    runs_tasks(&target.site)
}

/// Whether a site's bastions are tasks of our own.
pub(super) fn runs_tasks(site: &Site) -> bool {
    match site.runs {
        Runs::TaskDefinition(_) => true,
        Runs::Service(_) => false,
    }
}

/// How long an order to stop is followed up before it is given anew: Fargate stops a task in well under a minute.
pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// How often the tasks that serve are looked at: within ECS's sustained 20 calls a second for any number of targets.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long a started agent may take to be known to the session service, and the first tunnel to stand (aws.md 3.5).
const CONNECT_PATIENCE: Duration = Duration::from_secs(90);

/// How often in a row the cloud must not know a task for it to be gone: ECS's answers lag behind (aws.md 3.4).
const MISSING_PROVES: u32 = 3;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What ECS shows as the reason of the task's end.
const STOP_REASON: &str = "bastiond: no longer used";
