//! What a task said last.

use std::collections::BTreeMap;

use bastion_cloud::{Cloud, EndClass, Kind};
use bastion_sim::world::LogGroup;
use bastion_sim::{Fault, Sim, Stage, What};

use crate::house::{House, PATIENCE, denied, quiet, simple, spec};

const GROUP: &str = "/ecs/neuraKnot-prod-ssm-proxy";

fn say(sim: &Sim, lines: &[&str]) {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    let streams = BTreeMap::from([("ecs/proxy/*".to_owned(), lines)]);
    sim.world(|world| world.log_groups.insert(GROUP.to_owned(), LogGroup { streams }));
}

fn dies() -> Fault {
    let what = What::TaskDies {
        stage: Stage::Running,
        stop_code: "EssentialContainerExited".to_owned(),
        reason: "Essential container in task exited".to_owned(),
        container_reason: None,
        exit_code: Some(3),
    };
    Fault::once("RunTask", what)
}

#[tokio::test]
async fn a_start_whose_container_exits_tells_its_last_twenty_lines() {
    let house = House::new().await;
    let lines: Vec<String> = (0..25).map(|n| format!("line {n}")).collect();
    say(&house.sim, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    house.fault(dies());
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    let error = aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap_err();
    let Kind::TaskStopped { class, exit_code, log, .. } = error.kind else { panic!("{error:?}") };
    assert_eq!((class, exit_code), (EndClass::Exited, Some(3)));
    assert_eq!(*log, lines[5..]);
    let asked = &house.asked("GetLogEvents")[0];
    assert_eq!(asked["logGroupName"], GROUP);
    assert_eq!(asked["logStreamName"], format!("ecs/proxy/{}", task.short()));
    assert_eq!(aws.task_logs(&task).await.unwrap(), lines[5..]);
}

#[tokio::test]
async fn a_start_that_fails_before_its_container_runs_asks_for_no_log() {
    let house = House::new().await;
    house.fault(Fault::once("RunTask", What::ImagePull));
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    let error = aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap_err();
    let Kind::TaskStopped { class, .. } = error.kind else { panic!("{error:?}") };
    assert_eq!((class, house.asked("GetLogEvents").len()), (EndClass::Route, 0));
}

#[tokio::test]
async fn a_log_that_may_not_be_read_hides_nothing_of_the_failure() {
    let house = House::new().await;
    house.fault(dies());
    let refused = What::AccessDenied { explicit: false, resource: None };
    house.fault(Fault::on("GetLogEvents", refused));
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    let error = aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap_err();
    let Kind::TaskStopped { exit_code, log, .. } = error.kind else { panic!("{error:?}") };
    assert_eq!((exit_code, log.len()), (Some(3), 0));
    let error = aws.task_logs(&task).await.unwrap_err();
    assert_eq!((simple(error.kind), error.call), (denied(false), "logs:GetLogEvents"));
    assert!(error.request_id.is_some());
}

#[tokio::test]
async fn a_container_that_never_said_a_word_has_an_empty_log() {
    let house = House::new().await;
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap();
    assert_eq!(aws.task_logs(&task).await.unwrap(), Vec::<String>::new());
    say(&house.sim, &[]);
    assert_eq!(aws.task_logs(&task).await.unwrap(), Vec::<String>::new());
    assert_eq!(house.asked("GetLogEvents").len(), 2);
}
