use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::{targets, unknown_target, visit};
use crate::screen::run;
use crate::terminal::Terminal;

const CLOSE: &str = "POST /v1/targets/prod-db/close";

fn closed(was: &str, ended: u32) -> Answer {
    Answer::json(
        &json!({ "schema_version": 1, "target": "prod-db", "was": was, "visits_ended": ended }),
    )
}

fn refused() -> Answer {
    let refused: Value = json!({
        "schema_version": 1,
        "problem": { "code": "D00", "kind": "failed", "message": "prod-db is in use" },
        "visits": [visit(1, "psql", false), visit(2, "DBeaver", true),
            { "id": 3, "since": "2999-01-02T03:04:05Z" }],
    });
    Answer::status(409, &refused)
}

#[test]
fn a_target_that_nobody_uses_is_closed_without_a_question() {
    let daemon = Daemon::new([(CLOSE, closed("ready", 0))]);
    run(&daemon, "close prod-db").is("close");
    assert_eq!(daemon.heard(), [format!("{CLOSE} {{\"force\":false}}")]);
}

#[test]
fn every_state_that_it_was_in_has_its_words() {
    let expected = [
        ("cold", "prod-db: was not open\n"),
        ("starting", "prod-db: its start is called off\n"),
        ("stopping", "prod-db: was closing already\n"),
        ("problem", "prod-db: no bastion runs for it\n"),
    ];
    for (was, words) in expected {
        let screen = run(&Daemon::new([(CLOSE, closed(was, 0))]), "stop prod-db");
        assert_eq!((screen.err.as_str(), screen.out.as_str(), screen.code), (words, "", 0));
    }
}

#[test]
fn without_a_terminal_a_target_in_use_stays_open_and_who_uses_it_is_listed() {
    let daemon = Daemon::new([(CLOSE, refused())]);
    run(&daemon, "close prod-db").is("close_in_use");
    assert_eq!(daemon.heard().len(), 1, "it was not forced");
}

#[test]
fn yes_does_not_ask() {
    let daemon = Daemon::new([(CLOSE, closed("ready", 2))]);
    run(&daemon, "close prod-db --yes").is("close_yes");
    assert_eq!(daemon.heard(), [format!("{CLOSE} {{\"force\":true}}")]);
}

#[test]
fn json_is_the_answer() {
    let json = run(&Daemon::new([(CLOSE, closed("ready", 2))]), "down prod-db --json -y").json();
    assert_eq!(json["was"], "ready");
    assert_eq!(json["visits_ended"], 2);
}

#[test]
fn on_a_terminal_a_yes_closes_a_target_in_use() {
    let daemon = Daemon::new([(CLOSE, refused()), (CLOSE, closed("ready", 3))]);
    let mut terminal = Terminal::run(&daemon, "close prod-db", &[]);
    terminal.until("  psql (pid 4711), connected for 12 min\r\n");
    terminal.until("  DBeaver (pid 4712), waiting for 12 min\r\n");
    terminal.until("  a program, connected for 0 s\r\n");
    terminal.until("Close it all the same? [y/N] ").types("y\n");
    let (seen, code) = terminal.end();
    assert!(seen.contains("prod-db: closed, its bastion stops; 3 visits ended"), "{seen}");
    assert_eq!(code, 0);
    assert_eq!(daemon.heard()[1], format!("{CLOSE} {{\"force\":true}}"));
}

#[test]
fn on_a_terminal_anything_else_leaves_it_open() {
    for answer in ["n\n", "\n", "what?\n"] {
        let daemon = Daemon::new([(CLOSE, refused())]);
        let mut terminal = Terminal::run(&daemon, "close prod-db", &[]);
        terminal.until("[y/N] ").types(answer);
        let (seen, code) = terminal.end();
        assert!(seen.contains("prod-db stays open"), "{seen}");
        assert_eq!(code, 1);
        assert_eq!(daemon.heard().len(), 1);
    }
}

#[test]
fn a_question_can_be_interrupted() {
    let daemon = Daemon::new([(CLOSE, refused())]);
    let mut terminal = Terminal::run(&daemon, "close prod-db", &[]);
    terminal.until("[y/N] ").signal("INT");
    assert_eq!(terminal.end().1, 130);
    assert_eq!(daemon.heard().len(), 1);
}

#[test]
fn an_unknown_target_is_not_found() {
    let daemon = Daemon::new([
        ("POST /v1/targets/prod_db/close", Answer::status(404, &unknown_target())),
        ("GET /v1/targets", Answer::json(&targets(["stg-mysql", "prod-db"]))),
    ]);
    let screen = run(&daemon, "close prod_db");
    assert_eq!(screen.code, 6);
    assert!(screen.err.ends_with("hint: did you mean \"prod-db\"?\n"), "{}", screen.err);
}
