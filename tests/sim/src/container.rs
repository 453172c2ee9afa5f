//! A task's container: a real process group that runs the container's real command.
//!
//! ```text
//!  the simulator ─ stdin pipe ─► keeper (sh; leads the process group)
//!                                  ├─ watcher: the pipe's end (we are gone, however) → KILL to the group
//!                                  └─ unshare --pid --fork --mount-proc --kill-child
//!                                       └─ the command, PID 1 of a namespace of its own
//!  the simulator ─ stdin pipe ─► nsenter ─► ssm-session-worker <session id>   (same group, same namespace)
//! ```
//!
//! Where the system allows no PID namespace, `unshare` and `nsenter` fall away and the container says so
//! ([`Container::isolation`]); the command's `/proc` is then the machine's.

#![expect(clippy::disallowed_methods, reason = "a container's watch ends with the container")]

pub mod isolation;
mod workers;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

pub use isolation::Isolation;
pub(crate) use workers::freeze as freeze_worker;

/// What a container is started from.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// Its name, for messages.
    pub name: String,
    /// The program and its arguments, as the task definition or the override has them.
    pub command: Vec<String>,
    /// All its environment; nothing of ours is inherited except `PATH`.
    pub environment: BTreeMap<String, String>,
    /// The program that plays the agent's session worker.
    pub worker_exe: PathBuf,
}

/// A running container; the last clone's end kills all that is left of it.
#[derive(Clone, Debug)]
pub struct Container {
    inner: Arc<Inner>,
}

impl Container {
    /// Starts the command and returns once it runs; needs a tokio runtime.
    pub async fn start(spec: ContainerSpec) -> io::Result<Self> {
        let Some(program) = spec.command.first().filter(|program| !program.is_empty()) else {
            return Err(io::Error::other("a container needs a command"));
        };
        let isolation = isolation::available();
        let bin = agent_folder(&spec)?;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]);
        keeper.args(isolation.unshare());
        keeper.args(&spec.command);
        keeper
            .env_clear()
            .env("PATH", path())
            .envs(&spec.environment)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let mut keeper = keeper.spawn()?;
        let group = pid_of(&keeper)?;
        let alive = keeper.stdin.take();
        // From here on an early return drops the guard, and with it everything that was started.
        let guard = Group(group);
        let Some(processes) = processes_of(&mut keeper, group, &isolation).await? else {
            let why = format!("container {}: {program} did not start", spec.name);
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        };
        let (exit, exited) = watch::channel(None);
        drop(tokio::spawn(watch_over(keeper, group, exit)));
        let inner = Inner {
            name: spec.name,
            isolation,
            init: processes.init,
            space: processes.space,
            exited,
            group: guard,
            _alive: alive,
            bin,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Starts one session's worker where the command runs; see [`Worker`].
    pub fn worker(&self, session: &str, environment: &[(&str, String)]) -> io::Result<Worker> {
        if self.exit_code().is_some() {
            return Err(io::Error::other("the container has ended"));
        }
        let inner = &self.inner;
        let enter = inner.isolation.nsenter(inner.space.as_raw_nonzero().get());
        let program = inner.bin.path().join(WORKER);
        let words: Vec<&std::ffi::OsStr> = enter
            .iter()
            .map(std::ffi::OsStr::new)
            .chain([program.as_os_str(), std::ffi::OsStr::new(session)])
            .collect();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("PATH", path())
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            // In the container's group, so that its end is the worker's, too.
            .process_group(inner.group.0.as_raw_nonzero().get())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let alive = child.stdin.take();
        Ok(Worker { child, _alive: alive })
    }

    /// Waits for the command's end and says its exit code: 128 + N where a signal N ended it.
    pub async fn wait(&self) -> i32 {
        let mut exited = self.inner.exited.clone();
        match exited.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or(KILLED),
            Err(_) => KILLED,
        }
    }

    /// The exit code, once there is one.
    pub fn exit_code(&self) -> Option<i32> {
        *self.inner.exited.borrow()
    }

    /// TERM to the command alone, as ECS sends it, and KILL to everything once `grace` has passed.
    pub async fn stop(&self, grace: Duration) -> i32 {
        if let Some(code) = self.exit_code() {
            return code;
        }
        // A command that has gone meanwhile needs no signal.
        match &self.inner.isolation {
            Isolation::Namespace | Isolation::RootlessNamespace => {
                kill_process(self.inner.init, Signal::TERM).ok();
            }
            // The keeper and its watcher do not mind; sessions' workers end with the command.
            Isolation::None { .. } => {
                kill_process_group(self.inner.group.0, Signal::TERM).ok();
            }
        }
        if let Ok(code) = tokio::time::timeout(grace, self.wait()).await {
            return code;
        }
        self.kill().await
    }

    /// KILL to everything in the container, now.
    pub async fn kill(&self) -> i32 {
        self.inner.group.kill();
        self.wait().await
    }

    /// Whether the command has a PID namespace of its own, and why not.
    pub fn isolation(&self) -> &Isolation {
        &self.inner.isolation
    }

    /// Whether the command has a PID namespace of its own.
    pub fn isolated(&self) -> bool {
        self.inner.isolation.is_namespace()
    }

    /// The container's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The process group, as the machine numbers it.
    pub fn process_group(&self) -> i32 {
        self.inner.group.0.as_raw_nonzero().get()
    }

    /// The worker processes of a session, as the machine numbers them; none where there is no `/proc`.
    pub fn workers(&self, session: &str) -> Vec<i32> {
        workers::workers_of(self.process_group(), session)
    }

    /// The command's process, as the machine numbers it.
    pub fn init(&self) -> i32 {
        self.inner.init.as_raw_nonzero().get()
    }
}

/// One session's worker process; dropped, it is killed.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    /// Its standard input, whose end tells it that we are gone.
    _alive: Option<ChildStdin>,
}

impl Worker {
    /// Waits for its end.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Lets go of its standard input, at which it ends at once.
    pub fn end(&mut self) {
        self._alive = None;
    }
}

#[derive(Debug)]
struct Inner {
    name: String,
    isolation: Isolation,
    /// The command.
    init: Pid,
    /// The process by which its namespaces are entered.
    space: Pid,
    exited: watch::Receiver<Option<i32>>,
    group: Group,
    _alive: Option<ChildStdin>,
    bin: TempDir,
}

/// A process group that is killed when this goes.
#[derive(Debug)]
struct Group(Pid);

impl Group {
    fn kill(&self) {
        // No such group: all of it has ended already.
        kill_process_group(self.0, Signal::KILL).ok();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Processes {
    init: Pid,
    space: Pid,
}

/// Waits until the command itself runs; None where it ended before.
async fn processes_of(
    keeper: &mut Child,
    group: Pid,
    isolation: &Isolation,
) -> io::Result<Option<Processes>> {
    if !isolation.is_namespace() {
        // No way to look at processes that is the same on every system: the group takes the place of its members.
        return Ok(Some(Processes { init: group, space: group }));
    }
    let started = tokio::time::timeout(START_LIMIT, async {
        loop {
            if let Some((space, init)) = isolation::running(group) {
                return Ok::<_, io::Error>(Some(Processes { init, space }));
            }
            if let Some(status) = keeper.try_wait()? {
                // It may have ended by itself before anybody looked: then there is nothing left to find.
                let ran = !NOT_STARTED.contains(&exit_code(status));
                return Ok(ran.then_some(Processes { init: group, space: group }));
            }
            tokio::time::sleep(START_POLL).await;
        }
    });
    started.await.map_err(io::Error::from)?
}

/// Waits for the keeper, then sees to it that nothing of the group is left.
async fn watch_over(mut keeper: Child, group: Pid, exit: watch::Sender<Option<i32>>) {
    let code = match keeper.wait().await {
        Ok(status) => exit_code(status),
        Err(_) => KILLED,
    };
    Group(group).kill();
    exit.send_replace(Some(code));
}

fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(KILLED)
}

/// A folder like the one that ECS mounts, in which the worker's program has the real one's name.
fn agent_folder(spec: &ContainerSpec) -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("managed-agents-").tempdir()?;
    symlink(std::path::absolute(&spec.worker_exe)?, folder.path().join(WORKER))?;
    Ok(folder)
}

fn pid_of(child: &Child) -> io::Result<Pid> {
    child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the process ended before it had a number"))
}

fn path() -> String {
    std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned())
}

/// Runs `"$@"`; kills the whole group, itself included, when its own standard input ends.
///
/// TERM is for the command: the keeper outlives it to tell the exit code (a trap, unlike an ignored signal, is not
/// inherited). `kill -0` asks whether the wait ended for the command or for the trap.
const KEEPER: &str = r#"
trap : TERM
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
( trap '' TERM; read -r _ <&3; kill -s KILL 0 ) </dev/null &
watcher=$!
exec 3<&-
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
kill -s KILL "$watcher"
exit "$code"
"#;

/// The real worker's name, by which a watchdog in the container finds it in `/proc`.
pub const WORKER: &str = "ssm-session-worker";

/// 128 + KILL, what a container shows whose command did not end by itself.
const KILLED: i32 = 137;

/// What `sh` and `unshare` end with when the command cannot be run, or is not there.
const NOT_STARTED: [i32; 2] = [126, 127];

/// How long a command may take to run at all; a busy machine's fork is still far quicker.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How often we look whether it runs yet; there is no event to wait for.
const START_POLL: Duration = Duration::from_millis(2);
