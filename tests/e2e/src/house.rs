//! A daemon on a simulated AWS in a temporary directory, and everything a story does to it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use bastion_api::client::Client;
use bastion_api::{State, Status, TargetStatus};
use bastion_sim::{Call, Sim, SimConfig, TaskView};
use rustix::process::Signal;
use tempfile::TempDir;
use xtask::place::{free_port, program};
use xtask::postgres::bare;
use xtask::process::Process;

use crate::clients::{Finished, Running};
use crate::{configs, databases, until};

/// What a house shall be like.
#[derive(Debug)]
pub struct Plan {
    config: Option<String>,
    idle: String,
    start: String,
    sim: SimConfig,
    env: Vec<(String, String)>,
    errors_expected: bool,
}

impl Plan {
    /// A house with this config; see [`configs`] for what may stand in it.
    pub fn new(config: &str) -> Self {
        Self {
            config: Some(config.to_owned()),
            idle: "1h".to_owned(),
            start: "30s".to_owned(),
            sim: SimConfig { worker_exe: program("bastion-sim").ok(), ..SimConfig::default() },
            env: Vec::new(),
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
            errors_expected: self.errors_expected,
            dir,
        }
    }
}

/// A simulated AWS and a daemon that believes in it.
#[derive(Debug)]
pub struct House {
    daemon: Option<Process>,
    starts: u32,
    sim: Sim,
    ports: BTreeMap<String, u16>,
    configured: bool,
    env: Vec<(String, String)>,
    errors_expected: bool,
    dir: TempDir,
}

impl House {
    /// The script way in front of the real PostgreSQL.
    pub async fn script_way() -> Self {
        Plan::new(configs::SCRIPT_WAY).postgres().build().await
    }

    /// The simulated AWS: its record, its faults.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// The port that stands for `{port:NAME}` in the config.
    pub fn port(&self, name: &str) -> u16 {
        *self.ports.get(name).unwrap_or_else(|| panic!("the config names no {{port:{name}}}"))
    }

    /// A path in the house's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.path("run/bastiond/control.sock")
    }

    /// The daemon over its control socket.
    pub fn client(&self) -> Client {
        Client::new(vec![self.socket()])
    }

    /// Starts the daemon and waits until it answers.
    pub async fn start(&mut self) {
        let mut command = self.bastiond();
        self.start_as(&mut command).await;
    }

    /// Starts the daemon by a command of the story's own and waits until it answers.
    pub async fn start_as(&mut self, command: &mut Command) {
        self.starts += 1;
        let log = File::create(self.log_file()).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.daemon = Some(Process::spawn(command).unwrap());
        let client = self.client();
        until("the daemon's first answer", START, async || {
            let ended = self.daemon.as_mut().unwrap().ended().unwrap();
            assert!(ended.is_none(), "the daemon ended with {ended:?}:\n{}", self.log());
            client.health().await.ok()
        })
        .await;
    }

    /// The daemon's command line with its environment, not started.
    pub fn bastiond(&self) -> Command {
        let mut command = self.program("bastiond");
        command.envs(self.sim.env()).envs(self.env.iter().cloned());
        if self.configured {
            command.arg("--config").arg(self.path("config.toml"));
        }
        command
    }

    /// One of our programs in the house's environment, which holds nothing of this machine but where programs are.
    pub fn program(&self, name: &str) -> Command {
        self.inside(&program(name).unwrap_or_else(|failure| panic!("{failure}")))
    }

    /// Any program in the house's environment.
    pub fn inside(&self, program: &Path) -> Command {
        let mut command = bare(program, None);
        command
            .current_dir(self.dir.path())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.dir.path())
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_DATA_HOME", self.path("state"))
            .env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    /// Runs bastionctl to its end.
    pub async fn ctl(&self, words: &[&str]) -> Finished {
        self.ctl_started(words).finish().await
    }

    /// Starts bastionctl.
    pub fn ctl_started(&self, words: &[&str]) -> Running {
        Running::start(self.program("bastionctl").args(words))
    }

    /// The daemon's process id.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon was started").id()
    }

    /// Sends the daemon a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.daemon.as_mut().expect("the daemon was started").signal(signal);
    }

    /// Waits for the daemon's own end.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = until("the daemon's end", STOP, async || {
            self.daemon.as_mut().expect("the daemon was started").ended().unwrap()
        })
        .await;
        self.daemon = None;
        self.judge();
        status
    }

    /// Stops the daemon as a service manager does.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// The daemon and all its targets.
    pub async fn status(&self) -> Status {
        self.client().status().await.unwrap()
    }

    /// One target.
    pub async fn target(&self, name: &str) -> TargetStatus {
        let status = self.status().await;
        let found = status.targets.into_iter().find(|target| target.name == name);
        found.unwrap_or_else(|| panic!("the status has no {name}"))
    }

    /// Waits until a target is in this state.
    pub async fn until_state(&self, name: &str, state: State) -> TargetStatus {
        until(&format!("{name} being {}", state.word()), START_BASTION, async || {
            Some(self.target(name).await).filter(|target| target.state == state)
        })
        .await
    }

    /// Waits until the simulated AWS did this so many times, and gives the calls.
    pub async fn until_called(&self, action: &str, times: usize, limit: Duration) -> Vec<Call> {
        let came = self.sim.until(limit, |sim| sim.count(action) >= times).await;
        let calls = self.called(action);
        assert!(came, "{action} was done {} times, not {times}, within {limit:?}", calls.len());
        calls
    }

    /// The calls of one kind that the simulated AWS acted upon.
    pub fn called(&self, action: &str) -> Vec<Call> {
        let done =
            |call: &Call| call.action == action && call.outcome == bastion_sim::Outcome::Done;
        self.sim.calls().into_iter().filter(done).collect()
    }

    /// The latest task that was asked for; those that services keep do not count.
    ///
    /// # Panics
    /// When there is none.
    pub fn task(&self) -> TaskView {
        let ours = self.sim.tasks().into_iter().rfind(|task| !task.of_service());
        ours.expect("a task was asked for")
    }

    /// Waits until no task of ours is left.
    pub async fn until_nothing_runs(&self, limit: Duration) {
        let gone = self.sim.until(limit, |sim| sim.running() == 0).await;
        assert!(gone, "{} tasks run after {limit:?}\n{}", self.sim.running(), self.log());
    }

    /// What the daemon has logged since it was last started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.path(&format!("bastiond-{}.log", self.starts))
    }

    /// An ERROR means that the daemon gave something up.
    fn judge(&self) {
        let log = self.log();
        let error = log.lines().find(|line| line.contains("ERROR"));
        if let Some(line) = error
            && !self.errors_expected
        {
            panic!("the daemon logged an error: {line}\n{log}");
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let stopped = self.daemon.take().map(|mut daemon| daemon.stop(Signal::TERM, STOP));
        if std::thread::panicking() {
            let mut err = std::io::stderr().lock();
            drop(std::io::Write::write_all(&mut err, self.log().as_bytes()));
            return;
        }
        if let Some(stopped) = stopped {
            stopped.unwrap_or_else(|failure| panic!("{failure}\n{}", self.log()));
            self.judge();
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

/// The daemon is up within a tenth of a second; this is for the worst of machines.
const START: Duration = Duration::from_secs(20);
/// The daemon's own stop has deadlines that add up to less.
const STOP: Duration = Duration::from_secs(45);
/// A simulated bastion is ready within two seconds.
const START_BASTION: Duration = Duration::from_secs(30);
