//! What a house shall be like, before it is built.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use bastion_sim::{Sim, SimConfig};
use xtask::place::{free_port, program};

use crate::{House, databases};

/// What a house shall be like.
#[derive(Debug)]
pub struct Plan {
    config: Option<String>,
    idle: String,
    start: String,
    sim: SimConfig,
    env: Vec<(String, String)>,
    keys_in_env: bool,
    errors_expected: bool,
}

impl Plan {
    /// A house with this config; see [`crate::configs`] for what may stand in it.
    pub fn new(config: &str) -> Self {
        Self {
            config: Some(config.to_owned()),
            idle: "1h".to_owned(),
            start: "30s".to_owned(),
            sim: SimConfig { worker_exe: program("bastion-sim").ok(), ..SimConfig::default() },
            env: Vec::new(),
            keys_in_env: true,
            errors_expected: false,
        }
    }

    /// A house without a config file.
    pub fn without_config() -> Self {
        Self { config: None, ..Self::new("") }
    }

    /// What stands for `{idle}` in the config; without it, longer than any story.
    #[must_use]
    pub fn idle(mut self, idle: &str) -> Self {
        self.idle = idle.to_owned();
        self
    }

    /// What stands for `{start}` in the config; without it, half a minute.
    #[must_use]
    pub fn start_timeout(mut self, limit: &str) -> Self {
        self.start = limit.to_owned();
        self
    }

    /// Sets the simulated AWS up differently.
    #[must_use]
    pub fn sim(mut self, change: impl FnOnce(&mut SimConfig)) -> Self {
        change(&mut self.sim);
        self
    }

    /// One more variable in the daemon's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// No access keys in the daemon's environment: what it may, its person's files say; see [`crate::logins`].
    #[must_use]
    pub fn keys_in_files(mut self) -> Self {
        self.keys_in_env = false;
        self
    }

    /// This story makes the daemon give something up, so that an ERROR in its log is right.
    #[must_use]
    pub fn errors_expected(mut self) -> Self {
        self.errors_expected = true;
        self
    }

    /// Routes the simulated VPC's PostgreSQL databases to the real one.
    #[must_use]
    pub fn postgres(self) -> Self {
        let port = databases::postgres().port();
        self.route(PROD_DB, port)
    }

    /// Routes the simulated VPC's MySQL to the real MariaDB.
    #[must_use]
    pub fn mariadb(self) -> Self {
        let port = databases::mariadb().port();
        self.route(DEV_MYSQL, port)
    }

    /// Routes a name and port of the simulated VPC to a port of this machine.
    #[must_use]
    pub fn route(mut self, from: &str, to: u16) -> Self {
        self.sim.hosts.insert(from.to_owned(), format!("127.0.0.1:{to}"));
        self
    }

    /// Builds it and waits until the daemon answers.
    pub async fn build(self) -> House {
        let mut house = self.lay().await;
        house.start().await;
        house
    }

    /// Builds everything but the daemon, which the story starts itself.
    pub async fn lay(self) -> House {
        let dir = tempfile::Builder::new()
            .prefix("be2e-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .unwrap();
        xtask::leash::remove(dir.path());
        for name in ["home", "run", "config", "state", "cache"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let mut ports = BTreeMap::new();
        if let Some(config) = &self.config {
            let text = filled(
                &config.replace("{idle}", &self.idle).replace("{start}", &self.start),
                &mut ports,
            );
            fs::write(dir.path().join("config.toml"), text).unwrap();
        }
        House {
            daemon: None,
            starts: 0,
            sim: Sim::start(self.sim).await.unwrap(),
            ports,
            configured: self.config.is_some(),
            env: self.env,
            keys_in_env: self.keys_in_env,
            errors_expected: self.errors_expected,
            dir,
        }
    }
}

/// Puts a free port for each `{port:NAME}`.
fn filled(config: &str, ports: &mut BTreeMap<String, u16>) -> String {
    let mut text = String::new();
    let mut rest = config;
    while let Some((before, after)) = rest.split_once("{port:") {
        let (name, behind) = after.split_once('}').expect("a {port:NAME} ends");
        let port = *ports.entry(name.to_owned()).or_insert_with(|| free_port().unwrap());
        text.push_str(before);
        text.push_str(&port.to_string());
        rest = behind;
    }
    text + rest
}

/// Where the default world's databases are, as a session's worker dials them.
pub const PROD_DB: &str = "neuraknot-prod-db.cx1simulated.ap-northeast-1.rds.amazonaws.com:5432";
/// The CDK way's MySQL.
pub const DEV_MYSQL: &str = "dev-mysql.cx1simulated.ap-northeast-1.rds.amazonaws.com:3306";
