//! The simulator as a program, its own doors, and its answers against botocore's service models.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may panic; the checker's findings and the reason for a skip are for people"
)]

mod asking;

use std::process::Stdio;

use asking::{CLUSTER, start, until_status};
use bastion_sim::Status;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Starts the program and reads its one line.
async fn program(arguments: &[&str]) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bastion-sim"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).await.unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

#[tokio::test]
async fn the_program_says_where_it_is_and_ends_with_its_standard_input() {
    let (mut child, said) = program(&["--until-stdin-ends"]).await;
    assert!(said["endpoint"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(said["env"]["AWS_ENDPOINT_URL"], said["endpoint"]);
    assert_eq!(said["env"]["AWS_EC2_METADATA_DISABLED"], "true");
    drop(child.stdin.take());
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn the_program_ends_on_term() {
    let (mut child, _) = program(&[]).await;
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn the_program_takes_its_settings_from_a_file_and_refuses_a_faulty_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sim.json");
    let settings = json!({ "region": "eu-central-1", "timings": { "pulling_ms": 5 } });
    std::fs::write(&path, settings.to_string()).unwrap();
    let (_child, said) = program(&["--config", &path.to_string_lossy()]).await;
    assert_eq!(said["env"]["AWS_REGION"], "eu-central-1");
    std::fs::write(&path, r#"{ "regoin": "eu-central-1" }"#).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bastion-sim"))
        .arg("--config")
        .arg(&path)
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("regoin"));
}

#[tokio::test]
async fn the_doors_show_calls_tasks_sessions_bill_and_world() {
    let (sim, asker) = start().await;
    let arn = asker.task().await;
    until_status(&sim, &arn, Status::Running).await;
    let calls = asker.admin("GET", "calls?action=RunTask", "").await.json();
    assert_eq!(calls[0]["parameters"]["cluster"], CLUSTER);
    assert_eq!((&calls[0]["outcome"], &calls[0]["service"]), (&json!("done"), &json!("ecs")));
    assert_eq!(asker.admin("GET", "calls?action=StopTask", "").await.json(), json!([]));
    let tasks = asker.admin("GET", "tasks", "").await.json();
    let own = tasks.as_array().unwrap().iter().find(|task| task["arn"] == arn.as_str()).unwrap();
    assert_eq!(own["last_status"], "RUNNING");
    assert_eq!(asker.admin("GET", "sessions", "").await.json(), json!([]));
    assert!(asker.admin("GET", "bill", "").await.json().as_array().unwrap().len() >= 2);
    let patch = r#"{ "secrets": { "prod/neuraKnot": null } }"#;
    assert_eq!(asker.admin("POST", "world", patch).await.status, 204);
    let secrets = asker.admin("GET", "world", "").await.json()["secrets"].clone();
    assert!(secrets.get("prod/neuraKnot").is_none() && secrets.get("dev/mysql").is_some());
    assert_eq!(asker.admin("POST", "world", r#"{ "vpcs": 1 }"#).await.status, 422);
    assert_eq!(
        asker.admin("POST", "services/dev-cluster/bastion-service/replace", "").await.status,
        204
    );
    assert_eq!(asker.admin("POST", "services/dev-cluster/no-such/replace", "").await.status, 404);
}

#[tokio::test]
async fn every_answer_fits_botocores_service_models() {
    let Ok(python) = std::env::var("BASTION_TEST_PYTHON") else {
        // `cargo xtask test` makes the environment and sets this, and fails without it.
        eprintln!("skipped: BASTION_TEST_PYTHON names no Python with boto3");
        return;
    };
    let (_child, said) = program(&[]).await;
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/botocore_shapes.py"))
        .arg(said["endpoint"].as_str().unwrap())
        .arg(said["env"].to_string())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        text.lines().last().is_some_and(|line| line.starts_with("shapes: 39 actions")),
        "{text}"
    );
}

#[tokio::test]
async fn the_gateway_is_altered_and_sessions_befallen_over_the_simulators_own_doors() {
    let (sim, asker) = start().await;
    let patch = r#"{ "session_idle": 1.5, "bye_every": null, "up": { "loss": 0.25, "jitter": 0.2 },
                     "payload_limit": { "bytes": 4096, "kind": "drop" }, "agent": { "pause": 0 } }"#;
    assert_eq!(asker.admin("POST", "gateway", patch).await.status, 204);
    let settings = sim.gateway().settings();
    assert_eq!(settings.session_idle, std::time::Duration::from_millis(1500));
    assert_eq!(
        (settings.bye_every, settings.up.loss, settings.agent.pause.is_zero()),
        (None, 0.25, true)
    );
    let shown = asker.admin("GET", "gateway", "").await.json();
    assert_eq!(shown["payload_limit"]["kind"], "drop");
    assert_eq!(asker.admin("POST", "gateway", r#"{ "lossy": 1 }"#).await.status, 422);
    let cut = r#"{ "kind": "cut_client" }"#;
    assert_eq!(asker.admin("POST", "sessions/dev-none", cut).await.status, 404);
    let foreign =
        format!(r#"{{ "cluster": "{CLUSTER}", "definition": "neuraKnot-prod-ssm-proxy" }}"#);
    let arn = asker.admin("POST", "tasks", &foreign).await.json()["arn"].clone();
    until_status(&sim, arn.as_str().unwrap(), Status::Running).await;
    let bill = asker.admin("GET", "bill", "").await.json();
    assert!(bill[0]["times"]["pull_started"].is_i64(), "{bill}");
}
