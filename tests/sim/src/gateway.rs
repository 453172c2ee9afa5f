//! The message gateway between clients and agents, as ssmmessages is.
//!
//! ```text
//!   StartSession ─► open ─┬─► token ─► client's websocket ─┐
//!                         │                                ├─► session: two wires, one task
//!                         └─► worker ─► agent's websocket ─┘       │
//!                             (CreateDataChannel: a token)         ├─ idle limit, worker's end, TerminateSession
//!   ResumeSession ─► resume ─► another token                       └─► channel_closed to both
//! ```
//!
//! A session is one task that owns both websockets (`session`); this is its register, and `door` lets websockets in.

#![expect(clippy::disallowed_methods, reason = "a simulator's own tasks end with it, in real time")]

mod bare;
mod door;
mod mishap;
mod peer;
mod record;
mod session;
mod settings;
mod wire;
mod words;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use self::record::Facts;
use self::session::{Command, Session};
use crate::agent::Order;
use crate::container::Container;

pub use bare::{Bare, BareEnd};
pub use mishap::Mishap;
pub use record::{Counters, Direction, FrameKind, FrameRecord, SessionView};
pub use settings::{GatewaySettings, PayloadLimit, PayloadLimitKind, WireSettings};

/// Judges a client's upgrade: its signature for the service `ssmmessages`.
pub type Verify = Box<dyn Fn(&Parts) -> Result<(), Refused> + Send + Sync>;

/// How an upgrade is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status.
    pub status: StatusCode,
    /// The answer's body.
    pub body: String,
}

/// What a session is opened for.
#[derive(Clone, Debug)]
pub struct SessionSpec {
    /// Its id.
    pub id: String,
    /// The task that serves it, by a name of the caller's choice; sessions are counted by it.
    pub task: String,
    /// The container in which its worker runs.
    pub container: Container,
    /// The remote host.
    pub host: String,
    /// The remote port.
    pub port: String,
    /// The client's local port, which the agent only repeats.
    pub local_port: String,
}

/// The message gateway; when the last clone is gone, its sessions end without a word.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    _end: Arc<DropGuard>,
}

/// What the gateway and its sessions share.
struct Shared {
    endpoint: String,
    settings: watch::Sender<GatewaySettings>,
    verify: Verify,
    sessions: Mutex<BTreeMap<String, Entry>>,
    /// Marked whenever a session changes its state.
    changed: watch::Sender<()>,
    end: CancellationToken,
}

/// One session, as the register knows it.
struct Entry {
    commands: mpsc::UnboundedSender<Command>,
    facts: Arc<Facts>,
    client_tokens: HashSet<String>,
    agent_tokens: HashSet<String>,
    secret: String,
}

impl Gateway {
    /// A gateway that clients and agents reach at `endpoint` (`http://127.0.0.1:PORT`), served by [`Gateway::router`].
    pub fn new(endpoint: impl Into<String>, settings: GatewaySettings, verify: Verify) -> Self {
        let end = CancellationToken::new();
        let shared = Shared {
            endpoint: endpoint.into(),
            settings: watch::Sender::new(settings),
            verify,
            sessions: Mutex::default(),
            changed: watch::Sender::new(()),
            end: end.clone(),
        };
        Self { shared: Arc::new(shared), _end: Arc::new(end.drop_guard()) }
    }

    /// The data channels' paths, for connections that hyper's HTTP/1 serves on plain TCP streams: sessions cut them.
    pub fn router(&self) -> axum::Router {
        door::router(self.clone())
    }

    /// The settings as they are.
    pub fn settings(&self) -> GatewaySettings {
        self.shared.settings.borrow().clone()
    }

    /// Changes the settings, for sessions that exist, too (but an agent keeps what its worker started with).
    pub fn alter(&self, change: impl FnOnce(&mut GatewaySettings)) {
        self.shared.settings.send_modify(change);
        for entry in self.register().values() {
            // One that is over needs no settings.
            entry.commands.send(Command::Altered).ok();
        }
    }

    /// Opens a session, starts its worker and says the client's first token. A container that has its fill of sessions
    /// starts no worker: the token is good, and nobody ever answers. Needs a tokio runtime.
    pub fn open(&self, spec: SessionSpec) -> String {
        let facts = Arc::new(Facts::new(&spec, self.shared.changed.clone()));
        let (commands, orders) = mpsc::unbounded_channel();
        let token = new_token("client");
        let secret = new_token("agent");
        let settings = self.settings();
        let order = Order {
            gateway: self.shared.endpoint.clone(),
            secret: secret.clone(),
            host: spec.host,
            port: spec.port,
            local_port: spec.local_port,
            hosts: settings.hosts,
            agent: settings.agent,
            seed: Uuid::new_v4().as_u64_pair().0,
        };
        let entry = Entry {
            commands: commands.clone(),
            facts: Arc::clone(&facts),
            client_tokens: HashSet::from([token.clone()]),
            agent_tokens: HashSet::new(),
            secret,
        };
        let serving = {
            let mut sessions = self.register();
            let on_task = |entry: &&Entry| {
                let view = entry.facts.view();
                view.worker && view.task == spec.task
            };
            let serving =
                sessions.values().filter(on_task).count() < settings.sessions_per_container;
            facts.set_worker(serving);
            sessions.insert(spec.id.clone(), entry);
            serving
        };
        let worker = serving.then_some((spec.container, order));
        let session = Session::new(facts, self.shared.settings.subscribe(), orders);
        let end = self.shared.end.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = session.run(worker, commands) => {}
            }
        });
        token
    }

    /// Another token for a session; None where it is over or was never there.
    pub fn resume(&self, id: &str) -> Option<String> {
        self.with(id, |entry| {
            let token = new_token("client");
            entry.client_tokens.insert(token.clone());
            token
        })
    }

    /// Ends a session: `output` is the reason that the client is told. False where there is no such session.
    pub fn terminate(&self, id: &str, output: &str) -> bool {
        self.order(id, Command::End(output.to_owned()))
    }

    /// Ends the sessions of a task that is gone.
    pub fn end_of_task(&self, task: &str) {
        for entry in self.register().values() {
            if entry.facts.view().task == task {
                entry.commands.send(Command::End(String::new())).ok();
            }
        }
    }

    /// Every session there is or was, in the order of their ids.
    pub fn sessions(&self) -> Vec<SessionView> {
        self.register().values().map(|entry| entry.facts.view()).collect()
    }

    /// One session, as it stands.
    pub fn session(&self, id: &str) -> Option<SessionView> {
        self.register().get(id).map(|entry| entry.facts.view())
    }

    /// The latest frames of a session, oldest first.
    pub fn record(&self, id: &str) -> Vec<FrameRecord> {
        self.register().get(id).map_or_else(Vec::new, |entry| entry.facts.record())
    }

    /// Waits until a session's view holds, and says whether it came to that within `limit`.
    pub async fn until(
        &self,
        limit: Duration,
        id: &str,
        holds: impl Fn(&SessionView) -> bool,
    ) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let wait = async {
            while !self.session(id).is_some_and(|view| holds(&view)) {
                if changed.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }

    /// Ends everything, now.
    pub fn stop(&self) {
        self.shared.end.cancel();
    }

    /// Waits while new connections get no answer.
    async fn while_dials_hang(&self) {
        let mut settings = self.shared.settings.subscribe();
        // The sender lives as long as we do.
        settings.wait_for(|settings| !settings.dials_hang).await.ok();
    }

    fn order(&self, id: &str, command: Command) -> bool {
        self.with(id, |entry| entry.commands.send(command).is_ok()).unwrap_or(false)
    }

    /// Does something with a session that is not over.
    fn with<T>(&self, id: &str, act: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut sessions = self.register();
        let entry = sessions.get_mut(id)?;
        if entry.facts.view().ended.is_some() {
            return None;
        }
        Some(act(entry))
    }

    fn register(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Entry>> {
        // Nothing that holds the lock panics half-way through a change.
        self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("endpoint", &self.shared.endpoint).finish_non_exhaustive()
    }
}

/// An opaque word; the real service's are some hundred characters long.
fn new_token(side: &str) -> String {
    let words: String = (0..4).map(|_| Uuid::new_v4().simple().to_string()).collect();
    format!("{side}-{words}")
}
