//! Where a user's services are kept.

use std::env;
use std::path::{Path, PathBuf};

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
    /// Where configs are for whoever knows nothing of XDG_CONFIG_HOME.
    pub(super) usual: PathBuf,
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
        let usual = home.join(".config");
        let config = set("XDG_CONFIG_HOME").unwrap_or_else(|| usual.clone());
        Some(Self {
            units: units(&config),
            agents: home.join("Library/LaunchAgents"),
            log: home.join("Library/Logs/bastiond.log"),
            own_environment: own_environment(&config),
            usual,
        })
    }

    /// The same as systemd's manager sees them, by the directories that it looks into: it may not know of this shell's
    /// XDG_CONFIG_HOME.
    pub(super) fn seen_by_systemd(mut self, unit_path: &str) -> Self {
        let usual = units(&self.usual);
        let looks_into = |dir: &Path| unit_path.split(' ').any(|it| Path::new(it) == dir);
        if !looks_into(&self.units) && looks_into(&usual) {
            self.own_environment = own_environment(&self.usual);
            self.units = usual;
        }
        self
    }
}

/// Where systemd's units are below a directory of configs.
pub(super) fn units(config: &Path) -> PathBuf {
    config.join("systemd/user")
}

fn own_environment(config: &Path) -> PathBuf {
    config.join("bastiond/environment")
}
