//! How a channel and its streams are doing at the moment.

use std::time::Instant;

/// How a channel is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stats {
    /// How many streams there are, those included that the agent has not answered the end of.
    pub streams: usize,
    /// What it costs to keep what came and was not read yet, in bytes.
    pub unread: usize,
    /// How many of our messages are not acknowledged.
    pub unacknowledged: usize,
    /// The bytes of their payloads.
    pub unacknowledged_bytes: usize,
    /// When the oldest of them was sent first.
    pub oldest_unacknowledged: Option<Instant>,
    /// How much payload a message with data may carry now.
    pub payload_size: usize,
    /// How many bytes of streams were sent, ever; nothing is counted twice.
    pub bytes_sent: u64,
    /// How many bytes of streams came, ever; nothing is counted twice.
    pub bytes_received: u64,
}

/// How one stream is doing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StreamStats {
    /// Whether the agent has sent a byte of it, ever: the destination was reached.
    pub answered: bool,
    /// What it costs to keep what came and was not read yet, in bytes.
    pub unread: usize,
    /// Whether so much of it is unread that the whole channel waits for its reader.
    pub full: bool,
    /// How many bytes wait to be sent.
    pub unsent: usize,
    /// How many bytes were sent and are not acknowledged.
    pub unacknowledged: usize,
    /// How many bytes were sent since the destination last sent one. Nothing tells how many of them it
    /// has read: beyond 4 MiB a destination that has stopped reading stalls the whole session.
    pub unanswered: u64,
}
