use std::io::{BufRead, BufReader};
use std::process::Stdio;

use bastion_api::Timestamp;
use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::{cold, expired, problem, ready, starting, targets, unknown_target};
use crate::screen::{command, run};
use crate::terminal::{Terminal, signal};

const OPEN: &str = "POST /v1/targets/prod-db/open";

fn stage(stage: &str, elapsed: f64) -> Value {
    json!({ "event": "stage", "stage": stage, "elapsed_seconds": elapsed, "estimate_seconds": 24.0 })
}

fn opened(target: Value, elapsed: f64) -> Value {
    json!({ "event": "ready", "target": target, "elapsed_seconds": elapsed })
}

fn start() -> Answer {
    Answer::lines([
        stage("discovering", 0.1),
        stage("requesting", 1.0),
        stage("provisioning", 2.0),
        stage("pulling", 8.0),
        stage("pulling", 11.0),
        stage("starting_agent", 20.0),
        stage("connecting", 22.0),
        opened(ready("prod-db"), 24.3),
    ])
}

#[test]
fn without_a_terminal_there_is_a_line_a_stage() {
    let daemon = Daemon::new([(OPEN, start())]);
    run(&daemon, "open prod-db").is("open");
    assert_eq!(daemon.heard(), [format!("{OPEN} {{\"hold_seconds\":null,\"tunnels\":null}}")]);
}

#[test]
fn quiet_leaves_only_the_data() {
    let daemon = Daemon::new([(OPEN, start())]);
    run(&daemon, "start prod-db --quiet").is("open_quiet");
}

#[test]
fn json_is_one_object_with_all_that_is_needed_to_connect() {
    let daemon = Daemon::new([(OPEN, start())]);
    let screen = run(&daemon, "up prod-db --json -q");
    let json = screen.json();
    assert_eq!(json["address"], "127.0.0.1:15432");
    assert_eq!(json["url"], "postgresql://postgres@127.0.0.1:15432/neuraKnot");
    assert_eq!(
        json["client"],
        r#"psql "host=127.0.0.1 port=15432 dbname=neuraKnot user=postgres""#
    );
    assert_eq!(json["target"]["name"], "prod-db");
    assert_eq!(json["elapsed_seconds"], 24.3);
    assert_eq!(screen.err, "");
}

#[test]
fn mysql_is_called_over_tcp() {
    let mut target = starting("stg-mysql");
    target["state"] = json!("ready");
    let answer = Answer::lines([opened(target, 0.0)]);
    let daemon = Daemon::new([("POST /v1/targets/stg-mysql/open", answer)]);
    run(&daemon, "open stg-mysql").is("open_mysql");
}

#[test]
fn a_target_of_another_engine_has_an_address_only() {
    let daemon =
        Daemon::new([("POST /v1/targets/cache/open", Answer::lines([opened(cold("cache"), 0.2)]))]);
    run(&daemon, "open cache").is("open_other");
}

#[test]
fn a_target_that_is_found_nowhere_is_a_problem_though_its_bastion_runs() {
    let mut nowhere = expired("prod-db");
    (nowhere["addresses"], nowhere["state"]) = (json!([]), json!("ready"));
    nowhere["problems"][0]["kind"] = json!("port_conflict");
    let daemon = Daemon::new([(OPEN, Answer::lines([opened(nowhere, 24.0)]))]);
    let screen = run(&daemon, "open prod-db");
    assert_eq!((screen.code, &*screen.out), (8, ""));
    assert!(screen.err.contains("prod-db: ready after 24 s\nerror: "), "{}", screen.err);
}

#[test]
fn a_hold_is_asked_for_in_seconds_and_told_in_words() {
    let mut line = opened(ready("prod-db"), 0.1);
    let until = Timestamp::now() + std::time::Duration::from_secs(7200);
    line["hold_until"] = json!(until.to_string());
    let daemon = Daemon::new([(OPEN, Answer::lines([line]))]);
    run(&daemon, "open prod-db --hold 2h").is("open_hold");
    assert_eq!(daemon.heard(), [format!("{OPEN} {{\"hold_seconds\":7200,\"tunnels\":null}}")]);
}

#[test]
fn a_fan_out_tells_how_many_tunnels_stand_and_ends_when_all_do() {
    let mut target = ready("prod-db");
    target["tunnels"] = json!(8);
    let tunnels = |standing| json!({ "event": "tunnels", "standing": standing, "wanted": 8 });
    let lines = [stage("connecting", 8.0), tunnels(1), tunnels(5), opened(target, 12.0)];
    let daemon = Daemon::new([(OPEN, Answer::lines(lines))]);
    run(&daemon, "open prod-db --fan-out 8").is("open_fan_out");
    assert_eq!(daemon.heard(), [format!("{OPEN} {{\"hold_seconds\":null,\"tunnels\":8}}")]);
}

#[test]
fn a_fan_out_of_more_tunnels_than_may_be_asked_for_is_not_asked_for() {
    let daemon = Daemon::new([(OPEN, Answer::lines([]))]);
    for many in ["0", "65", "many"] {
        assert_eq!(run(&daemon, &format!("open prod-db --fan-out {many}")).code, 2);
    }
    assert!(daemon.heard().is_empty());
}

#[test]
fn a_start_that_fails_is_a_problem_with_its_exit_code() {
    let failed = problem("D04", "bastion_failed", "the bastion of prod-db did not start");
    let failed = json!({ "event": "failed", "problem": failed["problem"] });
    let daemon = Daemon::new([(OPEN, Answer::lines([stage("pulling", 8.0), failed]))]);
    run(&daemon, "open prod-db").is("open_failed");
}

#[test]
fn a_stream_without_a_last_word_is_no_success() {
    let daemon = Daemon::new([(OPEN, Answer::lines([stage("pulling", 8.0)]))]);
    run(&daemon, "open prod-db").is("open_cut");
}

#[test]
fn an_event_of_a_newer_daemon_does_no_harm() {
    let answer =
        Answer::lines([json!({ "event": "queued", "behind": 2 }), opened(cold("prod-db"), 0.0)]);
    let daemon = Daemon::new([(OPEN, answer)]);
    let screen = run(&daemon, "open prod-db");
    assert_eq!((screen.out.as_str(), screen.code), ("127.0.0.1:16379\n", 0));
}

#[test]
fn an_unknown_target_is_not_found_and_the_near_ones_are_named() {
    let daemon = Daemon::new([
        ("POST /v1/targets/prod_db/open", Answer::status(404, &unknown_target())),
        ("GET /v1/targets", Answer::json(&targets(["stg-mysql", "prod-db"]))),
    ]);
    run(&daemon, "open prod_db").is("open_unknown");
}

#[test]
fn an_interrupt_leaves_the_start_running_and_says_how_to_stop_it() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let daemon = Daemon::new([(OPEN, Answer::lines([stage("pulling", 8.0)]).held())]);
        let mut command = command(daemon.dir(), "open prod-db");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        assert_eq!(line, "prod-db  pulling image  8 s of about 24 s\n");
        signal(&child, name);
        line.clear();
        err.read_line(&mut line).unwrap();
        assert_eq!(line, "prod-db goes on starting; to stop it: bastionctl close prod-db\n");
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn a_terminal_shows_the_stages_on_one_line_whose_time_runs_on() {
    let daemon = Daemon::new([(OPEN, Answer::lines([stage("pulling", 8.0)]).held())]);
    let mut terminal = Terminal::run(&daemon, "open prod-db", &[("NO_COLOR", "1")]);
    terminal.until("\rprod-db  pulling image  [");
    terminal.until("]  8 s of about 24 s\x1b[K");
    // A busy machine may miss a second.
    let later = |second| format!("]  {second} s of about 24 s\x1b[K");
    terminal.until_any(&(9..60).map(later).collect::<Vec<_>>()).signal("INT");
    let (seen, code) = terminal.end();
    assert_eq!(code, 130);
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines.len(), 1, "{seen:?}");
    assert!(
        lines[0]
            .ends_with("\r\x1b[Kprod-db goes on starting; to stop it: bastionctl close prod-db")
    );
}

#[test]
fn a_terminal_that_gets_narrower_has_a_line_that_can_still_be_written_again() {
    let daemon = Daemon::new([(OPEN, Answer::lines([stage("pulling", 11.0)]).held())]);
    let mut terminal = Terminal::run(&daemon, "open prod-db", &[("NO_COLOR", "1")]);
    terminal.until("]  11 s of about 24 s").resize(40);
    // A busy machine may miss a second.
    let later = |second| format!("\rprod-db  pulling image  {second}/~24 s\x1b[K");
    terminal.until_any(&(12..60).map(later).collect::<Vec<_>>()).signal("INT");
    assert_eq!(terminal.end().1, 130);
}

#[test]
fn a_terminal_that_can_only_go_on_gets_a_line_a_stage() {
    let daemon = Daemon::new([(OPEN, start())]);
    let (seen, code) = Terminal::run(&daemon, "open prod-db", &[("TERM", "dumb")]).end();
    assert_eq!(code, 0);
    assert!(seen.contains("prod-db  connecting  22 s of about 24 s\r\nprod-db: ready"), "{seen:?}");
    assert!(!seen.contains('\x1b') && !seen.replace("\r\n", "").contains('\r'), "{seen:?}");
}
