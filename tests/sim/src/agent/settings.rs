//! What can be altered about an agent.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::seconds;

/// How an agent behaves; taken when its session's worker starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSettings {
    /// The version that its handshake request tells.
    pub version: String,
    /// How much of its smux stream it puts into one message. The real one reads 1024 bytes at a time.
    pub message_bytes: usize,
    /// How long it rests after each message; zero switches the pacing off.
    #[serde(with = "seconds")]
    pub pause: Duration,
    /// How long it waits for the handshake response.
    #[serde(with = "seconds")]
    pub handshake_limit: Duration,
    /// Start race (a): how long after its "complete" early data is acknowledged and thrown away.
    #[serde(with = "seconds")]
    pub deaf: Duration,
    /// Start race (b): how long after that early data is ignored, until the smux server stands.
    #[serde(with = "seconds")]
    pub preparing: Duration,
    /// The share of messages that it stores only after their acknowledgement may have come, 0 to 1: such an
    /// acknowledgement is forgotten.
    pub late_store: f64,
    /// How long the worker lives on after its session.
    #[serde(with = "seconds")]
    pub linger: Duration,
    /// How long after the worker's start the session's data channel is opened.
    #[serde(with = "seconds")]
    pub start_delay: Duration,
    /// Addresses that it refuses to forward to beside its own list, as it does those of the task's subnet.
    pub forbidden: Vec<IpAddr>,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self {
            version: "3.3.0.0".to_owned(), // what the recorded agent reports
            message_bytes: 1024,
            pause: MEASURED_PAUSE,
            handshake_limit: Duration::from_secs(15),
            deaf: Duration::from_micros(20),
            preparing: Duration::from_millis(3),
            late_store: 0.0,
            linger: Duration::from_secs(3), // sessionworker/main.go: the last logs are flushed
            start_delay: Duration::ZERO,
            forbidden: Vec::new(),
        }
    }
}

/// The agent sleeps 1 ms after each message; with its own work and its timers 1.33 to 1.5 ms were measured.
const MEASURED_PAUSE: Duration = Duration::from_micros(1400);
