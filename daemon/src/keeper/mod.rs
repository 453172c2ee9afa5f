//! The keeper: the one task that owns the pool. All else holds a [`Keeper`] handle.
//!
//! ```text
//!   visit, open, close, status ──ask──▶ ┌────────┐ ──input──▶ ┌──────┐
//!                                       │ keeper │            │ Pool │
//!   errands (start, stop, look) ─tell─▶ └────────┘ ◀─output── └──────┘
//!            ▲                              │
//!            └──────────── spawned ─────────┘
//! ```

mod desk;
mod errands;
mod lease;
mod sessions;
#[cfg(test)]
mod tests;
mod view;
mod ward;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bastion_api::Stage;
use bastion_cloud::{Cloud, CloudError, TaskId};
use bastion_pool::LeaseId;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::config::Target;
use crate::events::Events;
use crate::state::NotWritten;
use crate::tasks::Tasks;
use crate::tunnels::{Route, TunnelFailure, Ways};

pub use lease::{Lease, Pulse, Revoked};
pub use sessions::JournaledSessions;
pub use view::Standing;

/// What the keeper is made with.
#[derive(Debug)]
pub struct Parts {
    /// Every target and the cloud that its site is in.
    pub targets: Vec<(Arc<Target>, Arc<dyn Cloud>)>,
    /// What our tasks are marked with: `bastiond/<installation id>`.
    pub started_by: String,
    /// The time.
    pub clock: Clock,
    /// Where what happens is told.
    pub events: Events,
    /// Who opens and closes tunnels.
    pub tunnels: Arc<dyn Ways>,
    /// Where errands run.
    pub tasks: Tasks,
    /// Where failures go, to be explained.
    pub failures: mpsc::UnboundedSender<(Arc<Target>, Refusal)>,
}

/// A handle on the keeper. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// Unbounded, because a lease that is dropped cannot wait for room, and its end must not overtake its beginning.
    /// What may stand in it is bounded by the visits that the system's descriptors allow.
    asks: mpsc::UnboundedSender<Ask>,
    next_lease: Arc<AtomicU64>,
    starts: Arc<BTreeMap<String, watch::Receiver<Start>>>,
}

/// How far a target's start has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Start {
    /// The stage, while one is under way.
    pub stage: Option<Stage>,
    /// When the start began.
    pub since: Option<Instant>,
    /// How long the last start took, if there was one.
    pub estimate: Option<Duration>,
}

/// Why somebody did not get a lease, or why it was taken back.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// There is no such target.
    UnknownTarget,
    /// The cloud did not give a usable task.
    Cloud(CloudError),
    /// The task is there, and no tunnel through it could be opened.
    Tunnel(TunnelFailure),
    /// The start took longer than it may; the stage it hung in.
    TookTooLong(Stage),
    /// The task ended; the cloud's words why.
    TaskGone(String),
    /// The task before does not end, so that no other is started.
    NotStopped,
    /// Somebody asked for the bastion to be closed.
    Closed,
    /// It moved no byte for so long that its bastion was stopped; how long that takes.
    Silent(Duration),
    /// Its program comes back right after it was closed for silence, and asks for nothing.
    Reconnects,
    /// The bastion has reached the age at which it ends by itself; that age.
    TooOld(Duration),
    /// The target is no longer in the config.
    Removed,
    /// What was about to be done could not be written down, so it was not done.
    Journal(NotWritten),
    /// The daemon is stopping.
    Stopping,
}

impl Keeper {
    /// A keeper, and the task to run: [`Running::run`].
    pub fn new(parts: Parts) -> (Self, Running) {
        let (asks, inbox) = mpsc::unbounded_channel();
        let running = Running::new(parts, asks.clone(), inbox);
        let starts = Arc::new(running.starts());
        (Self { asks, next_lease: Arc::new(AtomicU64::new(1)), starts }, running)
    }

    /// Waits for a bastion for `target`, starting one where none is; dropping the future gives the wish up.
    pub async fn lease(&self, target: &str, holder: Holder) -> Result<Lease, Refusal> {
        let id = LeaseId(self.next_lease.fetch_add(1, Ordering::Relaxed));
        let claim = lease::Claim::new(id, self.asks.clone());
        let (answer, answered) = oneshot::channel();
        let target = target.to_owned();
        self.ask(Ask::Lease { id, target, holder, answer })?;
        let granted = answered.await.map_err(|_| Refusal::Stopping)??;
        Ok(Lease::new(claim, granted))
    }

    /// The way to a target whose bastion is ready at this moment; it is not kept for the asker.
    pub async fn ready_route(&self, target: &str) -> Option<Arc<Route>> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Route { target: target.to_owned(), answer }).ok()?;
        answered.await.ok()?
    }

    /// Stops a target's bastion whoever uses it.
    pub async fn close(&self, target: &str) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Close { target: target.to_owned(), answer })?;
        answered.await.map_err(|_| Refusal::Stopping)?
    }

    /// Says that a tunnel through a target's bastion was lost, so that somebody looks whether its task still lives.
    pub fn doubt(&self, target: &str) {
        // A keeper that has ended doubts everything.
        drop(self.asks.send(Ask::Doubt { target: target.to_owned() }));
    }

    /// Where every target stands, in order of their names.
    pub async fn standings(&self) -> Vec<Standing> {
        let (answer, answered) = oneshot::channel();
        if self.asks.send(Ask::Standings { answer }).is_err() {
            return Vec::new();
        }
        answered.await.unwrap_or_default()
    }

    /// How far a target's start has come, now and from now on.
    pub fn watch_start(&self, target: &str) -> Option<watch::Receiver<Start>> {
        self.starts.get(target).cloned()
    }

    /// Stops every bastion, and returns once the cloud has taken every order.
    pub async fn stop(&self) {
        let (answer, answered) = oneshot::channel();
        if self.asks.send(Ask::Stop { answer }).is_ok() {
            // No answer means that the keeper has ended, so there is nothing left to wait for.
            drop(answered.await);
        }
    }

    fn ask(&self, ask: Ask) -> Result<(), Refusal> {
        self.asks.send(ask).map_err(|_| Refusal::Stopping)
    }
}

/// Who holds a lease: a hold is shown apart from visits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Holder {
    /// One visit.
    Visit,
    /// A person who waits until the bastion is ready.
    Person,
    /// A person who wants the bastion kept for some time.
    Hold,
}

pub use desk::Running;

/// What others want of the keeper, and what its errands tell it.
#[derive(Debug)]
enum Ask {
    Lease {
        id: LeaseId,
        target: String,
        holder: Holder,
        answer: Answer<Result<lease::Granted, Refusal>>,
    },
    LeaseEnded {
        id: LeaseId,
    },
    Route {
        target: String,
        answer: Answer<Option<Arc<Route>>>,
    },
    Close {
        target: String,
        answer: Answer<Result<(), Refusal>>,
    },
    Doubt {
        target: String,
    },
    Standings {
        answer: Answer<Vec<Standing>>,
    },
    Stop {
        answer: Answer<()>,
    },
    Told {
        target: String,
        news: News,
    },
}

type Answer<T> = oneshot::Sender<T>;

/// How an errand went.
#[derive(Debug)]
enum News {
    /// The start has come so far.
    Stage(Stage),
    /// The cloud took the order.
    Named(TaskId),
    /// The task serves, and a tunnel through it stands.
    Ready(Arc<Route>),
    /// There will be no task of use, and what was started of it has a name.
    Failed(Refusal),
    /// There will be no task of use, and nobody knows yet whether one was started; a name or the giving up follows.
    Uncertain(Refusal),
    /// The start has ended because it was told to, or because it was never cleared up.
    GivenUp,
    /// The cloud does not take the order to stop the task; it is given again.
    StopRefused(Refusal),
    /// The cloud took the order to stop the task.
    StopTaken,
    /// This task is gone, in the cloud's words.
    Gone(TaskId, String),
    /// Somebody has looked whether the task lives.
    Looked,
}
