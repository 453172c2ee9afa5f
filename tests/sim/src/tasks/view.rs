//! One task as it stands at a moment.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::world::Tags;

/// What is known of one ECS task.
#[derive(Clone, Debug, Serialize)]
pub struct TaskView {
    /// Its ARN.
    pub arn: String,
    /// The last part of its ARN: 32 hex digits.
    pub id: String,
    /// The cluster's name.
    pub cluster: String,
    /// `family:revision`.
    pub definition: String,
    /// `family:…` or `service:…`.
    pub group: String,
    /// What its maker wrote, or the deployment's id.
    pub started_by: Option<String>,
    /// What it runs on.
    pub launch: Launch,
    /// Its tags; gone once StopTask was called.
    pub tags: Tags,
    /// As given to RunTask.
    pub overrides: serde_json::Value,
    /// In CPU units.
    pub cpu: String,
    /// In MiB.
    pub memory: String,
    /// Whether it has ECS Exec.
    pub exec: bool,
    /// The subnet it stands in.
    pub subnet: String,
    /// That subnet's zone.
    pub zone: String,
    /// Its private address.
    pub address: String,
    /// Its network interface.
    pub eni: String,
    /// Whether it has a public address.
    pub public_address: bool,
    /// Where it is.
    pub last_status: Status,
    /// Where it shall be: RUNNING or STOPPED.
    pub desired_status: Status,
    /// Counts its changes.
    pub version: u64,
    /// Injected ones first.
    pub containers: Vec<ContainerView>,
    /// Whether its agent takes sessions.
    pub connected: bool,
    /// Milliseconds since 1970 of each step.
    pub times: Times,
    /// Why it was stopped, as a code.
    pub stop_code: Option<String>,
    /// Why it was stopped, in words.
    pub stopped_reason: Option<String>,
}

/// One container of a task.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// `<task id>-<10 digits>`.
    pub runtime_id: String,
    /// The last part of its ARN.
    pub id: String,
    /// Whether AWS put it there.
    pub injected: bool,
    /// Whether its end ends the task.
    pub essential: bool,
    /// Where it is.
    pub last_status: Status,
    /// How it ended.
    pub exit_code: Option<i32>,
    /// Why it ended, or never began.
    pub reason: Option<String>,
    /// The exec agent's status; none where it has no agent.
    pub agent: Option<String>,
    /// Why the agent is where it is.
    pub agent_reason: Option<String>,
    /// When the agent last started.
    pub agent_started_ms: Option<i64>,
}

/// What a task runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Launch {
    /// Asked for as launch type FARGATE.
    Fargate,
    /// Asked for by a capacity provider's name.
    Provider(String),
}

/// The steps of a task's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Its network is made.
    Provisioning,
    /// Its image is pulled.
    Pending,
    /// Its containers run.
    Running,
    /// It is to stop.
    Deactivating,
    /// Its containers are told.
    Stopping,
    /// Its network is taken away.
    Deprovisioning,
    /// It is over.
    Stopped,
}

impl Status {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// When each step came, in milliseconds since 1970.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Times {
    /// RunTask.
    pub created: i64,
    /// The network stood.
    pub connectivity: Option<i64>,
    /// From here on it costs money.
    pub pull_started: Option<i64>,
    /// The image was there.
    pub pull_stopped: Option<i64>,
    /// RUNNING.
    pub started: Option<i64>,
    /// The agent took sessions from here on.
    pub connected: Option<i64>,
    /// It was told to stop.
    pub stopping: Option<i64>,
    /// Its last container ended.
    pub execution_stopped: Option<i64>,
    /// STOPPED.
    pub stopped: Option<i64>,
}

impl TaskView {
    /// The container of that name.
    pub fn container(&self, name: &str) -> Option<&ContainerView> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// Whether a service keeps it.
    pub fn of_service(&self) -> bool {
        self.group.starts_with("service:")
    }

    /// The environment that RunTask's overrides give to a container.
    pub(crate) fn override_environment(&self, container: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for pair in self
            .override_of(container)
            .and_then(|over| over["environment"].as_array())
            .into_iter()
            .flatten()
        {
            if let (Some(name), Some(value)) = (pair["name"].as_str(), pair["value"].as_str()) {
                found.insert(name.to_owned(), value.to_owned());
            }
        }
        found
    }

    /// The command that RunTask's overrides give to a container.
    pub(crate) fn override_command(&self, container: &str) -> Option<Vec<String>> {
        let words = self.override_of(container)?["command"].as_array()?;
        Some(words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect())
    }

    fn override_of(&self, container: &str) -> Option<&serde_json::Value> {
        let list = self.overrides["containerOverrides"].as_array()?;
        list.iter().find(|over| over["name"].as_str() == Some(container))
    }
}
