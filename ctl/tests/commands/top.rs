use serde_json::json;

use crate::daemon::{Answer, Daemon};
use crate::samples::{cold, ready, sketch, status, visit};
use crate::screen::run;
use crate::terminal::Terminal;

const STATUS: &str = "GET /v1/status";
const EVENTS: &str = "GET /v1/events?follow=true";

/// On a screen of its own, and back on the one before with its looks and its cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[?1049l";

fn daemon() -> Daemon {
    let event =
        json!({ "seq": 1, "time": "2026-01-02T03:04:05Z", "message": "bastiond 0.1.0 started" });
    Daemon::new([
        (STATUS, Answer::json(&sketch())),
        (EVENTS, Answer::lines([event]).held()),
        (
            "POST /v1/targets/prod-db/close",
            Answer::json(&json!({
                "schema_version": 1, "target": "prod-db", "was": "ready", "visits_ended": 4,
            })),
        ),
        (
            "POST /v1/targets/stg-mysql/open",
            Answer::lines([json!({ "event": "stage", "stage": "requesting" })]).held(),
        ),
    ])
}

fn top(daemon: &Daemon) -> Terminal {
    let mut terminal = Terminal::run(daemon, "top", &[]);
    terminal.until(ENTER).until_shown("prod-db").until_shown("q quit");
    terminal
}

#[test]
fn every_end_leaves_the_terminal_as_it_was() {
    for (end, code) in [("q", 0), ("\x03", 130), ("TERM", 143), ("INT", 130)] {
        let daemon = daemon();
        let mut terminal = top(&daemon);
        assert!(!terminal.is_usual(), "keys come one by one");
        match end {
            "TERM" | "INT" => terminal.signal(end),
            key => terminal.types(key),
        };
        let (seen, ended) = terminal.finish();
        assert_eq!(ended, code, "{end:?}");
        let (_, after) = seen.split_once(LEAVE).unwrap_or_else(|| panic!("{end:?}: {seen:?}"));
        assert_eq!(after.trim(), "", "{end:?}");
        assert!(terminal.is_usual(), "{end:?}");
    }
}

#[test]
fn keys_do_what_they_say() {
    let daemon = daemon();
    let mut terminal = top(&daemon);
    terminal
        .types("c")
        .until_shown("is in use by 4 visits")
        .types("y")
        .until_shown("4 visits ended");
    terminal.types("j").types("o").until_shown("stg-mysql: starting");
    terminal.types("e").until_shown("bastiond 0.1.0 started").types("q");
    assert_eq!(terminal.end().1, 0);
    let heard = daemon.heard();
    for asked in [
        "POST /v1/targets/prod-db/close {\"force\":true}",
        "POST /v1/targets/stg-mysql/open {\"hold_seconds\":null,\"tunnels\":null}",
    ] {
        assert!(heard.iter().any(|call| call == asked), "{heard:?}");
    }
}

#[test]
fn a_target_that_somebody_has_come_to_is_asked_about_when_the_daemon_refuses() {
    let refused = json!({
        "schema_version": 1, "visits": [visit(7, "DBeaver", false)],
        "problem": { "code": "D31", "message": "1 visit goes through cache" },
    });
    let closed = json!({ "schema_version": 1, "target": "cache", "was": "ready" });
    let daemon = Daemon::new([
        (STATUS, Answer::json(&status([cold("cache")]))),
        (EVENTS, Answer::lines([]).held()),
        ("POST /v1/targets/cache/close", Answer::status(409, &refused)),
        ("POST /v1/targets/cache/close", Answer::json(&closed)),
    ]);
    let mut terminal = Terminal::run(&daemon, "top", &[("NO_COLOR", "1")]);
    terminal.until_shown("q quit").types("c").until_shown("DBeaver (pid 4717)").types("y");
    terminal.until_shown("its bastion stops").types("q");
    let (seen, code) = terminal.end();
    assert_eq!(code, 0);
    for colour in ["\x1b[0;31m", "\x1b[0;32m", "\x1b[0;33m", "\x1b[0;36m", "\x1b[0;1;31m"] {
        assert!(!seen.contains(colour), "{colour:?} in spite of NO_COLOR");
    }
}

#[test]
fn a_daemon_that_goes_away_is_told_and_one_that_comes_back_is_shown() {
    let daemon = Daemon::new([
        (STATUS, Answer::json(&status([cold("cache")]))),
        (STATUS, Answer::json(&status([cold("cache")]))),
        (STATUS, Answer::text(500, "")),
        (STATUS, Answer::json(&status([ready("prod-db")]))),
    ]);
    let mut terminal = Terminal::run(&daemon, "top", &[]);
    terminal
        .until_shown("cache")
        .until_shown("bastiond gave no reason")
        .until_shown("prod-db")
        .types("q");
    assert_eq!(terminal.end().1, 0);
}

#[test]
fn without_a_terminal_what_to_do_instead_is_told() {
    run(&daemon(), "top").is("top_no_terminal");
    run(&daemon(), "top --json").is("top_json");
    let (seen, code) = Terminal::run(&daemon(), "top", &[("TERM", "dumb")]).end();
    assert_eq!(code, 2, "{seen}");
    assert!(seen.contains("hint: bastionctl status --watch") && !seen.contains('\x1b'), "{seen:?}");
}

#[test]
fn a_locale_without_our_letters_gets_ascii() {
    let daemon = daemon();
    let mut terminal = Terminal::run(&daemon, "top", &[("LC_ALL", "C")]);
    terminal.until_shown(">prod-db").until_shown("Enter details").types("q");
    let (seen, _) = terminal.finish();
    assert!(seen.is_ascii(), "{seen:?}");
}

#[test]
fn without_a_daemon_nothing_is_drawn() {
    let daemon = daemon();
    let mut terminal = Terminal::run(&daemon, "top", &[("BASTION_SOCKET", "nowhere.sock")]);
    let (seen, code) = terminal.finish();
    assert_eq!(code, 3, "{seen}");
    assert!(!seen.contains(ENTER) && seen.contains("bastiond is not running"), "{seen}");
}
