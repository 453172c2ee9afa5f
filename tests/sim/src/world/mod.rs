//! What the simulated account holds: networks, clusters, definitions, services, databases, secrets.
//!
//! Plain data, keyed by name or id, so that a test may alter any of it in Rust, and another process by a JSON merge patch.
//! Tasks are not here: they have lives of their own (`tasks`).

mod access;
mod containers;
mod database;
mod network;
mod standard;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use access::{Role, User};
pub use containers::{Cluster, ContainerDefinition, Service, TaskDefinition};
pub use database::{CustomEndpoint, DbCluster, DbInstance, DbProxy, ManagedSecret, Member};
pub use network::{NatGateway, RouteTable, Rule, SecurityGroup, Subnet, Vpc, VpcEndpoint};

/// Names and values of tags.
pub type Tags = BTreeMap<String, String>;

/// Everything in the account but its tasks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// By id.
    pub vpcs: BTreeMap<String, Vpc>,
    /// By id.
    pub subnets: BTreeMap<String, Subnet>,
    /// By id.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// By id.
    pub route_tables: BTreeMap<String, RouteTable>,
    /// By id.
    pub nat_gateways: BTreeMap<String, NatGateway>,
    /// The VPC of each, by id.
    pub internet_gateways: BTreeMap<String, String>,
    /// By id.
    pub vpc_endpoints: BTreeMap<String, VpcEndpoint>,
    /// By name.
    pub clusters: BTreeMap<String, Cluster>,
    /// By `family:revision`.
    pub task_definitions: BTreeMap<String, TaskDefinition>,
    /// By `cluster/service`.
    pub services: BTreeMap<String, Service>,
    /// By identifier, lower case.
    pub db_instances: BTreeMap<String, DbInstance>,
    /// By identifier, lower case.
    pub db_clusters: BTreeMap<String, DbCluster>,
    /// By identifier, lower case.
    pub custom_endpoints: BTreeMap<String, CustomEndpoint>,
    /// By name.
    pub db_proxies: BTreeMap<String, DbProxy>,
    /// By name.
    pub secrets: BTreeMap<String, Secret>,
    /// By name, without their paths.
    pub roles: BTreeMap<String, Role>,
    /// By name.
    pub users: BTreeMap<String, User>,
    /// What all of the account may do at most, where it belongs to an organisation.
    pub organisation_policy: Option<serde_json::Value>,
    /// Logins at IAM Identity Center, by their access token.
    pub sso_logins: BTreeMap<String, SsoLogin>,
    /// What containers have said, by the name of the log group.
    pub log_groups: BTreeMap<String, LogGroup>,
    /// Containers that AWS puts into every task, first in the list: image by name.
    pub injected: BTreeMap<String, String>,
}

/// A secret in Secrets Manager.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secret {
    /// What it says.
    pub value: String,
    /// What it is for.
    pub description: String,
    /// The service that manages it: `rds`.
    pub owning_service: Option<String>,
    /// The customer's key that encrypts it.
    pub kms_key: Option<String>,
    /// The six characters at the end of its ARN.
    pub suffix: String,
    /// Whether it is rotated by itself.
    pub rotation: bool,
    /// When it was changed last, in milliseconds since 1970; without it, when it was made.
    pub changed_ms: Option<i64>,
    /// When it was marked for deletion, since when it cannot be read.
    pub deleted_ms: Option<i64>,
    /// Its tags.
    pub tags: Tags,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret")
            .field("value", &"***")
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

/// A login at IAM Identity Center.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SsoLogin {
    /// When its access token ends, in milliseconds since 1970.
    pub expires_ms: i64,
    /// What gives another access token.
    pub refresh: Option<String>,
    /// The roles that it may take.
    pub roles: Vec<String>,
    /// How long a role's credentials live.
    pub role_seconds: i64,
}

impl std::fmt::Debug for SsoLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SsoLogin")
            .field("expires_ms", &self.expires_ms)
            .field("refresh", &"***")
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

/// A log group in CloudWatch Logs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogGroup {
    /// The lines of each stream, by its name (`ecs/proxy/<task id>`); a `*` at a name's end stands for any end.
    pub streams: BTreeMap<String, Vec<String>>,
}

impl LogGroup {
    /// What a stream holds, where there is one.
    pub fn said(&self, stream: &str) -> Option<&Vec<String>> {
        let starts =
            |name: &str| name.strip_suffix('*').is_some_and(|head| stream.starts_with(head));
        self.streams
            .get(stream)
            .or_else(|| self.streams.iter().find(|(name, _)| starts(name)).map(|(_, lines)| lines))
    }
}

impl World {
    /// This world with a JSON merge patch (RFC 7396) applied.
    pub fn patched(&self, patch: serde_json::Value) -> Result<Self, serde_json::Error> {
        let mut whole = serde_json::to_value(self)?;
        merge(&mut whole, patch);
        serde_json::from_value(whole)
    }

    /// The task definition that `name` means: `family`, `family:revision` or an ARN. Without a revision, the newest that is active.
    pub fn task_definition(&self, name: &str) -> Option<(String, &TaskDefinition)> {
        let short = name.rsplit_once(":task-definition/").map_or(name, |(_, short)| short);
        if short.contains(':') {
            return self
                .task_definitions
                .get_key_value(short)
                .map(|(key, found)| (key.clone(), found));
        }
        self.task_definitions
            .iter()
            .filter(|(key, found)| {
                found.active && key.rsplit_once(':').is_some_and(|(family, _)| family == short)
            })
            .max_by_key(|(key, _)| revision(key))
            .map(|(key, found)| (key.clone(), found))
    }

    /// The secret that `id` means: its name, its ARN, or its ARN without the suffix.
    pub fn secret(&self, id: &str) -> Option<(&String, &Secret)> {
        let name = id.rsplit_once(":secret:").map_or(id, |(_, name)| name);
        self.secrets.get_key_value(name).or_else(|| {
            self.secrets.iter().find(|(known, secret)| {
                id.starts_with("arn:") && format!("{known}-{}", secret.suffix) == name
            })
        })
    }
}

/// The number behind the last colon of `family:revision`.
pub(crate) fn revision(key: &str) -> u64 {
    key.rsplit_once(':').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// Merges `patch` over `whole` as RFC 7396 says: objects merge, null deletes, all else replaces.
pub(crate) fn merge(whole: &mut serde_json::Value, patch: serde_json::Value) {
    let serde_json::Value::Object(patch) = patch else {
        *whole = patch;
        return;
    };
    if !whole.is_object() {
        *whole = serde_json::json!({});
    }
    if let Some(map) = whole.as_object_mut() {
        for (key, value) in patch {
            if value.is_null() {
                map.remove(&key);
            } else {
                merge(map.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
    }
}
