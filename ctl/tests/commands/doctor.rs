use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples;
use crate::screen::{command, finish, run};

const ALL: &str = "GET /v1/doctor";
const ONE: &str = "GET /v1/doctor?target=prod-db";
const FIX: &str = "aws ec2 authorize-security-group-ingress --group-id sg-0db --protocol tcp --port 5432 --source-group sg-0prx";
/// What no bundle may hold.
const SECRETS: [&str; 5] = [
    "hunter2-in-the-log",
    "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12",
    "ASIAIOSFODNN7EXAMPLE",
    "amy@example.com",
    "/home/amy",
];

/// The checks of product.md's sketch.
fn sketch() -> Value {
    let rds = "cannot know: no rds:DescribeDBInstances permission (grant it, or set host = \"…\" in the config)";
    report(
        json!(["prod-db"]),
        json!([
            check("credentials", "ok", "123456789012 as AWSReservedSSO_Dev (expires in 6 h 12 min)"),
            check("task definition", "ok", "ssm-proxy:7, exec ready, role has ssmmessages"),
            reach(),
            { "name": "rds status", "site": "prod", "target": "prod-db", "status": "unknown",
              "words": rds, "grant": "rds:DescribeDBInstances" },
        ]),
        1,
        1,
    )
}

fn reach() -> Value {
    let words = "sg-0db allows 5432 only from sg-0app; the bastion uses sg-0prx";
    json!({
        "name": "database reach", "site": "prod", "target": "prod-db", "status": "fail", "code": "D10",
        "words": words, "fix": FIX,
        "problem": { "code": "D10", "kind": "database_unreachable", "message": words, "hints": [FIX] },
    })
}

fn check(name: &str, status: &str, words: &str) -> Value {
    json!({ "name": name, "site": "prod", "status": status, "words": words })
}

fn skipped(name: &str, target: Option<&str>) -> Value {
    json!({ "name": name, "site": "prod", "target": target, "status": "skip",
            "words": "waits for credentials", "because": "credentials" })
}

fn report(targets: Value, checks: Value, problems: u32, unknown: u32) -> Value {
    json!({
        "schema_version": 1, "version": "0.1.0", "time": "2026-01-02T03:04:05Z", "live": true,
        "targets": targets, "checks": checks, "problems": problems, "unknown": unknown,
    })
}

/// Two targets of one site, and a login that has ended.
fn expired() -> Value {
    let hint = "aws sso login --profile prod";
    report(
        json!(["prod-db", "prod-cache"]),
        json!([
            { "name": "config", "status": "ok", "words": "2 targets in /home/amy/.config/bastiond/config.toml" },
            { "name": "credentials", "site": "prod", "status": "fail", "code": "D18",
              "words": "the AWS SSO login of profile \"prod\" ended at 09:12 on 2026-01-02", "fix": hint,
              "details": ["log in again, and everything goes on by itself"] },
            skipped("cluster", None), skipped("task definition", None), skipped("roles", None),
            { "name": "port", "site": "prod", "target": "prod-db", "status": "ok", "words": "15432 is ours" },
            skipped("rds status", Some("prod-db")),
            skipped("database reach", Some("prod-db")),
            { "name": "port", "site": "prod", "target": "prod-cache", "status": "fail", "code": "D13",
              "words": "127.0.0.1:16379 is held by redis-server (pid 812)",
              "fix": "listen = 16380 under [target.prod-cache], then: bastionctl reload" },
            skipped("database reach", Some("prod-cache")),
        ]),
        2,
        0,
    )
}

#[test]
fn one_target_is_a_table_as_sketched_and_problems_end_with_eleven() {
    let screen = run(&Daemon::new([(ONE, Answer::json(&sketch()))]), "doctor prod-db");
    assert_eq!(screen.code, 11);
    screen.is("doctor");
}

#[test]
fn without_a_screen_no_line_is_broken_and_the_codes_stand_in_a_column() {
    let daemon = Daemon::new([(ONE, Answer::json(&sketch()))]);
    let mut piped = command(daemon.dir(), "doctor prod-db");
    piped.env_remove("COLUMNS");
    let screen = finish("doctor prod-db", piped);
    let lines: Vec<&str> = screen.out.lines().collect();
    assert_eq!(lines.len(), 6, "{}", screen.out);
    assert!(lines[2].starts_with("FAIL  database reach   sg-0db allows 5432"), "{}", lines[2]);
    assert!(lines[2].ends_with("  D10"), "{}", lines[2]);
    assert_eq!(lines[3], format!("      fix: {FIX}"));
    assert_eq!(lines[5], "1 problem, 1 unknown.");
}

#[test]
fn on_a_narrow_screen_the_names_stand_above_the_words_and_a_fix_is_whole() {
    let daemon = Daemon::new([(ONE, Answer::json(&sketch()))]);
    let mut narrow = command(daemon.dir(), "doctor prod-db");
    narrow.env("COLUMNS", "40");
    let screen = finish("doctor prod-db", narrow);
    for line in screen.out.lines().filter(|line| !line.contains("fix:")) {
        assert!(line.chars().count() <= 40, "{line}");
    }
    assert!(screen.out.contains(FIX), "{}", screen.out);
    screen.is("doctor_narrow");
}

#[test]
fn all_targets_stand_under_headings_and_what_waits_for_one_thing_shares_a_line() {
    run(&Daemon::new([(ALL, Answer::json(&expired()))]), "doctor").is("doctor_all");
}

#[test]
fn each_skipped_check_is_named_to_who_wants_to_know_more() {
    let screen = run(&Daemon::new([(ALL, Answer::json(&expired()))]), "doctor --verbose");
    for name in ["cluster", "task definition", "roles", "rds status"] {
        assert!(screen.out.contains(&format!("skip  {name} ")), "{name}: {}", screen.out);
    }
}

#[test]
fn where_nothing_is_wrong_it_ends_with_zero() {
    let report = report(json!(["prod-db"]), json!([check("cluster", "ok", "it is there")]), 0, 0);
    run(&Daemon::new([(ONE, Answer::json(&report))]), "doctor prod-db").is("doctor_well");
}

#[test]
fn that_no_daemon_runs_is_said_beside_the_report() {
    let mut report = sketch();
    report["live"] = json!(false);
    let screen = run(&Daemon::new([(ONE, Answer::json(&report))]), "doctor prod-db");
    assert!(screen.err.contains("bastiond is not running"), "{}", screen.err);
}

#[test]
fn as_json_it_is_what_the_daemon_said_with_the_same_exit_code() {
    let screen = run(&Daemon::new([(ONE, Answer::json(&sketch()))]), "doctor prod-db --json");
    assert_eq!(screen.code, 11);
    let report = screen.json();
    assert_eq!(report["checks"][2]["fix"], FIX);
    assert_eq!((&report["problems"], &report["unknown"]), (&json!(1), &json!(1)));
}

#[test]
fn a_target_that_is_not_there_is_told_with_what_may_have_been_meant() {
    let problem = json!({
        "schema_version": 1,
        "problem": { "code": "D32", "kind": "not_found", "message": "there is no target prod-bd",
                     "hints": ["did you mean prod-db?"] },
    });
    let daemon = Daemon::new([("GET /v1/doctor?target=prod-bd", Answer::status(404, &problem))]);
    run(&daemon, "doctor prod-bd").is("doctor_no_such_target");
}

/// A daemon of everything that goes into a bundle, with secrets where people and programs may have left them.
fn careless() -> Daemon {
    let [_, key, id, person, home] = SECRETS;
    let config = json!({
        "schema_version": 1, "path": format!("{home}/.config/bastiond/config.toml"), "exists": true, "ok": true,
        "sites": { "prod": { "region": "ap-northeast-1", "cluster": "neuraKnot-prod-cluster" } },
        "targets": { "prod-db": { "password": { "secret": "prod/neuraKnot" }, "user": "postgres" } },
    });
    let event = json!({
        "seq": 7, "time": "2026-01-02T03:04:05Z", "kind": "problem_found",
        "message": format!("assumed-role/Dev/{person} with {id}: aws_secret_access_key={key}"),
    });
    let version = json!({ "schema_version": 1, "version": "0.1.0", "pid": 321 });
    Daemon::new([
        (ALL, Answer::json(&expired())),
        ("GET /v1/config", Answer::json(&config)),
        ("GET /v1/status", Answer::json(&samples::sketch())),
        ("GET /v1/events", Answer::lines([event])),
        ("GET /v1/version", Answer::json(&version)),
    ])
}

#[test]
fn a_bundle_holds_all_that_helps_and_nothing_that_is_secret() {
    let daemon = careless();
    let journal = daemon.dir().join("journalctl");
    let [password, ..] = SECRETS;
    fs::write(&journal, format!("#!/bin/sh\necho 'bastiond: PGPASSWORD={password} came'\n"))
        .unwrap();
    fs::set_permissions(&journal, fs::Permissions::from_mode(0o755)).unwrap();
    let mut asked = command(daemon.dir(), "doctor --bundle support.txt");
    asked.env("PATH", daemon.dir()).env("AWS_SECRET_ACCESS_KEY", SECRETS[1]);
    asked.env("HTTPS_PROXY", "http://amy:hunter2-in-the-log@proxy:3128");
    let screen = finish("doctor --bundle support.txt", asked);
    assert_eq!(screen.code, 11, "{}", screen.err);
    assert!(screen.err.contains("wrote support.txt"), "{}", screen.err);

    let file = daemon.dir().join("support.txt");
    let text = fs::read_to_string(&file).unwrap();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    for wanted in [
        "bastiond   0.1.0",
        "HTTPS_PROXY is set",
        "== config ==",
        "prod/neuraKnot",
        "\"D18\"",
        "neuraKnot-prod-cluster/0a1b",
        "problem_found",
        "PGPASSWORD=<redacted> came",
        "~/.config/bastiond",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_bundle_never_overwrites_a_file() {
    let daemon = careless();
    fs::write(daemon.dir().join("support.txt"), "mine").unwrap();
    run(&daemon, "doctor --bundle support.txt").is("doctor_bundle_exists");
    assert_eq!(fs::read_to_string(daemon.dir().join("support.txt")).unwrap(), "mine");
}
