//! Where a user's services are kept.

use std::env;
use std::path::PathBuf;

use bastion_api::{Problem, ProblemKind};

use crate::error::Failure;

/// The directories of a user's services.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Places {
    /// systemd's units.
    pub(super) units: PathBuf,
    /// launchd's agents.
    pub(super) agents: PathBuf,
    /// Where launchd's agent logs to.
    pub(super) log: PathBuf,
    /// What a person writes for systemd's unit alone; it may hold a secret.
    pub(super) own_environment: PathBuf,
}

impl Places {
    /// By the environment of this process.
    pub(super) fn of_process() -> Result<Self, Failure> {
        Self::find().ok_or_else(|| {
            let problem = Problem::new("C22", ProblemKind::NotFound, "a service has no place here")
                .because("no home directory is known")
                .hint("set HOME");
            problem.into()
        })
    }

    /// The same; none where no home is known.
    pub(super) fn find() -> Option<Self> {
        let set = |name: &str| env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
        let home = set("HOME")?;
        let config = set("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        Some(Self {
            units: config.join("systemd/user"),
            agents: home.join("Library/LaunchAgents"),
            log: home.join("Library/Logs/bastiond.log"),
            own_environment: config.join("bastiond/environment"),
        })
    }
}
