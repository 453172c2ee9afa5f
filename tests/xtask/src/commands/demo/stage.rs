//! Everything that the demo runs, started in order and stopped in reverse: PostgreSQL, the simulated AWS, bastiond.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use xtask::Failure;
use xtask::failure::run;
use xtask::http::get_json;
use xtask::leash;
use xtask::place::free_port;
use xtask::postgres::{Postgres, bare};
use xtask::process::{Process, within};
use xtask::setup::postgres::Programs;

use super::settings::{DATABASE, TARGET, USER, aws, simulated, written};
use super::{sample, shell_words};

/// All that runs; what is declared first is dropped first.
pub(super) struct Stage {
    daemon: Process,
    sim: Process,
    endpoint: String,
    // Held for its end only.
    _postgres: Postgres,
    programs: Programs,
    bin: PathBuf,
    port: u16,
    password: String,
    dir: TempDir,
}

impl Stage {
    /// Starts everything; returns when bastiond answers.
    pub(super) fn set(
        programs: &Programs,
        bin: &Path,
        idle: Duration,
        keep: bool,
    ) -> Result<Self, Failure> {
        let mut dir = tempfile::Builder::new()
            .prefix("bdemo-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(Failure::io("making a temporary directory"))?;
        if keep {
            dir.disable_cleanup(true);
            xtask::setup::say(&format!("keeping {}", dir.path().display()));
        } else {
            leash::remove(dir.path());
        }
        for name in ["home", "run", "config", "state", "cache"] {
            let path = dir.path().join(name);
            fs::create_dir(&path).map_err(Failure::io(format!("making {}", path.display())))?;
        }
        // Another one each time: it can only reach psql through the simulated Secrets Manager.
        let password = format!("knots-{:08x}", std::process::id().wrapping_mul(0x9E37_79B1));
        let postgres = Postgres::start(programs, USER, &password)?;
        postgres.sql("postgres", &format!("CREATE DATABASE \"{DATABASE}\""))?;
        postgres.sql(DATABASE, sample::SQL)?;

        let sim_json = dir.path().join("sim.json");
        write(&sim_json, &simulated(postgres.port(), &password).to_string())?;
        let (sim, endpoint) = start_sim(bin, dir.path(), &sim_json)?;

        let port = free_port()?;
        let config = dir.path().join("config.toml");
        write(&config, &written(port, idle))?;
        let daemon = Process::spawn(
            inside(&bin.join("bastiond"), dir.path())
                .arg("--config")
                .arg(&config)
                .envs(aws(&endpoint))
                .stdin(Stdio::null())
                .stdout(log(dir.path(), "bastiond.out")?)
                .stderr(log(dir.path(), "bastiond.log")?),
        )?;
        let (programs, bin) = (programs.clone(), bin.to_owned());
        let mut stage =
            Self { daemon, sim, endpoint, _postgres: postgres, programs, bin, port, password, dir };
        stage.wait_for_daemon()?;
        Ok(stage)
    }

    /// The target's port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// psql, visiting the target as a person would, with the password that bastionctl gives.
    pub(super) fn psql(&self, sql: &str) -> Result<Command, Failure> {
        let password = self.ctl(&["password", TARGET])?;
        if password.trim_end() != self.password {
            return Err(Failure::unexpected("the secret's password from bastionctl", "another"));
        }
        let port = self.port.to_string();
        let mut psql = bare(&self.programs.program("psql"), None);
        psql.args(["-h", "127.0.0.1", "-p", &port, "-U", USER, "-d", DATABASE])
            .args(["--no-psqlrc", "-P", "pager=off", "-c", sql])
            .env("HOME", self.dir.path().join("home"))
            .env("PGPASSWORD", password.trim_end());
        Ok(psql)
    }

    /// The same, as it is shown.
    pub(super) fn psql_line(&self, sql: &str) -> String {
        let port = self.port.to_string();
        shell_words(&[
            "psql",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            USER,
            "-d",
            DATABASE,
            "-c",
            sql,
        ])
    }

    /// What bastionctl prints.
    pub(super) fn ctl(&self, words: &[&str]) -> Result<String, Failure> {
        run(inside(&self.bin.join("bastionctl"), self.dir.path()).args(words))
    }

    /// The target as `bastionctl status --json` shows it.
    pub(super) fn status(&self) -> Result<Value, Failure> {
        let text = self.ctl(&["status", "--json"])?;
        let status: Value = serde_json::from_str(&text)
            .map_err(|err| Failure::unexpected("JSON from bastionctl", format!("{err}: {text}")))?;
        let targets = status["targets"].as_array().into_iter().flatten();
        let found = targets.into_iter().find(|target| target["name"] == TARGET);
        found.cloned().ok_or_else(|| Failure::unexpected(format!("{TARGET} in the status"), text))
    }

    /// How often the simulated AWS did this.
    pub(super) fn count(&self, action: &str) -> Result<u64, Failure> {
        Ok(self.calls(action)?.len() as u64)
    }

    /// Waits until the task was told to stop and has stopped; says when it was told, in milliseconds since 1970.
    pub(super) fn wait_for_stop(
        &self,
        limit: Duration,
        go_on: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let seen = within(limit, "the stop of the idle bastion", || {
            let look = || -> Result<Option<u64>, Failure> {
                go_on()?;
                let told = self.calls("StopTask")?.first().and_then(|call| call["at_ms"].as_u64());
                Ok(told.filter(|_| self.running().is_ok_and(|left| left == 0)))
            };
            look().transpose()
        });
        seen?
    }

    /// Stops everything in order; says how many tasks the simulated AWS still ran after the daemon had gone.
    pub(super) fn clear(&mut self) -> Result<u64, Failure> {
        let status = self.daemon.stop(Signal::TERM, STOP)?;
        let left = self.running()?;
        self.sim.stop(Signal::TERM, STOP)?;
        if status.success() {
            Ok(left)
        } else {
            Err(Failure::unexpected(
                "bastiond to end in order",
                format!("{status}\n{}", self.logs()),
            ))
        }
    }

    /// Fails when one of the programs has ended by itself.
    pub(super) fn alive(&mut self) -> Result<(), Failure> {
        for (name, process) in [("bastiond", &mut self.daemon), ("bastion-sim", &mut self.sim)] {
            if let Some(status) = process.ended()? {
                return Err(Failure::unexpected(format!("{name} to run"), status.to_string()));
            }
        }
        Ok(())
    }

    /// An ERROR in the daemon's log fails the demo, for ERROR means that it gave up.
    pub(super) fn judge_log(&self) -> Result<(), Failure> {
        let log = fs::read_to_string(self.dir.path().join("bastiond.log")).unwrap_or_default();
        match log.lines().find(|line| line.contains("ERROR")) {
            None => Ok(()),
            Some(line) => Err(Failure::unexpected("no ERROR in bastiond's log", line)),
        }
    }

    /// What the programs wrote.
    pub(super) fn logs(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        ["bastiond.log", "bastion-sim.log"]
            .map(|name| format!("--- {name}\n{}", read(name)))
            .join("\n")
    }

    /// What a person may paste into another terminal.
    pub(super) fn invitation(&self) -> String {
        let socket = self.dir.path().join("run/bastiond/control.sock");
        let line = shell_words(&[
            "psql",
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            USER,
            "-d",
            DATABASE,
        ]);
        format!(
            "  export BASTION_SOCKET={}\n  export PATH={}:$PATH\n  PGPASSWORD=$(bastionctl password {TARGET}) {line}\n  \
             bastionctl status\n  bastionctl events --follow\n  bastionctl open {TARGET} --hold 2m\n  bastionctl close {TARGET}\n\n\
             Tables: knots, sailors, ties; and a view, reliability.\n",
            socket.display(),
            self.bin.display(),
        )
    }

    fn wait_for_daemon(&mut self) -> Result<(), Failure> {
        let up = within(START, "bastiond answering", || {
            let ended = matches!(self.daemon.ended(), Ok(Some(_)) | Err(_));
            (ended || self.status().is_ok()).then_some(!ended)
        })?;
        if up { Ok(()) } else { Err(Failure::unexpected("bastiond to run", self.logs())) }
    }

    /// The record's successful calls of one kind.
    fn calls(&self, action: &str) -> Result<Vec<Value>, Failure> {
        let calls = list(get_json(&self.endpoint, "/_sim/calls")?, "calls");
        let done = |call: &Value| call["action"] == action && call["outcome"] == "done";
        Ok(calls.into_iter().filter(done).collect())
    }

    /// How many tasks that were asked for have not stopped; those that an ECS service keeps are not ours.
    fn running(&self) -> Result<u64, Failure> {
        let tasks = list(get_json(&self.endpoint, "/_sim/tasks")?, "tasks");
        let of_service = |task: &Value| {
            task["group"].as_str().is_some_and(|group| group.starts_with("service:"))
        };
        let runs = |task: &&Value| task["last_status"] != "STOPPED" && !of_service(task);
        Ok(tasks.iter().filter(runs).count() as u64)
    }
}

/// A list that may stand alone or under a name.
fn list(mut answer: Value, name: &str) -> Vec<Value> {
    let items = if answer.is_array() { &mut answer } else { &mut answer[name] };
    items.as_array_mut().map(std::mem::take).unwrap_or_default()
}

/// The simulator says where it is on its first line.
fn start_sim(bin: &Path, dir: &Path, config: &Path) -> Result<(Process, String), Failure> {
    let mut sim = Process::spawn(
        inside(&bin.join("bastion-sim"), dir)
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log(dir, "bastion-sim.log")?),
    )?;
    let out = sim.child().stdout.take().expect("it was asked for");
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).map_err(Failure::io("reading from bastion-sim"))?;
    let said: Value = serde_json::from_str(&line).unwrap_or_default();
    let Some(endpoint) = said["endpoint"].as_str() else {
        let log = fs::read_to_string(dir.join("bastion-sim.log")).unwrap_or_default();
        return Err(Failure::unexpected("bastion-sim's endpoint", format!("{line}{log}")));
    };
    Ok((sim, endpoint.to_owned()))
}

/// A program of ours that sees nothing of this machine but where programs are.
fn inside(program: &Path, dir: &Path) -> Command {
    let mut command = bare(program, None);
    command
        .current_dir(dir)
        .env("HOME", dir.join("home"))
        .env("TMPDIR", dir)
        .env("XDG_RUNTIME_DIR", dir.join("run"))
        .env("XDG_CONFIG_HOME", dir.join("config"))
        .env("XDG_STATE_HOME", dir.join("state"))
        .env("XDG_DATA_HOME", dir.join("state"))
        .env("XDG_CACHE_HOME", dir.join("cache"));
    command
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(Failure::io(format!("writing {}", path.display())))
}

fn log(dir: &Path, name: &str) -> Result<File, Failure> {
    File::create(dir.join(name)).map_err(Failure::io(format!("making {name}")))
}

/// bastiond is up within a tenth of a second; this is for the worst of machines.
const START: Duration = Duration::from_secs(20);
/// The daemon waits for StopTask's answer, no longer.
const STOP: Duration = Duration::from_secs(15);
