use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::{cold, expired, problem, ready, status, targets, unknown_target};
use crate::screen::run;
use crate::terminal::Terminal;

const OPEN: &str = "POST /v1/targets/prod-db/open";
const TEST: &str = "POST /v1/targets/prod-db/test";
const STATUS: &str = "GET /v1/status";

/// What is known before a test: where the target is found.
fn found() -> (&'static str, Answer) {
    (STATUS, Answer::json(&status([cold("prod-db")])))
}

fn opened() -> Answer {
    let stage = json!({
        "event": "stage", "stage": "connecting", "elapsed_seconds": 22.0, "estimate_seconds": 24.0,
    });
    let ready = json!({ "event": "ready", "target": ready("prod-db"), "elapsed_seconds": 24.0 });
    Answer::lines([stage, ready])
}

fn answer(changes: Value) -> Value {
    let mut answer = json!({
        "schema_version": 1, "target": "prod-db", "engine": "postgres",
        "address": "127.0.0.1:15432", "server_version": "15.8", "tls": "not_verified",
        "task": "arn:aws:ecs:ap-northeast-1:123456789012:task/neuraKnot-prod-cluster/0a1b",
        "login": "done", "user": "postgres", "database": "neuraKnot",
        "answer_seconds": 0.0625, "login_seconds": 0.25, "round_trip_seconds": 0.0312,
        "round_trips": 5,
    });
    for (key, value) in changes.as_object().unwrap() {
        answer[key] = value.clone();
    }
    answer
}

fn daemon(changes: Value) -> Daemon {
    Daemon::new([found(), (OPEN, opened()), (TEST, Answer::json(&answer(changes)))])
}

#[test]
fn it_opens_the_target_and_then_tells_what_its_database_said() {
    let daemon = daemon(json!({}));
    run(&daemon, "test prod-db").is("test");
    let asked =
        [STATUS.into(), format!("{OPEN} {{\"hold_seconds\":null,\"tunnels\":null}}"), TEST.into()];
    assert_eq!(daemon.heard(), asked);
}

#[test]
fn json_is_the_daemons_answer() {
    let daemon = daemon(json!({}));
    let screen = run(&daemon, "test prod-db --json --quiet");
    assert_eq!((screen.json()["round_trip_seconds"].clone(), &*screen.err), (json!(0.0312), ""));
}

#[test]
fn without_a_password_it_says_that_none_was_tried() {
    let changes = json!({
        "login": "no_password", "login_seconds": null, "server_version": null, "tls": "none",
        "round_trips": 1, "database": null,
    });
    run(&daemon(changes), "test prod-db").is("test_no_password");
}

#[test]
fn of_an_engine_that_nobody_speaks_it_tells_that_it_takes_connections() {
    let changes = json!({
        "engine": "other", "login": "not_spoken", "server_version": null, "tls": null,
        "user": null, "database": null, "login_seconds": null, "round_trip_seconds": null,
        "round_trips": 0, "task": null,
    });
    run(&daemon(changes), "test prod-db").is("test_other");
}

#[test]
fn a_wrong_password_is_a_problem_with_its_exit_code() {
    let wrong = problem("D16", "not_permitted", "prod-db does not take the password");
    let daemon = Daemon::new([found(), (OPEN, opened()), (TEST, Answer::status(403, &wrong))]);
    run(&daemon, "test prod-db").is("test_wrong_password");
}

#[test]
fn where_the_start_fails_nothing_is_asked_of_the_database() {
    let failed = problem("D04", "bastion_failed", "the bastion of prod-db did not start");
    let failed = json!({ "event": "failed", "problem": failed["problem"] });
    let daemon = Daemon::new([found(), (OPEN, Answer::lines([failed]))]);
    assert_eq!(run(&daemon, "test prod-db").code, 9);
    assert_eq!(daemon.heard().len(), 2);
}

#[test]
fn a_target_that_is_found_nowhere_is_not_started() {
    let mut nowhere = expired("prod-db");
    nowhere["addresses"] = json!([]);
    let taken = problem("D13", "port_conflict", "prod-db cannot listen where it should");
    let daemon = Daemon::new([
        (STATUS, Answer::json(&status([nowhere]))),
        (TEST, Answer::status(409, &taken)),
    ]);
    let screen = run(&daemon, "test prod-db");
    assert_eq!(screen.code, 8);
    assert!(
        screen.err.starts_with("prod-db  asking the database\nerror: prod-db cannot listen"),
        "{}",
        screen.err
    );
    assert_eq!(daemon.heard(), [STATUS, TEST]);
}

#[test]
fn a_daemon_without_this_call_is_told_apart_from_an_unknown_target() {
    let daemon = Daemon::new([
        found(),
        (OPEN, opened()),
        ("GET /v1/targets", Answer::json(&targets(["prod-db"]))),
    ]);
    run(&daemon, "test prod-db").is("test_older_daemon");
    let daemon = Daemon::new([
        found(),
        ("POST /v1/targets/prod_db/open", Answer::status(404, &unknown_target())),
        ("GET /v1/targets", Answer::json(&targets(["stg-mysql", "prod-db"]))),
    ]);
    let screen = run(&daemon, "test prod_db");
    assert_eq!(screen.code, 6);
    assert!(screen.err.contains("did you mean \"prod-db\"?"), "{}", screen.err);
}

#[test]
fn an_interrupt_leaves_a_clean_line() {
    let ready = json!({ "event": "ready", "target": cold("prod-db"), "elapsed_seconds": 0.0 });
    let daemon = Daemon::new([
        found(),
        (OPEN, Answer::lines([ready])),
        (TEST, Answer::text(200, " ").held()),
    ]);
    let mut terminal = Terminal::run(&daemon, "test prod-db", &[("NO_COLOR", "1")]);
    terminal.until("prod-db  asking the database  ").signal("INT");
    let (seen, code) = terminal.end();
    assert_eq!(code, 130);
    assert!(seen.ends_with("\r\x1b[K"), "{seen:?}");
}
