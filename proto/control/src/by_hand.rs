use serde::{Deserialize, Serialize};

/// What a person types to do by hand what the daemon does for a target: a script for bash, step by step.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ByHand {
    /// The version of this shape.
    pub schema_version: u32,
    /// The target.
    pub target: String,
    /// The account that it is in, where it could be asked for.
    #[serde(default)]
    pub account: Option<String>,
    /// The region, where the config or AWS tells.
    #[serde(default)]
    pub region: Option<String>,
    /// The profile, where the config names one.
    #[serde(default)]
    pub profile: Option<String>,
    /// What is to be done, in this order and in one shell: later steps use the variables of earlier ones.
    pub steps: Vec<ByHandStep>,
}

/// One step of a script.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ByHandStep {
    /// What it is for.
    pub title: String,
    /// What is known about it: names that were looked up, and how; what to mind.
    #[serde(default)]
    pub comments: Vec<String>,
    /// Commands for bash; one may have several lines.
    #[serde(default)]
    pub commands: Vec<String>,
    /// Why something in it could not be looked up: then its commands look it up when they run.
    #[serde(default)]
    pub unknown: Option<String>,
}
