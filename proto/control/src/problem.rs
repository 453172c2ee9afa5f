use serde::{Deserialize, Serialize};

use crate::SCHEMA_VERSION;

/// A failure in words for people: what failed, because of what, and what to type.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// A stable name to search for: `D18`.
    pub code: String,
    /// What sort of failure; the exit code follows from it.
    #[serde(default)]
    pub kind: ProblemKind,
    /// What failed, in one sentence without a full stop.
    pub message: String,
    /// Because of what, the nearest cause first.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What helps: a command to type, or a setting to change.
    #[serde(default)]
    pub hints: Vec<String>,
    /// What AWS calls the request that failed, to quote to its support.
    #[serde(default)]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem without causes and hints.
    pub fn new(code: impl Into<String>, kind: ProblemKind, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            kind,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            request_id: None,
        }
    }

    /// The same problem with one more cause, farther away than those it has.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// The same problem with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same problem with the name of the request that failed.
    #[must_use]
    pub fn request(mut self, id: Option<String>) -> Self {
        self.request_id = id;
        self
    }
}

/// What sort of failure.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// What was asked for is wrong: a flag, a value, a line of the config.
    Usage,
    /// No daemon answers.
    NotRunning,
    /// One has to log in to AWS again.
    Login,
    /// Not permitted, by AWS or by us.
    NotPermitted,
    /// Not found, or found more than once.
    NotFound,
    /// It took too long.
    TimedOut,
    /// A local port is held by somebody else.
    PortConflict,
    /// The bastion did not start, or died.
    BastionFailed,
    /// The database cannot be reached from the bastion.
    DatabaseUnreachable,
    /// The doctor found problems.
    DoctorFound,
    /// A fault of ours.
    Bug,
    /// Anything else, and any kind that a newer version knows and this one does not.
    #[default]
    #[serde(other)]
    Failed,
}

impl ProblemKind {
    /// The exit code of a program that ends with such a problem.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::Login => 4,
            Self::NotPermitted => 5,
            Self::NotFound => 6,
            Self::TimedOut => 7,
            Self::PortConflict => 8,
            Self::BastionFailed => 9,
            Self::DatabaseUnreachable => 10,
            Self::DoctorFound => 11,
            Self::Bug => 70, // EX_SOFTWARE of sysexits.h
        }
    }
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// The version of this shape.
    pub schema_version: u32,
    /// What is wrong.
    pub problem: Problem,
}

impl From<Problem> for ErrorBody {
    fn from(problem: Problem) -> Self {
        Self { schema_version: SCHEMA_VERSION, problem }
    }
}
