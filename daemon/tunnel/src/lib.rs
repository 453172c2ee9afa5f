//! The SSM data channel on tokio: one websocket to a bastion, many TCP conversations inside.
//!
//! ```text
//!   visits ──▶ Stream ──▶ Line ─┐                             ┌─▶ socket.rs: address, signature, TLS, websocket
//!              Stream ──▶ Line ─┼─▶ Switchboard ─▶ Driver ────┤
//!              Tunnel ──calls───┘                             └─▶ ssm_proto::Channel, which decides everything
//! ```
//!
//! [`Tunnel::open`] dials, shakes hands and hands its [`Driver`] back, a future for the caller to spawn. A lost socket
//! ends the tunnel with its reason.

mod address;
mod driver;
mod error;
mod grant;
mod line;
mod sign;
mod socket;
mod stream;
mod switchboard;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;

pub use address::BadAddress;
pub use driver::Driver;
pub use error::{Closed, Lost, OpenError, StreamEnd, StreamError};
pub use grant::{Grant, Keys};
pub use sign::Unsignable;
pub use ssm_proto::{Config as ChannelConfig, Misbehaved, Refused, Unsupported};
pub use stream::Stream;

use driver::Call;

/// One SSM session: a websocket to a bastion for one remote host and port. This is its handle; clone it at will.
///
/// The session ends in order when the last handle is dropped and no stream is left.
#[derive(Clone, Debug)]
pub struct Tunnel {
    calls: mpsc::Sender<Call>,
    fate: watch::Receiver<Option<Closed>>,
    streams: Arc<AtomicUsize>,
    agent_version: Arc<str>,
}

/// How a tunnel is opened and kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The VPC endpoints that the site lists, as whole host names; with a port where it is not 443.
    pub extra_hosts: Vec<String>,
    /// Whom TLS trusts.
    pub roots: Roots,
    /// Time for connecting, TLS and upgrade together.
    pub dial: Duration,
    /// Time for the agent to shake hands, once the websocket stands.
    pub handshake: Duration,
    /// Time between two pings.
    pub ping: Duration,
    /// How long a stream whose visitor has shut down waits for the destination, since anything moved last.
    pub linger: Duration,
    /// How the channel behaves.
    pub channel: ChannelConfig,
}

/// Whom TLS trusts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Roots {
    /// Whom the system trusts.
    #[default]
    System,
    /// The certificates in a PEM file, and nobody else.
    Bundle(PathBuf),
}

impl Tunnel {
    /// Dials, and waits until the agent has shaken hands. The tunnel goes only while its driver is polled: spawn it.
    pub async fn open(grant: Grant, options: Options) -> Result<(Self, Driver), OpenError> {
        let socket = socket::dial(&grant, &options, Uuid::new_v4(), driver::wall_time()).await?;
        let (calls, called) = mpsc::channel(CALLS);
        let streams = Arc::new(AtomicUsize::new(0));
        let (mut driver, fate) = Driver::new(socket, &options, called, Arc::clone(&streams));
        let agent_version = timeout(options.handshake, driver.open())
            .await
            .map_err(|_elapsed| OpenError::HandshakeDeadline { waited: options.handshake })??;
        Ok((Self { calls, fate, streams, agent_version: agent_version.into() }, driver))
    }

    /// Opens a stream. The agent dials the destination then; whether it got there shows in the stream.
    pub async fn open_stream(&self) -> Result<Stream, StreamError> {
        let (answer, answered) = oneshot::channel();
        if self.calls.send(Call::OpenStream(answer)).await.is_err() {
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
            roots: Roots::System,
            dial: socket::DIAL,
            handshake: HANDSHAKE,
            ping: PING,
            linger: LINGER,
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

/// Longest that closing takes: a farewell from the agent and one from the service, and some for the way.
const CLOSE: Duration = driver::FAREWELL.saturating_mul(3);

/// Calls that may wait for the driver; whoever makes one more waits to make it.
const CALLS: usize = 64;
