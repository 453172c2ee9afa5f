//! Sessions' workers as the machine sees them, whatever namespace they run in.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::WORKER;

/// The worker processes of a session in a container's process group, as the machine numbers them; none where there is no
/// `/proc`.
pub(crate) fn workers_of(group: i32, session: &str) -> Vec<i32> {
    processes(group, |words| begins(words, session))
}

/// Stops a session's worker, or lets it go on; false where it has none.
pub(crate) fn freeze(group: i32, session: &str, on: bool) -> bool {
    let workers = workers_of(group, session);
    let signalled =
        if on { workers.clone() } else { processes(group, |words| names(words, session)) };
    let signal = if on { Signal::STOP } else { Signal::CONT };
    for process in signalled.into_iter().filter_map(Pid::from_raw) {
        // One that has ended meanwhile needs no signal.
        kill_process(process, signal).ok();
    }
    !workers.is_empty()
}

fn processes(group: i32, wanted: impl Fn(&[&[u8]]) -> bool) -> Vec<i32> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let fits = |number: &i32| {
        if group_of(*number) != Some(group) {
            return false;
        }
        let Ok(line) = fs::read(format!("/proc/{number}/cmdline")) else { return false };
        wanted(&line.split(|byte| *byte == 0).collect::<Vec<_>>())
    };
    numbers.filter(fits).collect()
}

/// A process's group: the third field behind its name, which may hold anything but stands in the outermost brackets.
fn group_of(process: i32) -> Option<i32> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    line.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
}

/// `<folder>/ssm-session-worker <session id>`.
fn begins(words: &[&[u8]], session: &str) -> bool {
    let [program, argument, ..] = words else { return false };
    let program = std::str::from_utf8(program).ok().map(Path::new).and_then(Path::file_name);
    program.is_some_and(|name| name == WORKER) && *argument == session.as_bytes()
}

/// The same anywhere: nsenter stops itself with what it started, and goes on only when told.
fn names(words: &[&[u8]], session: &str) -> bool {
    words.windows(2).any(|two| begins(two, session))
}
