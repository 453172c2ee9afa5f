//! The listeners that the config wants: each accepts at once, and starts nothing until someone visits.
//!
//! ```text
//!   bind ──▶ accept ──▶ visit      one task a visit, told in visit.rs
//!    │ taken, or not there yet
//!    └─▶ a problem of this target alone; tried again until it is free
//! ```

mod engines;
mod pipe;
mod roster;
pub mod shadow;
pub mod tcp;
pub mod unix;
mod visit;
mod visitor;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bastion_api::{EventKind, Problem};
use bastion_cloud::Cloud;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::config::{Listen, Target};
use crate::explain;
use crate::tasks::Tasks;

pub use engines::Engines;
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
    /// Opens every listener of a target: those that can be bound are bound when this returns.
    pub fn open(&self, target: &Arc<Target>, cloud: &Arc<dyn Cloud>, opening: &Opening) {
        for wanted in &target.listen {
            let door = Door {
                target: Arc::clone(target),
                cloud: Arc::clone(cloud),
                wanted: *wanted,
                opening: opening.clone(),
                listeners: self.clone(),
            };
            let first_try = door.bind();
            opening.tasks.spawn(format!("listener {}", target.name), door.keep_open(first_try));
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

    fn places(&self) -> MutexGuard<'_, BTreeMap<String, Places>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

#[derive(Debug, Default)]
struct Places {
    bound: BTreeMap<Listen, Vec<String>>,
    faults: BTreeMap<Listen, Problem>,
}

/// One entry of a target's `listen`, from the wish for it to the daemon's end.
struct Door {
    target: Arc<Target>,
    cloud: Arc<dyn Cloud>,
    wanted: Listen,
    opening: Opening,
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
    async fn keep_open(self, mut bound: Bound) {
        let closing = self.opening.closing.clone();
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
                () = closing.cancelled() => return,
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
        let target = &self.target.name;
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
        let target = &self.target;
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
        explain::place_taken(&self.target.name, err, None)
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
                () = self.opening.closing.cancelled() => return,
            };
            match accepted {
                Ok((local, _)) => {
                    // A query's packets are small, and waited for.
                    if let Err(err) = local.set_nodelay(true) {
                        debug!(%err, "setting TCP_NODELAY");
                    }
                    self.welcome(local);
                }
                Err(err) => self.accept_failed(&err).await,
            }
        }
    }

    async fn accept_unix(&self, listener: UnixListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.opening.closing.cancelled() => return,
            };
            match accepted {
                Ok((local, _)) => self.welcome(local),
                Err(err) => self.accept_failed(&err).await,
            }
        }
    }

    fn welcome<L: AsyncRead + AsyncWrite + Send + Unpin + 'static>(&self, local: L) {
        let Self { target, cloud, opening, .. } = self;
        let visit = visit::visit(local, target.clone(), cloud.clone(), opening.house.clone());
        opening.tasks.spawn(format!("visit {}", target.name), visit);
    }

    /// A connection that was gone before it was accepted, or no descriptor left: others may end and free one.
    async fn accept_failed(&self, err: &io::Error) {
        warn!(target = self.target.name, %err, "accepting a visit");
        tokio::select! {
            () = sleep(ACCEPT_AGAIN) => {}
            () = self.opening.closing.cancelled() => {}
        }
    }

    fn note(&self, addresses: Vec<String>, fault: Option<Problem>) {
        let target = &self.target.name;
        let mut places = self.listeners.places();
        let places = places.entry(target.clone()).or_default();
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

/// How long to leave a listener alone that could not accept.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
