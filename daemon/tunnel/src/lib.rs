//! The SSM data channel on tokio: one websocket to a bastion, many TCP conversations inside.
//!
//! ```text
//!   visits ──▶ Stream ──▶ Line ─┐                             ┌─▶ socket.rs: address, signature, TLS, websocket
//!              Stream ──▶ Line ─┼─▶ Switchboard ─▶ Driver ────┤
//!              Tunnel ──calls───┘                             └─▶ ssm_proto::Channel, which decides everything
//! ```
//!
//! [`Tunnel::open`] dials, shakes hands and hands its [`Driver`] back, a future for the caller to spawn. A websocket that is
//! lost is replaced by another as long as the session may be alive: streams see a pause, and nothing else.

mod address;
mod budget;
mod comeback;
mod driver;
mod error;
mod grant;
mod line;
mod link;
mod proxy;
mod pulse;
mod resume;
mod sign;
mod socket;
mod stats;
mod stream;
mod switchboard;
mod trust;
mod witness;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;

pub use address::BadAddress;
pub use budget::Budget;
pub use driver::Driver;
pub use error::{Closed, Lost, OpenError, StreamEnd, StreamError};
pub use grant::{Grant, Keys};
pub use proxy::{BadProxy, Proxies, ProxyFault};
pub use resume::{Cause, Clock, Never, Resume, ResumeError, State};
pub use sign::Unsignable;
pub use ssm_proto::{Config as ChannelConfig, Misbehaved, Refused, Unsupported};
pub use stats::Stats;
pub use stream::Stream;
pub use trust::{Roots, Trust};

use driver::Call;
use stats::Meter;

/// One SSM session: a websocket to a bastion for one remote host and port. This is its handle; clone it at will.
///
/// The session ends in order when the last handle is dropped and no stream is left.
#[derive(Clone, Debug)]
pub struct Tunnel {
    calls: mpsc::Sender<Call>,
    fate: watch::Receiver<Option<Closed>>,
    state: watch::Receiver<State>,
    payload: watch::Receiver<Payload>,
    meter: Arc<Meter>,
    streams: Arc<AtomicUsize>,
    agent_version: Arc<str>,
}

/// How a tunnel is opened and kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The VPC endpoints that the site lists, as whole host names; with a port where it is not 443.
    pub extra_hosts: Vec<String>,
    /// Whom TLS trusts. Best the same for all tunnels: its clones share what they read.
    pub trust: Trust,
    /// Which hosts are dialed through which proxy.
    pub proxies: Proxies,
    /// Time for connecting, TLS and upgrade together.
    pub dial: Duration,
    /// Time for the agent to shake hands, once the websocket stands.
    pub handshake: Duration,
    /// Time between two pings while nobody uses the tunnel.
    pub ping: Duration,
    /// How long a stream whose visitor has shut down waits for the destination, since anything moved last.
    pub linger: Duration,
    /// How long the destination's first byte is waited for; see [`FirstByte`].
    pub first_byte_timeout: Duration,
    /// How long the service keeps a session that nobody uses: how long one may be presumed alive while we are away.
    pub idle_limit: Duration,
    /// What all tunnels together may keep for visitors who do not read.
    pub budget: Budget,
    /// What time it is, counting time asleep.
    pub clock: Arc<dyn Clock>,
    /// How the channel behaves.
    pub channel: ChannelConfig,
}

/// When a stream's destination is to give its first sign. A dial that nobody answers makes no sound in the agent, for
/// minutes; the stream is ended then with [`StreamEnd::NoFirstByte`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FirstByte {
    /// Whenever it likes.
    #[default]
    AnyTime,
    /// In time after the visitor's first byte, as PostgreSQL.
    AfterVisitor,
    /// In time after the stream was opened, as MySQL.
    AtOnce,
}

/// How large the messages are that the way to the agent takes, as far as probes have told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Payload {
    /// The largest payload that has arrived; 0 before the first probe.
    pub proven: usize,
    /// The smallest that has not.
    pub failed: Option<usize>,
}

impl Tunnel {
    /// Dials, and waits until the agent has shaken hands. The tunnel goes only while its driver is polled: spawn it.
    ///
    /// `resumer` gives leave to dial again when the websocket is lost.
    pub async fn open(
        grant: Grant,
        options: Options,
        resumer: Arc<dyn Resume>,
    ) -> Result<(Self, Driver), OpenError> {
        let handshake = options.handshake;
        let client_id = Uuid::new_v4();
        let socket = socket::dial(&grant, &options, client_id, driver::wall_time()).await?;
        let (calls, called) = mpsc::channel(CALLS);
        let (mut driver, told) = Driver::new(socket, (&grant, client_id), options, resumer, called);
        let agent_version = match timeout(handshake, driver.open()).await {
            Ok(opened) => opened?,
            Err(_elapsed) => {
                let lost = driver.lost().cloned();
                let deadline = OpenError::HandshakeDeadline { waited: handshake };
                return Err(lost.map_or(deadline, |lost| OpenError::Closed(Closed::Lost(lost))));
            }
        };
        let driver::Told { fate, state, payload, meter, streams } = told;
        let agent_version = agent_version.into();
        Ok((Self { calls, fate, state, payload, meter, streams, agent_version }, driver))
    }

    /// Opens a stream. The agent dials the destination then; whether it got there shows in the stream.
    pub async fn open_stream(&self, first: FirstByte) -> Result<Stream, StreamError> {
        let (answer, answered) = oneshot::channel();
        if self.calls.send(Call::OpenStream(first, answer)).await.is_err() {
            return Err(StreamError::Closed(self.closed().await));
        }
        match answered.await {
            Ok(opened) => opened,
            Err(_dropped) => Err(StreamError::Closed(self.closed().await)),
        }
    }

    /// Waits for the end, and tells why it came.
    pub async fn closed(&self) -> Closed {
        match self.fate.clone().wait_for(Option::is_some).await {
            Ok(told) => told.clone().unwrap_or(Closed::Undriven),
            Err(_dropped) => Closed::Undriven,
        }
    }

    /// Whether the tunnel has ended.
    pub fn is_closed(&self) -> bool {
        self.fate.borrow().is_some()
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// How the tunnel is, now and whenever that changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// What probes have told of the size of messages, now and whenever that changes.
    pub fn payload(&self) -> watch::Receiver<Payload> {
        self.payload.clone()
    }

    /// How much it moves now, and for whom.
    pub fn stats(&self) -> Stats {
        self.meter.stats(self.streams(), driver::now().instant)
    }

    /// Keeps the session alive though nobody uses it, or no longer.
    pub async fn keep(&self, keep: bool) {
        let _ended_already = self.calls.send(Call::Keep(keep)).await;
    }

    /// Has the websocket show that it is alive, and replaced unless it does so within two seconds: for when the machine
    /// was asleep. A tunnel that is waiting to dial again does so at once.
    pub async fn prove(&self) {
        let _ended_already = self.calls.send(Call::Prove).await;
    }

    /// The agent's version, four numbers with dots.
    pub fn agent_version(&self) -> &str {
        &self.agent_version
    }

    /// Ends the session in order: the agent is told and has acknowledged it, then the websocket is closed; streams that
    /// are still there are cut. Returns after a few seconds at most, whoever does not answer.
    pub async fn close(&self) {
        let closing = async {
            let _ended_already = self.calls.send(Call::Close).await;
            let mut fate = self.fate.clone();
            while fate.changed().await.is_ok() {}
        };
        let _in_time = timeout(CLOSE, closing).await;
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            extra_hosts: Vec::new(),
            trust: Trust::default(),
            proxies: Proxies::default(),
            dial: socket::DIAL,
            handshake: HANDSHAKE,
            ping: PING,
            linger: LINGER,
            first_byte_timeout: FIRST_BYTE,
            idle_limit: IDLE_LIMIT,
            budget: Budget::default(),
            clock: Arc::new(driver::AwakeClock),
            channel: ChannelConfig::default(),
        }
    }
}

/// Time for the agent to shake hands: as long as it waits for our half of it itself.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// Time between two pings, as Amazon's plugin.
const PING: Duration = Duration::from_secs(300);

/// How long the destination may be silent once its visitor has shut down: longer than an answer on its way, shorter than
/// a person waits before trying again.
const LINGER: Duration = Duration::from_secs(30);

/// How long the first byte of a destination is waited for: twice the slowest that a healthy database takes under load.
const FIRST_BYTE: Duration = Duration::from_secs(10);

/// How long the service keeps an idle session unless an account has another preference; that of ECS Exec cannot be changed.
const IDLE_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Longest that closing takes: a farewell from the agent and one from the service, and some for the way.
const CLOSE: Duration = driver::FAREWELL.saturating_mul(3);

/// Calls that may wait for the driver; whoever makes one more waits to make it.
const CALLS: usize = 64;
