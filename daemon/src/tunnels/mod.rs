//! Tunnels by bastion and remote: opened for the first visit, shared by all, one more opened before it is needed, closed
//! with their bastion.
//!
//! ```text
//!   visits ──stream──▶ place.rs: which one? ──▶ Tunnel ──▶ Stream
//!                          │ none that will do
//!                          ▼
//!                      open.rs: session ─▶ book ─▶ dial ─▶ drive ┐
//!                          ▲                                     ├─▶ fleet.rs: which there are
//!   tend.rs: loaded? idle? kept? ── one more, one less ──────────┘
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bastion_cloud::{Bastion, Cloud, CloudError, Remote, TaskId};
use ssm_tunnel::{FirstByte, OpenError, Options, State, Stream, StreamError, Tunnel};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::config::Target;
use crate::events::Events;
use crate::tasks::Tasks;

mod berth;
mod book;
mod failover;
mod fleet;
mod open;
mod place;
mod returning;
mod sizes;
mod tend;

pub use book::{Nowhere, SessionBook, TunnelLog};
pub use open::refuses_the_remote;
pub use sizes::Sizes;

use berth::{Coming, Opened};
use fleet::{Choice, Fleet, Key, Tending};

/// What the keeper asks of tunnels.
#[async_trait]
pub trait Ways: std::fmt::Debug + Send + Sync {
    /// Opens the first tunnel of a bastion, which shows that visits will go through.
    async fn prove(&self, route: &Route, patience: Duration) -> Result<(), TunnelFailure>;

    /// Closes every tunnel of a bastion and ends their sessions.
    async fn close(&self, task: &TaskId);

    /// Closes the tunnels of a bastion to one remote and ends their sessions: its other targets go on.
    async fn close_route(&self, task: &TaskId, remote: &Remote);

    /// Whether a new visit would have to share a tunnel of this bastion that moves bulk or hangs, because no better one
    /// can be had.
    fn crowded(&self, task: &TaskId) -> bool;

    /// How many tunnels of this bastion stand.
    fn tunnels(&self, task: &TaskId) -> usize;

    /// Opens tunnels until so many of this route stand, or no more can be had. They live as long as the bastion is
    /// wanted. Says how many stand; the failure, where none does.
    async fn fan(&self, route: &Route, tunnels: usize) -> Result<usize, TunnelFailure>;

    /// Looks at once whether the tunnels of a bastion still live, as after a sleep: whether one of them answers.
    async fn prove_alive(&self, task: &TaskId) -> bool;

    /// Whether the daemon wants this bastion: then one session of it is kept alive, where its target lets us. One through
    /// which a tunnel was opened is wanted until its tunnels are closed, unless something else is said here.
    fn keep(&self, task: &TaskId, wanted: bool);
}

/// All tunnels of the daemon. Clones are the same set.
#[derive(Clone, Debug)]
pub struct Tunnels {
    parts: Arc<Parts>,
    fleet: Arc<Mutex<Fleet>>,
}

/// What tunnels are made with.
#[derive(Debug)]
pub struct Parts {
    /// Where they are driven.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
    /// Where what happens is told.
    pub events: Events,
    /// Where sessions are written down before they are dialed.
    pub book: Arc<dyn SessionBook>,
    /// Who hears of tunnels, for the record.
    pub log: Arc<dyn TunnelLog>,
    /// Where troubles go, to be explained.
    pub troubles: mpsc::UnboundedSender<(Arc<Target>, Trouble)>,
    /// How each behaves, but for what its target says.
    pub options: Options,
    /// How large messages may be.
    pub sizes: Sizes,
}

/// The way from here to a database: through which bastion, to which remote.
#[derive(Clone, Debug)]
pub struct Route {
    /// The target.
    pub target: Arc<Target>,
    /// The cloud that the bastion is in.
    pub cloud: Arc<dyn Cloud>,
    /// The bastion.
    pub bastion: Bastion,
    /// The database, as the bastion sees it.
    pub remote: Remote,
}

/// One stream, and the tunnel that it goes through.
#[derive(Debug)]
pub struct Passage {
    /// The tunnel.
    pub tunnel: Tunnel,
    /// The tunnel's number, to report on it by.
    pub number: u64,
    /// The stream.
    pub stream: Stream,
}

/// Why there is no tunnel, or no stream through it.
#[derive(Clone, Debug)]
pub enum TunnelFailure {
    /// The cloud gave no session.
    Session(CloudError),
    /// The session was given, and the tunnel could not be opened.
    Open(Arc<OpenError>),
    /// The tunnel stood, and a stream could not be opened through it.
    Stream(Arc<StreamError>),
    /// The daemon is stopping.
    Stopping,
}

/// What a person should know of a target's tunnels.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Its bastion takes no more tunnels than so many.
    Full {
        /// How many.
        takes: usize,
        /// How that showed.
        failure: TunnelFailure,
    },
    /// A tunnel is away, and will not come back by itself.
    Away(TunnelFailure),
    /// The agent has ended a tunnel because it cannot use the database's name or address.
    Refused(TunnelFailure),
    /// A tunnel that was away is back, or gone for good; or one stands where the last was refused.
    Over,
}

/// Why a target's visits stand still.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pause {
    /// Since when.
    pub since: Instant,
    /// Whether somebody has to log in before they go on.
    pub needs_login: bool,
}

impl Parts {
    /// For tunnels that nobody writes down, straight to AWS.
    pub fn new(tasks: Tasks, clock: Clock, events: Events) -> Self {
        Self {
            tasks,
            clock,
            events,
            book: Arc::new(Nowhere),
            log: Arc::new(Nowhere),
            troubles: mpsc::unbounded_channel().0,
            options: Options::default(),
            sizes: Sizes::default(),
        }
    }
}

impl Tunnels {
    /// No tunnels yet.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), fleet: Arc::default() }
    }

    /// Whether a tunnel for this route stands at this moment.
    pub fn stands(&self, route: &Route) -> bool {
        self.fleet().stands(route)
    }

    /// A stream to the route's remote, through a tunnel that is there or a new one.
    pub async fn stream(&self, route: &Route, first: FirstByte) -> Result<Passage, TunnelFailure> {
        let mut again = true;
        loop {
            let (opened, _coming) = self.way(route, REOPEN_PATIENCE).await?;
            if let Some(failure) = opened.needs_login() {
                return Err(failure);
            }
            let Opened { tunnel, number, .. } = opened;
            match tunnel.open_stream(first).await {
                Ok(stream) => {
                    if tunnel.streams() <= 1 {
                        // Nobody looks at tunnels that nobody uses.
                        self.fleet().stir(&key_of(route));
                    }
                    return Ok(Passage { tunnel, number, stream });
                }
                // It was lost between the look and the use: one more, and its word is final.
                Err(_) if again && tunnel.is_closed() => again = false,
                Err(err) => return Err(TunnelFailure::Stream(Arc::new(err))),
            }
        }
    }

    /// Waits until the newest tunnel of a route has stood for so long that its agent does not refuse the database's name
    /// any more. The refusal, where it does.
    pub async fn settle(&self, route: &Route) -> Result<(), TunnelFailure> {
        let (refused, newest) = self.fleet().newest(&key_of(route), self.parts.clock.now());
        let Some((opened, age)) = newest.filter(|(opened, _)| !opened.tunnel.is_closed()) else {
            return refused.map_or(Ok(()), |why| Err(open::refusal(why)));
        };
        match timeout(open::SETTLES.saturating_sub(age), opened.tunnel.closed()).await {
            Ok(why) if refuses_the_remote(&why) => Err(open::refusal(why)),
            // What else befalls it, a visit would get over.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// How many tunnels to a target stand, whatever the bastion.
    pub fn count(&self, target: &str) -> usize {
        self.fleet().of_target(target).iter().filter(|opened| !opened.tunnel.is_closed()).count()
    }

    /// How often a tunnel to a target was away and came back since the daemon started.
    pub fn resumes(&self, target: &str) -> u64 {
        self.fleet().resumes(target)
    }

    /// Why a target's visits stand still, where they do: the longest pause of its tunnels.
    pub fn pause(&self, target: &str) -> Option<Pause> {
        let opened = self.fleet().of_target(target);
        let pauses = opened.iter().filter(|opened| !opened.tunnel.is_closed()).filter_map(|it| {
            match &*it.state.borrow() {
                State::Live => None,
                State::Resuming { since, .. } => Some(Pause { since: *since, needs_login: false }),
                State::WaitingForLogin { since, .. } => {
                    Some(Pause { since: *since, needs_login: true })
                }
            }
        });
        pauses.min_by_key(|pause| (!pause.needs_login, pause.since))
    }

    /// A tunnel for this route that will do, opened where none is.
    async fn way(
        &self,
        route: &Route,
        patience: Duration,
    ) -> Result<(Opened, Coming), TunnelFailure> {
        let (choice, order) = self.fleet().choose(route, self.parts.clock.now());
        if let Some(order) = order {
            self.carry_out(order, patience);
        }
        match choice {
            Choice::Through(opened, coming) => Ok((opened, coming)),
            Choice::Wait(mut door, coming, None) => {
                open::answer(&mut door).await.map(|opened| (opened, coming))
            }
            Choice::Wait(mut door, coming, Some((other, to_other))) => {
                match timeout(FOR_A_BETTER_ONE, open::answer(&mut door)).await {
                    Ok(Ok(opened)) => Ok((opened, coming)),
                    Ok(Err(_)) | Err(_) if !other.tunnel.is_closed() => Ok((other, to_other)),
                    Ok(Err(failure)) => Err(failure),
                    Err(_) => open::answer(&mut door).await.map(|opened| (opened, coming)),
                }
            }
        }
    }

    /// Sees to the tunnels of one route until they are given up; proves them at once whenever the machine has woken.
    async fn tend(self, key: Key, stirred: Arc<Notify>) {
        let stop = self.parts.tasks.stop_token();
        let mut wakes = self.parts.clock.wakes();
        loop {
            let Some(tending) = self.fleet().tend(&key, self.parts.clock.now()) else { return };
            let Tending { keep, unkeep, close, order, pause } = tending;
            for opened in close {
                let tunnels = self.clone();
                self.parts.tasks.spawn("close a tunnel that nobody needs", async move {
                    tunnels.close_one(&opened).await;
                });
            }
            if let Some(order) = order {
                self.carry_out(order, REOPEN_PATIENCE);
            }
            for (opened, kept) in
                unkeep.iter().map(|it| (it, false)).chain(keep.iter().map(|it| (it, true)))
            {
                opened.tunnel.keep(kept).await;
            }
            let next = async {
                match pause {
                    Some(pause) => sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = next => {}
                () = stirred.notified() => {}
                Ok(()) = wakes.changed() => {
                    let standing = self.fleet().of_key(&key);
                    let proofs = standing.iter().map(|opened| opened.tunnel.prove());
                    futures_util::future::join_all(proofs).await;
                }
                () = stop.cancelled() => return,
            }
        }
    }

    async fn close_all(&self, task: &TaskId, remote: Option<&Remote>) {
        // One that is still being opened finds itself struck out, and closes itself.
        let standing = self.fleet().take(task, remote);
        let goodbyes = standing.iter().map(|opened| self.close_one(opened));
        futures_util::future::join_all(goodbyes).await;
    }

    fn fleet(&self) -> MutexGuard<'_, Fleet> {
        // Nothing in there can panic half-way.
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Ways for Tunnels {
    async fn prove(&self, route: &Route, patience: Duration) -> Result<(), TunnelFailure> {
        self.way(route, patience).await.map(drop)
    }

    async fn close(&self, task: &TaskId) {
        self.close_all(task, None).await;
    }

    async fn close_route(&self, task: &TaskId, remote: &Remote) {
        self.close_all(task, Some(remote)).await;
    }

    fn crowded(&self, task: &TaskId) -> bool {
        self.fleet().is_crowded(task, self.parts.clock.now())
    }

    fn tunnels(&self, task: &TaskId) -> usize {
        let standing = self.fleet().standing(task);
        standing.iter().filter(|opened| !opened.tunnel.is_closed()).count()
    }

    async fn fan(&self, route: &Route, tunnels: usize) -> Result<usize, TunnelFailure> {
        let (mut doors, orders) = self.fleet().fan(route, tunnels, self.parts.clock.now());
        for order in orders {
            self.carry_out(order, REOPEN_PATIENCE);
        }
        let answers = doors.iter_mut().map(open::answer);
        let answers = futures_util::future::join_all(answers).await;
        let standing = answers.iter().filter(|answer| answer.is_ok()).count();
        match (standing, answers.into_iter().find_map(Result::err)) {
            (0, Some(failure)) => Err(failure),
            (standing, _) => Ok(standing),
        }
    }

    async fn prove_alive(&self, task: &TaskId) -> bool {
        let standing = self.fleet().standing(task);
        let mut proofs: futures_util::stream::FuturesUnordered<_> =
            standing.iter().map(prove_one).collect();
        let answered = async {
            while let Some(alive) = futures_util::StreamExt::next(&mut proofs).await {
                if alive {
                    return true;
                }
            }
            false
        };
        timeout(PROOF, answered).await.unwrap_or(false)
    }

    fn keep(&self, task: &TaskId, wanted: bool) {
        self.fleet().want(task, wanted);
    }
}

/// Whether a tunnel shows that it lives, by its old websocket or by a new one.
async fn prove_one(opened: &Opened) -> bool {
    opened.tunnel.prove().await;
    let mut state = opened.state.clone();
    tokio::select! {
        live = state.wait_for(|state| matches!(state, State::Live)) => live.is_ok(),
        _ = opened.tunnel.closed() => false,
    }
}

impl Opened {
    /// What a person has to do before anything goes through, where something is.
    fn needs_login(&self) -> Option<TunnelFailure> {
        match &*self.state.borrow() {
            State::WaitingForLogin { trouble, .. } => {
                let err = trouble.downcast_ref::<CloudError>();
                err.map(|err| TunnelFailure::Session(err.clone()))
            }
            State::Live | State::Resuming { .. } => None,
        }
    }
}

impl ssm_tunnel::Clock for Clock {
    fn now(&self) -> Instant {
        Self::now(self)
    }
}

fn key_of(route: &Route) -> Key {
    (route.bastion.task.clone(), route.remote.clone())
}

/// How long a new tunnel on a bastion that has served may take: its agent was connected before, so a refusal is news.
const REOPEN_PATIENCE: Duration = Duration::from_secs(20);

/// How long a visit waits for a tunnel that is better than the one it could have: a session and a handshake take a second
/// or two, and where the agent refuses them there is no answer at all.
const FOR_A_BETTER_ONE: Duration = Duration::from_secs(3);

/// How long tunnels may take to show that they live: a websocket that is replaced takes a few round trips.
const PROOF: Duration = Duration::from_secs(10);
