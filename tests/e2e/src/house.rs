//! A daemon on a simulated AWS in a temporary directory, and everything a story does to it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use bastion_api::client::Client;
use bastion_api::{State, Status, TargetStatus};
use bastion_sim::{Call, Sim, TaskView};
use rustix::process::Signal;
use tempfile::TempDir;
use xtask::place::program;
use xtask::postgres::bare;
use xtask::process::Process;

use crate::clients::{Finished, Running};
use crate::{Plan, configs, until};

/// A simulated AWS and a daemon that believes in it.
#[derive(Debug)]
pub struct House {
    pub(crate) daemon: Option<Process>,
    pub(crate) starts: u32,
    pub(crate) sim: Sim,
    pub(crate) ports: BTreeMap<String, u16>,
    pub(crate) configured: bool,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) keys_in_env: bool,
    pub(crate) errors_expected: bool,
    pub(crate) dir: TempDir,
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
        let is_key = |name: &str| ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].contains(&name);
        let env = self.sim.env().into_iter();
        command.envs(env.filter(|(name, _)| self.keys_in_env || !is_key(name)));
        command.envs(self.env.iter().cloned());
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

    /// bastionctl in the daemon's own environment: where no daemon runs, it asks AWS and the config by itself.
    pub fn ctl_alone(&self, words: &[&str]) -> Command {
        let mut command = self.program("bastionctl");
        command.envs(self.sim.env()).envs(self.env.iter().cloned()).args(words);
        if self.configured {
            command.env("BASTION_CONFIG", self.path("config.toml"));
        }
        command
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

    /// The daemon dies where it stands.
    pub async fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
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
        let ours = self.sim.tasks().into_iter().filter(|task| !task.of_service());
        ours.max_by_key(|task| task.times.created).expect("a task was asked for")
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

/// The daemon is up within a tenth of a second; this is for the worst of machines.
const START: Duration = Duration::from_secs(20);
/// The daemon's own stop has deadlines that add up to less.
const STOP: Duration = Duration::from_secs(45);
/// A simulated bastion is ready within two seconds.
const START_BASTION: Duration = Duration::from_secs(30);
