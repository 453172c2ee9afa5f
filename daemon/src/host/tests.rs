use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

#[test]
fn a_service_manager_is_told_in_its_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    let told = again("tells_when_asked")
        .env("ASKED", "yes")
        .env("NOTIFY_SOCKET", dir.path().join("notify"))
        .status()
        .unwrap();
    assert!(told.success());
    manager.set_nonblocking(true).unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 256];
    while let Ok(length) = manager.recv(&mut buffer) {
        heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    assert_eq!(heard, ["READY=1\nSTATUS=2 targets\n", "STOPPING=1\n"]);
}

#[test]
fn without_a_service_manager_nobody_is_told() {
    let told = again("tells_when_asked").env("ASKED", "yes").env_remove("NOTIFY_SOCKET").status();
    assert!(told.unwrap().success());
    let told = again("tells_when_asked")
        .env("ASKED", "yes")
        .env("NOTIFY_SOCKET", "/no/such/socket")
        .status();
    assert!(told.unwrap().success());
}

/// Another process in the tests above; by itself it does nothing.
#[test]
fn tells_when_asked() {
    if std::env::var_os("ASKED").is_some() {
        notify(&[Notice::Ready, Notice::Status("2 targets\nSTOPPING=1")]);
        notify(&[Notice::Stopping]);
    }
}

#[test]
fn a_keeper_that_does_not_answer_is_not_said_to_live() {
    let dir = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    let told = again("lives_when_asked")
        .env("ASKED", "yes")
        .env("NOTIFY_SOCKET", dir.path().join("notify"))
        .env("WATCHDOG_USEC", "200000")
        .status()
        .unwrap();
    assert!(told.success());
    manager.set_nonblocking(true).unwrap();
    let mut buffer = [0; 256];
    let heard: Vec<_> = std::iter::from_fn(|| manager.recv(&mut buffer).ok()).collect();
    assert_eq!(heard.len(), 2, "two answers were given, and then none");
}

/// Another process in the test above; by itself it does nothing.
#[tokio::test]
async fn lives_when_asked() {
    if std::env::var_os("ASKED").is_some() {
        let answers = std::cell::Cell::new(2);
        let answer = || {
            let left = answers.get();
            answers.set(left - 1);
            async move { if left > 0 { left } else { std::future::pending().await } }
        };
        let long = Duration::from_secs(1);
        assert!(timeout(long, watchdog(answer)).await.is_err(), "it goes on");
    }
}

#[test]
fn a_socket_that_systemd_bound_is_taken_over() {
    const ACTIVATE: &str = "/usr/bin/systemd-socket-activate";
    if !Path::new(ACTIVATE).exists() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let us = again("answers_when_asked");
    let mut activator = Command::new(ACTIVATE)
        .arg("--listen")
        .arg(&path)
        .arg("--setenv=ASKED=yes")
        .arg(us.get_program())
        .args(us.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says so on stderr when it has bound the socket, and starts us at the first connection.
    let mut said = Vec::new();
    let stderr = activator.stderr.as_mut().unwrap();
    while !said.ends_with(b"\n") {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    let mut caller = UnixStream::connect(&path).unwrap();
    let mut answer = String::new();
    caller.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "ours");
    assert!(activator.wait().unwrap().success());
}

/// Another process in the test above; by itself it does nothing.
#[test]
fn answers_when_asked() {
    if std::env::var_os("ASKED").is_some() {
        let socket = inherited_control_socket().unwrap().expect("a socket was handed over");
        assert!(std::env::var_os("LISTEN_FDS").is_none(), "our children would take it for theirs");
        socket.set_nonblocking(false).unwrap();
        let (mut caller, _) = socket.accept().unwrap();
        caller.write_all(b"ours").unwrap();
    }
}

#[test]
fn without_a_service_manager_no_socket_is_taken_over() {
    if std::env::var_os("LISTEN_FDS").is_none() {
        assert!(inherited_control_socket().unwrap().is_none());
    }
}

/// This program again, to run one of the tests above alone.
fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let (_, module) = module_path!().split_once("::").unwrap();
    command.args(["--exact", &format!("{module}::{test}"), "--nocapture"]).stdout(Stdio::null());
    command
}
