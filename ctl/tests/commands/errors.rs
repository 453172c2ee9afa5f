use bastion_api::Timestamp;
use serde_json::json;

use crate::daemon::{Answer, Daemon};
use crate::samples::{problem, sketch};
use crate::screen::{Screen, command, finish, run};
use crate::terminal::Terminal;

const PASSWORD: &str = "GET /v1/targets/a/password";

fn failing(kind: &str, line: &str) -> Screen {
    let body = problem("D00", kind, "it did not work");
    run(&Daemon::new([(PASSWORD, Answer::status(500, &body))]), line)
}

#[test]
fn every_kind_of_problem_has_its_exit_code() {
    let kinds = [
        ("failed", 1),
        ("usage", 2),
        ("not_running", 3),
        ("login", 4),
        ("not_permitted", 5),
        ("not_found", 6),
        ("timed_out", 7),
        ("port_conflict", 8),
        ("bastion_failed", 9),
        ("database_unreachable", 10),
        ("doctor_found", 11),
        ("bug", 70),
        ("a_kind_that_only_newer_daemons_know", 1),
    ];
    for (kind, code) in kinds {
        assert_eq!(failing(kind, "password a").code, code, "{kind}");
    }
}

#[test]
fn a_problem_says_what_failed_because_of_what_and_what_helps() {
    failing("login", "password a").is("problem");
}

#[test]
fn the_request_id_is_for_who_asks_more() {
    failing("login", "password a -v").is("problem_verbose");
}

#[test]
fn a_problem_is_json_too_and_the_words_stay_on_stderr() {
    let screen = failing("login", "password a --json");
    assert_eq!(screen.json()["problem"]["kind"], "login");
    assert!(screen.err.starts_with("error: it did not work [D00]\n"), "{}", screen.err);
    assert_eq!(screen.code, 4);
}

#[test]
fn a_terminal_gets_colour_in_problems() {
    let body = problem("D00", "login", "it did not work");
    let daemon = Daemon::new([(PASSWORD, Answer::status(500, &body))]);
    let (seen, _) = Terminal::run(&daemon, "password a", &[]).end();
    assert!(seen.starts_with("\x1b[1;31merror:\x1b[0m it did not work [D00]\r\n"), "{seen:?}");
    let (seen, _) = Terminal::run(&daemon, "password a", &[("NO_COLOR", "1")]).end();
    assert!(seen.starts_with("error: it did not work [D00]\r\n"), "{seen:?}");
}

#[test]
fn without_a_daemon_every_place_is_named_and_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut status = command(dir.path(), "status");
    status.env_remove("BASTION_SOCKET").env("XDG_RUNTIME_DIR", "/nowhere/run");
    finish("status", status).is("not_running");
}

#[test]
fn a_socket_with_too_long_a_path_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let mut status = command(dir.path(), "status");
    status.env("BASTION_SOCKET", format!("/nowhere/{}", "long/".repeat(20)));
    let screen = finish("status", status);
    assert_eq!(screen.code, 3);
    assert!(screen.err.contains("109 bytes long, the system takes 100"), "{}", screen.err);
    assert!(screen.err.contains("hint: set BASTION_SOCKET to a shorter path"), "{}", screen.err);
}

#[test]
fn a_daemon_of_another_version_is_told_apart_from_a_broken_one() {
    run(&Daemon::new([]), "status").is("unknown_call");
    let daemon = Daemon::new([("GET /v1/status", Answer::json(&json!({ "status": "fine" })))]);
    run(&daemon, "status").is("another_shape");
    let daemon = Daemon::new([("GET /v1/status", Answer::text(503, "busy"))]);
    run(&daemon, "status").is("no_words");
}

#[test]
fn fields_that_only_newer_daemons_send_do_no_harm() {
    let mut report = sketch();
    report["schema_version"] = json!(2);
    report["moon"] = json!({ "phase": "full", "at": Timestamp::UNIX_EPOCH.to_string() });
    report["targets"][0]["tide"] = json!([1, 2]);
    let daemon = Daemon::new([("GET /v1/status", Answer::json(&report))]);
    let plain = Daemon::new([("GET /v1/status", Answer::json(&sketch()))]);
    assert_eq!(run(&daemon, "status").out, run(&plain, "status").out);
}

#[test]
fn arguments_that_make_no_sense_are_usage() {
    for line in ["", "opne", "open", "open a --hold soon", "wait a --for dinner", "status a b"] {
        let screen = run(&Daemon::new([]), line);
        assert_eq!((screen.code, screen.out.as_str()), (2, ""), "{line:?}");
        assert!(!screen.err.is_empty(), "{line:?}");
    }
}
