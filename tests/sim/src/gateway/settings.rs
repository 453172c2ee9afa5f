//! What can be altered about the message gateway and its agents, at any time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::AgentSettings;
use crate::seconds;

/// How the gateway behaves; [`super::Gateway::alter`] changes it for sessions that exist, too.
///
/// As JSON, times are seconds: `{"session_idle": 1.5, "bye_every": null, "up": {"loss": 0.01}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewaySettings {
    /// A session in which no stream data passed for so long is ended. AWS: 20 minutes unless set, 1 to 60.
    #[serde(with = "seconds")]
    pub session_idle: Duration,
    /// Each client's websocket is closed with 1000 "Bye" after so long. AWS: about an hour.
    #[serde(with = "seconds::option")]
    pub bye_every: Option<Duration>,
    /// How many sessions one container's agent serves. The ecs-agent's default is 2.
    pub sessions_per_container: usize,
    /// Binary messages above so many bytes are not taken from a client.
    pub payload_limit: Option<PayloadLimit>,
    /// While on, a client's new connection gets no answer, as where a network swallows everything; it goes on when this
    /// is over.
    pub dials_hang: bool,
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

impl GatewaySettings {
    /// These with a JSON merge patch (RFC 7396) applied.
    pub fn patched(&self, patch: serde_json::Value) -> Result<Self, serde_json::Error> {
        let mut whole = serde_json::to_value(self)?;
        crate::world::merge(&mut whole, patch);
        // What a patch deletes takes its default, but for this, where null says never.
        if let Some(settings) = whole.as_object_mut() {
            settings.entry("bye_every").or_insert(serde_json::Value::Null);
        }
        serde_json::from_value(whole)
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            session_idle: Duration::from_secs(20 * 60),
            bye_every: Some(Duration::from_secs(60 * 60)),
            sessions_per_container: 2,
            payload_limit: None,
            dials_hang: false,
            up: WireSettings::default(),
            down: WireSettings::default(),
            record: 4096,
            agent: AgentSettings::default(),
            hosts: BTreeMap::new(),
        }
    }
}

/// What happens to the frames of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WireSettings {
    /// How late each frame arrives.
    #[serde(with = "seconds")]
    pub delay: Duration,
    /// How much later each frame may arrive by chance. It holds up those behind it, as TCP does.
    #[serde(with = "seconds")]
    pub jitter: Duration,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadLimit {
    /// The largest message that passes, headers included.
    pub bytes: usize,
    /// What happens to a larger one.
    pub kind: PayloadLimitKind,
}

/// What happens to a message above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadLimitKind {
    /// The websocket is closed with 1009.
    Close,
    /// It vanishes.
    Drop,
}
