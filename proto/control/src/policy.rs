use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The least that IAM has to allow for a config, as a document that IAM takes, and what each of its statements is for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Policy {
    /// The version of this shape.
    pub schema_version: u32,
    /// Whose rights these are.
    #[serde(rename = "for")]
    pub whose: PolicyFor,
    /// The sites that were looked at, in the order of their names.
    #[serde(default)]
    pub sites: Vec<String>,
    /// The policy.
    pub document: PolicyDocument,
    /// Who may take the role: its trust policy. None for a user, whom nobody has to take.
    #[serde(default)]
    pub trust: Option<PolicyDocument>,
    /// What each statement is for, in the order of the document.
    #[serde(default)]
    pub statements: Vec<PolicyReason>,
    /// What the reader has to know or to do beyond the document.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Whose rights a policy is about.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PolicyFor {
    /// The user or role that bastiond runs with.
    #[default]
    User,
    /// The role of the task, with which its agent connects.
    TaskRole,
    /// Anything that a newer daemon knows and this program does not.
    #[serde(other)]
    Unknown,
}

impl PolicyFor {
    /// The word for it, as it stands in JSON and in a call's query.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::TaskRole => "task_role",
            Self::Unknown => "unknown",
        }
    }
}

/// A policy as IAM reads it, which writes its words in its own way.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    /// The version of IAM's language.
    pub version: String,
    /// What is allowed.
    pub statement: Vec<PolicyStatement>,
}

/// One statement of a policy.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct PolicyStatement {
    /// Its name: what it is for, in letters and digits.
    pub sid: String,
    /// `Allow`
    pub effect: String,
    /// Who is meant, in a trust policy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub principal: BTreeMap<String, String>,
    /// What may be done.
    pub action: Vec<String>,
    /// On what; empty in a trust policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    /// When: operator, key, values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, BTreeMap<String, PolicyValues>>,
}

/// The values of a condition's key, of which one must fit. IAM takes a single one by itself, and some of its linters
/// take it in no other way.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum PolicyValues {
    /// A single one.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl PolicyValues {
    /// Each of them.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl From<Vec<String>> for PolicyValues {
    fn from(mut values: Vec<String>) -> Self {
        if values.len() == 1 { Self::One(values.remove(0)) } else { Self::Many(values) }
    }
}

/// What a statement of a policy is for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicyReason {
    /// The statement's name.
    pub sid: String,
    /// The sites that it is about.
    #[serde(default)]
    pub sites: Vec<String>,
    /// What it is for.
    pub why: String,
    /// What is missed without it.
    pub without: String,
    /// Whether bastiond does its work without it.
    #[serde(default)]
    pub optional: bool,
    /// What makes it wider than it need be, or what it rests on.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl PolicyDocument {
    /// How many characters it has as IAM counts them: without white space.
    pub fn size(&self) -> usize {
        serde_json::to_string(self)
            .map_or(0, |text| text.chars().filter(|character| !character.is_whitespace()).count())
    }
}
