//! parliament, an IAM linter that knows every action, its resources and its conditions.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use bastiond::policy;
use serde_json::{Value, json};

use crate::shapes::{TASKS, all, known, seats};

/// Where the linter's list of actions is older than AWS: what it finds, about what, and why it is right all the same.
const EXCUSED: &[(&str, &str, &str)] = &[
    (
        "RESOURCE_STAR",
        "[\"ecs:ListTasks\"]",
        "a list by cluster is judged on *, and bound by the condition ecs:cluster; container-instance/…, which the \
         linter wants, is refused",
    ),
    (
        "UNKNOWN_CONDITION_FOR_ACTION",
        "\"Unknown condition ssm:SessionDocumentAccessCheck for action ssm:StartSession\"",
        "it is AWS's own key for this, in its guide to Session Manager",
    ),
    (
        "RESOURCE_MISMATCH",
        "[{\"action\":\"ssmmessages:OpenDataChannel\",\"required_format\":\"*\"}",
        "since 2025 the channel of a session is judged on the session, in AWS's own sample policies too",
    ),
];

#[test]
#[ignore = "needs the linter; cargo xtask test runs it"]
fn an_iam_linter_finds_nothing_but_its_own_age_in_the_policy_of_any_config() {
    let mut excused = BTreeSet::new();
    for (name, config) in all() {
        for (told, seats) in [("nothing", seats(&config)), ("everything", known(&config))] {
            for doctor in [false, true] {
                let document = json!(policy::user(&seats, doctor).document);
                for finding in findings(&document) {
                    let excuse = excuse(&finding)
                        .unwrap_or_else(|| panic!("{name}, {told} known: {finding}\n{document:#}"));
                    excused.insert(excuse);
                }
            }
            let found = findings(&json!(policy::task_role(&seats).document));
            assert!(found.is_empty(), "{name}, the task's role: {found:?}");
        }
    }
    assert_eq!(excused.len(), EXCUSED.len(), "the linter has learned: drop its excuse");
}

#[test]
#[ignore = "needs the linter; cargo xtask test runs it"]
fn the_linter_is_awake() {
    let document = json!(policy::user(&known(TASKS), false).document);
    let with = |key: &str, value: &str| {
        let mut document = document.clone();
        document["Statement"][0][key] = json!([value]);
        let found = findings(&document).into_iter().filter(|found| excuse(found).is_none());
        found.map(|found| found["issue"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(with("Action", "ecs:RunTask"), [""; 0]);
    assert!(with("Action", "ecs:RunTsk").contains(&"UNKNOWN_ACTION".to_owned()));
    assert!(with("Resource", "*").contains(&"RESOURCE_STAR".to_owned()));
    let task = "arn:aws:ecs:eu-west-1:123456789012:task/main/*";
    assert!(with("Resource", task).contains(&"RESOURCE_MISMATCH".to_owned()));
}

fn excuse(finding: &Value) -> Option<&'static str> {
    let (issue, detail) = (finding["issue"].as_str().unwrap(), finding["detail"].to_string());
    let fits = |(known, about, _): &&(&str, &'static str, &str)| {
        *known == issue && detail.starts_with(about)
    };
    EXCUSED.iter().find(fits).map(|(_, about, _)| *about)
}

/// What the linter says.
fn findings(document: &Value) -> Vec<Value> {
    let venv = std::env::var_os("BASTION_TEST_VENV");
    let venv =
        venv.expect("BASTION_TEST_VENV names no folder: run `cargo xtask test`, which makes one");
    let mut linter = Command::new(Path::new(&venv).join("bin/parliament"))
        .arg("--json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    linter.stdin.take().unwrap().write_all(document.to_string().as_bytes()).unwrap();
    let output = linter.wait_with_output().unwrap();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(!failed.contains("Traceback"), "{failed}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
