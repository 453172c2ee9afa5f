use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::{targets, unknown_target};
use crate::screen::{command, run};
use crate::terminal::signal;

fn event(seq: u64, kind: &str, target: Option<&str>, message: &str) -> Value {
    let time = format!("2026-01-02T03:04:{seq:02}.5Z");
    json!({ "seq": seq, "time": time, "target": target, "kind": kind, "message": message })
}

pub(crate) fn happened() -> Answer {
    let mut trouble = event(4, "problem_found", Some("old-db"), "no bastion for old-db");
    trouble["problem"] = json!({
        "code": "D18", "kind": "login", "message": "no bastion for old-db",
        "causes": ["the AWS login of profile \"legacy\" ended 12 min ago"],
        "hints": ["aws sso login --profile legacy"],
    });
    Answer::lines([
        event(1, "daemon_started", None, "bastiond 0.1.0 started with 2 targets"),
        event(2, "visit_opened", Some("prod-db"), "psql (pid 4711) came"),
        event(3, "eclipse", Some("prod-db"), "something that only newer daemons do"),
        trouble,
    ])
}

#[test]
fn each_event_is_a_line_and_problems_say_more() {
    run(&Daemon::new([("GET /v1/events", happened())]), "events").is("events");
}

#[test]
fn json_is_one_line_an_event_each_with_its_version() {
    let lines = run(&Daemon::new([("GET /v1/events", happened())]), "events --json").json_lines();
    let numbers: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert!(lines.iter().all(|line| line["schema_version"] == 1));
}

#[test]
fn following_ends_with_the_daemon() {
    let daemon = Daemon::new([("GET /v1/events?follow=true&target=prod-db", happened())]);
    run(&daemon, "events prod-db --follow").is("events_follow");
}

#[test]
fn an_event_that_is_followed_is_seen_at_once_and_an_interrupt_ends_it() {
    let daemon = Daemon::new([("GET /v1/events?follow=true", happened().held())]);
    let mut command = command(daemon.dir(), "events -f");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "2026-01-02 03:04:01  bastiond 0.1.0 started with 2 targets\n");
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_reader_who_has_seen_enough_ends_it_without_a_word() {
    let daemon = Daemon::new([("GET /v1/events?follow=true", happened().held())]);
    let mut command = command(daemon.dir(), "events -f");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(141), Vec::new()));
}

#[test]
fn before_anything_has_happened_it_says_so() {
    run(&Daemon::new([("GET /v1/events", Answer::lines([]))]), "events").is("events_none");
}

#[test]
fn an_unknown_target_is_not_found() {
    let daemon = Daemon::new([
        ("GET /v1/events?target=prod_db", Answer::status(404, &unknown_target())),
        ("GET /v1/targets", Answer::json(&targets(["prod-db"]))),
    ]);
    assert_eq!(run(&daemon, "events prod_db").code, 6);
}
