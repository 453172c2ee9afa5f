use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Engine, Problem};

/// What an account holds that sites and targets can be made of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Survey {
    /// The version of this shape.
    pub schema_version: u32,
    /// What has to be chosen before anything can be looked at; none where all was looked at.
    #[serde(default)]
    pub open: Option<SurveyOpen>,
    /// Every profile of the person's AWS files.
    #[serde(default)]
    pub profiles: Vec<ProfileInfo>,
    /// The profile that was asked with; none where the environment's own credentials were.
    #[serde(default)]
    pub profile: Option<String>,
    /// The region that was looked at.
    #[serde(default)]
    pub region: Option<String>,
    /// The regions that the account has enabled, as far as that is known.
    #[serde(default)]
    pub regions: Vec<String>,
    /// The account's number.
    #[serde(default)]
    pub account: Option<String>,
    /// The user's or role's ARN.
    #[serde(default)]
    pub arn: Option<String>,
    /// The places that could hold bastions, the likeliest first; those with flaws come last.
    #[serde(default)]
    pub sites: Vec<SiteChoice>,
    /// The databases, by name.
    #[serde(default)]
    pub databases: Vec<DatabaseChoice>,
    /// What cannot be known, with what to grant.
    #[serde(default)]
    pub unknown: Vec<Problem>,
}

/// What has to be chosen first.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SurveyOpen {
    /// The profile: there are several, and none is the obvious one.
    Profile,
    /// The region: neither the profile nor the environment names one.
    Region,
    /// Anything that a newer version knows and this one does not.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One profile of the person's AWS files.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProfileInfo {
    /// Its name.
    pub name: String,
    /// Its region, where it names one.
    #[serde(default)]
    pub region: Option<String>,
    /// Whether it logs in by `aws sso login`.
    #[serde(default)]
    pub sso: bool,
}

/// A place that could hold bastions.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteChoice {
    /// The ECS cluster's name.
    pub cluster: String,
    /// The task definition's family, where bastions are tasks of our own.
    #[serde(default)]
    pub task_definition: Option<String>,
    /// The service, where a bastion is one of its tasks.
    #[serde(default)]
    pub service: Option<String>,
    /// The containers that a bastion could be; sidecars are left out.
    #[serde(default)]
    pub containers: Vec<String>,
    /// The VPC that its tasks are in.
    #[serde(default)]
    pub vpc: Option<String>,
    /// Ways to name its subnets, the best first.
    #[serde(default)]
    pub subnets: Vec<Selection>,
    /// Ways to name its security groups, the best first.
    #[serde(default)]
    pub security_groups: Vec<Selection>,
    /// Whether tasks of our own need public addresses there: its subnets are public, and there are no others.
    #[serde(default)]
    pub public_addresses: bool,
    /// How many tasks a service runs.
    #[serde(default)]
    pub running: Option<u32>,
    /// How many tasks a service is meant to run.
    #[serde(default)]
    pub desired: Option<u32>,
    /// What speaks against it.
    #[serde(default)]
    pub flaws: Vec<SiteFlaw>,
}

/// What speaks against a place.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SiteFlaw {
    /// The service runs its tasks without ECS Exec.
    ExecOff,
    /// The service is meant to run no task.
    ScaledToZero,
    /// The task definition is not made for Fargate.
    NotFargate,
    /// The task definition has no task role, without which the agent may not do anything.
    NoTaskRole,
    /// The containers' root file systems are read-only, which the agent cannot bear.
    ReadOnly,
    /// The containers share their processes, which the agent cannot bear.
    SharedProcesses,
    /// Anything that a newer version knows and this one does not.
    #[default]
    #[serde(other)]
    Unknown,
}

impl SiteFlaw {
    /// It in words, as the rest of a sentence about the place.
    pub fn words(self) -> &'static str {
        match self {
            Self::ExecOff => "has ECS Exec off",
            Self::ScaledToZero => "is scaled to zero",
            Self::NotFargate => "does not run on Fargate",
            Self::NoTaskRole => "has no task role",
            Self::ReadOnly => "has a read-only root file system",
            Self::SharedProcesses => "shares its processes (pidMode)",
            Self::Unknown => "has a flaw that this version does not know",
        }
    }
}

/// How subnets or security groups are named.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// By id.
    Ids(Vec<String>),
    /// By the tag Name (security groups: by group name too), `*` and `?` as wildcards.
    Name(String),
    /// By tags, all of which must fit.
    Tags(BTreeMap<String, String>),
}

/// A database that could be a target.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DatabaseChoice {
    /// What it is.
    #[serde(default)]
    pub kind: DatabaseKind,
    /// Its identifier or name.
    pub id: String,
    /// What it speaks.
    #[serde(default)]
    pub engine: Engine,
    /// What AWS calls its engine: `aurora-postgresql`.
    #[serde(default)]
    pub engine_name: Option<String>,
    /// `available`, `stopped`, …
    #[serde(default)]
    pub status: Option<String>,
    /// Its VPC.
    #[serde(default)]
    pub vpc: Option<String>,
    /// The port that it listens on.
    #[serde(default)]
    pub port: Option<u16>,
    /// The first database in it.
    #[serde(default)]
    pub database: Option<String>,
    /// Its master user.
    #[serde(default)]
    pub user: Option<String>,
    /// Where its password is kept, where that is beyond doubt.
    #[serde(default)]
    pub password: Option<PasswordPlace>,
}

/// What a database is to AWS.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DatabaseKind {
    /// An RDS instance.
    Rds,
    /// An Aurora cluster, by its writer.
    Aurora,
    /// An RDS proxy.
    Proxy,
    /// Anything that a newer version knows and this one does not.
    #[default]
    #[serde(other)]
    Unknown,
}

impl DatabaseKind {
    /// The key under which the config names such a database; none for what is not known.
    pub fn key(self) -> Option<&'static str> {
        match self {
            Self::Rds => Some("rds"),
            Self::Aurora => Some("aurora"),
            Self::Proxy => Some("proxy"),
            Self::Unknown => None,
        }
    }

    /// It in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Rds => "RDS instance",
            Self::Aurora => "Aurora cluster",
            Self::Proxy => "RDS proxy",
            Self::Unknown => "database",
        }
    }
}

/// Where a password is kept.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PasswordPlace {
    /// In the secret of this name.
    Secret(String),
    /// In the secret that RDS manages for the database.
    RdsManaged(bool),
}
