//! By hand what the daemon does: what is known of one target → commands for bash, step by step.
//!
//! ```text
//!   identity ─ place ─ database ─ task ─ agent ─ runtime id ─ session ─ client ─ end
//!     find.rs ──────────────────┘ task.rs ────────────────┘ session.rs ───────────┘
//! ```
//!
//! What is known stands in the commands as it is; what could not be looked up becomes a variable, and the command that
//! looks it up stands in its step. Nothing here asks anybody.

mod find;
mod session;
mod shell;
mod task;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use bastion_api::ByHandStep;
use bastion_cloud::{DatabaseRef, Identity, Place, Remote, Runs, Site};
use dbwire::Engine;

use crate::config::Proof;

/// Everything that is known of a target.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The target's name.
    pub target: String,
    /// Its site.
    pub site: Site,
    /// The region, where the config or AWS tells.
    pub region: Option<String>,
    /// The only certificates to trust.
    pub ca_bundle: Option<PathBuf>,
    /// Whose credentials the profile has.
    pub identity: Found<Identity>,
    /// Where a task of our own runs. Not looked at in service mode.
    pub place: Found<Place>,
    /// The task definition with its revision: `proxy:7`. Not looked at in service mode.
    pub definition: Found<String>,
    /// The container whose agent is used.
    pub container: Found<String>,
    /// The service's task as it runs now. Looked at in service mode alone.
    pub service_task: Found<String>,
    /// Whether the service is meant to run none, and may be scaled.
    pub scale: bool,
    /// Which database.
    pub database: DatabaseRef,
    /// Where it listens.
    pub remote: Found<Remote>,
    /// The secret that RDS manages for it.
    pub managed_secret: Option<String>,
    /// What it speaks.
    pub engine: Engine,
    /// Its user.
    pub user: Option<String>,
    /// The database inside the server.
    pub db_name: Option<String>,
    /// How its user proves who he is.
    pub proof: Option<Proof>,
    /// The local port to use.
    pub port: u16,
    /// The local port that the daemon holds, and which is not used for that reason.
    pub held: Option<u16>,
    /// How long a task of the daemon's may live, where its watchdog ends it.
    pub watchdog: Option<Duration>,
}

/// What came of looking something up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found<T> {
    /// This.
    Known(T),
    /// Nothing.
    Unknown {
        /// Why not; nothing where it was not asked for.
        why: String,
        /// What to type first.
        help: Option<String>,
    },
}

impl<T> Found<T> {
    /// What was found.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(known),
            Self::Unknown { .. } => None,
        }
    }

    /// A step that says why nothing was found, where it is so.
    fn step(&self, title: &str) -> ByHandStep {
        let why = match self {
            Self::Known(_) => None,
            Self::Unknown { why, .. } => Some(why.clone()).filter(|why| !why.is_empty()),
        };
        ByHandStep { title: title.to_owned(), unknown: why, ..ByHandStep::default() }
    }
}

/// What is to be done, in this order and in one shell.
pub fn steps(facts: &Facts) -> Vec<ByHandStep> {
    let aws = shell::Aws::of(facts);
    let mut steps = vec![find::identity(facts, &aws)];
    match &facts.site.runs {
        Runs::TaskDefinition(definition) => {
            steps.push(find::subnets(facts, &aws));
            steps.push(find::security_groups(facts, &aws));
            steps.push(find::database(facts, &aws));
            steps.push(find::container(facts, &aws, definition));
            steps.push(task::run(facts, &aws, definition));
        }
        Runs::Service(service) => {
            steps.push(find::database(facts, &aws));
            steps.push(task::of_service(facts, &aws, service));
        }
    }
    steps.push(task::wait(facts, &aws));
    steps.push(task::runtime(facts, &aws));
    steps.push(session::open(facts, &aws));
    steps.push(session::connect(facts, &aws));
    steps.push(session::end(facts, &aws));
    steps
}
