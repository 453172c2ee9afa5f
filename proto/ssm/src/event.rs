//! What a [`Channel`](crate::Channel) is told and tells: time in; events, timers and ends out.

use std::fmt;
use std::time::Instant;

use crate::error::{Misbehaved, Unsupported};

/// The time, twice: one that only goes forward, and one to write into messages.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For all that is measured.
    pub instant: Instant,
    /// Milliseconds since 1970, for the messages.
    pub unix_ms: u64,
}

/// A stream's number within its channel: odd, from 3 on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(pub u32);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What happened that the user of a channel must know.
#[derive(Clone, Debug)]
pub enum Event {
    /// The handshake is complete: streams can be opened.
    Opened {
        /// The agent's version.
        agent_version: String,
    },
    /// There is something to read where there was nothing.
    Readable(StreamId),
    /// There is room to write where there was too little.
    Writable(StreamId),
    /// The agent has closed the stream. What came before can still be read; nothing can be written.
    StreamEnded(StreamId, StreamEnd),
    /// Messages with so many bytes of payload go through on this websocket, and are sent from now on.
    PayloadSize(usize),
    /// A message with so many bytes of payload did not go through: it was lost, or the websocket with
    /// it. Such messages are not tried again on this channel. No data were in it.
    ProbeFailed(usize),
    /// The agent has acknowledged everything, our ending the session last.
    Terminated,
    /// The channel is over. What came before can still be read; what is still to be sent (a refusal
    /// that the agent should see) comes out of `poll_send` as before.
    Closed(Closed),
}

/// How a stream ended at the agent's end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamEnd {
    /// It was closed, by either end.
    Finished,
    /// The agent could not reach the destination; what was written is lost.
    DialFailed,
}

/// Why a channel is over.
#[derive(Clone, Debug)]
pub enum Closed {
    /// The service says so.
    ByService {
        /// Its reason; empty where it gives none.
        output: String,
    },
    /// The session is one that we cannot carry on.
    Unsupported(Unsupported),
    /// The other side sent what makes no sense.
    Misbehaved(Misbehaved),
}

/// What [`Channel::timeout`](crate::Channel::timeout) is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Timer {
    /// A message should have been acknowledged by then.
    Resend,
    /// An old agent wants to hear from us.
    Keepalive,
    /// The pause that the service asked for has lasted long enough.
    Pause,
}

/// What a channel has counted since it began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Messages that were no messages, or made no sense where they came; they were ignored.
    pub ignored: u64,
    /// Numbered messages that came a second time; they were acknowledged again.
    pub repeated: u64,
    /// Numbered messages that had no room; they were not acknowledged, so the agent sends them again.
    pub refused: u64,
    /// Numbered messages that we sent again.
    pub resent: u64,
    /// Bytes that came for streams that are not there.
    pub stray_bytes: u64,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Now;

    /// Some moment to count from.
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
    pub(crate) fn now() -> Now {
        Now { instant: std::time::Instant::now(), unix_ms: 1_700_000_000_000 }
    }
}
