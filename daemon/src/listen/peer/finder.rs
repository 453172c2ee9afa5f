//! Finds the process and the program behind a socket: a search through /proc, off every visit's way.
//!
//! A look at all processes takes milliseconds, so that many who come at once are looked for at once, and whoever was found
//! last is looked at first: one program opens many connections.

use std::iter;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Peer, Place, Trace};

/// A process, and the program that it runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The program, where the system tells.
    pub program: Option<String>,
}

/// Whom one visitor turns out to be; nobody as long as nothing was found. Clones show the same.
#[derive(Clone, Debug, Default)]
pub(in crate::listen) struct Found(Arc<OnceLock<Process>>);

/// A handle on the search. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Finder(mpsc::UnboundedSender<Search>);

/// The search itself, to be run.
#[derive(Debug)]
pub struct Searching(mpsc::UnboundedReceiver<Search>);

#[derive(Debug)]
struct Search {
    trace: Trace,
    found: Found,
    /// Dropped, and thereby heard, when the search is over.
    #[expect(dead_code, reason = "its drop is what it is for")]
    over: oneshot::Sender<()>,
}

/// Ends when a search has ended.
#[derive(Debug)]
pub(in crate::listen) struct Over(Option<oneshot::Receiver<()>>);

impl Finder {
    /// A handle, and what is to be run: [`Searching::run`].
    pub fn new() -> (Self, Searching) {
        let (wanted, searches) = mpsc::unbounded_channel();
        (Self(wanted), Searching(searches))
    }

    /// Begins to look for somebody's process.
    pub(in crate::listen) fn look_for(&self, peer: &Peer, found: &Found) -> Over {
        if peer.place == Place::Here {
            match &peer.trace {
                Trace::None => {}
                Trace::Process(process) => found.tell(process.clone()),
                trace @ (Trace::Socket(_) | Trace::Pid(_)) => {
                    let (over, ended) = oneshot::channel();
                    let search = Search { trace: trace.clone(), found: found.clone(), over };
                    // A search that has ended finds nobody.
                    drop(self.0.send(search));
                    return Over(Some(ended));
                }
            }
        }
        Over(None)
    }
}

impl Searching {
    /// Searches until the stop token fires.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut lately = Vec::new();
        let mut searches = Vec::new();
        loop {
            let any = tokio::select! {
                any = self.0.recv_many(&mut searches, AT_ONCE) => any,
                () = stop.cancelled() => return,
            };
            if any == 0 {
                return;
            }
            let batch = std::mem::take(&mut searches);
            let known = std::mem::take(&mut lately);
            // A search that panics loses what was known, and nothing else.
            let searched = tokio::task::spawn_blocking(move || search(&batch, known)).await;
            lately = searched.unwrap_or_default();
        }
    }
}

impl Found {
    /// Who it is.
    pub(in crate::listen) fn process(&self) -> Option<&Process> {
        self.0.get()
    }

    fn tell(&self, process: Process) {
        // Found once is enough.
        self.0.set(process).ok();
    }
}

impl Over {
    /// Waits until the search has ended, but not for long.
    pub(in crate::listen) async fn wait(self) {
        if let Some(ended) = self.0 {
            drop(timeout(PATIENCE, ended).await);
        }
    }
}

/// Looks for all of them; gives back the processes that were found lately, the last ones first.
fn search(searches: &[Search], known: Vec<u32>) -> Vec<u32> {
    let mut missing: Vec<(u64, &Found)> = Vec::new();
    for Search { trace, found, over: _ } in searches {
        match trace {
            Trace::None => {}
            Trace::Process(process) => found.tell(process.clone()),
            Trace::Pid(pid) => found.tell(named(*pid)),
            Trace::Socket(socket) => missing.push((*socket, found)),
        }
    }
    let mut found = Vec::new();
    // All processes are listed only where those that were found lately are not enough.
    let others = iter::once_with(system::newest_first).flatten();
    for pid in known.iter().copied().chain(others) {
        if missing.is_empty() {
            break;
        }
        let sockets = system::sockets_of(pid);
        let mut process = None;
        missing.retain(|(socket, found)| {
            let holds = sockets.contains(socket);
            if holds {
                found.tell(process.get_or_insert_with(|| named(pid)).clone());
            }
            !holds
        });
        if process.is_some() {
            found.push(pid);
        }
    }
    let others = known.into_iter().filter(|pid| !found.contains(pid)).collect::<Vec<_>>();
    found.extend(others);
    found.truncate(REMEMBERED);
    found
}

fn named(pid: u32) -> Process {
    Process { pid, program: system::program(pid) }
}

#[cfg(target_os = "linux")]
mod system {
    use super::super::super::shadow::linux as proc;

    /// Every process; the newest have the highest numbers, mostly, and are the likeliest to have come just now.
    pub(super) fn newest_first() -> Vec<u32> {
        let mut processes = proc::processes();
        processes.sort_unstable_by(|one, other| other.cmp(one));
        processes
    }

    pub(super) fn sockets_of(pid: u32) -> Vec<u64> {
        proc::inodes_of(&pid.to_string())
    }

    /// A program's name as people know it: an interpreter says less than what it runs.
    pub(super) fn program(pid: u32) -> Option<String> {
        let name = proc::program(pid)?;
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let known = super::known_by(&String::from_utf8_lossy(&arguments));
        Some(known.map_or(name, str::to_owned))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::process::{Command, Stdio};

    /// lsof tells the process together with the user: there is nothing to search.
    pub(super) fn newest_first() -> Vec<u32> {
        Vec::new()
    }

    pub(super) fn sockets_of(_: u32) -> Vec<u64> {
        Vec::new()
    }

    pub(super) fn program(pid: u32) -> Option<String> {
        let told = Command::new("/bin/ps")
            .args(["-o", "comm=", "-p"])
            .arg(pid.to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let path = String::from_utf8_lossy(&told.stdout).trim().to_owned();
        if let Some(known) = super::known_by(&path) {
            return Some(known.to_owned());
        }
        path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
    }
}

/// The name of a program that runs in another one's process, by what stands in its command line. Nothing else of that
/// line is kept: it may hold a password.
fn known_by(arguments: &str) -> Option<&'static str> {
    let arguments = arguments.to_ascii_lowercase();
    KNOWN.iter().find(|(part, _)| arguments.contains(part)).map(|(_, name)| *name)
}

/// What the command lines of clients hold that run in python3, java or electron.
const KNOWN: [(&str, &str); 5] = [
    ("pgadmin", "pgAdmin"),
    ("dbeaver", "DBeaver"),
    ("datagrip", "DataGrip"),
    ("mysql-workbench", "MySQL Workbench"),
    ("tableplus", "TablePlus"),
];

/// How many searches are made at once.
const AT_ONCE: usize = 1024;

/// How many processes are looked at first.
const REMEMBERED: usize = 8;

/// How long a search is waited for: it takes milliseconds, and a visit's line in the audit can do without.
const PATIENCE: Duration = Duration::from_millis(250);
