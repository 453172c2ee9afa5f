use serde::{Deserialize, Serialize};

/// What a database speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// PostgreSQL: the client speaks first.
    Postgres,
    /// MySQL or MariaDB: the server speaks first.
    Mysql,
    /// Anything else on TCP, and any engine that a newer version knows and this one does not.
    #[default]
    #[serde(other)]
    Other,
}

impl Engine {
    /// The word for it in the config and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Other => "other",
        }
    }
}

/// Every target of the config.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Targets {
    /// The version of this shape.
    pub schema_version: u32,
    /// The targets, in the order of the config.
    pub targets: Vec<TargetInfo>,
}

/// A database as people name it, and where it is found on this machine.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TargetInfo {
    /// Its name: `prod-db`.
    pub name: String,
    /// The site whose bastions lead to it.
    pub site: String,
    /// What it speaks.
    #[serde(default)]
    pub engine: Engine,
    /// Where it is found: `127.0.0.1:15432`, `[::1]:15432`, `unix:/…`.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The local port, where it has one.
    #[serde(default)]
    pub port: Option<u16>,
    /// The name of the database inside the server.
    #[serde(default)]
    pub database: Option<String>,
    /// Whom to connect as.
    #[serde(default)]
    pub user: Option<String>,
    /// Whether its people want to be warned of it.
    #[serde(default)]
    pub danger: bool,
}
