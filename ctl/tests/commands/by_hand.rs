use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::screen::{Screen, compare, run};

const CALL: &str = "GET /v1/targets/prod-db/by_hand";

fn script() -> Value {
    json!({
        "schema_version": 1,
        "target": "prod-db",
        "account": "123456789012",
        "region": "ap-northeast-1",
        "profile": "prod",
        "steps": [
            {
                "title": "Ask who you are",
                "comments": ["account 123456789012 as arn:aws:iam::123456789012:user/amy"],
                "commands": ["aws sts get-caller-identity --profile prod"],
            },
            {
                "title": "Find the database",
                "comments": ["found by: aws rds describe-db-instances --db-instance-identifier neuraknot-prod-db --profile prod"],
            },
            {
                "title": "Find the subnets",
                "commands": ["SUBNETS=$(aws ec2 describe-subnets \\\n    --profile prod)"],
                "unknown": "AWS does not permit ec2:DescribeSubnets at site prod, and nobody knows them by heart",
            },
            {
                "title": "Start a task",
                "comments": ["it runs, and is paid for, until it is stopped; somebody\nreboot\u{1b}[31m wrote this"],
                "commands": ["TASK=$(aws ecs run-task --profile prod)", "echo \"$TASK\""],
            },
        ],
    })
}

fn said(line: &str) -> Screen {
    run(&Daemon::new([(CALL, Answer::json(&script()))]), line)
}

#[test]
fn the_script_is_data_and_what_is_said_about_it_is_talk() {
    let screen = said("by-hand prod-db");
    screen_of_a_script(&screen, "by_hand");
    assert_eq!(screen.code, 0);
    assert!(said("by-hand prod-db --quiet").err.is_empty());
}

#[test]
fn nothing_in_a_comment_is_read_by_bash() {
    let screen = said("by-hand prod-db");
    let lines: Vec<&str> = screen.out.lines().collect();
    assert!(!lines.contains(&"reboot"), "{}", screen.out);
    assert!(!screen.out.contains('\u{1b}'), "{}", screen.out);
}

#[test]
fn the_script_is_the_same_in_json() {
    let screen = said("by-hand prod-db --json");
    screen_of_a_script(&screen, "by_hand_json");
    assert_eq!(screen.json()["steps"][2]["commands"], script()["steps"][2]["commands"]);
    crate::schema::judge("by-hand --json", &screen.out);
}

#[test]
fn an_unknown_target_is_told() {
    let problem = json!({ "schema_version": 1, "problem": {
        "code": "D32", "kind": "not_found", "message": "there is no target prd-db",
        "hints": ["did you mean \"prod-db\"?"],
    } });
    let call = "GET /v1/targets/prd-db/by_hand";
    let daemon = Daemon::new([(call, Answer::status(404, &problem))]);
    let screen = run(&daemon, "by-hand prd-db");
    screen.is("by_hand_unknown");
    assert_eq!(screen.code, 6);
}

/// A script's commands are as long as they are; all else fits.
fn screen_of_a_script(screen: &Screen, name: &str) {
    let Screen { out, err, code, .. } = screen;
    compare(name, &format!("--- stdout\n{out}--- stderr\n{err}--- exit code {code}\n"));
    let read = |line: &&str| line.starts_with('#') && !line.contains(": aws ");
    for line in out.lines().filter(read) {
        assert!(line.chars().count() <= 80, "{name}: wider than 80 columns: {line}");
    }
}
