//! A container: a command that is PID 1 of its own namespace, and sessions beside it.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bastion_pool::Watchdog;

/// What containers have for a shell.
pub(super) const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "ash"]];

/// What the command finds in its namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Space {
    /// Its own processes, as in a real container.
    Proc,
    /// Nothing in `/proc`.
    Empty,
    /// One process that it sees, and none that it does not.
    Shown,
    /// One process that it sees, and one that it may not look at.
    Hidden,
    /// No program of any kind.
    WithoutSleep,
}

/// A container that runs a watchdog; dropped, it is killed.
pub(super) struct Container {
    unshare: Child,
    /// Before the command began, and after it was seen to have.
    began: (Instant, Instant),
    ended: Option<Instant>,
}

/// The worker of one session; dropped, it is killed with its container at the latest.
pub(super) struct Session(Child);

impl Container {
    pub(super) fn start(shell: &[&str], watchdog: Watchdog, space: Space) -> Self {
        let mut words: Vec<String> = shell.iter().map(|word| (*word).to_owned()).collect();
        words.extend(watchdog.command::<&str>(&[]).into_iter().skip(1));
        Self::run(&words, space)
    }

    pub(super) fn run(words: &[String], space: Space) -> Self {
        let mut command = Command::new("unshare");
        command.args(rights().unshare).args(["--pid", "--mount", "--fork", "--kill-child"]);
        if matches!(space, Space::Proc | Space::WithoutSleep) {
            command.arg("--mount-proc");
        }
        command.args(["--", "bash", "-c", prepare(space), "container"]);
        command.args(words).stdin(Stdio::null());
        let before = Instant::now();
        let mut unshare = command.spawn().expect("unshare is installed");
        // PID 1 is bash until all is prepared, and then the command.
        let last = words.last().expect("a command has words").clone();
        within("the command's start", || {
            let line = child_of(unshare.id()).map(cmdline).unwrap_or_default();
            let runs = line.ends_with(&format!("{last}\0")) && !line.contains(PREPARED);
            runs || unshare.try_wait().expect("it is our child").is_some()
        });
        Self { unshare, began: (before, Instant::now()), ended: None }
    }

    /// A session that lasts so long.
    pub(super) fn session(&self, secs: u64) -> Session {
        let target = self.unshare.id();
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={target}")).args(rights().nsenter);
        // unshare itself is not in the namespace that it made; its children are.
        command.arg("--mount").arg(format!("--pid=/proc/{target}/ns/pid_for_children"));
        let worker = "exec -a /managed-agents/execute-command/ssm-session-worker sleep \"$1\"";
        command.args(["--", "bash", "-c", worker, "agent", &secs.to_string()]);
        let session = Session(command.stdin(Stdio::null()).spawn().expect("nsenter is installed"));
        within("the worker's start", || {
            child_of(session.0.id())
                .map(cmdline)
                .is_some_and(|line| line.contains("ssm-session-worker\0"))
        });
        session
    }

    /// What its platform sends to stop it.
    pub(super) fn term(&self) {
        let init = child_of(self.unshare.id()).expect("the command runs");
        let kill = Command::new("bash").args(["-c", &format!("kill -TERM {init}")]).status();
        assert!(kill.expect("bash is installed").success());
    }

    /// Waits until it has looked around once.
    pub(super) fn until_it_sleeps(&self) {
        within("the first look around", || {
            let init = child_of(self.unshare.id());
            init.and_then(child_of).map(cmdline).is_some_and(|line| line.contains("sleep"))
        });
    }

    pub(super) fn is_alive(&mut self) -> bool {
        sleep(POLL);
        self.unshare.try_wait().expect("it is our child").is_none()
    }

    /// Waits for its end, and says its exit code.
    pub(super) fn ends(&mut self) -> i32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.unshare.try_wait().expect("it is our child") {
                self.ended = Some(Instant::now());
                return status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
            }
            assert!(begun.elapsed() < LIMIT, "it does not end");
            sleep(POLL);
        }
    }

    /// It has lasted so long, and not much longer.
    #[track_caller]
    pub(super) fn lasted(&self, secs: u64) {
        let ended = self.ended.expect("it has ended");
        let (most, least) = (ended - self.began.0, ended - self.began.1);
        let wanted = Duration::from_secs(secs);
        assert!(most >= wanted, "{most:?} instead of {wanted:?}");
        // Each of its seconds is a little longer on a busy machine.
        assert!(least < wanted + wanted / 2 + Duration::from_secs(2), "{least:?} for {wanted:?}");
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // It may have ended already.
        self.unshare.kill().ok();
        self.unshare.wait().ok();
    }
}

impl Session {
    pub(super) fn is_alive(&mut self) -> bool {
        self.0.try_wait().expect("it is our child").is_none()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What stands before the command, in the namespace.
fn prepare(space: Space) -> &'static str {
    match space {
        Space::Proc => r#": prepared; exec "$@""#,
        Space::Empty => r#": prepared; mount -t tmpfs none /proc && exec "$@""#,
        Space::Shown => {
            r#": prepared; mount -t tmpfs none /proc && mkdir /proc/1 && echo sh >/proc/1/cmdline && exec "$@""#
        }
        // Root may look at everything unless it gives that up.
        Space::Hidden => {
            r#": prepared; mount -t tmpfs none /proc && mkdir /proc/1 /proc/7 && echo sh >/proc/1/cmdline &&
            echo agent >/proc/7/cmdline && chmod 000 /proc/7 &&
            exec setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all -- "$@""#
        }
        Space::WithoutSleep => {
            r#": prepared; shell=$(command -v "$1"); shift; PATH=/nowhere exec "$shell" "$@""#
        }
    }
}

/// What the words of [`prepare`] can be told by.
const PREPARED: &str = ": prepared;";

/// How namespaces are made and entered on this machine.
struct Rights {
    unshare: &'static [&'static str],
    nsenter: &'static [&'static str],
}

/// As root, or within a user namespace; asked once, by trying.
fn rights() -> &'static Rights {
    static RIGHTS: OnceLock<Rights> = OnceLock::new();
    RIGHTS.get_or_init(|| {
        let root = Command::new("unshare").args(["--pid", "--mount", "--fork", "true"]).output();
        match root.expect("unshare is installed").status.success() {
            true => Rights { unshare: &[], nsenter: &[] },
            false => Rights {
                unshare: &["--user", "--map-root-user"],
                nsenter: &["--user", "--preserve-credentials"],
            },
        }
    })
}

fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn cmdline(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).into_owned()
}

#[track_caller]
fn within(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LIMIT, "{what} takes too long");
        sleep(POLL);
    }
}

/// How long anything here may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// How often something is looked at that tells nobody of itself.
const POLL: Duration = Duration::from_millis(5);
