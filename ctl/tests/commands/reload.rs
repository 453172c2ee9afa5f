use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::screen::run;

const RELOAD: &str = "POST /v1/reload";

fn answer(changes: &Value) -> Daemon {
    let mut said = json!({
        "schema_version": 1, "config": "/home/amy/.config/bastiond/config.toml", "ok": true,
        "unchanged": ["stg-mysql"],
    });
    said.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    Daemon::new([(RELOAD, Answer::json(&said))])
}

#[test]
fn what_has_changed_is_told_with_whose_visits_go_on() {
    let daemon = answer(&json!({
        "added": ["new-db"],
        "dropped": [{ "name": "old-db", "visits": 2 }, { "name": "older-db" }],
        "altered": [{ "name": "prod-db", "keys": ["listen", "idle_timeout"], "visits": 1 }],
        "needs_restart": ["ca_bundle"],
    }));
    run(&daemon, "reload").is("reload");
}

#[test]
fn that_nothing_has_changed_is_told_too() {
    run(&answer(&json!({})), "reload").is("reload_same");
    run(&answer(&json!({ "unchanged": [] })), "reload").is("reload_none");
}

#[test]
fn all_faults_of_a_faulty_file_are_data_and_the_exit_code_is_that_of_usage() {
    let fault = |line: u64| {
        json!({
            "file": "config.toml", "line": line, "key": format!("target.t{line}.lisen"),
            "reason": "unknown key", "hint": "did you mean \"listen\"?",
        })
    };
    let daemon = answer(&json!({ "ok": false, "faults": (1..=10).map(fault).collect::<Vec<_>>() }));
    let screen = run(&daemon, "reload");
    assert_eq!((screen.code, screen.out.matches("unknown key").count()), (2, 10));
    screen.is("reload_faults");
    assert_eq!(run(&daemon, "reload --json").json()["faults"].as_array().unwrap().len(), 10);
}
