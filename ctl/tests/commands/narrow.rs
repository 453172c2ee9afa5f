//! Everything that is read now and then, on a screen of 40 columns: nothing wraps but what is there to be copied.

use serde_json::json;

use crate::daemon::{Answer, Daemon};
use crate::samples::sketch;
use crate::screen::{Screen, command, finish};
use crate::{audit, cost, events};

/// Runs a command line where a line has 40 columns.
fn narrow(daemon: &Daemon, line: &str) -> Screen {
    let mut narrow = command(daemon.dir(), line);
    narrow.env("COLUMNS", "40");
    let screen = finish(line, narrow);
    for line in screen.out.lines().chain(screen.err.lines()) {
        let long = line.chars().count() > 40 && !line.contains("hint:");
        assert!(!long, "wider than 40: {line}\n{}{}", screen.out, screen.err);
    }
    screen
}

#[test]
fn status_keeps_state_and_port() {
    let mut busy = sketch();
    busy["targets"][0]["kept_up"] =
        json!({ "program": "pgAdmin", "silent_seconds": 2820, "counts_for_seconds": 780 });
    let daemon = Daemon::new([("GET /v1/status", Answer::json(&busy))]);
    narrow(&daemon, "status").is("narrow_status");
}

#[test]
fn cost_keeps_its_sums() {
    let daemon = Daemon::new([(cost::TODAY, Answer::json(&cost::of_two()))]);
    narrow(&daemon, "cost").is("narrow_cost");
}

#[test]
fn audit_keeps_its_records_and_its_sums() {
    let report = audit::report(audit::records(), json!([]), json!(null));
    let daemon = Daemon::new([("GET /v1/audit", Answer::json(&report))]);
    narrow(&daemon, "audit").is("narrow_audit");
}

#[test]
fn events_break_where_a_line_ends() {
    let daemon = Daemon::new([("GET /v1/events", events::happened())]);
    narrow(&daemon, "events").is("narrow_events");
}

#[test]
fn a_reload_says_what_became_of_each_target() {
    let answer = json!({
        "schema_version": 1, "ok": true, "config": "/home/amy/.config/bastiond/config.toml",
        "added": ["new-db"], "dropped": [{ "name": "old-db", "visits": 2 }],
        "altered": [{ "name": "prod-db", "keys": ["listen", "idle_timeout"], "visits": 1 }],
        "unchanged": ["stg-mysql"], "needs_restart": ["ca_bundle", "unread_per_stream"],
    });
    let daemon = Daemon::new([("POST /v1/reload", Answer::json(&answer))]);
    narrow(&daemon, "reload").is("narrow_reload");
}
