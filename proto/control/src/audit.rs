use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::GroupBy;

/// Who went where in a span of time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Audit {
    /// The version of this shape.
    pub schema_version: u32,
    /// From when.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub since: Timestamp,
    /// Until when.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub until: Timestamp,
    /// What was found, the oldest first; empty where sums were asked for.
    #[serde(default)]
    pub records: Vec<AuditRecord>,
    /// How many older ones were left off, because there are too many for one answer.
    #[serde(default)]
    pub left_off: u64,
    /// What a row stands for, where sums were asked for.
    #[serde(default)]
    pub by: Option<GroupBy>,
    /// The sums, in the order of their names.
    #[serde(default)]
    pub rows: Vec<AuditRow>,
}

/// What went on at one target, or on one day.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditRow {
    /// The target's name, or the day: `2026-01-02`.
    pub name: String,
    /// How many visits.
    #[serde(default)]
    pub visits: u64,
    /// How many visitors were sent away.
    #[serde(default)]
    pub refused: u64,
    /// How many bastions were asked for.
    #[serde(default)]
    pub bastions: u64,
    /// How many tunnels were opened.
    #[serde(default)]
    pub tunnels: u64,
    /// For how long visits lasted, added up.
    #[serde(default)]
    pub seconds: f64,
    /// Bytes from visitors to the database.
    #[serde(default)]
    pub bytes_in: u64,
    /// Bytes from the database to visitors.
    #[serde(default)]
    pub bytes_out: u64,
    /// The programs that came, each with the number of its visits, the most first.
    #[serde(default)]
    pub programs: Vec<(String, u64)>,
}

/// One line of the ledger: something that is over, or the beginning of what may outlive the daemon.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum AuditRecord {
    /// A visit that went through.
    Visit(VisitRecord),
    /// A visitor who was sent away.
    Refused(RefusedRecord),
    /// A bastion was asked for.
    BastionStarted(BastionStartedRecord),
    /// A bastion has ended.
    BastionEnded(BastionEndedRecord),
    /// A tunnel was opened.
    TunnelOpened(TunnelOpenedRecord),
    /// A tunnel has ended.
    TunnelClosed(TunnelClosedRecord),
    /// Something that a newer daemon wrote and this program does not know.
    #[serde(other)]
    Unknown,
}

/// Who came.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Visitor {
    /// The program, where the system tells; `docker` for what comes from a container.
    #[serde(default)]
    pub program: Option<String>,
    /// Its process, where the system tells.
    #[serde(default)]
    pub pid: Option<u32>,
    /// Its user, where the system tells.
    #[serde(default)]
    pub uid: Option<u32>,
}

/// A visit that went through, from accept to close.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VisitRecord {
    /// When it ended.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub time: Timestamp,
    /// The target.
    pub target: String,
    /// Who came.
    #[serde(flatten)]
    pub visitor: Visitor,
    /// When it came.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub since: Timestamp,
    /// For how long it was there.
    #[serde(default)]
    pub seconds: f64,
    /// Bytes from the visitor to the database.
    #[serde(default)]
    pub bytes_in: u64,
    /// Bytes from the database to the visitor.
    #[serde(default)]
    pub bytes_out: u64,
    /// The task that it went through.
    #[serde(default)]
    pub task: Option<String>,
    /// How it ended.
    #[serde(default)]
    pub ended: String,
}

/// A visitor who was sent away.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefusedRecord {
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub time: Timestamp,
    /// The target.
    pub target: String,
    /// Who came.
    #[serde(flatten)]
    pub visitor: Visitor,
    /// The code of the problem, where it is one.
    #[serde(default)]
    pub code: Option<String>,
    /// Why, in words.
    #[serde(default)]
    pub why: String,
}

/// A bastion that AWS was asked for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BastionStartedRecord {
    /// When it was asked for.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub time: Timestamp,
    /// The task's full name.
    pub task: String,
    /// The target that it was started for.
    pub target: String,
    /// The site.
    #[serde(default)]
    pub site: String,
    /// What its price depends on.
    #[serde(flatten)]
    pub size: Size,
}

/// What a bastion's price depends on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Size {
    /// The region.
    #[serde(default)]
    pub region: String,
    /// The processor: `x86_64` or `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// Thousand-and-twenty-fourths of a vCPU, as ECS counts them.
    #[serde(default)]
    pub cpu: u32,
    /// MiB of memory.
    #[serde(default)]
    pub memory: u32,
    /// US dollars an hour, where the config names the price.
    #[serde(default)]
    pub price_per_hour: Option<f64>,
}

/// A bastion that has ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BastionEndedRecord {
    /// When it ended.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub time: Timestamp,
    /// The task's full name.
    pub task: String,
    /// The target that it was started for.
    pub target: String,
    /// The site.
    #[serde(default)]
    pub site: String,
    /// What its price depends on.
    #[serde(flatten)]
    pub size: Size,
    /// When the bill began: the pull of the image.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub billed_from: Timestamp,
    /// For how long it is billed: a minute at least.
    #[serde(default)]
    pub seconds: f64,
    /// What that costs, where its price is known.
    #[serde(default)]
    pub usd: Option<f64>,
    /// How much earlier it may have ended, in seconds, where AWS no longer tells.
    #[serde(default)]
    pub estimated_within: Option<f64>,
    /// Why it ended, in AWS's words.
    #[serde(default)]
    pub why: Option<String>,
}

/// A tunnel that was opened.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TunnelOpenedRecord {
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub time: Timestamp,
    /// The target that it was opened for.
    pub target: String,
    /// The SSM session, as CloudTrail names it.
    pub session: String,
    /// The task that it goes through.
    #[serde(default)]
    pub task: Option<String>,
}

/// A tunnel that has ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TunnelClosedRecord {
    /// When it ended.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub time: Timestamp,
    /// The target that it was opened for.
    pub target: String,
    /// The SSM session, as CloudTrail names it.
    pub session: String,
    /// The task that it went through.
    #[serde(default)]
    pub task: Option<String>,
    /// When it was opened.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub since: Timestamp,
    /// For how long it stood.
    #[serde(default)]
    pub seconds: f64,
    /// Why it ended, where that is known.
    #[serde(default)]
    pub why: Option<String>,
}

impl AuditRecord {
    /// When it was written; none where only a newer program knows.
    pub fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Visit(record) => Some(record.time),
            Self::Refused(record) => Some(record.time),
            Self::BastionStarted(record) => Some(record.time),
            Self::BastionEnded(record) => Some(record.time),
            Self::TunnelOpened(record) => Some(record.time),
            Self::TunnelClosed(record) => Some(record.time),
            Self::Unknown => None,
        }
    }

    /// The target that it is about; none where only a newer program knows.
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Visit(record) => Some(&record.target),
            Self::Refused(record) => Some(&record.target),
            Self::BastionStarted(record) => Some(&record.target),
            Self::BastionEnded(record) => Some(&record.target),
            Self::TunnelOpened(record) => Some(&record.target),
            Self::TunnelClosed(record) => Some(&record.target),
            Self::Unknown => None,
        }
    }
}
