use serde::{Deserialize, Serialize};

use crate::{DatabaseChoice, Engine, SiteChoice};

/// What was chosen of a [`Survey`](crate::Survey), to be written into the config.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InitRequest {
    /// The profile that the daemon shall use; none for the environment's own credentials.
    #[serde(default)]
    pub profile: Option<String>,
    /// The region.
    #[serde(default)]
    pub region: Option<String>,
    /// The account's number, for the comment.
    #[serde(default)]
    pub account: Option<String>,
    /// The place, with one way at most to name its subnets and its groups, and one container at most.
    #[serde(default)]
    pub site: SiteChoice,
    /// The databases.
    #[serde(default)]
    pub databases: Vec<DatabaseChoice>,
    /// What the site shall be called, where a person has said so.
    #[serde(default)]
    pub name: Option<String>,
    /// The config file, where it is not the usual one.
    #[serde(default)]
    pub config: Option<String>,
    /// Whether it is written; else it is only told what would be.
    #[serde(default)]
    pub write: bool,
}

/// What stands in the config for what was chosen.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InitAnswer {
    /// The version of this shape.
    pub schema_version: u32,
    /// The config file.
    pub config: String,
    /// Whether it was there before.
    pub existed: bool,
    /// What is missing in it for what was chosen, as TOML; empty where nothing is.
    pub text: String,
    /// Whether that was written.
    pub written: bool,
    /// Whether a daemon runs with this file: it wants to be told.
    #[serde(default)]
    pub running: bool,
    /// The site.
    pub site: InitSite,
    /// The targets, one for each database.
    #[serde(default)]
    pub targets: Vec<InitTarget>,
}

/// A site of the config.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InitSite {
    /// Its name.
    pub name: String,
    /// Whether the config did not have it before.
    pub new: bool,
}

/// A target of the config.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InitTarget {
    /// Its name.
    pub name: String,
    /// Whether the config did not have it before.
    pub new: bool,
    /// The database's identifier.
    pub id: String,
    /// What it speaks.
    #[serde(default)]
    pub engine: Engine,
    /// The local port, where it has one.
    #[serde(default)]
    pub port: Option<u16>,
    /// The name of the database inside the server.
    #[serde(default)]
    pub database: Option<String>,
    /// Whom to connect as.
    #[serde(default)]
    pub user: Option<String>,
    /// Whether the config says where its password is.
    #[serde(default)]
    pub password: bool,
}
