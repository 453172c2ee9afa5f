//! A daemon that cannot start says why, and what to type.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

#[test]
fn a_socket_path_that_the_system_would_cut_off_is_refused_with_a_shorter_one() {
    let home = TempDir::new().unwrap();
    let long = format!("/tmp/{}/control.sock", "x".repeat(100));
    let refused = ended(bastiond(home.path()).env("BASTION_SOCKET", long));
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("error: the socket's path is 118 bytes long"), "{said}");
    assert!(said.contains("hint: set BASTION_SOCKET to a shorter path"), "{said}");
}

#[test]
fn a_second_daemon_names_the_first_and_how_to_stop_it() {
    let home = TempDir::new().unwrap();
    // The first need not be ready: its lock is the first thing that it takes, and the second asks until then.
    let mut first = Running(bastiond(home.path()).stderr(Stdio::null()).spawn().unwrap());
    let pid = first.0.id();
    let lock = home.path().join("state/lock");
    while std::fs::read_to_string(&lock).unwrap_or_default().trim() != pid.to_string() {
        assert!(first.0.try_wait().unwrap().is_none(), "the first daemon has ended");
        std::thread::yield_now();
    }
    let second = ended(&mut bastiond(home.path()));
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&format!("another bastiond (pid {pid}) runs")), "{said}");
    assert!(said.contains(&format!("kill {pid}")), "{said}");
}

/// A daemon that knows nothing but this directory.
fn bastiond(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bastiond"));
    command
        .env_clear()
        .env("HOME", home)
        .env("BASTION_SOCKET", home.join("run/control.sock"))
        .arg("--state-dir")
        .arg(home.join("state"))
        .stdin(Stdio::null());
    command
}

fn ended(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// Killed when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
