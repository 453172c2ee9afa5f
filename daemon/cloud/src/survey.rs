use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::{CloudError, Identity, RuleFacts};

/// What is asked of a cloud before there is a config: what there is that sites and targets could be made of.
///
/// Every call reads only and may be repeated. Nothing here tells what a secret holds.
#[async_trait]
pub trait Survey: Debug + Send + Sync {
    /// The profiles of this person, and which of them is the obvious one. Asks nobody.
    async fn profiles(&self) -> Result<ProfileFacts, CloudError>;

    /// Whose credentials these are.
    async fn identity(&self) -> Result<Identity, CloudError>;

    /// The regions that the account has enabled.
    async fn regions(&self) -> Result<Vec<String>, CloudError>;

    /// Everything in the region that is of use. What may not be looked at is an error in its place, and the rest goes on.
    /// Of very many task definitions only the likely ones are looked at, and always this family.
    async fn look(&self, family: Option<&str>) -> Findings;
}

/// The profiles that a person has.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProfileFacts {
    /// All of them, by name.
    pub all: Vec<ProfileFact>,
    /// Which credentials would be used.
    pub used: Used,
    /// The region that would be used: the environment's, else that profile's.
    pub region: Option<String>,
}

/// Which credentials are used where nobody says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Used {
    /// Those of this profile: it was named, or it is the only one, or the default one.
    Profile(String),
    /// Those that the environment holds.
    Environment,
    /// There are several profiles, and none is the obvious one.
    #[default]
    Open,
}

/// One profile.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProfileFact {
    /// Its name.
    pub name: String,
    /// Its region, where it names one.
    pub region: Option<String>,
    /// Whether it logs in by `aws sso login`.
    pub sso: bool,
}

/// What there is in a region; each part by itself, for each may be forbidden.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The clusters that are active, by name.
    pub clusters: Result<Vec<String>, CloudError>,
    /// The services of all clusters.
    pub services: Result<Vec<ServiceFound>, CloudError>,
    /// The newest active revision of each family.
    pub definitions: Result<Vec<DefinitionFound>, CloudError>,
    /// The subnets.
    pub subnets: Result<Vec<SubnetFound>, CloudError>,
    /// The security groups.
    pub groups: Result<Vec<GroupFound>, CloudError>,
    /// RDS instances that stand alone, and are no members of a cluster.
    pub instances: Result<Vec<DatabaseFound>, CloudError>,
    /// Aurora clusters.
    pub aurora: Result<Vec<DatabaseFound>, CloudError>,
    /// RDS proxies.
    pub proxies: Result<Vec<DatabaseFound>, CloudError>,
    /// Secrets, without what is in them.
    pub secrets: Result<Vec<SecretFound>, CloudError>,
}

/// A service.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServiceFound {
    /// Its cluster's name.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// The family of its task definition.
    pub family: String,
    /// Its containers, where its task definition could be looked at.
    pub containers: Vec<ContainerFound>,
    /// Whether its tasks have ECS Exec.
    pub exec: bool,
    /// How many tasks it is meant to run.
    pub desired: u32,
    /// How many it runs.
    pub running: u32,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// Its security groups.
    pub security_groups: Vec<String>,
}

/// The newest active revision of a family of task definitions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DefinitionFound {
    /// The family.
    pub family: String,
    /// Its containers.
    pub containers: Vec<ContainerFound>,
    /// Whether it has a task role.
    pub task_role: bool,
    /// Whether it may run on Fargate.
    pub fargate: bool,
    /// Whether its containers share their processes.
    pub shared_processes: bool,
}

/// One container of a task definition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ContainerFound {
    /// Its name.
    pub name: String,
    /// Whether it is there for the others: a router of logs, a tracer, a guard.
    pub sidecar: bool,
    /// Whether its root file system is read-only.
    pub read_only: bool,
}

/// A subnet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SubnetFound {
    /// Its id.
    pub id: String,
    /// Its VPC.
    pub vpc: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether what starts in it gets a public address.
    pub public_addresses: bool,
    /// Whether its default route leads to an internet gateway, where that could be looked at.
    pub public_route: Option<bool>,
}

/// A security group.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GroupFound {
    /// Its id.
    pub id: String,
    /// Its own name.
    pub name: String,
    /// Its VPC.
    pub vpc: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What it lets in.
    pub ingress: Vec<RuleFacts>,
}

/// A database.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DatabaseFound {
    /// Its identifier or name.
    pub id: String,
    /// What AWS calls its engine.
    pub engine: Option<String>,
    /// `available`, `stopped`, …
    pub status: String,
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// The port that it listens on.
    pub port: Option<u16>,
    /// The first database in it.
    pub database: Option<String>,
    /// Its master user.
    pub user: Option<String>,
    /// Whether RDS manages its master secret.
    pub managed: bool,
    /// The secrets that a proxy logs in with, by ARN.
    pub secrets: Vec<String>,
    /// Its ARN.
    pub arn: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A secret, without what is in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SecretFound {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// What it is for.
    pub description: Option<String>,
    /// The service that manages it: `rds`.
    pub owner: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}
