use std::fmt;
use std::time::SystemTime;

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
    /// Whether spare capacity at a lower price is asked for (FARGATE_SPOT); where there is none, another spec asks
    /// for the ordinary kind.
    pub spot: bool,
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
    /// On its way: its container does not run yet.
    Starting(Box<TaskFacts>),
    /// Its container runs.
    Running {
        /// Since when, where the cloud tells.
        since: Option<SystemTime>,
        /// What else is known of it.
        facts: Box<TaskFacts>,
    },
    /// Ending: of no use any more, and still paid for.
    Stopping(Box<TaskEnd>),
    /// Ended.
    Stopped(Box<TaskEnd>),
    /// The cloud does not know it (any more, or yet).
    Missing,
}

impl Seen {
    /// Why it is of no use any more, where the cloud says so.
    pub fn end(&self) -> Option<&TaskEnd> {
        match self {
            Self::Stopping(end) | Self::Stopped(end) => Some(end),
            Self::Starting(_) | Self::Running { .. } | Self::Missing => None,
        }
    }

    /// What the cloud tells of it, where it knows it.
    pub fn facts(&self) -> Option<&TaskFacts> {
        match self {
            Self::Starting(facts) | Self::Running { facts, .. } => Some(facts),
            Self::Stopping(end) | Self::Stopped(end) => Some(&end.facts),
            Self::Missing => None,
        }
    }
}

/// What the cloud tells of a task, whether it lives or not.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TaskFacts {
    /// The mark that it was started with ([`TaskSpec::started_by`]).
    pub started_by: Option<String>,
    /// The environment that it was started with ([`TaskSpec::environment`]): it outlives the tags.
    pub environment: Vec<(String, String)>,
    /// What its price hangs on.
    pub size: TaskSize,
    /// When each thing befell it.
    pub times: TaskTimes,
}

impl TaskFacts {
    /// One value of the environment that it was started with.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What a task's price hangs on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TaskSize {
    /// CPU, in 1/1024 of a vCPU.
    pub cpu: Option<u32>,
    /// Memory, in MiB.
    pub memory: Option<u32>,
    /// The processor.
    pub architecture: Architecture,
    /// Whether it runs on spare capacity.
    pub spot: bool,
    /// The region that it runs in.
    pub region: String,
}

/// A processor's kind, as prices know it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Architecture {
    /// Intel and AMD, 64 bits; also what is assumed where nothing is told.
    #[default]
    X86,
    /// Arm, 64 bits.
    Arm,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        })
    }
}

/// When each thing befell a task, by the cloud's clock, as far as it has come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TaskTimes {
    /// It was asked for.
    pub created: Option<SystemTime>,
    /// Its image began to be pulled: it is paid for from here on.
    pub pull_started: Option<SystemTime>,
    /// Its container ran.
    pub started: Option<SystemTime>,
    /// It began to end.
    pub stopping: Option<SystemTime>,
    /// It had ended: it is paid for until here.
    pub stopped: Option<SystemTime>,
}

/// How a task came to its end. Prints as the cloud's words in one line, and the last lines of its log below.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TaskEnd {
    /// The cloud's code: `TaskFailedToStart`, `EssentialContainerExited`, …
    pub code: Option<String>,
    /// What kind of end that is.
    pub class: EndClass,
    /// The cloud's reason.
    pub reason: String,
    /// The exit code of the container that broke off, where it got that far.
    pub exit: Option<i32>,
    /// What is told of that container.
    pub container_reason: Option<String>,
    /// All of it in one line, every container's own words included.
    pub words: String,
    /// The last lines of its log, where somebody has asked for them ([`Cloud::task_logs`](crate::Cloud::task_logs)).
    pub log: Vec<String>,
    /// What else is known of the task.
    pub facts: TaskFacts,
}

impl TaskEnd {
    /// Whether its container ended by itself, so that its log may tell why.
    pub fn is_its_own(&self) -> bool {
        matches!(self.class, EndClass::Exited | EndClass::Memory)
    }
}

impl fmt::Display for TaskEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)?;
        self.log.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

/// What kind of end a task came to: what may be done about it hangs on this.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum EndClass {
    /// Somebody asked for it: us, a person, or a service that is being scaled.
    Asked,
    /// No room for it.
    Capacity,
    /// Its container ended by itself.
    Exited,
    /// Its image is not there, or may not be read.
    Image,
    /// Its container was given more memory than it may have.
    Memory,
    /// It got no network interface.
    Network,
    /// What it needs before its container starts cannot be had: a secret, a log group, a volume.
    Resource,
    /// One of its roles does not permit what it needs, or cannot be assumed.
    Role,
    /// There is no way from its subnets to what it needs.
    Route,
    /// Spare capacity was taken back.
    SpotTaken,
    /// Its container could not be started.
    Start,
    /// The cloud gives no reason that we know.
    #[default]
    Unknown,
}
