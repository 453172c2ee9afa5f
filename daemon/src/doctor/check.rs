//! The checks: their names, their order, what each depends on, and what may come of one.

use bastion_api::Problem;

/// One thing to look at. Their order is that of dependence: the first that fails is the root cause.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Check {
    /// The config file can be used, and is the one that is used (D32).
    Config,
    /// The local port is ours, and nobody else's (D13).
    Port,
    /// There is a login, and AWS takes it (D18, D28, D29).
    Credentials,
    /// Nothing between here and AWS gets in the way (D30).
    Network,
    /// This machine's clock agrees with AWS's (D21).
    Clock,
    /// AWS does what it is asked (D26).
    Aws,
    /// Policies allow what the daemon does (D19).
    Permissions,
    /// The cluster is there (D02).
    Cluster,
    /// The service is there, and its tasks have ECS Exec (D07, D04).
    Service,
    /// The task definition is there (D03).
    Definition,
    /// The agent can live in the container (D22).
    Container,
    /// The task role lets the agent connect (D08).
    Roles,
    /// Subnets and security groups are there, in one VPC (D12).
    Subnets,
    /// There is a way from the subnets to the session service (D09).
    WayOut,
    /// Tasks start (D04, D05, D27, D14, D07).
    Tasks,
    /// The agent connects (D06, D08).
    Agent,
    /// The agent takes as many sessions as are wanted (D20).
    Sessions,
    /// The database is available (D11).
    RdsStatus,
    /// The database is in the bastion's VPC (D12).
    Vpc,
    /// The database's security groups let the bastion in (D10).
    Reach,
    /// The database's name and address can be used from the VPC (D25).
    Name,
    /// The password can be had (D16).
    Secret,
    /// Tunnels stand, and the database answers through them (D23, D24).
    Tunnel,
    /// Visits keep what they need (D31).
    Visits,
}

impl Check {
    /// Those that are made once for the machine.
    pub const MACHINE: [Self; 1] = [Self::Config];
    /// Those of a target that come before its site's: they ask AWS nothing.
    pub const HOST: [Self; 1] = [Self::Port];
    /// Those that all targets of a site share.
    pub const SITE: [Self; 14] = [
        Self::Credentials,
        Self::Network,
        Self::Clock,
        Self::Aws,
        Self::Permissions,
        Self::Cluster,
        Self::Service,
        Self::Definition,
        Self::Container,
        Self::Roles,
        Self::Subnets,
        Self::WayOut,
        Self::Tasks,
        Self::Agent,
    ];
    /// Those of a target.
    pub const TARGET: [Self; 8] = [
        Self::Sessions,
        Self::RdsStatus,
        Self::Vpc,
        Self::Reach,
        Self::Name,
        Self::Secret,
        Self::Tunnel,
        Self::Visits,
    ];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Port => "port",
            Self::Credentials => "credentials",
            Self::Network => "network",
            Self::Clock => "clock",
            Self::Aws => "aws",
            Self::Permissions => "permissions",
            Self::Cluster => "cluster",
            Self::Service => "service",
            Self::Definition => "task definition",
            Self::Container => "container",
            Self::Roles => "task role",
            Self::Subnets => "subnets",
            Self::WayOut => "way out",
            Self::Tasks => "tasks",
            Self::Agent => "agent",
            Self::Sessions => "sessions",
            Self::RdsStatus => "rds status",
            Self::Vpc => "vpc",
            Self::Reach => "database reach",
            Self::Name => "database name",
            Self::Secret => "secret",
            Self::Tunnel => "tunnel",
            Self::Visits => "visits",
        }
    }

    /// What it cannot do without: where one of these fails, this one says nothing.
    pub fn needs(self) -> &'static [Self] {
        match self {
            Self::Config | Self::Port | Self::Credentials | Self::Network => &[],
            Self::Clock => &[Self::Network],
            Self::Aws => &[Self::Credentials, Self::Network, Self::Clock],
            Self::Permissions | Self::Cluster | Self::Subnets | Self::Secret | Self::RdsStatus => {
                &[Self::Credentials, Self::Network, Self::Clock]
            }
            Self::Service => &[Self::Cluster],
            Self::Definition => &[Self::Credentials, Self::Network, Self::Clock, Self::Service],
            Self::Container | Self::Roles => &[Self::Definition],
            Self::WayOut => &[Self::Subnets],
            Self::Tasks => &[
                Self::Permissions,
                Self::Aws,
                Self::Cluster,
                Self::Service,
                Self::Definition,
                Self::Subnets,
                Self::WayOut,
            ],
            Self::Agent => &[Self::Container, Self::Roles, Self::WayOut, Self::Tasks],
            Self::Sessions => &[Self::Agent],
            Self::Vpc => &[Self::Subnets],
            Self::Reach => &[Self::Subnets, Self::Vpc],
            Self::Name => &[Self::Agent, Self::Vpc],
            Self::Tunnel => &[
                Self::Permissions,
                Self::Agent,
                Self::Sessions,
                Self::RdsStatus,
                Self::Vpc,
                Self::Reach,
                Self::Name,
            ],
            Self::Visits => &[Self::Tunnel],
        }
    }
}

/// What comes of a check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is as it should be: what was seen.
    Ok(String),
    /// It is not: what is wrong, with one hint, which is the one thing to do.
    Fail(Box<Problem>),
    /// It cannot be known.
    Unknown {
        /// Why not.
        words: String,
        /// What to allow, where a permission is missing.
        grant: Option<String>,
    },
    /// It says nothing, because that one failed.
    Skip(Check),
}

impl Verdict {
    /// It is as it should be.
    pub(super) fn ok(words: impl Into<String>) -> Self {
        Self::Ok(words.into())
    }

    /// It cannot be known, and no permission would change that.
    pub(super) fn unknown(words: impl Into<String>) -> Self {
        Self::Unknown { words: words.into(), grant: None }
    }

    /// It is wrong.
    pub(super) fn fail(problem: Problem) -> Self {
        Self::Fail(Box::new(problem))
    }
}
