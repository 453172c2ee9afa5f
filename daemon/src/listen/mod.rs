//! The listeners that the config wants: each accepts at once, and starts nothing until someone visits.
//!
//! ```text
//!   bind ──▶ accept ──▶ visit      one task a visit, told in visit.rs
//!    │ taken, or not there yet
//!    └─▶ a problem of this target alone; tried again until it is free
//! ```
//!
//! When the config is read again, first every place is closed that it no longer names, then those are opened that are new:
//! a port may go from one target to another. Visits that are there go on as they came; a new one meets what the config
//! says now.

pub mod authority;
mod counted;
mod engines;
mod excuse;
mod moved;
pub mod peer;
mod pipe;
mod receipt;
pub mod roots;
mod roster;
pub mod shadow;
pub mod tcp;
pub mod unix;
mod visit;
mod visitor;
mod waiting;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bastion_api::{EventKind, Problem};
use bastion_cloud::Cloud;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

use crate::config::{Listen, Target};
use crate::explain;
use crate::tasks::Tasks;

pub use engines::Engines;
pub(crate) use engines::engine_of;
pub use roster::Roster;
pub use visit::House;

/// Where every target is found, or why it is not. Clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Listeners(Arc<Mutex<BTreeMap<String, Places>>>);

/// What listeners are opened with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What every visit needs.
    pub house: House,
    /// Where Unix sockets stand.
    pub state_dir: PathBuf,
    /// Where listeners and visits run.
    pub tasks: Tasks,
    /// Fires when no more visits are taken.
    pub closing: CancellationToken,
}

impl Listeners {
    /// Opens every listener of a target that is not open yet: those that can be bound are bound when this returns. From
    /// here on its visitors meet the target as it is given here, also at listeners that were open.
    pub fn open(&self, target: &Arc<Target>, cloud: &Arc<dyn Cloud>, opening: &Opening) {
        let served = Served { target: Arc::clone(target), cloud: Arc::clone(cloud) };
        let serving = self.serve(&served);
        for wanted in &target.listen {
            let Some((closing, closed)) = self.begin(&target.name, *wanted, opening) else {
                continue;
            };
            let door = Door {
                serving: Arc::clone(&serving),
                wanted: *wanted,
                opening: opening.clone(),
                closing,
                listeners: self.clone(),
            };
            let first_try = door.bind();
            opening.tasks.spawn(format!("listener {}", target.name), async move {
                door.keep_open(first_try).await;
                drop(door);
                drop(closed);
            });
        }
    }

    /// Closes every listener that these targets do not have, and returns when all of them are closed.
    pub async fn close_others(&self, wanted: &[Arc<Target>]) {
        let mut closed = Vec::new();
        self.places().retain(|name, places| {
            let target = wanted.iter().find(|target| target.name == *name);
            let stays = |listen: &Listen| target.is_some_and(|t| places.keeps(t, *listen));
            let goes: Vec<Listen> =
                places.doors.keys().copied().filter(|listen| !stays(listen)).collect();
            closed.extend(goes.into_iter().filter_map(|listen| places.close(listen)));
            target.is_some()
        });
        let all = futures_util::future::join_all(closed.iter().map(CancellationToken::cancelled));
        // A listener that does not close keeps its place, which is then told as taken.
        if timeout(CLOSE_PATIENCE, all).await.is_err() {
            warn!("some listeners did not close in time");
        }
    }

    /// Where a target is found: `127.0.0.1:15432`, `unix:/…`.
    pub fn addresses(&self, target: &str) -> Vec<String> {
        let places = self.places();
        let found = places.get(target).into_iter().flat_map(|places| places.bound.values());
        found.flatten().cloned().collect()
    }

    /// Why a target is not found where it should be.
    pub fn problems(&self, target: &str) -> Vec<Problem> {
        let places = self.places();
        let found = places.get(target).into_iter().flat_map(|places| places.faults.values());
        found.cloned().collect()
    }

    /// What the visitors of a target meet from now on.
    fn serve(&self, served: &Served) -> Arc<Mutex<Served>> {
        let mut places = self.places();
        let places = places.entry(served.target.name.clone()).or_default();
        match &places.serving {
            Some(serving) => {
                *serving.lock().unwrap_or_else(PoisonError::into_inner) = served.clone();
                Arc::clone(serving)
            }
            None => Arc::clone(places.serving.insert(Arc::new(Mutex::new(served.clone())))),
        }
    }

    /// Notes that this listener is being opened, unless it is open; gives what ends it, and what says that it has ended.
    fn begin(
        &self,
        target: &str,
        wanted: Listen,
        opening: &Opening,
    ) -> Option<(CancellationToken, DropGuard)> {
        let mut places = self.places();
        let places = places.entry(target.to_owned()).or_default();
        // One that has given up is tried again.
        if places.doors.get(&wanted).is_some_and(|door| !door.closed.is_cancelled()) {
            return None;
        }
        let (closing, closed) = (opening.closing.child_token(), CancellationToken::new());
        let handle = DoorHandle { closing: closing.clone(), closed: closed.clone() };
        places.doors.insert(wanted, handle);
        Some((closing, closed.drop_guard()))
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<String, Places>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many targets are listened for, in words.
pub fn in_words(targets: usize) -> String {
    match targets {
        0 => "no targets: see bastionctl config path".to_owned(),
        1 => "1 target".to_owned(),
        many => format!("{many} targets"),
    }
}

/// The port that a target's clients use, where it has one.
pub fn port(target: &Target) -> Option<u16> {
    target.listen.iter().find_map(|listen| match listen {
        Listen::Loopback(port) => Some(*port),
        Listen::Address(address) => Some(address.port()),
        Listen::Docker(_) | Listen::Unix => None,
    })
}

/// Where a target is found while a daemon runs: what the config says, in the words of [`Listeners::addresses`].
pub fn meant(target: &Target, engines: &Engines, state_dir: &Path) -> Vec<String> {
    let places = target.listen.iter().flat_map(|listen| match listen {
        Listen::Unix => {
            let engine = engines.known(target).unwrap_or(dbwire::Engine::Other);
            vec![format!("unix:{}", unix::target_socket(state_dir, &target.name, engine).display())]
        }
        Listen::Loopback(_) | Listen::Docker(_) | Listen::Address(_) => {
            sockets(listen).iter().map(SocketAddr::to_string).collect()
        }
    });
    places.collect()
}

/// The addresses that a place stands for, Docker's where there is a bridge.
pub fn sockets(listen: &Listen) -> Vec<SocketAddr> {
    match listen {
        Listen::Loopback(port) => {
            let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            both.map(|ip| SocketAddr::new(ip, *port)).to_vec()
        }
        Listen::Docker(port) => {
            let bridge = shadow::docker_gateway();
            bridge.map(|ip| SocketAddr::new(ip.into(), *port)).into_iter().collect()
        }
        Listen::Address(address) => vec![*address],
        Listen::Unix => Vec::new(),
    }
}

#[derive(Debug, Default)]
struct Places {
    serving: Option<Arc<Mutex<Served>>>,
    doors: BTreeMap<Listen, DoorHandle>,
    bound: BTreeMap<Listen, Vec<String>>,
    faults: BTreeMap<Listen, Problem>,
}

impl Places {
    /// Whether a listener is the same in another config. A Unix socket is named after what the target speaks.
    fn keeps(&self, target: &Target, listen: Listen) -> bool {
        let serving = self.serving.as_ref();
        let was = serving.map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).target.engine);
        let moves = listen == Listen::Unix && was.is_some_and(|was| was != target.engine);
        target.listen.contains(&listen) && !moves
    }

    /// Tells a listener to close; what fires when it has.
    fn close(&mut self, listen: Listen) -> Option<CancellationToken> {
        self.bound.remove(&listen);
        self.faults.remove(&listen);
        let door = self.doors.remove(&listen)?;
        door.closing.cancel();
        Some(door.closed)
    }
}

/// What visitors meet.
#[derive(Clone, Debug)]
struct Served {
    target: Arc<Target>,
    cloud: Arc<dyn Cloud>,
}

/// A listener, to whoever wants it closed.
#[derive(Debug)]
struct DoorHandle {
    closing: CancellationToken,
    closed: CancellationToken,
}

/// One entry of a target's `listen`, from the wish for it to the daemon's end, or to a config without it.
struct Door {
    serving: Arc<Mutex<Served>>,
    wanted: Listen,
    opening: Opening,
    /// Fires when it is to be closed.
    closing: CancellationToken,
    listeners: Listeners,
}

/// What came of trying to bind.
enum Bound {
    Sockets(Vec<Socket>),
    /// Not there, and nobody's fault: Docker is not running.
    NotYet,
    /// In the way now, maybe not for ever.
    Taken(Problem),
    /// It will not come right by itself.
    Never(Problem),
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Door {
    async fn keep_open(&self, mut bound: Bound) {
        loop {
            match bound {
                Bound::Sockets(sockets) => {
                    self.note(sockets.iter().map(Socket::address).collect(), None);
                    self.serve(sockets).await;
                    return self.note(Vec::new(), None);
                }
                Bound::NotYet => self.note(Vec::new(), None),
                Bound::Taken(problem) => self.note(Vec::new(), Some(problem)),
                Bound::Never(problem) => return self.note(Vec::new(), Some(problem)),
            }
            tokio::select! {
                () = sleep(TRY_AGAIN) => bound = self.bind(),
                () = self.closing.cancelled() => return,
            }
        }
    }

    fn bind(&self) -> Bound {
        let port = match self.wanted {
            Listen::Loopback(port) => return self.tcp(tcp::bind_loopback(port)),
            Listen::Address(address) => return self.tcp(tcp::bind(address).map(|one| vec![one])),
            Listen::Unix => return self.unix(),
            Listen::Docker(port) => port,
        };
        match shadow::docker_gateway() {
            None => Bound::NotYet,
            Some(ip) => self.tcp(tcp::bind(SocketAddr::new(ip.into(), port)).map(|one| vec![one])),
        }
    }

    fn tcp(&self, bound: Result<Vec<std::net::TcpListener>, tcp::BindError>) -> Bound {
        let target = &self.target().name;
        match bound {
            Ok(sockets) => {
                let sockets = sockets.into_iter().map(TcpListener::from_std);
                match sockets.map(|socket| socket.map(Socket::Tcp)).collect() {
                    Ok(sockets) => Bound::Sockets(sockets),
                    Err(err) => Bound::Never(self.system(&err)),
                }
            }
            Err(err) => {
                let problem = explain::place_taken(target, &err, err.owner());
                if err.may_pass() { Bound::Taken(problem) } else { Bound::Never(problem) }
            }
        }
    }

    /// Where nobody knows yet what the target speaks, its socket stands under every name that a client may look for.
    fn unix(&self) -> Bound {
        let target = &self.target();
        let engines = match self.opening.house.engines.known(target) {
            Some(engine) => vec![engine],
            None => vec![dbwire::Engine::Postgres, dbwire::Engine::Mysql, dbwire::Engine::Other],
        };
        let mut sockets = Vec::new();
        for engine in engines {
            let path = unix::target_socket(&self.opening.state_dir, &target.name, engine);
            match unix::bind(&path) {
                Ok(socket) => match UnixListener::from_std(socket) {
                    Ok(socket) => sockets.push(Socket::Unix(socket, path)),
                    Err(err) => return Bound::Never(self.system(&err)),
                },
                Err(err) => return Bound::Never(explain::place_taken(&target.name, &err, None)),
            }
        }
        Bound::Sockets(sockets)
    }

    fn system(&self, err: &io::Error) -> Problem {
        explain::place_taken(&self.target().name, err, None)
    }

    async fn serve(&self, sockets: Vec<Socket>) {
        let accepting = sockets.into_iter().map(|socket| async move {
            match socket {
                Socket::Tcp(listener) => self.accept_tcp(listener).await,
                Socket::Unix(listener, path) => {
                    self.accept_unix(listener).await;
                    if let Err(err) = unix::remove(&path) {
                        debug!(%err, "removing the target's socket");
                    }
                }
            }
        });
        futures_util::future::join_all(accepting).await;
    }

    async fn accept_tcp(&self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.closing.cancelled() => return,
            };
            match accepted {
                Ok((local, _)) => {
                    // A query's packets are small, and waited for.
                    if let Err(err) = local.set_nodelay(true) {
                        debug!(%err, "setting TCP_NODELAY");
                    }
                    self.welcome_tcp(local);
                }
                Err(err) => self.accept_failed(&err).await,
            }
        }
    }

    async fn accept_unix(&self, listener: UnixListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.closing.cancelled() => return,
            };
            match accepted {
                Ok((local, _)) => self.welcome_unix(local),
                Err(err) => self.accept_failed(&err).await,
            }
        }
    }

    fn welcome_tcp(&self, local: TcpStream) {
        let (Served { target, cloud }, house) = (self.served(), self.opening.house.clone());
        let listen = self.wanted;
        self.opening.tasks.spawn(format!("visit {}", target.name), async move {
            match peer::of_tcp(&local, listen).await {
                Some(peer) => visit::visit(local, peer, target, cloud, house).await,
                None => debug!(target = target.name, "gone before it was looked at"),
            }
        });
    }

    fn welcome_unix(&self, local: UnixStream) {
        let Served { target, cloud } = self.served();
        let (peer, name) = (peer::of_unix(&local), format!("visit {}", target.name));
        let visit = visit::visit(local, peer, target, cloud, self.opening.house.clone());
        self.opening.tasks.spawn(name, visit);
    }

    fn served(&self) -> Served {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn target(&self) -> Arc<Target> {
        self.served().target
    }

    /// A connection that was gone before it was accepted, or no descriptor left: others may end and free one.
    async fn accept_failed(&self, err: &io::Error) {
        warn!(target = self.target().name, %err, "accepting a visit");
        tokio::select! {
            () = sleep(ACCEPT_AGAIN) => {}
            () = self.closing.cancelled() => {}
        }
    }

    fn note(&self, addresses: Vec<String>, fault: Option<Problem>) {
        let target = &self.target().name;
        let mut places = self.listeners.places();
        // What is no longer in the config has nothing to tell.
        let places =
            places.get_mut(target).filter(|places| places.doors.contains_key(&self.wanted));
        let Some(places) = places.filter(|_| !self.closing.is_cancelled()) else { return };
        places.bound.insert(self.wanted, addresses);
        let events = &self.opening.house.events;
        match (places.faults.remove(&self.wanted), fault) {
            (known, Some(problem)) => {
                if known.as_ref() != Some(&problem) {
                    events.tell_problem(Some(target), EventKind::ProblemFound, &problem);
                }
                places.faults.insert(self.wanted, problem);
            }
            (Some(_), None) => {
                events.tell(Some(target), EventKind::ProblemCleared, "listens where it should");
            }
            (None, None) => {}
        }
    }
}

impl Socket {
    fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "?".to_owned(), |at| at.to_string())
            }
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }
}

/// How long until a port that was taken, or Docker's bridge, is looked at again.
const TRY_AGAIN: Duration = Duration::from_secs(3);

/// How long a listener may take to close: it is told, and does nothing else.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// How long to leave a listener alone that could not accept.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
