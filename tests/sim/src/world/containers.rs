//! The container side of the world: clusters, task definitions, services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Tags;

/// An ECS cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// `ACTIVE` or `INACTIVE`.
    pub status: String,
    /// Capacity providers associated with it.
    pub capacity_providers: Vec<String>,
    /// Those among them that have no capacity left, `FARGATE_SPOT` for one.
    pub exhausted: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            status: "ACTIVE".to_owned(),
            capacity_providers: vec!["FARGATE".to_owned(), "FARGATE_SPOT".to_owned()],
            exhausted: Vec::new(),
            tags: Tags::new(),
        }
    }
}

/// One revision of an ECS task definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskDefinition {
    /// Whether it may still be run.
    pub active: bool,
    /// `awsvpc`.
    pub network_mode: String,
    /// In units of 1/1024 vCPU, as AWS gives it: a string.
    pub cpu: String,
    /// In MiB, a string.
    pub memory: String,
    /// The containers' own role, as an ARN; ECS Exec needs one.
    pub task_role: Option<String>,
    /// The role that pulls and logs, as an ARN.
    pub execution_role: Option<String>,
    /// `task` when containers share a PID namespace.
    pub pid_mode: Option<String>,
    /// In order.
    pub containers: Vec<ContainerDefinition>,
    /// Its tags.
    pub tags: Tags,
}

impl Default for TaskDefinition {
    fn default() -> Self {
        Self {
            active: true,
            network_mode: "awsvpc".to_owned(),
            cpu: "256".to_owned(),
            memory: "512".to_owned(),
            task_role: None,
            execution_role: None,
            pid_mode: None,
            containers: Vec::new(),
            tags: Tags::new(),
        }
    }
}

/// One container of a task definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerDefinition {
    /// Its name.
    pub name: String,
    /// What would be pulled.
    pub image: String,
    /// Whether its end is the task's end.
    pub essential: bool,
    /// What its command is run with; nothing can override it.
    pub entry_point: Vec<String>,
    /// What it runs unless overridden; here, too, as a real process.
    pub command: Vec<String>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Seconds between TERM and KILL.
    pub stop_timeout: Option<u32>,
    /// A root file system that the agent cannot write to.
    pub readonly_root: bool,
    /// Whether an init process reaps.
    pub init_process: bool,
    /// Variables that come from secrets: the secret's ARN by the variable's name.
    pub secrets: BTreeMap<String, String>,
    /// The awslogs group, if it logs.
    pub log_group: Option<String>,
}

impl Default for ContainerDefinition {
    fn default() -> Self {
        Self {
            name: String::new(),
            image: "public.ecr.aws/amazonlinux/amazonlinux:2023".to_owned(),
            essential: true,
            entry_point: Vec::new(),
            command: Vec::new(),
            environment: BTreeMap::new(),
            stop_timeout: None,
            readonly_root: false,
            init_process: true,
            secrets: BTreeMap::new(),
            log_group: None,
        }
    }
}

/// An ECS service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    /// `ACTIVE`, `DRAINING` or `INACTIVE`.
    pub status: String,
    /// `family:revision`.
    pub task_definition: String,
    /// How many tasks it keeps.
    pub desired: usize,
    /// Whether its tasks have ECS Exec.
    pub exec: bool,
    /// Where its tasks stand.
    pub subnets: Vec<String>,
    /// Its tasks' security groups.
    pub security_groups: Vec<String>,
    /// The current deployment's number; a new one replaces every task.
    pub deployment: u64,
    /// What it has told, the newest first: "(service web) was unable to place a task. …".
    pub events: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            status: "ACTIVE".to_owned(),
            task_definition: String::new(),
            desired: 1,
            exec: true,
            subnets: Vec::new(),
            security_groups: Vec::new(),
            deployment: 1,
            events: Vec::new(),
            tags: Tags::new(),
        }
    }
}

impl Service {
    /// Which its tasks carry as `startedBy`.
    pub fn deployment_id(&self) -> String {
        format!("ecs-svc/{}", 1_000_000_000_000_000_000 + self.deployment)
    }
}
