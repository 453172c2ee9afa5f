/// A place that can hold bastions, as the config means it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Site {
    /// What people call it.
    pub name: String,
    /// The AWS profile; without one, whatever the environment gives.
    pub profile: Option<String>,
    /// The region; without one, the profile's.
    pub region: Option<String>,
    /// The ECS cluster's name or ARN.
    pub cluster: String,
    /// What a bastion is made of.
    pub runs: Runs,
    /// The container whose agent is used; without one, the task definition's only container.
    pub container: Option<String>,
    /// The subnets for a task of our own. Not looked at in service mode.
    pub subnets: Select,
    /// The security groups for a task of our own. Not looked at in service mode.
    pub security_groups: Select,
    /// Whether tasks ask for spare capacity at a lower price (FARGATE_SPOT).
    pub spot: bool,
    /// Whether tasks get a public address, for subnets without a NAT gateway.
    pub assign_public_ip: bool,
}

/// What a bastion is made of.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Runs {
    /// A task of our own, of this task definition: `family` or `family:revision`.
    TaskDefinition(String),
    /// A task that this ECS service runs anyway; we start and stop none.
    Service(String),
}

/// How subnets or security groups are named.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Select {
    /// By id.
    Ids(Vec<String>),
    /// By the tag Name (security groups: by group name too), `*` and `?` as wildcards.
    Name(String),
    /// By tags, all of which must fit; values may hold wildcards.
    Tags(Vec<(String, String)>),
}
