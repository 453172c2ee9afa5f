//! Whether this system lets us give a container a PID namespace of its own, and how.

use std::fmt;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::process::Pid;

/// How far a container stands apart from the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// A PID namespace of its own, made as root.
    Namespace,
    /// A PID namespace of its own within a user namespace, where we are not root.
    RootlessNamespace,
    /// None: the reason, as the system told it.
    None {
        /// Why not.
        reason: String,
    },
}

impl Isolation {
    /// Whether there is a PID namespace.
    pub fn is_namespace(&self) -> bool {
        match self {
            Self::Namespace | Self::RootlessNamespace => true,
            Self::None { .. } => false,
        }
    }

    /// What stands before a container's command.
    pub(super) fn unshare(&self) -> &'static [&'static str] {
        // Never a network namespace: a session's worker dials the test's own databases.
        match self {
            Self::Namespace => {
                &["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--"]
            }
            Self::RootlessNamespace => &[
                "unshare",
                "--user",
                "--map-root-user",
                "--pid",
                "--fork",
                "--mount-proc",
                "--kill-child",
                "--",
            ],
            Self::None { .. } => &[],
        }
    }

    /// What stands before a command that joins the container of which `space` is the `unshare`.
    pub(super) fn nsenter(&self, space: i32) -> Vec<String> {
        let join = |words: &[&str]| {
            let mut all = vec!["nsenter".to_owned(), format!("--target={space}")];
            all.extend(words.iter().map(|word| (*word).to_owned()));
            // unshare itself is not in the namespace that it made; its children are.
            all.push(format!("--pid=/proc/{space}/ns/pid_for_children"));
            all.push("--".to_owned());
            all
        };
        match self {
            Self::Namespace => join(&["--mount"]),
            Self::RootlessNamespace => join(&["--user", "--preserve-credentials", "--mount"]),
            Self::None { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace => f.write_str("a PID namespace"),
            Self::RootlessNamespace => f.write_str("a PID namespace within a user namespace"),
            Self::None { reason } => write!(f, "no PID namespace: {reason}"),
        }
    }
}

/// What this system allows; asked once, by trying.
pub fn available() -> Isolation {
    static ANSWER: OnceLock<Isolation> = OnceLock::new();
    ANSWER.get_or_init(probe).clone()
}

/// The `unshare` of a container's group and its command, once the command itself runs.
pub(super) fn running(keeper: Pid) -> Option<(Pid, Pid)> {
    // The keeper's children are the command's `unshare` and the watcher, a copy of the keeper.
    let own = cmdline(keeper)?;
    let space = children(keeper)
        .into_iter()
        .find(|child| cmdline(*child).is_some_and(|line| line != own))?;
    let before = cmdline(space)?;
    if !before.starts_with(b"unshare\0") {
        return None;
    }
    // Between unshare's fork and its exec the child still has unshare's words; after it, /proc is mounted, too.
    let init = children(space)
        .into_iter()
        .find(|child| cmdline(*child).is_some_and(|line| line != before))?;
    Some((space, init))
}

fn children(of: Pid) -> Vec<Pid> {
    let of = of.as_raw_nonzero();
    let Ok(list) = fs::read_to_string(format!("/proc/{of}/task/{of}/children")) else {
        return Vec::new();
    };
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).filter_map(Pid::from_raw).collect()
}

fn cmdline(of: Pid) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{}/cmdline", of.as_raw_nonzero())).ok().filter(|line| !line.is_empty())
}

fn probe() -> Isolation {
    if !cfg!(target_os = "linux") {
        return Isolation::None { reason: "this system has no PID namespaces".to_owned() };
    }
    let own = std::process::id();
    if fs::metadata(format!("/proc/{own}/task/{own}/children")).is_err() {
        return Isolation::None {
            reason: "this kernel does not list a process's children".to_owned(),
        };
    }
    let as_root = tries(&Isolation::Namespace);
    let Err(reason) = as_root else { return Isolation::Namespace };
    match tries(&Isolation::RootlessNamespace) {
        Ok(()) => Isolation::RootlessNamespace,
        Err(rootless) => Isolation::None { reason: format!("{reason}; {rootless}") },
    }
}

fn tries(kind: &Isolation) -> Result<(), String> {
    let words = kind.unshare();
    let output = Command::new(words[0])
        .args(&words[1..])
        .arg("true")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("unshare: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
