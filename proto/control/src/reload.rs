use serde::{Deserialize, Serialize};

use crate::ConfigFault;

/// What came of reading the config again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReloadAnswer {
    /// The version of this shape.
    pub schema_version: u32,
    /// The file; none where there is none.
    #[serde(default)]
    pub config: Option<String>,
    /// Whether the daemon runs with it now. A faulty file changes nothing.
    pub ok: bool,
    /// All its faults.
    #[serde(default)]
    pub faults: Vec<ConfigFault>,
    /// Targets that are new.
    #[serde(default)]
    pub added: Vec<String>,
    /// Targets that the file no longer names.
    #[serde(default)]
    pub dropped: Vec<DroppedTarget>,
    /// Targets of which something has changed.
    #[serde(default)]
    pub altered: Vec<AlteredTarget>,
    /// Targets that are as they were.
    #[serde(default)]
    pub unchanged: Vec<String>,
    /// What has changed and waits for the daemon's next start.
    #[serde(default)]
    pub needs_restart: Vec<String>,
}

/// A target that the config no longer names.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DroppedTarget {
    /// Its name.
    pub name: String,
    /// How many visits were ended with it; its bastion is stopped.
    #[serde(default)]
    pub visits: u32,
}

/// A target of which something has changed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlteredTarget {
    /// Its name.
    pub name: String,
    /// The keys that have changed, as the config calls them.
    #[serde(default)]
    pub keys: Vec<String>,
    /// How many visits go on as they came, until they end by themselves.
    #[serde(default)]
    pub visits: u32,
}
