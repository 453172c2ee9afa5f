use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::{cold, ready, status};
use crate::screen::{command, finish, run};

fn taken(name: &str, cause: &str, pid: Option<u32>) -> Value {
    let mut target = cold(name);
    target["state"] = json!("problem");
    target["addresses"] = json!([]);
    let end = pid.map(|pid| format!("end that program (pid {pid}), or "));
    target["problems"] = json!([{
        "code": "D13", "kind": "port_conflict", "message": format!("{name} cannot listen where it should"),
        "causes": [cause],
        "hints": [format!("{}change listen under [target.{name}]", end.unwrap_or_default())],
    }]);
    target
}

/// Port 65535 leaves none above it: a free one would be another on each machine.
fn daemon() -> Daemon {
    let mut last = cold("cache");
    last["addresses"] = json!(["127.0.0.1:65535", "unix:/home/amy/.local/state/s/redis.sock"]);
    last["port"] = json!(65535);
    let report = status([
        ready("prod-db"),
        last,
        taken("old-db", "127.0.0.1:15440 is in use by python3 (pid 4711)", Some(4711)),
        taken("far-db", "[::1]:15441 is shadowed by docker-proxy (pid 33) on [::]:15441", Some(33)),
    ]);
    Daemon::new([("GET /v1/status", Answer::json(&report))])
}

#[test]
fn every_address_has_a_line_and_who_holds_one_is_named() {
    run(&daemon(), "ports").is("ports");
}

#[test]
fn a_narrow_screen_keeps_names_whole_and_cuts_what_is_said() {
    let daemon = daemon();
    let mut narrow = command(daemon.dir(), "ports");
    narrow.env("COLUMNS", "40");
    let screen = finish("ports", narrow);
    screen.is("ports_narrow");
    let wide = |line: &&str| line.chars().count() > 40 && !line.contains("hint:");
    assert_eq!(screen.out.lines().find(wide), None);
}

#[test]
fn json_has_a_place_for_each_and_the_next_free_port() {
    let json = run(&daemon(), "ports --json").json();
    let ports = json["ports"].as_array().unwrap();
    assert_eq!(ports.len(), 6);
    assert_eq!((&ports[0]["listens"], &ports[0]["why_not"]), (&json!(true), &json!(null)));
    let expected = json!({
        "target": "old-db", "address": "127.0.0.1:15440", "listens": false,
        "why_not": "in use by python3 (pid 4711)",
        "hints": ["end that program (pid 4711), or change listen under [target.old-db]"],
    });
    assert_eq!(ports[4], expected);
    assert_eq!(json["next_free"], json!(null));
}

#[test]
fn the_next_free_port_is_above_that_of_every_target() {
    let report = status([ready("prod-db")]);
    let daemon = Daemon::new([("GET /v1/status", Answer::json(&report))]);
    let screen = run(&daemon, "ports --json");
    assert!(screen.json()["next_free"].as_u64().unwrap() > 15432);
    assert!(run(&daemon, "ports").err.starts_with("next free: "));
}

#[test]
fn a_daemon_that_gives_no_answer_is_a_problem() {
    let daemon = Daemon::new([("GET /v1/status", Answer::text(500, ""))]);
    assert_eq!(run(&daemon, "ports").code, 1);
}
