//! How a simulated AWS is set up: every field has a default, and all of it can be written as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::between::Between;
use crate::faults::Fault;

/// Everything a simulator is told before it starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimConfig {
    /// The loopback port to listen on; 0 takes a free one.
    pub port: u16,
    /// The one region that exists.
    pub region: String,
    /// The account that owns everything.
    pub account: String,
    /// The access keys that are known, the first of which [`crate::Sim::env`] hands out.
    pub keys: Vec<Key>,
    /// How many times as fast as life all waits pass.
    pub speed: f64,
    /// How far this cloud's time of day is ahead of the machine's.
    pub clock_offset_seconds: i64,
    /// How long each step of a task's life takes.
    pub timings: Timings,
    /// How the data channel behaves.
    pub session: SessionSettings,
    /// The VPC's name service and routes in one: what a session's worker dials for `host:port`.
    pub hosts: BTreeMap<String, String>,
    /// The program that plays the agent's session worker; else this program, or `bastion-sim` beside it.
    pub worker_exe: Option<PathBuf>,
    /// The most entries on one page of any list, whatever the caller asks for.
    pub page_size: usize,
    /// Merged (as RFC 7396 merges) over the default world.
    pub world: serde_json::Value,
    /// Faults that stand from the first call on.
    pub faults: Vec<Fault>,
    /// What stands between a caller and this cloud.
    pub between: Option<Between>,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            port: 0,
            region: "ap-northeast-1".to_owned(),
            account: "123456789012".to_owned(),
            keys: vec![Key::default()],
            speed: 1.0,
            clock_offset_seconds: 0,
            timings: Timings::default(),
            session: SessionSettings::default(),
            hosts: BTreeMap::new(),
            worker_exe: None,
            page_size: 100,
            world: serde_json::Value::Null,
            faults: Vec::new(),
            between: None,
        }
    }
}

/// An access key and whom it belongs to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Key {
    /// `AKIA…`, or `ASIA…` for a temporary one.
    pub access_key_id: String,
    /// What signs.
    pub secret_access_key: String,
    /// What a temporary key must send along.
    pub session_token: Option<String>,
    /// The name of the IAM user, or `role/session` of an assumed role.
    pub user: String,
    /// When a temporary key ends, in milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

impl Default for Key {
    fn default() -> Self {
        Self {
            access_key_id: "AKIASIMULATEDKEY0001".to_owned(),
            secret_access_key: "simulated/secret+access/key0000000000001".to_owned(),
            session_token: None,
            user: "dev".to_owned(),
            expires_ms: None,
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"***")
            .field("user", &self.user)
            .field("expires_ms", &self.expires_ms)
            .finish_non_exhaustive()
    }
}

/// How long each step of a task's life takes, in milliseconds of model time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timings {
    /// PROVISIONING: the network interface is attached.
    pub provisioning_ms: u64,
    /// PENDING: the image is pulled.
    pub pulling_ms: u64,
    /// From RUNNING to the managed agent's RUNNING.
    pub agent_ms: u64,
    /// From the managed agent's RUNNING to its connection, until which StartSession says TargetNotConnected.
    pub connecting_ms: u64,
    /// How far ListTasks and DescribeTasks lag behind.
    pub list_lag_ms: u64,
    /// DEPROVISIONING: the network interface is taken away.
    pub stopping_ms: u64,
    /// How long a container has between TERM and KILL unless its definition says otherwise.
    pub stop_timeout_ms: u64,
    /// How long a service takes to notice that a task is missing.
    pub scheduler_ms: u64,
}

impl Default for Timings {
    /// Short enough for tests, long enough that every state is seen.
    fn default() -> Self {
        Self {
            provisioning_ms: 150,
            pulling_ms: 200,
            agent_ms: 150,
            connecting_ms: 150,
            list_lag_ms: 100,
            stopping_ms: 100,
            stop_timeout_ms: 2_000,
            scheduler_ms: 100,
        }
    }
}

impl Timings {
    /// About what Fargate takes for a small image.
    pub fn fargate() -> Self {
        Self {
            provisioning_ms: 8_000,
            pulling_ms: 14_000,
            agent_ms: 4_000,
            connecting_ms: 3_000,
            list_lag_ms: 1_500,
            stopping_ms: 10_000,
            stop_timeout_ms: 30_000,
            scheduler_ms: 5_000,
        }
    }

    /// As short as can be, for tests that live through hundreds of tasks.
    pub fn quick() -> Self {
        Self {
            provisioning_ms: 20,
            pulling_ms: 20,
            agent_ms: 20,
            connecting_ms: 20,
            list_lag_ms: 20,
            stopping_ms: 20,
            stop_timeout_ms: 500,
            scheduler_ms: 20,
        }
    }

    pub(crate) fn list_lag(&self) -> Duration {
        Duration::from_millis(self.list_lag_ms)
    }
}

/// How sessions and their data channels behave.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSettings {
    /// A session without a client's input for so long is ended by the service.
    pub idle_ms: u64,
    /// Every websocket is closed with "Bye" after so long; 0 never.
    pub bye_every_ms: u64,
    /// Each message is this late, one way.
    pub delay_ms: u64,
    /// The share of binary messages that vanish, 0 to 1.
    pub loss: f64,
    /// The most bytes a second and direction; 0 no cap.
    pub rate_bytes_per_second: u64,
    /// Whether the agent pauses for 1 ms after each message that it sends, as the real one does.
    pub pacing: bool,
    /// How many sessions one container's agent takes.
    pub workers_limit: usize,
    /// The version that the agent announces.
    pub agent_version: String,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            idle_ms: 20 * 60 * 1000, // AWS's default
            bye_every_ms: 60 * 60 * 1000,
            delay_ms: 0,
            loss: 0.0,
            rate_bytes_per_second: 0,
            pacing: true,
            workers_limit: 2, // the ecs-agent's default, F3
            agent_version: "3.3.0.0".to_owned(),
        }
    }
}
