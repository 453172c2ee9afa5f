//! By hand: the script that bastionctl prints is run as it is, by bash, with the AWS command line and the databases' own
//! clients. Only Amazon's plugin is not here: what stands in for it leads to the database without a session.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bastion_e2e::clients::{Finished, Running, path_after, venv};
use bastion_e2e::{House, Plan, configs, databases};
use bastion_sim::{Fault, What};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the AWS command line; cargo xtask test runs it"]
async fn a_task_is_started_used_and_stopped_by_the_script_alone() {
    let house = Plan::new(configs::SCRIPT_WAY).postgres().lay().await;
    let script = printed(&house, "prod-db").await;
    assert_eq!(house.sim().count("RunTask"), 0, "nothing is started by printing it");
    for resolved in ["subnet-0a11ce0000000001a", "sg-0a11ce000000000ec", "neuraknot-prod-db."] {
        assert!(script.contains(resolved), "{resolved} is not in:\n{script}");
    }

    let ran = run(&house, &script, "SELECT 6 * 7", databases::postgres().port()).await;

    assert!(ran.ok().lines().any(|line| line.trim() == "42"), "{ran}");
    let started = &house.called("RunTask")[0].parameters;
    assert_eq!(started["startedBy"], "by-hand");
    assert_eq!(started["enableExecuteCommand"], true);
    let task = house.task();
    let container = task.containers.iter().find(|one| one.name == "proxy").unwrap();
    let session = record(&house);
    let target = format!("ecs:neuraKnot-prod-cluster_{}_{}", task.id, container.runtime_id);
    assert_eq!(session["asked"]["Target"], target);
    assert!(session["answer"]["StreamUrl"].as_str().unwrap().starts_with("ws"), "{session}");
    let host = session["asked"]["Parameters"]["host"][0].as_str().unwrap();
    assert!(host.starts_with("neuraknot-prod-db."), "{session}");
    house.until_nothing_runs(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the AWS command line; cargo xtask test runs it"]
async fn what_may_not_be_looked_up_is_looked_up_when_the_script_runs() {
    let house = Plan::new(configs::SCRIPT_WAY).postgres().lay().await;
    let denied = ["DescribeSubnets", "DescribeSecurityGroups", "DescribeDBInstances"];
    for call in denied {
        let what = What::AccessDenied { explicit: false, resource: None };
        house.sim().faults().add(Fault::on(call, what));
    }
    let script = printed(&house, "prod-db").await;
    house.sim().faults().clear();
    assert!(script.contains("not known: AWS does not permit ec2:Describe"), "{script}");
    assert!(!script.contains("neuraknot-prod-db.x"), "{script}");

    let ran = run(&house, &script, "SELECT 6 * 7", databases::postgres().port()).await;

    assert!(ran.ok().lines().any(|line| line.trim() == "42"), "{ran}");
    let host = &record(&house)["asked"]["Parameters"]["host"][0];
    assert!(host.as_str().unwrap().starts_with("neuraknot-prod-db."), "{host}");
    house.until_nothing_runs(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the AWS command line; cargo xtask test runs it"]
async fn a_services_task_is_found_by_the_script_and_left_running() {
    let house = Plan::new(configs::CDK_WAY).mariadb().lay().await;
    let runs = house
        .sim()
        .until(PATIENCE, |sim| sim.tasks().iter().any(|task| task.of_service() && task.connected));
    assert!(runs.await, "the service keeps a task of its own");
    let script = printed(&house, "dev-mysql").await;

    let ran = run(&house, &script, "SELECT 6 * 7 AS answer", databases::mariadb().port()).await;

    assert!(ran.ok().lines().any(|line| line.trim() == "42"), "{ran}");
    let task = house.sim().tasks().into_iter().find(|task| task.of_service()).unwrap();
    let bastion = task.containers.iter().find(|one| one.name == "bastion").unwrap();
    let target = format!("ecs:dev-cluster_{}_{}", task.id, bastion.runtime_id);
    assert_eq!(record(&house)["asked"]["Target"], target);
    assert_eq!((house.sim().count("RunTask"), house.sim().count("StopTask")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_daemon_the_script_takes_another_port() {
    let house = House::script_way().await;
    let script = printed(&house, "prod-db").await;
    let held = house.port("prod-db");
    let other = held.checked_add(10_000).unwrap_or(held.saturating_sub(10_000));
    assert!(script.contains(&format!("port {other}, for bastiond holds {held}")), "{script}");
    assert!(script.contains(&format!("/dev/tcp/127.0.0.1/{other}")), "{script}");
    assert!(!script.contains("--password") && !script.contains(databases::POSTGRES.password));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_login_the_script_begins_with_what_brings_one() {
    let house = Plan::new(configs::SCRIPT_WAY).postgres().lay().await;
    house.sim().faults().add(Fault::always(What::Expired));
    let script = printed(&house, "prod-db").await;
    assert_eq!(script.matches("#   first: ").count(), 1, "{script}");
    assert!(script.contains("SUBNETS=$(aws ec2 describe-subnets"), "{script}");
}

/// The script, from the daemon where one runs, else without.
async fn printed(house: &House, target: &str) -> String {
    let said = Running::start(&mut house.ctl_alone(&["by-hand", target])).finish().await;
    said.ok().to_owned()
}

/// Runs a script as a person would who has the AWS command line; the database's client reads the statement from stdin.
async fn run(house: &House, script: &str, sql: &str, leads_to: u16) -> Finished {
    let bin = house.path("bin");
    fs::create_dir_all(&bin).unwrap();
    let plugin = bin.join("session-manager-plugin");
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../peers/python/session_plugin.py");
    let python = venv().join("bin/python");
    fs::write(&plugin, format!("#!/bin/sh\nexec '{}' '{own}' \"$@\"\n", python.display())).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(house.path("by-hand.sh"), script).unwrap();
    fs::write(house.path("by-hand.sql"), format!("{sql};\n")).unwrap();

    let mut bash = house.tool("bash");
    bash.args(["-c", "bash by-hand.sh < by-hand.sql"])
        .envs(house.sim().env())
        .env("AWS_PAGER", "")
        .env("PLUGIN_RECORD", house.path("record"))
        .env("PLUGIN_LEADS_TO", leads_to.to_string())
        .env("PATH", path_after(&[&bin, &venv().join("bin")]));
    Running::start(&mut bash).finish_within(SCRIPT).await
}

/// What the plugin was last called with.
fn record(house: &House) -> Value {
    let text = fs::read_to_string(house.path("record")).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// What the simulated AWS takes seconds for, on the worst of machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// A dozen calls of a command line that takes a second to start.
const SCRIPT: Duration = Duration::from_secs(180);
