use serde_json::json;

use crate::daemon::{Answer, Daemon};
use crate::samples::{cold, expired, ready, starting, status};
use crate::screen::run;

fn daemon(target: serde_json::Value) -> Daemon {
    Daemon::new([("GET /v1/status", Answer::json(&status([target])))])
}

#[test]
fn a_target_that_gets_ready_ends_the_wait() {
    let daemon = Daemon::new([
        ("GET /v1/status", Answer::json(&status([cold("prod-db")]))),
        ("GET /v1/status", Answer::json(&status([starting("prod-db")]))),
        ("GET /v1/status", Answer::json(&status([ready("prod-db")]))),
    ]);
    run(&daemon, "wait prod-db").is("wait");
    assert_eq!(daemon.heard().len(), 3);
}

#[test]
fn json_is_the_target_as_it_is_then() {
    let json = run(&daemon(cold("cache")), "wait cache --for cold --json").json();
    assert_eq!(json["target"]["state"], "cold");
}

#[test]
fn a_target_with_a_problem_and_no_task_is_cold() {
    assert_eq!(run(&daemon(expired("old-db")), "wait old-db --for cold").code, 0);
    let mut running = expired("old-db");
    running["task"] = json!("arn");
    assert_eq!(run(&daemon(running), "wait old-db --for cold --timeout 0s").code, 7);
}

#[test]
fn when_time_is_up_it_says_how_the_target_is_and_what_helps() {
    run(&daemon(cold("cache")), "wait cache --timeout 0s").is("wait_cold");
    run(&daemon(starting("stg-mysql")), "wait stg-mysql --timeout 0s").is("wait_starting");
    run(&daemon(expired("old-db")), "wait old-db --timeout 0s").is("wait_problem");
    run(&daemon(ready("prod-db")), "wait prod-db --for cold --timeout 0s").is("wait_in_use");
}

#[test]
fn a_problem_is_told_once_and_waited_for() {
    let trouble = || Answer::json(&status([expired("old-db")]));
    let daemon = Daemon::new([
        ("GET /v1/status", trouble()),
        ("GET /v1/status", trouble()),
        ("GET /v1/status", Answer::json(&status([ready("old-db")]))),
    ]);
    run(&daemon, "wait old-db").is("wait_recovers");
}

#[test]
fn an_unknown_target_is_not_found() {
    assert_eq!(run(&daemon(cold("cache")), "wait cash").code, 6);
}
