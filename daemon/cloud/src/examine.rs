use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::{CloudError, DatabaseRef, EndClass, SecretRef};

/// What is asked of a cloud only to find out why something does not work, or what it would take.
///
/// Every call reads only and may be repeated. Where the person lacks a permission the error is
/// [`Kind::Denied`](crate::Kind::Denied), which proves nothing about what was asked: it cannot be known.
#[async_trait]
pub trait Examine: Debug + Send + Sync {
    /// The site's cluster as it is, or [`Kind::NotFound`](crate::Kind::NotFound) with names that are near.
    async fn cluster(&self) -> Result<ClusterFacts, CloudError>;

    /// The task definition that the site's tasks are made of: its own, or its service's.
    async fn definition(&self) -> Result<DefinitionFacts, CloudError>;

    /// The site's service; none where the site runs tasks of its own.
    async fn service(&self) -> Result<Option<ServiceFacts>, CloudError>;

    /// The site's tasks of this definition, running or stopped within the last hour, the newest first.
    async fn recent_tasks(&self) -> Result<Vec<TaskFact>, CloudError>;

    /// Whether this user or role may do these things, as its policies say; the answers in the order of the wishes. The
    /// principal may be the ARN of a role's session, as [`Cloud::identity`](crate::Cloud::identity) tells it.
    async fn simulate(
        &self,
        principal: &str,
        wishes: &[Wish],
    ) -> Result<Vec<Permission>, CloudError>;

    /// How one gets from these subnets to AWS. What matters less and may not be asked for stands in
    /// [`NetworkFacts::unknown`].
    async fn ways_out(&self, subnets: &[String]) -> Result<NetworkFacts, CloudError>;

    /// What these security groups let in and out.
    async fn groups(&self, groups: &[String]) -> Result<Vec<GroupFacts>, CloudError>;

    /// Where a database is, how it is, and who may reach it; [`Kind::Invalid`](crate::Kind::Invalid) for a plain host.
    async fn database_facts(&self, database: &DatabaseRef) -> Result<DatabaseFacts, CloudError>;

    /// A secret, without what is in it.
    async fn secret_facts(&self, secret: &SecretRef) -> Result<SecretFacts, CloudError>;

    /// By how many seconds this machine's clock is ahead of AWS's, and how far off the answer may be.
    async fn clock_ahead(&self) -> Result<Skew, CloudError>;

    /// Who answers for AWS at the names that are used, and whether it can be believed.
    async fn gateway(&self) -> Result<GatewayFacts, CloudError>;

    /// When a person has to log in again, where files on this machine tell; none for what renews itself. Asks nobody.
    async fn login_ends(&self) -> Option<SystemTime> {
        None
    }
}

/// A cluster.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClusterFacts {
    /// Its whole name.
    pub arn: String,
    /// `ACTIVE`, `INACTIVE`, …
    pub status: String,
    /// `FARGATE`, `FARGATE_SPOT`, and whatever else it has.
    pub capacity_providers: Vec<String>,
}

/// A task definition, as far as it decides about bastions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DefinitionFacts {
    /// Its whole name, with its revision.
    pub arn: String,
    /// Its family and revision: `proxy:7`.
    pub name: String,
    /// The role whose rights the container has.
    pub task_role: Option<String>,
    /// The role with which the image is pulled and logs are written.
    pub execution_role: Option<String>,
    /// `awsvpc` on Fargate.
    pub network_mode: String,
    /// `task` and `host` break the agent.
    pub pid_mode: Option<String>,
    /// Whether it may run on Fargate.
    pub fargate: bool,
    /// Whether it was deregistered: what runs goes on, and nothing more is started of it.
    pub retired: bool,
    /// Its containers.
    pub containers: Vec<ContainerFacts>,
}

/// One container of a task definition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ContainerFacts {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Whether its root file system is read-only, which the agent cannot bear.
    pub read_only: bool,
    /// Names of variables that it is given.
    pub variables: Vec<String>,
    /// Where volumes are mounted in it that it may write to.
    pub writable: Vec<String>,
    /// The log group of its `awslogs` driver.
    pub log_group: Option<String>,
}

/// A service.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServiceFacts {
    /// Its whole name.
    pub arn: String,
    /// `ACTIVE`, `DRAINING`, `INACTIVE`.
    pub status: String,
    /// How many tasks it is meant to run.
    pub desired: u32,
    /// How many it runs.
    pub running: u32,
    /// The task definition that its tasks are made of.
    pub definition: String,
    /// What it told last, the newest first: why it starts no task, for one.
    pub events: Vec<String>,
    /// Whether its tasks have ECS Exec.
    pub exec: bool,
    /// Whether its tasks have public addresses.
    pub public: bool,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// Its security groups.
    pub security_groups: Vec<String>,
}

/// A task, as far as it tells why bastions fail.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TaskFact {
    /// Its whole name.
    pub arn: String,
    /// `RUNNING`, `STOPPED`, …
    pub status: String,
    /// Whether it has ECS Exec.
    pub exec: bool,
    /// The agent's status in the site's container: `RUNNING`, `STOPPED`, `PENDING`.
    pub agent: Option<String>,
    /// Why it stopped, in AWS's words.
    pub stopped_reason: Option<String>,
    /// AWS's code for that.
    pub stop_code: Option<String>,
    /// Why its container stopped, and with what.
    pub container_reason: Option<String>,
    /// The container's exit code.
    pub exit_code: Option<i32>,
    /// What kind of end it came to, where it has ended or is ending.
    pub end: Option<EndClass>,
    /// When it was asked for.
    pub created: Option<SystemTime>,
    /// When it had stopped.
    pub stopped: Option<SystemTime>,
    /// Who started it.
    pub started_by: Option<String>,
}

/// One thing that somebody would like to do.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Wish {
    /// `ssm:StartSession`
    pub action: String,
    /// On what; `*` where it has no resource.
    pub resource: String,
    /// What the call would bring along for the conditions of policies: `iam:PassedToService` and its value, ….
    pub context: Vec<(String, String)>,
}

impl Wish {
    /// To do this on that, with nothing that conditions could ask for.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: Vec::new() }
    }

    /// The same with a value for conditions.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.context.push((key.into(), value.into()));
        self
    }
}

/// What IAM says to a wish.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permission {
    /// The wish.
    pub wish: Wish,
    /// The answer.
    pub says: Says,
    /// The policies that decided, as IAM names them; none where none speaks of it.
    pub by: Vec<String>,
    /// Keys that conditions ask for and the wish does not bring along: the answer may be another with them.
    pub missing: Vec<String>,
    /// Whether the organisation's policies or a permissions boundary, and not the principal's own, say no.
    pub from_above: bool,
}

/// IAM's three answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Says {
    /// A policy allows it and none denies it.
    Allowed,
    /// No policy allows it.
    NotAllowed,
    /// A policy denies it.
    Denied,
}

/// The network around some subnets.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NetworkFacts {
    /// Their VPC.
    pub vpc: String,
    /// Whether the VPC answers names (`enableDnsSupport`); none where it is not known.
    pub dns: Option<bool>,
    /// Whether the VPC gives names (`enableDnsHostnames`), which the private names of endpoints need beside the above;
    /// none where it is not known.
    pub hostnames: Option<bool>,
    /// Each subnet's way out.
    pub subnets: Vec<SubnetFacts>,
    /// The endpoints of the VPC: those with a network interface, and gateways.
    pub endpoints: Vec<EndpointFacts>,
    /// What could not be asked for want of a permission, and is left out above.
    pub unknown: Vec<CloudError>,
}

/// One subnet's way out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SubnetFacts {
    /// The subnet.
    pub id: String,
    /// Its zone.
    pub zone: String,
    /// The account that it belongs to, which shares it with others or not; none where it is not told.
    pub owner: Option<String>,
    /// Its addresses: `10.0.10.0/24`; none where it has IPv6 alone.
    pub cidr: Option<String>,
    /// The route table that it uses.
    pub route_table: Option<String>,
    /// Where its default route leads, and whether that is there: `nat-…`, `igw-…`, `tgw-…`, `eni-…`.
    pub default_route: Option<RouteFacts>,
    /// Where its other routes lead that leave the VPC and work: `tgw-…`, `pcx-…`, `vgw-…`. None is a gateway endpoint's.
    pub other_routes: Vec<String>,
    /// Addresses that are left.
    pub free_addresses: u32,
}

/// Where a default route leads.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RouteFacts {
    /// Its gateway.
    pub gateway: String,
    /// Whether that gateway is there and works; a black hole is not.
    pub works: bool,
    /// How it is, where it does not work: `blackhole`, `failed`, `deleting`, `private`, ….
    pub state: Option<String>,
}

/// One endpoint of a VPC.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EndpointFacts {
    /// Its id.
    pub id: String,
    /// `com.amazonaws.<region>.ssmmessages`
    pub service: String,
    /// Whether it is available.
    pub available: bool,
    /// Whether the service's usual name leads to it.
    pub private_dns: bool,
    /// The subnets that it stands in; none of a gateway.
    pub subnets: Vec<String>,
    /// The route tables that lead to it, where it is a gateway.
    pub route_tables: Vec<String>,
    /// Its security groups.
    pub security_groups: Vec<String>,
}

/// A security group.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GroupFacts {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its VPC.
    pub vpc: String,
    /// What it lets in.
    pub ingress: Vec<RuleFacts>,
    /// What it lets out.
    pub egress: Vec<RuleFacts>,
}

/// One rule of a security group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleFacts {
    /// The first port and the last; none where all are meant.
    pub ports: Option<(u16, u16)>,
    /// Whether TCP is meant.
    pub tcp: bool,
    /// Whom it is about.
    pub peer: PeerFacts,
}

impl RuleFacts {
    /// Whether a TCP port falls under it.
    pub fn covers(&self, port: u16) -> bool {
        self.tcp && self.ports.is_none_or(|(first, last)| (first..=last).contains(&port))
    }
}

/// Whom a rule is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PeerFacts {
    /// Addresses: `10.0.0.0/16`, `::/0`.
    Cidr(String),
    /// Whoever is in that security group.
    Group(String),
    /// A list of prefixes that AWS or somebody keeps.
    PrefixList(String),
}

/// A database, as far as it decides whether it can be reached.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DatabaseFacts {
    /// Its identifier, as AWS writes it.
    pub id: String,
    /// `available`, `stopped`, `creating`, …
    pub status: String,
    /// Its VPC, where it is told.
    pub vpc: Option<String>,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// Its port.
    pub port: Option<u16>,
    /// Whether it takes IAM tokens.
    pub iam: bool,
    /// Whether it has a public address, too.
    pub public: bool,
    /// The cluster that an instance is a member of: what is done to all of it is done there.
    pub cluster: Option<String>,
    /// What a policy calls it: `db-ABC…`, `cluster-ABC…`, `prx-…`.
    pub resource_id: Option<String>,
    /// Its whole name.
    pub arn: Option<String>,
}

/// A secret, without what is in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SecretFacts {
    /// Its name.
    pub name: String,
    /// Its whole name.
    pub arn: String,
    /// When it was last rotated or changed, in RFC 3339.
    pub changed: Option<String>,
    /// Whether it is rotated by itself.
    pub rotates: bool,
    /// Whether it is to be deleted, and cannot be read any more.
    pub deleted: bool,
    /// The key that it is encrypted with, where it is not AWS's own.
    pub kms_key: Option<String>,
}

/// How far a clock is off.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Skew {
    /// Seconds that this machine is ahead; negative where it is behind.
    pub seconds: i64,
    /// How long the answer took: the skew is known no better than that.
    pub within: Duration,
}

/// What stands between this machine and AWS.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GatewayFacts {
    /// The host that was asked.
    pub host: String,
    /// The proxy that is used, without its password.
    pub proxy: Option<String>,
    /// Who vouches for the certificate of whoever answers, where it is not believed.
    pub distrusted_issuer: Option<String>,
    /// What went wrong with a WebSocket's upgrade, where anything did.
    pub upgrade: Option<String>,
}
