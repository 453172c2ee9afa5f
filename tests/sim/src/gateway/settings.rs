//! What can be altered about the message gateway and its agents, at any time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agent::AgentSettings;

/// How the gateway behaves; [`super::Gateway::alter`] changes it for sessions that exist, too.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewaySettings {
    /// A session in which no stream data passed for so long is ended. AWS: 20 minutes unless set, 1 to 60.
    pub session_idle: Duration,
    /// Each client's websocket is closed with 1000 "Bye" after so long. AWS: about an hour.
    pub bye_every: Option<Duration>,
    /// How many sessions one container's agent serves. The ecs-agent's default is 2.
    pub sessions_per_container: usize,
    /// Binary messages above so many bytes are not taken from a client.
    pub payload_limit: Option<PayloadLimit>,
    /// What happens to frames on their way from the client to the agent.
    pub up: WireSettings,
    /// What happens to frames on their way from the agent to the client.
    pub down: WireSettings,
    /// How many of a session's latest frames are kept in its record.
    pub record: usize,
    /// How the agents behave whose sessions begin from now on.
    pub agent: AgentSettings,
    /// The VPC's names and routes: `host:port` as the person asked for it → a local address. What is not in here is
    /// looked up as the machine looks it up.
    pub hosts: BTreeMap<String, String>,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            session_idle: Duration::from_secs(20 * 60),
            bye_every: Some(Duration::from_secs(60 * 60)),
            sessions_per_container: 2,
            payload_limit: None,
            up: WireSettings::default(),
            down: WireSettings::default(),
            record: 4096,
            agent: AgentSettings::default(),
            hosts: BTreeMap::new(),
        }
    }
}

/// What happens to the frames of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WireSettings {
    /// How late each frame arrives.
    pub delay: Duration,
    /// The share of frames that vanish, 0 to 1.
    pub loss: f64,
    /// The share of frames that arrive twice.
    pub doubling: f64,
    /// The share of frames that are overtaken by the next one.
    pub reordering: f64,
    /// The most bytes a second that pass.
    pub rate: Option<u64>,
}

/// The largest binary message, and what happens to a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadLimit {
    /// The largest message that passes, headers included.
    pub bytes: usize,
    /// What happens to a larger one.
    pub kind: PayloadLimitKind,
}

/// What happens to a message above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadLimitKind {
    /// The websocket is closed with 1009.
    Close,
    /// It vanishes.
    Drop,
}
