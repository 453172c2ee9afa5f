use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Engine, Problem};

/// The daemon and all its targets at one moment.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    /// The version of this shape.
    pub schema_version: u32,
    /// The daemon's version.
    pub version: String,
    /// The daemon's process.
    pub pid: u32,
    /// When the daemon started.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub started_at: Timestamp,
    /// The config that it read; none where there was no file.
    #[serde(default)]
    pub config: Option<String>,
    /// The targets, in the order of the config.
    pub targets: Vec<TargetStatus>,
    /// What all bastions have cost today, in US dollars, as far as their prices are known.
    #[serde(default)]
    pub today_usd: Option<f64>,
    /// What becomes of the bastions when the daemon stops.
    #[serde(default)]
    pub on_stop: Option<OnStop>,
}

/// What becomes of bastions when the daemon stops.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnStop {
    /// They are stopped: they cost money.
    Stop,
    /// They are left to the daemon's next run, or to their own end.
    Leave,
    /// Anything that a newer daemon does and this program does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One target at one moment.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TargetStatus {
    /// Its name: `prod-db`.
    pub name: String,
    /// The site whose bastions lead to it.
    pub site: String,
    /// What it speaks.
    #[serde(default)]
    pub engine: Engine,
    /// Where it is found: `127.0.0.1:15432`, `[::1]:15432`, `unix:/…`.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The local port, where it has one.
    #[serde(default)]
    pub port: Option<u16>,
    /// The name of the database inside the server.
    #[serde(default)]
    pub database: Option<String>,
    /// Whom to connect as.
    #[serde(default)]
    pub user: Option<String>,
    /// How it is.
    pub state: State,
    /// For how long it has been so.
    #[serde(default)]
    pub state_seconds: u64,
    /// How far its start has come, while it starts.
    #[serde(default)]
    pub stage: Option<Stage>,
    /// How long the start has taken so far, while it starts.
    #[serde(default)]
    pub elapsed_seconds: Option<f64>,
    /// How long starts take, learned from earlier ones.
    #[serde(default)]
    pub estimate_seconds: Option<f64>,
    /// The task that is its bastion, by its full name.
    #[serde(default)]
    pub task: Option<String>,
    /// When that task was asked for.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Moment>"))]
    pub bastion_started_at: Option<Timestamp>,
    /// Who is connected, or waits for it to be ready.
    #[serde(default)]
    pub visits: Vec<VisitStatus>,
    /// How many holds keep the bastion without a visit.
    #[serde(default)]
    pub holds: u32,
    /// When the bastion will be stopped because nobody uses it, counted from now.
    #[serde(default)]
    pub idle_stop_seconds: Option<u64>,
    /// What is wrong with it, and with nothing else.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// How many bastions serve it.
    #[serde(default)]
    pub bastions: u32,
    /// How many tunnels stand through them.
    #[serde(default)]
    pub tunnels: u32,
    /// When a bastion that takes no new visits ends, whoever uses it, counted from now.
    #[serde(default)]
    pub ends_in_seconds: Option<u64>,
    /// Why its visits stand still, while a tunnel is away.
    #[serde(default)]
    pub paused: Option<Paused>,
    /// Who alone keeps its bastion from being idle, where everybody has been silent for a while.
    #[serde(default)]
    pub kept_up: Option<KeptUp>,
    /// What its bastions have cost today, in US dollars; none where no price is known, or where it had none.
    #[serde(default)]
    pub today_usd: Option<f64>,
    /// Bytes from visitors to the database since the daemon started, those of visits that have ended too.
    #[serde(default)]
    pub bytes_in: u64,
    /// Bytes from the database to visitors since the daemon started, those of visits that have ended too.
    #[serde(default)]
    pub bytes_out: u64,
    /// How often a tunnel to it was away and came back, since the daemon started.
    #[serde(default)]
    pub resumes: u64,
}

/// Why visits stand still.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Paused {
    /// For how long.
    #[serde(default)]
    pub seconds: u64,
    /// What has to come before they go on.
    #[serde(default)]
    pub waits_for: WaitsFor,
    /// Why, in words.
    #[serde(default)]
    pub why: String,
}

/// What a tunnel waits for that is away.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// The network, or AWS: it is being resumed.
    Resuming,
    /// A person, who has to log in to AWS again.
    Login,
    /// Anything that a newer daemon knows and this program does not.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The visit that was the last to move a byte, of a target where all are silent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeptUp {
    /// The program, where the system tells.
    #[serde(default)]
    pub program: Option<String>,
    /// Its process, where the system tells.
    #[serde(default)]
    pub pid: Option<u32>,
    /// For how long it has moved no byte.
    #[serde(default)]
    pub silent_seconds: u64,
    /// How long until it keeps the bastion no longer; 0 once it does not, none where it always will.
    #[serde(default)]
    pub counts_for_seconds: Option<u64>,
}

/// How a target is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No bastion; the next visit starts one.
    Cold,
    /// A bastion is being started.
    Starting,
    /// Visits go through.
    Ready,
    /// The bastion is being stopped.
    Stopping,
    /// It cannot be used until something changes.
    Problem,
    /// A state that a newer daemon knows and this program does not.
    #[serde(other)]
    Unknown,
}

impl State {
    /// The word for it, as it stands in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Problem => "problem",
            Self::Unknown => "unknown",
        }
    }
}

/// How far a start has come, in this order.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Subnets, security groups and the database are looked up.
    Discovering,
    /// A task is asked for.
    Requesting,
    /// The task gets its network interface.
    Provisioning,
    /// The image is pulled and the container started.
    Pulling,
    /// The container runs; its SSM agent is being started.
    StartingAgent,
    /// The agent is started; the tunnel is being opened.
    Connecting,
    /// A stage that a newer daemon knows and this program does not.
    #[serde(other)]
    Unknown,
}

impl Stage {
    /// What happens in it, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Discovering => "looking things up",
            Self::Requesting => "asking for a task",
            Self::Provisioning => "attaching the network",
            Self::Pulling => "pulling image",
            Self::StartingAgent => "starting the agent",
            Self::Connecting => "connecting",
            Self::Unknown => "working",
        }
    }
}

/// One accepted local connection.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VisitStatus {
    /// Its number, unique while the daemon runs.
    pub id: u64,
    /// The program at the other end, where the system tells; `docker` for what comes from a container.
    #[serde(default)]
    pub program: Option<String>,
    /// That program's process, where the system tells.
    #[serde(default)]
    pub pid: Option<u32>,
    /// When it came.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub since: Timestamp,
    /// Whether it still waits for the bastion.
    #[serde(default)]
    pub waiting: bool,
    /// Bytes from the visitor to the database.
    #[serde(default)]
    pub bytes_in: u64,
    /// Bytes from the database to the visitor.
    #[serde(default)]
    pub bytes_out: u64,
    /// The program's user, where the system tells.
    #[serde(default)]
    pub uid: Option<u32>,
    /// For how long it has moved no byte; none while it waits.
    #[serde(default)]
    pub silent_seconds: Option<u64>,
    /// Whether it goes through a bastion that takes no new visits.
    #[serde(default)]
    pub retiring: bool,
}
