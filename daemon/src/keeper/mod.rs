//! The keeper: the one task that owns the pool. All else holds a [`Keeper`] handle.
//!
//! ```text
//!   visit, open, close, status ──ask──▶ ┌────────┐ ──input──▶ ┌──────┐
//!                                       │ keeper │            │ Pool │
//!   errands (start, stop, look) ─tell─▶ └────────┘ ◀─output── └──────┘
//!            ▲                            │    │
//!            └────────── spawned ─────────┘    └──▶ journal, ledger, events
//! ```

mod berth;
mod bill;
mod desk;
mod ending;
mod errands;
mod grants;
mod history;
mod lease;
mod logins;
mod orders;
mod refusal;
mod reload;
mod sessions;
mod settle;
mod silence;
mod standing;
#[cfg(test)]
mod tests;
mod view;
mod wake;
mod ward;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bastion_api::Stage;
use bastion_cloud::{Cloud, CloudError, Seen, Site, TaskEnd, TaskFacts, TaskId};
use bastion_pool::{BastionId, LeaseId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::config::{OnStop, Target};
use crate::events::Events;
use crate::ledger::Ledger;
use crate::state::{Journal, Left};
use crate::tasks::Tasks;
use crate::tunnels::{Route, Ways};

pub use lease::{Lease, Pulse, Revoked};
pub use refusal::Refusal;
pub use sessions::JournaledSessions;
pub use view::Standing;

/// What the keeper is made with.
#[derive(Debug)]
pub struct Parts {
    /// Every target and the cloud that its site is in.
    pub targets: Vec<(Arc<Target>, Arc<dyn Cloud>)>,
    /// What an earlier run may have left out there.
    pub left: Left,
    /// The sites that it was left at, with their clouds: the config may know them no more.
    pub left_at: Vec<(Site, Arc<dyn Cloud>)>,
    /// What our tasks are marked with: `bastiond/<installation id>`.
    pub started_by: String,
    /// What becomes of bastions when the daemon stops.
    pub on_stop: OnStop,
    /// Where intentions are written before they are carried out.
    pub journal: Journal,
    /// Where it is written what bastions cost.
    pub ledger: Ledger,
    /// Where it is remembered how long starts take.
    pub state_dir: PathBuf,
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

#[cfg(test)]
impl Parts {
    /// What a keeper of nothing is made with, that nobody runs: nothing reaches its journal.
    pub(crate) fn example(state_dir: &std::path::Path) -> Self {
        std::fs::create_dir_all(state_dir).expect("a test has a directory");
        let clock = Clock::machine();
        let (tasks, events) = (Tasks::new(), Events::new(clock.clone()));
        let tunnels = crate::tunnels::Parts::new(tasks.clone(), clock.clone(), events.clone());
        Self {
            targets: Vec::new(),
            left: Left::default(),
            left_at: Vec::new(),
            started_by: "bastiond/test".to_owned(),
            on_stop: OnStop::default(),
            journal: Journal::open(state_dir).expect("a new journal opens").0,
            ledger: Ledger::open(state_dir, clock.clone()).expect("a new ledger opens"),
            state_dir: state_dir.to_owned(),
            clock,
            events,
            tunnels: Arc::new(crate::tunnels::Tunnels::new(tunnels)),
            tasks,
            failures: mpsc::unbounded_channel().0,
        }
    }
}

/// A handle on the keeper. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// Unbounded, because a lease that is dropped cannot wait for room, and its end must not overtake its beginning.
    /// What may stand in it is bounded by the visits that the system's descriptors allow.
    asks: mpsc::UnboundedSender<Ask>,
    next_lease: Arc<AtomicU64>,
    starts: Starts,
}

/// How far a target's start has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Start {
    /// The stage, while one is under way.
    pub stage: Option<Stage>,
    /// When the start began.
    pub since: Option<Instant>,
    /// How long the starts of this site took lately, if there were any.
    pub estimate: Option<Duration>,
}

impl Keeper {
    /// A keeper, and the task to run: [`Running::run`].
    pub fn new(parts: Parts) -> (Self, Running) {
        let (asks, inbox) = mpsc::unbounded_channel();
        let starts = Starts::default();
        let running = Running::new(parts, asks.clone(), inbox, starts.clone());
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

    /// The way to a target whose bastion is ready at this moment, through the least used one; it is not kept for the
    /// asker.
    pub async fn ready_route(&self, target: &str) -> Option<Arc<Route>> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Routes { target: target.to_owned(), answer }).ok()?;
        answered.await.ok()?.into_iter().next()
    }

    /// Waits until a target has so many bastions, beyond any limit of the config, and gives the ways through those that
    /// came to be; the failure, where none did. They stay while any of them is used, or until another number is said.
    pub async fn widen(&self, target: &str, bastions: usize) -> Result<Vec<Arc<Route>>, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Widen { target: target.to_owned(), bastions, answer })?;
        answered.await.map_err(|_| Refusal::Stopping)?
    }

    /// Stops a target's bastions whoever uses them.
    pub async fn close(&self, target: &str) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Close { target: target.to_owned(), answer })?;
        answered.await.map_err(|_| Refusal::Stopping)?
    }

    /// Sends away everybody who uses a target; its bastions go idle, and stop as they do.
    pub fn evict(&self, target: &str) {
        // A keeper that has ended has sent everybody away.
        drop(self.asks.send(Ask::Evict { target: target.to_owned() }));
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

    /// How far a target's start has come at this moment.
    pub fn start(&self, target: &str) -> Start {
        self.watch_start(target).map(|start| *start.borrow()).unwrap_or_default()
    }

    /// How far a target's start has come, now and from now on.
    pub fn watch_start(&self, target: &str) -> Option<watch::Receiver<Start>> {
        self.starts.of(target)
    }

    /// Takes another set of targets: what is new is added, what is gone is dropped, what is altered goes on under its new
    /// terms; the others feel nothing. Returns once it is so.
    ///
    /// A target that leads elsewhere than before keeps the visits that it has; new ones go where it leads now.
    pub async fn reload(&self, targets: Vec<(Arc<Target>, Arc<dyn Cloud>)>, on_stop: OnStop) {
        let (answer, answered) = oneshot::channel();
        if self.asks.send(Ask::Reload { targets, on_stop, answer }).is_ok() {
            // No answer means that the daemon is stopping.
            drop(answered.await);
        }
    }

    /// Stops every bastion, or leaves them, as the config says; returns once the cloud has taken every order.
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

/// Where it is seen how far each target's start has come. Clones see the same.
#[derive(Clone, Debug, Default)]
struct Starts(Arc<Mutex<BTreeMap<String, watch::Receiver<Start>>>>);

impl Starts {
    fn of(&self, target: &str) -> Option<watch::Receiver<Start>> {
        self.all().get(target).cloned()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, watch::Receiver<Start>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
    Routes {
        target: String,
        answer: Answer<Vec<Arc<Route>>>,
    },
    Widen {
        target: String,
        bastions: usize,
        answer: Answer<Result<Vec<Arc<Route>>, Refusal>>,
    },
    Close {
        target: String,
        answer: Answer<Result<(), Refusal>>,
    },
    Evict {
        target: String,
    },
    Doubt {
        target: String,
    },
    Standings {
        answer: Answer<Vec<Standing>>,
    },
    Reload {
        targets: Vec<(Arc<Target>, Arc<dyn Cloud>)>,
        on_stop: OnStop,
        answer: Answer<()>,
    },
    Stop {
        answer: Answer<()>,
    },
    /// How an errand for one bastion went.
    Told {
        bastion: BastionId,
        news: News,
    },
    /// A task that served nobody any more has ended.
    StrayGone {
        /// The target that it was of, where the config knows it.
        target: Option<Arc<Target>>,
        task: TaskId,
        end: errands::End,
    },
    /// What is out there at a site.
    Surveyed {
        place: usize,
        found: Result<Survey, Refusal>,
    },
    /// What became of an intention of an earlier run.
    Reasked {
        place: usize,
        token: String,
        came: Result<TaskId, CloudError>,
    },
    /// A service that an earlier run had woken sleeps again.
    Lowered {
        site: String,
    },
    /// What a look at a site's login has come to.
    LoginSeen {
        site: String,
        seen: logins::Seen,
    },
}

type Answer<T> = oneshot::Sender<T>;

/// What was seen at a site.
#[derive(Debug)]
struct Survey {
    /// Every task that carries our mark, and those that were asked about.
    seen: Vec<(TaskId, Seen)>,
    /// Why tasks that no journal knows may be missing among them.
    unlisted: Option<CloudError>,
}

/// How an errand went.
#[derive(Debug)]
enum News {
    /// The start has come so far.
    Stage(bastion_cloud::Stage),
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
    /// This target has a way through the bastion, too; or not.
    Joined(String, Result<Arc<Route>, Refusal>),
    /// What is known of the task.
    Facts(TaskId, Box<TaskFacts>),
    /// The cloud does not take the order to stop the task; it is given again.
    StopRefused(Refusal),
    /// The cloud took the order to stop the task.
    StopTaken(TaskId),
    /// This task is ending, and of no use any more.
    Lost(TaskId, Box<TaskEnd>),
    /// This task is gone.
    Gone(TaskId, errands::End),
    /// Somebody has looked whether the task lives.
    Looked,
    /// After a sleep: the task is there, and a tunnel through it answers.
    Alive,
    /// After a sleep: nothing is proven yet, and whoever waits has waited long enough.
    Unproven,
    /// The service was woken by us.
    Raised,
    /// The service is as it was before.
    Lowered,
}
