//! The little that bastiond asks of a cloud: a few calls, each with its promise.
//!
//! [`Cloud`] is one site: an account, a region, a cluster, and credentials that reach them. Whoever implements it
//! answers within its own deadlines and never blocks for ever; whoever calls it may drop the future at any time.

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

mod error;
mod examine;
mod place;
mod secret;
mod session;
mod site;
mod survey;
mod task;

pub use error::{CloudError, Kind, LoginState, LoginWay};
pub use examine::{
    ClusterFacts, ContainerFacts, DatabaseFacts, DefinitionFacts, EndpointFacts, Examine,
    GatewayFacts, GroupFacts, NetworkFacts, PeerFacts, Permission, RouteFacts, RuleFacts, Says,
    SecretFacts, ServiceFacts, Skew, SubnetFacts, TaskFact, Wish,
};
pub use place::{Place, Subnet};
pub use secret::Secret;
pub use session::{Keys, SessionGrant, SessionId};
pub use site::{Runs, Select, Site};
pub use survey::{
    ContainerFound, DatabaseFound, DefinitionFound, Findings, GroupFound, ProfileFact,
    ProfileFacts, SecretFound, ServiceFound, SubnetFound, Survey, Used,
};
pub use task::{
    Architecture, Bastion, EndClass, Seen, Stage, TaskEnd, TaskFacts, TaskId, TaskSize, TaskSpec,
    TaskTimes,
};

/// One site of one cloud, with credentials to use it.
#[async_trait]
pub trait Cloud: Debug + Send + Sync {
    /// Whose credentials these are. Free of side effects; may be repeated.
    async fn identity(&self) -> Result<Identity, CloudError>;

    /// What files on this machine tell of the login: recognises what is hopeless before anything is started. Asks
    /// nobody, starts no program, and may be repeated each second.
    async fn login_state(&self) -> LoginState {
        LoginState::Promising
    }

    /// Whether files that the login rests on have changed since AWS was last asked with it. Asks nobody, and may be
    /// repeated each second.
    fn login_changed(&self) -> bool {
        false
    }

    /// Forgets credentials and what is known of failures with them: the next call resolves all afresh.
    fn forget_login(&self) {}

    /// Subnets and security groups, by whatever the site calls them. Reads only.
    ///
    /// Nothing found, or more than one VPC found, is [`Kind::NotFound`] or [`Kind::Ambiguous`]: never a guess.
    async fn find_place(&self) -> Result<Place, CloudError>;

    /// Where a database listens. Reads only; may be some minutes old.
    async fn find_database(&self, database: &DatabaseRef) -> Result<Database, CloudError>;

    /// Where a database listens by now, asked afresh: after a failure that may have been a failover. Reads only.
    async fn refresh_database(&self, database: &DatabaseRef) -> Result<Database, CloudError> {
        self.find_database(database).await
    }

    /// What the site's container runs its command with, as its task definition says; empty where it says nothing, and
    /// then the image may still have an entry point that nobody can ask for. Reads only.
    async fn entry_point(&self) -> Result<Vec<String>, CloudError> {
        Ok(Vec::new())
    }

    /// Starts one task and returns its name. Idempotent by [`TaskSpec::token`]: the same spec with the same token
    /// gives the same task however often it is asked for.
    async fn run_task(&self, spec: &TaskSpec) -> Result<TaskId, CloudError>;

    /// The running task of the site's service that a bastion may be made of. Reads only; starts nothing. Where the
    /// service is meant to run none, the error is [`Kind::ScaledToZero`].
    async fn service_task(&self) -> Result<TaskId, CloudError>;

    /// Scales the site's service from so many tasks to so many others, where it is still meant to run the former.
    /// Idempotent: a service that is meant to run the latter already is left alone.
    async fn scale_service(&self, from: u32, to: u32) -> Result<Scaled, CloudError>;

    /// Waits until a task runs and its SSM agent is started, telling each stage as it is reached. Reads only.
    ///
    /// The agent may still not be connected: [`Cloud::start_session`] waits for that.
    async fn agent_ready(
        &self,
        task: &TaskId,
        progress: Progress<'_>,
        patience: Duration,
    ) -> Result<Bastion, CloudError>;

    /// What has become of these tasks. Reads only; a task that the cloud does not know is [`Seen::Missing`], which
    /// proves little shortly after its start.
    async fn see_tasks(&self, tasks: &[TaskId]) -> Result<Vec<Seen>, CloudError>;

    /// The last lines of a task's log, oldest first; none where it keeps no log that we can read. Reads only.
    async fn task_logs(&self, task: &TaskId) -> Result<Vec<String>, CloudError>;

    /// Tasks, running or on their way, that carry this mark (ECS: startedBy). Reads only; lags behind the truth.
    async fn list_tasks(&self, started_by: &str) -> Result<Vec<TaskId>, CloudError>;

    /// Asks for a task's end. Idempotent: stopping a stopped or an unknown task is done.
    async fn stop_task(&self, task: &TaskId, reason: &str) -> Result<(), CloudError>;

    /// Opens a session through a bastion to a remote host and port. Not idempotent: each call is a session of its own.
    ///
    /// An agent that is not connected yet is asked again, with growing pauses, for as long as `patience` allows; then
    /// the error is [`Kind::NotConnected`].
    async fn start_session(
        &self,
        bastion: &Bastion,
        remote: &Remote,
        patience: Duration,
    ) -> Result<SessionGrant, CloudError>;

    /// A new token for a session that lives, with freshly resolved credentials. May be repeated.
    async fn resume_session(&self, session: &SessionId) -> Result<SessionGrant, CloudError>;

    /// Ends a session. Idempotent.
    async fn end_session(&self, session: &SessionId) -> Result<(), CloudError>;

    /// What a secret holds: user and password. Reads only.
    async fn secret(&self, name: &SecretRef) -> Result<Login, CloudError>;

    /// What stands for this user's password at this database, for [`TOKEN_LIFE`] and nowhere else. Made of the login's
    /// keys alone: nobody is asked whether the database will take it. May be repeated; each is another.
    async fn token(&self, remote: &Remote, user: &str) -> Result<Secret, CloudError> {
        Err(CloudError {
            call: "rds-db:connect",
            kind: Kind::Invalid,
            message: format!("nobody here makes tokens for {user} at {remote}"),
            request_id: None,
        })
    }

    /// Who answers what is asked only to find out why something does not work; none where nobody does.
    fn examiner(&self) -> Option<&dyn Examine> {
        None
    }
}

/// How long a token is taken that stands for a password: as long as RDS takes any.
pub const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

/// Told each stage of a start once, in order.
pub type Progress<'a> = &'a (dyn Fn(Stage) + Send + Sync);

/// Whose credentials a site uses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The account's number.
    pub account: String,
    /// The user's or role's ARN.
    pub arn: String,
}

/// What came of the wish to scale a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scaled {
    /// It was done by this call, and is ours to undo.
    ByUs,
    /// Somebody else has scaled it: it is meant to run so many.
    Already(u32),
}

/// How a target names its database.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum DatabaseRef {
    /// An RDS instance's identifier.
    Rds(String),
    /// An Aurora cluster's identifier and which of its endpoints.
    Aurora(String, AuroraEndpoint),
    /// An RDS Proxy's name.
    Proxy(String),
    /// A plain host and port, taken as given.
    Host(String, u16),
}

/// Which endpoint of an Aurora cluster.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub enum AuroraEndpoint {
    /// The one that follows the writer.
    #[default]
    Writer,
    /// The one that spreads over the readers.
    Reader,
    /// A custom endpoint's identifier.
    Custom(String),
}

/// A database as it was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Database {
    /// Where it listens.
    pub remote: Remote,
    /// What it calls its engine (`postgres`, `aurora-mysql`, …), where the cloud tells.
    pub engine: Option<String>,
    /// Its master secret, where the cloud manages one.
    pub managed_secret: Option<String>,
}

/// A host and port as a bastion sees them.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Remote {
    /// A name or an address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

impl Remote {
    /// Whether the host is an address and not a name.
    pub fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }
}

impl std::fmt::Display for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Which secret a target's password is in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecretRef {
    /// A secret's name or ARN.
    Named(String),
    /// The secret that RDS manages for this database.
    Managed(DatabaseRef),
}

/// A user and a password, as a secret holds them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// The user, where the secret names one.
    pub user: Option<String>,
    /// The password.
    pub password: Secret,
}
