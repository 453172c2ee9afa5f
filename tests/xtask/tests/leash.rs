//! Nothing that was started outlives whoever started it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use xtask::process::{Process, within};

/// Set for the copy of this test that starts something and is killed.
const PART: &str = "LEASH_TEST_PART";

#[test]
fn what_a_killed_program_started_is_ended_and_its_directory_removed() {
    if std::env::var_os(PART).is_some() {
        start_something_and_wait_to_be_killed();
    }
    let mut copy = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_a_killed_program_started_is_ended_and_its_directory_removed"])
        .arg("--nocapture")
        .env(PART, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(copy.stdout.take().unwrap()).lines().map_while(Result::ok);
    let told = lines.find_map(|line| line.strip_prefix("started ").map(str::to_owned)).unwrap();
    let (id, dir) = told.split_once(' ').unwrap();
    assert!(lives(id) && Path::new(dir).exists());

    copy.kill().unwrap();
    copy.wait().unwrap();

    within(Duration::from_secs(20), "the end of what was started", || {
        (!lives(id) && !Path::new(dir).exists()).then_some(())
    })
    .unwrap();
}

fn start_something_and_wait_to_be_killed() -> ! {
    let dir = tempfile::tempdir().unwrap().keep();
    xtask::leash::remove(&dir);
    let process = Process::spawn(Command::new("sleep").arg("600").stdout(Stdio::null())).unwrap();
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nstarted {} {}", process.id(), dir.display()).unwrap();
    out.flush().unwrap();
    loop {
        std::thread::park();
    }
}

/// Nobody may have reaped it: a zombie does not count.
fn lives(id: &str) -> bool {
    let asked = Command::new("ps").args(["-o", "stat=", "-p", id]).output().unwrap();
    let state = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}
