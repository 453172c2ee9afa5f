use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::screen::run;

const USER: &str = "GET /v1/policy?for=user";

fn user() -> Value {
    json!({
        "schema_version": 1, "for": "user", "sites": ["dev", "prod"],
        "document": { "Version": "2012-10-17", "Statement": [
            { "Sid": "ListTasks", "Effect": "Allow", "Action": ["ecs:ListTasks"], "Resource": ["*"],
              "Condition": { "ArnEquals": { "ecs:cluster": ["arn:aws:ecs:eu-west-1:1:cluster/main"] } } },
            { "Sid": "ReadLogs", "Effect": "Allow", "Action": ["logs:GetLogEvents"],
              "Resource": ["arn:aws:logs:eu-west-1:1:log-group:*:log-stream:*"] },
        ] },
        "statements": [
            { "sid": "ListTasks", "sites": ["dev", "prod"],
              "why": "finds tasks that an earlier run of bastiond left",
              "without": "a task whose name a crash lost runs until its own watchdog ends it" },
            { "sid": "ReadLogs", "sites": ["prod"], "optional": true,
              "why": "shows the last lines of a task that broke off",
              "without": "the reason why a task ended is told without its last lines",
              "notes": ["the task definition could not be read: put its log group in place of log-group:*"] },
        ],
        "notes": ["the account could not be asked for, so * stands for its number: dev"],
    })
}

#[test]
fn the_document_alone_is_on_stdout_and_its_reasons_beside_it() {
    let screen = run(&Daemon::new([(USER, Answer::json(&user()))]), "policy");
    screen.is("policy");
    let document: Value = serde_json::from_str(&screen.out).unwrap();
    assert_eq!(document, user()["document"]);
}

#[test]
fn quietly_there_is_the_document_and_nothing_else() {
    let screen = run(&Daemon::new([(USER, Answer::json(&user()))]), "policy --user --quiet");
    assert_eq!(screen.err, "");
    assert_eq!(serde_json::from_str::<Value>(&screen.out).unwrap(), user()["document"]);
}

#[test]
fn as_json_it_is_the_document_with_its_reasons() {
    let screen = run(&Daemon::new([(USER, Answer::json(&user()))]), "policy --json");
    assert_eq!(screen.json()["statements"][1]["optional"], true);
    assert_eq!(screen.json()["schema_version"], 1);
}

#[test]
fn the_role_of_the_task_has_a_trust_policy_too() {
    let mut role = user();
    role["for"] = json!("task_role");
    role["trust"] = json!({ "Version": "2012-10-17", "Statement": [
        { "Sid": "LetTasksTakeIt", "Effect": "Allow", "Action": ["sts:AssumeRole"],
          "Principal": { "Service": "ecs-tasks.amazonaws.com" } } ] });
    let daemon = Daemon::new([("GET /v1/policy?for=task_role", Answer::json(&role))]);
    run(&daemon, "policy --task-role").is("policy_task_role");
    let json = run(&daemon, "policy --task-role --json").json();
    assert_eq!(json["trust"]["Statement"][0]["Action"], json!(["sts:AssumeRole"]));
}

#[test]
fn sites_and_the_doctors_part_are_asked_for() {
    let asked = "GET /v1/policy?for=user&site=prod,dev&doctor=true";
    let daemon = Daemon::new([(asked, Answer::json(&user()))]);
    let screen = run(&daemon, "policy --site prod --site dev --doctor");
    assert_eq!(screen.code, 0, "{} {:?}", screen.err, daemon.heard());
}

#[test]
fn a_site_that_there_is_not_is_told_with_the_daemons_words() {
    let problem = json!({ "schema_version": 1, "problem": { "code": "D32", "kind": "not_found",
        "message": "there is no site prd", "hints": ["did you mean prod?"] } });
    let asked = "GET /v1/policy?for=user&site=prd";
    let daemon = Daemon::new([(asked, Answer::status(404, &problem))]);
    run(&daemon, "policy --site prd").is("policy_unknown_site");
}

#[test]
fn the_doctors_part_is_of_no_use_to_a_tasks_role() {
    let daemon = Daemon::new([]);
    assert_eq!(run(&daemon, "policy --task-role --doctor").code, 2);
    assert_eq!(run(&daemon, "policy --task-role --user").code, 2);
}
