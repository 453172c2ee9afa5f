use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::{cold, expired, ready, sketch, starting, status, visit};
use crate::screen::run;
use crate::terminal::Terminal;

fn daemon(report: Value) -> Daemon {
    Daemon::new([("GET /v1/status", Answer::json(&report))])
}

#[test]
fn the_table_is_the_sketch_with_problems_below() {
    run(&daemon(sketch()), "status").is("status");
}

#[test]
fn one_target_can_be_asked_for() {
    let screen = run(&daemon(sketch()), "status stg-mysql");
    screen.is("status_one");
    let json = run(&daemon(sketch()), "status stg-mysql --json").json();
    assert_eq!(json["targets"].as_array().unwrap().len(), 1);
    assert_eq!(json["targets"][0]["name"], "stg-mysql");
}

#[test]
fn an_unknown_target_is_not_found_and_the_near_ones_are_named() {
    run(&daemon(sketch()), "status prod_db").is("status_unknown");
}

#[test]
fn long_names_stay_whole_within_80_columns() {
    let mut long = ready("a-database-whose-name-is-longer-than-any-column-would-like-it-to-be");
    long["visits"] = (1..=7).map(|id| visit(id, &format!("program-number-{id}"), false)).collect();
    let mut unix = cold("unix-only");
    unix["port"] = json!(null);
    unix["addresses"] = json!(["unix:/home/amy/.local/state/bastiond/sockets/.s.PGSQL.5432"]);
    run(&daemon(status([long, unix])), "status").is("status_long");
}

#[test]
fn every_state_has_its_words() {
    let with = |name: &str, changes: Value| {
        let mut target = cold(name);
        for (key, value) in changes.as_object().unwrap() {
            target[key] = value.clone();
        }
        target
    };
    let report = status([
        with("cold", json!({})),
        with("first-start", json!({ "state": "starting", "elapsed_seconds": 7.0 })),
        with("held", json!({ "state": "ready", "state_seconds": 22320, "holds": 1 })),
        with("stopping", json!({ "state": "stopping" })),
        with("newer", json!({ "state": "adopted" })),
        with(
            "nameless",
            json!({ "state": "ready", "visits": [{ "id": 1, "since": "2026-01-02T03:04:05Z" }] }),
        ),
    ]);
    run(&daemon(report), "status").is("status_states");
}

#[test]
fn what_is_not_wrong_and_worth_a_line_stands_below() {
    let with = |name: &str, changes: Value| {
        let mut target = ready(name);
        for (key, value) in changes.as_object().unwrap() {
            target[key] = value.clone();
        }
        target
    };
    let silent = |counts| json!({ "program": "pgAdmin", "pid": 4711, "silent_seconds": 2820, "counts_for_seconds": counts });
    let mut old = with("old", json!({ "ends_in_seconds": 2520 }));
    old["visits"][0]["retiring"] = json!(true);
    old["visits"][1]["retiring"] = json!(true);
    let report = status([
        with("kept", json!({ "kept_up": silent(json!(780)) })),
        with("for-ever", json!({ "kept_up": silent(json!(null)) })),
        with("let-go", json!({ "kept_up": silent(json!(0)) })),
        with(
            "away",
            json!({ "paused": {
            "seconds": 12, "waits_for": "login",
            "why": "the tunnel is away until somebody logs in to AWS again",
        } }),
        ),
        old,
    ]);
    run(&daemon(report), "status").is("status_remarks");
}

#[test]
fn a_problem_that_is_long_is_wrapped_and_its_hint_is_not() {
    let mut target = expired("old-db");
    target["problems"][0]["causes"] =
        json!(["the token in the cache of the AWS command line cannot be renewed any more"]);
    target["problems"][0]["hints"] = json!([format!("aws sso login --profile {}", "x".repeat(70))]);
    run(&daemon(status([target])), "status").is("status_wrapped");
}

#[test]
fn without_targets_it_says_where_to_write_them() {
    run(&daemon(status([])), "status").is("status_none");
    let mut report = status([]);
    report["config"] = json!(null);
    run(&daemon(report), "status").is("status_no_config");
}

#[test]
fn names_from_elsewhere_cannot_steer_the_terminal() {
    let mut target = ready("prod-db");
    target["visits"] = json!([visit(1, "\u{1b}]0;owned\u{7}psql", false)]);
    let screen = run(&daemon(status([target])), "status");
    assert!(!screen.out.contains('\u{1b}') && !screen.out.contains('\u{7}'), "{:?}", screen.out);
}

#[test]
fn a_terminal_gets_colour_and_no_color_takes_it_away() {
    let daemon = daemon(sketch());
    let (seen, code) = Terminal::run(&daemon, "status", &[]).end();
    assert_eq!(code, 0);
    assert!(seen.contains("\x1b[32mready (38 min)\x1b[0m"), "{seen:?}");
    assert!(seen.contains("\x1b[1;31mproblem D18\x1b[0m"), "{seen:?}");
    for no in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let (seen, code) = Terminal::run(&daemon, "status", &[no]).end();
        assert_eq!(code, 0);
        assert!(!seen.contains('\x1b'), "{no:?}: {seen:?}");
    }
}

#[test]
fn watching_shows_it_again_until_it_is_interrupted() {
    let first = Answer::json(&status([starting("stg-mysql")]));
    let later = Answer::json(&status([ready("stg-mysql")]));
    let daemon = Daemon::new([("GET /v1/status", first), ("GET /v1/status", later)]);
    let mut terminal = Terminal::run(&daemon, "status --watch", &[("NO_COLOR", "1")]);
    terminal.until("starting 11/~24 s").until("ready (38 min)").signal("INT");
    let (_, code) = terminal.end();
    assert_eq!(code, 130);
}

#[test]
fn a_terminal_that_can_only_go_on_gets_one_table_below_the_other() {
    let daemon = Daemon::new([
        ("GET /v1/status", Answer::json(&status([starting("stg-mysql")]))),
        ("GET /v1/status", Answer::json(&status([ready("stg-mysql")]))),
    ]);
    let mut terminal = Terminal::run(&daemon, "status --watch", &[("TERM", "dumb")]);
    terminal.until("\r\n\r\nTARGET").until("ready (38 min)").signal("INT");
    let (seen, _) = terminal.end();
    assert!(!seen.contains('\x1b'), "{seen:?}");
}

#[test]
fn a_hint_that_the_terminal_breaks_pushes_nothing_off_it() {
    let targets: Vec<Value> = (0..13).map(|number| cold(&format!("db-{number}"))).collect();
    let mut report = status([]);
    let mut broken = expired("old-db");
    broken["problems"][0]["hints"] = json!(["a ".repeat(200), "b ".repeat(40)]);
    report["targets"] = targets.into_iter().chain([broken]).collect();
    let daemon = Daemon::new([("GET /v1/status", Answer::json(&report))]);
    let mut terminal = Terminal::run(&daemon, "status --watch", &[("NO_COLOR", "1")]);
    terminal.until_shown("and 1 line below").signal("INT");
    let (seen, _) = terminal.end();
    // The titles, 14 targets, what is wrong, a hint of 6 rows and one of 2: with the cursor's row one too many.
    assert!(!seen.contains("hint: b"), "{seen:?}");
}

#[test]
fn a_daemon_that_goes_away_and_comes_back_is_watched_on() {
    let daemon = Daemon::new([
        ("GET /v1/status", Answer::json(&status([starting("stg-mysql")]))),
        ("GET /v1/status", Answer::none()),
        ("GET /v1/status", Answer::json(&status([ready("stg-mysql")]))),
    ]);
    let mut terminal = Terminal::run(&daemon, "status --watch", &[("NO_COLOR", "1")]);
    terminal
        .until("starting 11/~24 s")
        .until("bastiond went away; waiting for it")
        .until("ready (38 min)")
        .signal("INT");
    let (_, code) = terminal.end();
    assert_eq!(code, 130);
}

#[test]
fn watching_without_a_terminal_sets_the_tables_apart() {
    let daemon = Daemon::new([
        ("GET /v1/status", Answer::json(&status([starting("stg-mysql")]))),
        ("GET /v1/status", Answer::json(&status([ready("stg-mysql")]))),
        ("GET /v1/status", Answer::text(500, "")),
    ]);
    run(&daemon, "status --watch").is("status_watch");
}

#[test]
fn watching_as_json_is_one_line_each_time() {
    let report = Answer::json(&sketch());
    let gone = Answer::text(500, "");
    let daemon = Daemon::new([("GET /v1/status", report), ("GET /v1/status", gone)]);
    let screen = run(&daemon, "status --watch --json");
    let lines = screen.json_lines();
    assert_eq!(lines[0]["targets"][0]["name"], "prod-db");
    assert_eq!(lines[1]["problem"]["code"], "C05");
    assert_eq!((lines.len(), screen.code), (2, 1));
}

#[test]
fn more_targets_than_a_screen_has_lines_do_not_scroll_while_they_are_watched() {
    let mut many = status([]);
    many["targets"] = (0..50).map(|number| cold(&format!("db-{number:02}"))).collect();
    let daemon = daemon(many);
    let mut terminal = Terminal::run(&daemon, "status --watch", &[]);
    terminal.until_shown("and 29 lines below").signal("INT");
    let (seen, _) = terminal.end();
    assert!(seen.contains("db-20") && !seen.contains("db-22"), "{seen}");
}
