use serde::{Deserialize, Serialize};

/// Which daemon answers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Version {
    /// The version of this shape.
    pub schema_version: u32,
    /// The daemon's version.
    pub version: String,
    /// The daemon's process.
    #[serde(default)]
    pub pid: Option<u32>,
}

/// Whether the daemon is well: it answers, and so many of its targets have problems.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Health {
    /// The version of this shape.
    pub schema_version: u32,
    /// Whether no target has a problem.
    pub ok: bool,
    /// How many targets there are.
    #[serde(default)]
    pub targets: u32,
    /// The names of those that have problems.
    #[serde(default)]
    pub troubled: Vec<String>,
}
