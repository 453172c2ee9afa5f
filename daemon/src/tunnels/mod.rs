//! Tunnels by bastion and remote: opened once, shared by every visit, closed with their bastion.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bastion_api::EventKind;
use bastion_cloud::{Bastion, Cloud, CloudError, Remote, SessionId, TaskId};
use ssm_tunnel::{Closed, FirstByte, OpenError, Options, Stream, StreamError, Tunnel};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::config::Target;
use crate::events::Events;
use crate::tasks::Tasks;

mod book;
mod returning;

pub use book::{Nowhere, SessionBook, TunnelLog};
use returning::Returning;

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

    /// Whether the daemon wants this bastion: then one session of it is kept alive, where its target lets us.
    fn keep(&self, task: &TaskId, wanted: bool);
}

/// All tunnels of the daemon. Clones are the same set.
#[derive(Clone, Debug)]
pub struct Tunnels {
    tasks: Tasks,
    events: Events,
    doors: Arc<Mutex<HashMap<Key, Door>>>,
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

impl Tunnels {
    /// No tunnels yet.
    pub fn new(tasks: Tasks, events: Events) -> Self {
        Self { tasks, events, doors: Arc::default() }
    }

    /// Whether a tunnel for this route stands at this moment.
    pub fn stands(&self, route: &Route) -> bool {
        let key = (route.bastion.task.clone(), route.remote.clone());
        self.doors().get(&key).is_some_and(
            |door| matches!(&*door.borrow(), Some(Ok(opened)) if !opened.tunnel.is_closed()),
        )
    }

    /// A stream to the route's remote, through a tunnel that is there or a new one.
    pub async fn stream(&self, route: &Route) -> Result<Passage, TunnelFailure> {
        let tunnel = self.tunnel(route, REOPEN_PATIENCE).await?;
        match tunnel.open_stream(FirstByte::AnyTime).await {
            Ok(stream) => Ok(Passage { tunnel, stream }),
            // It was lost between the look and the use: one more, and its word is final.
            Err(_) if tunnel.is_closed() => {
                let tunnel = self.tunnel(route, REOPEN_PATIENCE).await?;
                let stream = tunnel.open_stream(FirstByte::AnyTime).await;
                let stream = stream.map_err(|err| TunnelFailure::Stream(Arc::new(err)))?;
                Ok(Passage { tunnel, stream })
            }
            Err(err) => Err(TunnelFailure::Stream(Arc::new(err))),
        }
    }

    async fn tunnel(&self, route: &Route, patience: Duration) -> Result<Tunnel, TunnelFailure> {
        let mut door = self.door(route, patience);
        // The opener always answers: it is a task that the daemon's own end alone cuts short.
        let answer = door.wait_for(Option::is_some).await;
        let answer = answer.ok().and_then(|answer| (*answer).clone());
        answer.unwrap_or(Err(TunnelFailure::Stopping)).map(|opened| opened.tunnel)
    }

    /// The door of this route: one that is open or opening, else a new one, with somebody sent to open it.
    fn door(&self, route: &Route, patience: Duration) -> Door {
        let key = (route.bastion.task.clone(), route.remote.clone());
        let mut doors = self.doors();
        if let Some(door) = doors.get(&key) {
            let usable = match &*door.borrow() {
                None => door.has_changed().is_ok(),
                Some(Ok(opened)) => !opened.tunnel.is_closed(),
                Some(Err(_)) => false,
            };
            if usable {
                return door.clone();
            }
        }
        let (answer, door) = watch::channel(None);
        doors.insert(key.clone(), door.clone());
        let (tunnels, route, stop) = (self.clone(), route.clone(), self.tasks.stop_token());
        self.tasks.spawn(format!("open a tunnel to {}", route.target.name), async move {
            let unwanted = async {
                tokio::select! {
                    // Its bastion was closed, and who asked has left.
                    () = answer.closed() => {}
                    () = stop.cancelled() => {}
                }
            };
            let opened = tunnels.open(&route, patience, unwanted).await;
            let mine = answer.subscribe();
            let stands = tunnels.doors().get(&key).is_some_and(|door| door.same_channel(&mine));
            if let (Ok(opened), false) = (&opened, stands) {
                opened.close().await;
            }
            drop(answer.send(Some(opened)));
        });
        door
    }

    /// Opens a tunnel; a second time where the agent kept silent: a session that has just ended holds its place until
    /// its worker is gone, some seconds later, and the wait for the handshake is longer than that.
    async fn open(
        &self,
        route: &Route,
        patience: Duration,
        unwanted: impl Future<Output = ()>,
    ) -> Result<Opened, TunnelFailure> {
        let mut unwanted = pin!(unwanted);
        match self.open_once(route, patience, unwanted.as_mut()).await {
            Err(TunnelFailure::Open(err))
                if matches!(*err, OpenError::HandshakeDeadline { .. }) =>
            {
                debug!(target = route.target.name, "no handshake; once more");
                self.open_once(route, patience, unwanted).await
            }
            opened => opened,
        }
    }

    async fn open_once(
        &self,
        route: &Route,
        patience: Duration,
        mut unwanted: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Opened, TunnelFailure> {
        let cloud = &route.cloud;
        let session = tokio::select! {
            session = cloud.start_session(&route.bastion, &route.remote, patience) => session,
            () = &mut unwanted => return Err(TunnelFailure::Stopping),
        };
        let session = session.map_err(TunnelFailure::Session)?;
        let id = session.session.clone();
        let resumer = Returning::to(Arc::clone(cloud), id.clone());
        let grant = returning::grant(session);
        let options = Options { extra_hosts: route.target.endpoints.clone(), ..Options::default() };
        let opened = tokio::select! {
            opened = Tunnel::open(grant, options, Arc::new(resumer)) => {
                opened.map_err(|err| TunnelFailure::Open(Arc::new(err)))
            }
            () = &mut unwanted => Err(TunnelFailure::Stopping),
        };
        let (tunnel, driver) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                // A session that nobody uses would hold one of the container's two places until its idle limit.
                end_session(cloud.as_ref(), &id).await;
                return Err(failure);
            }
        };
        let (events, target) = (self.events.clone(), route.target.name.clone());
        let (cloud_too, session) = (Arc::clone(cloud), id.clone());
        events.tell(Some(&target), EventKind::TunnelOpened, "tunnel opened");
        self.tasks.spawn(format!("tunnel to {target}"), async move {
            let why: Closed = driver.await;
            // The service's last words may hold the database's name.
            events.tell_why(Some(&target), EventKind::TunnelClosed, "tunnel closed", &why);
            match why {
                // Who closes it ends the session, too; and what the service has ended is over.
                Closed::ByUs | Closed::ByService { .. } | Closed::SessionOver { .. } => {}
                // A session that nobody returns to would hold its place until its idle limit.
                Closed::Unsupported(_)
                | Closed::Misbehaved(_)
                | Closed::Lost(_)
                | Closed::AwayTooLong { .. }
                | Closed::ResumeRefused { .. }
                | Closed::Undriven => end_session(cloud_too.as_ref(), &session).await,
            }
        });
        Ok(Opened { tunnel, session: id, cloud: Arc::clone(cloud) })
    }

    fn doors(&self) -> MutexGuard<'_, HashMap<Key, Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Ways for Tunnels {
    async fn prove(&self, route: &Route, patience: Duration) -> Result<(), TunnelFailure> {
        self.tunnel(route, patience).await.map(drop)
    }

    async fn close(&self, task: &TaskId) {
        self.close_where(|(of, _)| of == task).await;
    }

    async fn close_route(&self, task: &TaskId, remote: &Remote) {
        self.close_where(|(of, to)| of == task && to == remote).await;
    }

    fn crowded(&self, _: &TaskId) -> bool {
        false
    }

    fn tunnels(&self, task: &TaskId) -> usize {
        let stands =
            |door: &Door| matches!(&*door.borrow(), Some(Ok(opened)) if !opened.tunnel.is_closed());
        self.doors().iter().filter(|((of, _), door)| of == task && stands(door)).count()
    }

    async fn fan(&self, route: &Route, _: usize) -> Result<usize, TunnelFailure> {
        self.tunnel(route, REOPEN_PATIENCE).await.map(|_| 1)
    }

    async fn prove_alive(&self, task: &TaskId) -> bool {
        self.tunnels(task) > 0
    }

    fn keep(&self, _: &TaskId, _: bool) {}
}

impl Tunnels {
    async fn close_where(&self, which: impl Fn(&Key) -> bool) {
        let mut closing = Vec::new();
        self.doors().retain(|key, door| {
            let keep = !which(key);
            if !keep {
                closing.push(door.clone());
            }
            keep
        });
        for door in closing {
            let opened = door.borrow().as_ref().and_then(|result| result.as_ref().ok().cloned());
            // One that is still being opened finds its door gone, and closes itself.
            if let Some(opened) = opened {
                opened.close().await;
            }
        }
    }
}

type Key = (TaskId, Remote);

/// What becomes of opening a tunnel; `None` until it is known.
type Door = watch::Receiver<Option<Result<Opened, TunnelFailure>>>;

#[derive(Clone, Debug)]
struct Opened {
    tunnel: Tunnel,
    session: SessionId,
    cloud: Arc<dyn Cloud>,
}

impl Opened {
    async fn close(&self) {
        if timeout(CLOSE_PATIENCE, self.tunnel.close()).await.is_err() {
            debug!(session = %self.session, "the tunnel did not close in time");
        }
        end_session(self.cloud.as_ref(), &self.session).await;
    }
}

async fn end_session(cloud: &dyn Cloud, session: &SessionId) {
    match timeout(CLOSE_PATIENCE, cloud.end_session(session)).await {
        Ok(Ok(())) => debug!(%session, "session ended"),
        Ok(Err(err)) => {
            warn!(%session, call = err.call, "ending the session");
            debug!(%session, %err, "the session was not ended");
        }
        Err(_) => warn!(%session, "ending the session took too long"),
    }
}

/// How long a new tunnel on a bastion that has served may take: its agent was connected before, so a refusal is news.
const REOPEN_PATIENCE: Duration = Duration::from_secs(20);

/// How long saying goodbye may take: the agent acknowledges within 2 s, or is away (ssm-data-channel.md 9).
const CLOSE_PATIENCE: Duration = Duration::from_secs(4);
