//! The journal's words: what we were about to do to the cloud, and what had become of it.
//!
//! ```text
//!   Intend ──▶ RunTask ──▶ Named ──▶ Stopping ──▶ StopTask ──▶ Gone      a task of ours
//!      └────▶ Refused: there is no task       Found ─┘                    a task that we know from the cloud alone
//!      └────▶ Unwanted: stop it as soon as it has a name
//!   Session ──▶ dial ──▶ SessionOver                                      an SSM session
//!   Raised ──▶ UpdateService ──▶ Lowered                                  a service that we woke
//! ```
//!
//! One record is one line of JSON with a version. A field that we don't know is passed over; a kind of record that we
//! don't know is a newer version's, and then nothing in the file may be believed in part.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bastion_cloud::{Runs, Select, SessionId, Site, TaskId, TaskSpec};
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A task is about to be asked for. A try in other subnets, or of another kind, is an intention of its own.
    Intend(Box<Intention>),
    /// The cloud has taken the order.
    Named {
        /// The intention's token.
        token: String,
        /// The task.
        #[serde(with = "task_id")]
        task: TaskId,
    },
    /// The cloud has made no task of this intention, and will not.
    Refused {
        /// The intention's token.
        token: String,
    },
    /// Nobody wants the task any more that may come of this intention.
    Unwanted {
        /// The intention's token.
        token: String,
    },
    /// A task carries our mark, and no record tells of it.
    Found(Box<Finding>),
    /// A task is about to be stopped.
    Stopping {
        /// The task.
        #[serde(with = "task_id")]
        task: TaskId,
    },
    /// A task was seen to have ended, or is known no longer.
    Gone {
        /// The task.
        #[serde(with = "task_id")]
        task: TaskId,
    },
    /// A session was opened, and is about to be dialled.
    Session {
        /// The session.
        #[serde(with = "session_id")]
        session: SessionId,
        /// The task that it goes through.
        #[serde(with = "task_id")]
        task: TaskId,
        /// Whose it is.
        target: String,
    },
    /// A session was ended, or is known to have ended.
    SessionOver {
        /// The session.
        #[serde(with = "session_id")]
        session: SessionId,
    },
    /// A service's desired count is about to be raised by us.
    Raised(Box<Raise>),
    /// A service's desired count was set back by us, or by somebody else.
    Lowered {
        /// The site whose service it is.
        site: String,
    },
}

/// A task that we are about to ask for: enough to ask again for the very same.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Intention {
    /// When it was written.
    #[serde(with = "millis")]
    pub at: SystemTime,
    /// The target that it is for.
    pub target: String,
    /// Where it is to run: the config may name another place by the time that this is read.
    #[serde(with = "SiteForm")]
    pub site: Site,
    /// The whole request, token included.
    #[serde(with = "SpecForm")]
    pub spec: TaskSpec,
}

/// A task that we know from the cloud alone.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// When it was made, as far as the cloud tells; else when it was found.
    #[serde(with = "millis")]
    pub at: SystemTime,
    /// The target that it was made for.
    pub target: String,
    /// Where it was found.
    #[serde(with = "SiteForm")]
    pub site: Site,
    /// The task.
    #[serde(with = "task_id")]
    pub task: TaskId,
}

/// A service that we have woken.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Raise {
    /// When it was written.
    #[serde(with = "millis")]
    pub at: SystemTime,
    /// The site whose service it is.
    #[serde(with = "SiteForm")]
    pub site: Site,
    /// The desired count before.
    pub from: u32,
    /// The desired count that we ask for.
    pub to: u32,
}

impl Record {
    /// The record as a line, without the line's end.
    pub fn line(&self) -> String {
        let line = Line { v: VERSION, record: self };
        serde_json::to_string(&line).expect("a record holds nothing that JSON cannot")
    }

    /// The record that a line holds; none where it is torn, or a newer version's.
    pub fn parse(line: &str) -> Option<Self> {
        let Head { v } = serde_json::from_str(line).ok()?;
        if v != VERSION {
            return None;
        }
        serde_json::from_str(line).ok()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    #[serde(flatten)]
    record: &'a Record,
}

#[derive(Deserialize)]
struct Head {
    v: u32,
}

/// [`TaskSpec`] as it is written. It holds no secret: the token names a wish, and opens nothing. A field that is added to it,
/// or to a site, needs a default, for the lines of earlier versions do not have it.
#[derive(Deserialize, Serialize)]
#[serde(remote = "TaskSpec")]
struct SpecForm {
    token: String,
    started_by: String,
    tags: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    command: Option<Vec<String>>,
    subnets: Vec<String>,
    security_groups: Vec<String>,
    #[serde(default)]
    spot: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Site")]
struct SiteForm {
    name: String,
    profile: Option<String>,
    region: Option<String>,
    cluster: String,
    #[serde(with = "RunsForm")]
    runs: Runs,
    container: Option<String>,
    #[serde(with = "SelectForm")]
    subnets: Select,
    #[serde(with = "SelectForm")]
    security_groups: Select,
    spot: bool,
    assign_public_ip: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Runs", rename_all = "snake_case")]
enum RunsForm {
    TaskDefinition(String),
    Service(String),
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Select", rename_all = "snake_case")]
enum SelectForm {
    Ids(Vec<String>),
    Name(String),
    Tags(Vec<(String, String)>),
}

mod task_id {
    use bastion_cloud::TaskId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &TaskId, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(id.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TaskId, D::Error> {
        String::deserialize(from).map(TaskId::new)
    }
}

mod session_id {
    use bastion_cloud::SessionId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &SessionId, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(id.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SessionId, D::Error> {
        String::deserialize(from).map(SessionId::new)
    }
}

/// Milliseconds since 1970: finer than any decision needs.
mod millis {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &SystemTime, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(super::to_millis(*at))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        u64::deserialize(from).map(super::from_millis)
    }
}

fn to_millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn from_millis(millis: u64) -> SystemTime {
    // A number that no clock shows is as good as no time at all: long ago.
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}

/// The version of what we write. A field more needs no new one; a kind of record more does not, either, for whoever does
/// not know it sets the file aside.
const VERSION: u32 = 1;
