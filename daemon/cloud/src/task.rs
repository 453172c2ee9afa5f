use std::fmt;

/// A task's full name in its cloud (ECS: its ARN).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TaskId(String);

impl TaskId {
    /// The name as the cloud gave it.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as the cloud knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part of the name: enough for people, and for the SSM target.
    pub fn short(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// Everything that a task is started with, so that asking again asks for the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TaskSpec {
    /// What makes the call idempotent, at most 64 characters of ASCII 33–126.
    pub token: String,
    /// Who started it: `bastiond/<installation id>`, at most 36 characters of letters, digits, `-/_`.
    pub started_by: String,
    /// Tags, as key and value. The cloud deletes them when the task is stopped.
    pub tags: Vec<(String, String)>,
    /// Environment for the container, as name and value.
    pub environment: Vec<(String, String)>,
    /// A command in place of the image's own.
    pub command: Option<Vec<String>>,
    /// Subnet ids.
    pub subnets: Vec<String>,
    /// Security group ids.
    pub security_groups: Vec<String>,
}

/// How far a start has come, in this order.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// Looking up subnets, groups and the database.
    Discovering,
    /// RunTask was asked for (service mode: looking for the service's task).
    Requesting,
    /// The task gets its network interface.
    Provisioning,
    /// The image is pulled and the container started.
    Pulling,
    /// The container runs; the SSM agent is being started.
    StartingAgent,
    /// The agent is started; the service does not know it yet, or the channel is being opened.
    Connecting,
}

/// A task whose agent was started: what a session is asked for with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bastion {
    /// The task.
    pub task: TaskId,
    /// The container whose agent answers, by name.
    pub container: String,
    /// That container's runtime id; it lives as long as the container.
    pub runtime_id: String,
}

/// What has become of a task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    /// On its way, or running.
    Alive,
    /// Ended or ending; the cloud's words why.
    Stopped(String),
    /// The cloud does not know it (any more, or yet).
    Missing,
}
