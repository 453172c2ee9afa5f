use serde::{Deserialize, Serialize};

use crate::Engine;

/// Serves a database that the config does not name, for as long as the answer is listened to: lines of
/// [`OpenEvent`](crate::OpenEvent) up to `ready`, then silence, and one `failed` where it ends before the listener does.
///
/// It goes through a site of the config, or through a running task of a service that is named here.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ForwardRequest {
    /// The site of the config.
    #[serde(default)]
    pub site: Option<String>,
    /// The service in place of a site: its ECS cluster.
    #[serde(default)]
    pub cluster: Option<String>,
    /// The service's name.
    #[serde(default)]
    pub service: Option<String>,
    /// The container that the agent runs in, where it cannot be guessed.
    #[serde(default)]
    pub container: Option<String>,
    /// The profile of AWS's config files; the site's where there is one.
    #[serde(default)]
    pub profile: Option<String>,
    /// The region; the site's or the profile's where there is one.
    #[serde(default)]
    pub region: Option<String>,
    /// The database's host, as it is called inside the VPC.
    #[serde(default)]
    pub host: Option<String>,
    /// The port that it listens on there; what is usual for its engine where none is said.
    #[serde(default)]
    pub remote_port: Option<u16>,
    /// In place of a host, the RDS instance.
    #[serde(default)]
    pub rds: Option<String>,
    /// What it speaks; what is usual for its port where nobody says.
    #[serde(default)]
    pub engine: Option<Engine>,
    /// The local port; the remote one where none is said.
    #[serde(default)]
    pub local_port: Option<u16>,
    /// More places to listen at, as the config writes them: `docker`, `unix`, `127.0.0.2:3306`.
    #[serde(default)]
    pub listen: Vec<String>,
}
