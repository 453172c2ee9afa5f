use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::{cold, problem};
use crate::screen::{command, run};
use crate::terminal::signal;

const FORWARD: &str = "POST /v1/forward";
const ENDED: &str =
    "forward-13306 has ended; a bastion that was started for it stops once it is idle";
const HOST: &str = "forward --site prod --host db.internal --remote-port 13306";

fn ready() -> Value {
    let mut target = cold("forward-13306");
    target["state"] = json!("ready");
    target["engine"] = json!("mysql");
    target["port"] = json!(13306);
    target["addresses"] = json!(["127.0.0.1:13306", "[::1]:13306"]);
    json!({ "event": "ready", "target": target, "elapsed_seconds": 24.3 })
}

fn pulling() -> Value {
    json!({ "event": "stage", "stage": "pulling", "elapsed_seconds": 8.0, "estimate_seconds": 24.0 })
}

#[test]
fn the_stages_the_address_and_a_client_line_are_shown_and_the_daemons_end_is_told() {
    let daemon = Daemon::new([(FORWARD, Answer::lines([pulling(), ready()]))]);
    run(&daemon, HOST).is("forward");
    let asked: Value =
        serde_json::from_str(daemon.heard()[0].strip_prefix(FORWARD).unwrap()).unwrap();
    let said: Vec<_> =
        asked.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()).collect();
    let expected = json!({
        "site": "prod", "host": "db.internal", "remote_port": 13306, "listen": [],
    });
    assert_eq!(said, expected.as_object().unwrap().iter().collect::<Vec<_>>());
}

#[test]
fn a_service_is_named_with_its_cluster() {
    let daemon = Daemon::new([(FORWARD, Answer::lines([ready()]))]);
    let line = "forward --service dev/bastion --profile dev --region eu-west-1 --rds db --engine mysql --listen docker";
    run(&daemon, line);
    let asked = &daemon.heard()[0];
    for part in [
        r#""cluster":"dev","service":"bastion""#,
        r#""profile":"dev","region":"eu-west-1""#,
        r#""rds":"db","engine":"mysql""#,
        r#""listen":["docker"]"#,
    ] {
        assert!(asked.contains(part), "{asked}");
    }
}

#[test]
fn it_lasts_until_ctrl_c_and_says_so() {
    let daemon = Daemon::new([(FORWARD, Answer::lines([ready()]).held())]);
    let mut command = command(daemon.dir(), HOST);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert_eq!(next(), "forward-13306: ready after 24 s");
    assert_eq!(next(), "forwarding until Ctrl-C");
    signal(&child, "INT");
    assert_eq!(next(), ENDED);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn ctrl_c_while_it_starts_says_what_becomes_of_the_bastion() {
    let daemon = Daemon::new([(FORWARD, Answer::lines([pulling()]).held())]);
    let mut command = command(daemon.dir(), HOST);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().contains("pulling image"));
    signal(&child, "INT");
    assert_eq!(next(), ENDED);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_port_that_nothing_says_is_asked_for_by_its_flag() {
    let daemon = Daemon::new([]);
    for (words, flag) in [
        ("forward --site prod --host db", "--remote-port"),
        ("forward --site prod --host db --local-port 13306 --engine other", "--remote-port"),
        ("forward --site prod --rds db", "--local-port"),
    ] {
        let screen = run(&daemon, words);
        assert_eq!(screen.code, 2, "{}", screen.err);
        assert!(screen.err.contains(&format!("hint: {flag} PORT")), "{}", screen.err);
    }
    assert!(daemon.heard().is_empty());
}

#[test]
fn the_address_is_json_too() {
    let daemon = Daemon::new([(FORWARD, Answer::lines([ready()]).held())]);
    let mut command = command(daemon.dir(), &format!("{HOST} --json"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut text = String::new();
    // It goes on running behind its one object.
    while !text.ends_with("\n}\n") {
        text.push_str(&lines.next().unwrap().unwrap());
        text.push('\n');
    }
    let opened: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(opened["client"], "mysql --protocol=TCP -h 127.0.0.1 -P 13306");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn a_port_that_is_taken_has_its_exit_code_before_and_after_the_first_line() {
    let body = problem("D13", "port_conflict", "forward-13306 cannot listen where it should");
    let daemon = Daemon::new([(FORWARD, Answer::status(409, &body))]);
    run(&daemon, HOST).is("forward_taken");
    let failed = json!({ "event": "failed", "problem": body["problem"] });
    let daemon = Daemon::new([(FORWARD, Answer::lines([failed]))]);
    assert_eq!(run(&daemon, HOST).code, 8);
}

#[test]
fn one_way_and_one_database_are_named() {
    let daemon = Daemon::new([]);
    for line in [
        "forward --host db --remote-port 1",
        "forward --site prod",
        "forward --site prod --service a/b --host db --remote-port 1",
        "forward --site prod --host db --rds db",
        "forward --service bastion --host db --remote-port 1",
        "forward --site prod --rds db --remote-port 1",
        "forward --site prod --host db --remote-port 0",
    ] {
        assert_eq!(run(&daemon, line).code, 2, "{line}");
    }
    assert_eq!(daemon.heard(), [""; 0]);
}
