use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Problem;

/// What the doctor has looked at and found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DoctorReport {
    /// The version of this shape.
    pub schema_version: u32,
    /// The version of the program that looked.
    pub version: String,
    /// When it looked.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub time: Timestamp,
    /// Whether a running daemon answered, which also knows what has happened lately.
    #[serde(default)]
    pub live: bool,
    /// The targets that were looked at, in the order of the config.
    #[serde(default)]
    pub targets: Vec<String>,
    /// Every check, in the order of dependence: the first that fails is the root cause.
    pub checks: Vec<Check>,
    /// How many checks failed.
    #[serde(default)]
    pub problems: u32,
    /// How many could not be made.
    #[serde(default)]
    pub unknown: u32,
}

/// One check, and what came of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Check {
    /// Its name: `task definition`.
    pub name: String,
    /// The site that it is about, where it is about one.
    #[serde(default)]
    pub site: Option<String>,
    /// The target that it is about, where it is about one alone.
    #[serde(default)]
    pub target: Option<String>,
    /// What came of it.
    pub status: CheckStatus,
    /// What was seen, in one sentence without a full stop.
    pub words: String,
    /// What is wrong, where something is: `D10`.
    #[serde(default)]
    pub code: Option<String>,
    /// More of what was seen, a line each: the last lines of a log, what cures cost.
    #[serde(default)]
    pub details: Vec<String>,
    /// The one thing to do, where something is wrong.
    #[serde(default)]
    pub fix: Option<String>,
    /// The whole problem, where something is wrong.
    #[serde(default)]
    pub problem: Option<Problem>,
    /// What to allow, where a permission is missing without which it cannot be known.
    #[serde(default)]
    pub grant: Option<String>,
    /// The check that failed first and has this one skipped.
    #[serde(default)]
    pub because: Option<String>,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// It is as it should be.
    Ok,
    /// It is not.
    Fail,
    /// It cannot be known, and is neither.
    Unknown,
    /// It was not made, because another one failed that it depends on; also what a newer daemon says and this program
    /// does not know.
    #[default]
    #[serde(other)]
    Skip,
}

impl DoctorReport {
    /// The code of the root cause: of the first check that failed.
    pub fn root(&self) -> Option<&str> {
        let failed = self.checks.iter().find(|check| check.status == CheckStatus::Fail);
        failed.and_then(|check| check.code.as_deref())
    }
}

impl CheckStatus {
    /// The word for it, as it stands in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Skip => "skip",
        }
    }
}
