//! Why a tunnel did not open, why it ended, and how a stream ended: each by kind, for others to put into words.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ssm_proto::{Misbehaved, Refused, Unsupported};
use thiserror::Error;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::address::BadAddress;
use crate::proxy::ProxyFault;
use crate::resume::Cause;
use crate::sign::Unsignable;

/// Why a tunnel did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The address is not one that the token may be sent to.
    #[error("checking the data channel's address")]
    Address(#[from] BadAddress),
    /// The certificates to trust could not be read.
    #[error("reading the certificates to trust")]
    Roots(#[source] io::Error),
    /// The host's name is unknown, or the host unreachable.
    #[error("connecting to {host}")]
    Connect {
        /// The host that was dialed.
        host: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No TLS could be agreed upon: often something between us and AWS that shows a certificate of its own.
    #[error("agreeing on TLS with {host}")]
    Tls {
        /// The host that was dialed.
        host: String,
        /// Who issued the certificate that was shown, where it was not trusted.
        issuer: Option<String>,
        /// What was wrong, a certificate above all.
        #[source]
        source: io::Error,
    },
    /// The proxy on the way did not let us through.
    #[error("reaching {host} through the proxy {proxy}")]
    Proxy {
        /// The host that was to be dialed.
        host: String,
        /// The proxy's host and port.
        proxy: String,
        /// What went wrong with it.
        #[source]
        fault: ProxyFault,
    },
    /// The upgrade could not be signed.
    #[error("signing the upgrade")]
    Sign(#[from] Unsignable),
    /// The host answered the upgrade with something else than a websocket.
    #[error("asking {host} for a websocket: it answered {status}")]
    Upgrade {
        /// The host that was dialed.
        host: String,
        /// The HTTP status of its answer.
        status: u16,
        /// Its clock, the Date header, to tell a skewed clock by.
        date: Option<String>,
        /// The beginning of what it said.
        body: String,
    },
    /// The connection broke, or spoke something else, before it was a websocket.
    #[error("turning the connection to {host} into a websocket")]
    WebSocket {
        /// The host that was dialed.
        host: String,
        /// What was wrong.
        #[source]
        source: Box<tungstenite::Error>,
    },
    /// Connecting, TLS and upgrade did not end in time.
    #[error("dialing {host}: no websocket after {} s", waited.as_secs_f32())]
    DialDeadline {
        /// The host that was dialed.
        host: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The websocket stands and the token was taken, but the agent never shook hands.
    ///
    /// The likely cause is the limit of sessions per container (two with ECS Exec's agent): the service gives a token for
    /// one session more, and then nobody answers.
    #[error(
        "no handshake from the agent after {} s, as when its limit of sessions is reached",
        waited.as_secs_f32()
    )]
    HandshakeDeadline {
        /// How long was waited.
        waited: Duration,
    },
    /// The channel ended while it was being opened: the agent is too old, or the service closed it, or the socket broke.
    #[error("opening the channel")]
    Closed(#[from] Closed),
}

/// Why a tunnel ended.
#[derive(Clone, Debug, Error)]
pub enum Closed {
    /// We closed it.
    #[error("closed by us")]
    ByUs,
    /// The service ended the session, with the reason it gave; it may be empty.
    #[error("the service ended the session: {output}")]
    ByService {
        /// The service's words, meant to be shown.
        output: String,
    },
    /// The agent wants something that we do not do, or is too old for what we do.
    #[error("the agent does not fit")]
    Unsupported(#[source] Unsupported),
    /// The other side broke the protocol.
    #[error("the other side broke the protocol")]
    Misbehaved(#[source] Misbehaved),
    /// The websocket was lost before the tunnel was open.
    #[error("the websocket is gone")]
    Lost(#[source] Lost),
    /// The websocket was lost, and the service says that the session is over.
    #[error("the session is over: {output}")]
    SessionOver {
        /// The service's words.
        output: String,
        /// How the websocket was lost.
        #[source]
        lost: Lost,
    },
    /// The websocket was lost, and we were away for longer than the service keeps a session.
    #[error("away for {} min, longer than a session is kept", away.as_secs() / 60)]
    AwayTooLong {
        /// How long.
        away: Duration,
        /// How the websocket was lost.
        #[source]
        lost: Lost,
    },
    /// The websocket was lost, and we may not resume the session.
    #[error("resuming the session is not permitted")]
    ResumeRefused {
        /// What the service said.
        #[source]
        cause: Cause,
    },
    /// The driver was dropped before its end.
    #[error("nobody drives the tunnel any more")]
    Undriven,
}

/// How a websocket was lost.
#[derive(Clone, Debug, Error)]
pub enum Lost {
    /// The other side closed it, with what it gave as reason.
    #[error("closed with code {code}: {reason}")]
    Closed {
        /// The websocket's close code; 1005 where none was given.
        code: u16,
        /// The reason; it may be empty.
        reason: String,
    },
    /// The connection ended without a closing frame.
    #[error("the connection ended")]
    Ended,
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] Arc<tungstenite::Error>),
    /// Nothing came for too long: neither the answer to a ping nor an acknowledgement.
    #[error("nothing came for {} s though an answer was due", waited.as_secs_f32())]
    Silent {
        /// How long was waited.
        waited: Duration,
    },
}

/// Why a stream was not opened.
#[derive(Debug, Error)]
pub enum StreamError {
    /// The tunnel has ended.
    #[error("the tunnel has ended")]
    Closed(#[source] Closed),
    /// The channel takes no more streams.
    #[error("opening a stream")]
    Refused(#[source] Refused),
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamEnd {
    /// The destination closed it.
    Finished,
    /// The agent could not reach the destination.
    DialFailed,
    /// The destination gave no sign in time, not even that it cannot be reached.
    NoFirstByte,
    /// We waited long enough for the destination to finish, after our side had.
    Lingered,
    /// The tunnel ended under it.
    TunnelClosed,
}

impl From<ssm_proto::StreamEnd> for StreamEnd {
    fn from(end: ssm_proto::StreamEnd) -> Self {
        match end {
            ssm_proto::StreamEnd::Finished => Self::Finished,
            ssm_proto::StreamEnd::DialFailed => Self::DialFailed,
        }
    }
}

impl From<ssm_proto::Closed> for Closed {
    fn from(closed: ssm_proto::Closed) -> Self {
        match closed {
            ssm_proto::Closed::ByService { output } => Self::ByService { output },
            ssm_proto::Closed::Unsupported(unsupported) => Self::Unsupported(unsupported),
            ssm_proto::Closed::Misbehaved(misbehaved) => Self::Misbehaved(misbehaved),
        }
    }
}

impl From<Option<CloseFrame>> for Lost {
    fn from(frame: Option<CloseFrame>) -> Self {
        frame.map_or(Self::Closed { code: NO_CODE, reason: String::new() }, |frame| Self::Closed {
            code: frame.code.into(),
            reason: frame.reason.to_string(),
        })
    }
}

/// RFC 6455, 7.1.5: the code of a closing frame that holds none.
const NO_CODE: u16 = 1005;
