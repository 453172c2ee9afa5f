use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a config file says, or everything that is wrong with it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigReport {
    /// The version of this shape.
    pub schema_version: u32,
    /// The file that was looked for; none where no place is known to look.
    #[serde(default)]
    pub path: Option<String>,
    /// Whether it is there. A missing file is not a fault: it means no targets.
    pub exists: bool,
    /// Whether it can be used.
    pub ok: bool,
    /// All its faults.
    #[serde(default)]
    pub faults: Vec<ConfigFault>,
    /// The sites as meant, by name; null where there are faults.
    #[serde(default)]
    pub sites: Value,
    /// The targets as meant, by name; null where there are faults.
    #[serde(default)]
    pub targets: Value,
}

/// One thing that is wrong with a config file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigFault {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    #[serde(default)]
    pub line: Option<u64>,
    /// The key: `target.prod-db.listen`.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
    /// What may have been meant, or what to write instead.
    #[serde(default)]
    pub hint: Option<String>,
}
