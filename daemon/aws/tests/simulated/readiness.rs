//! From RunTask to an agent that answers: stages, one question for all, what can go wrong on the way.

use std::sync::Mutex;
use std::time::Duration;

use bastion_cloud::{Cloud, Kind, Stage, TaskId};
use bastion_sim::faults::Stage as At;
use bastion_sim::{Fault, SimConfig, Timings, What};

use crate::house::{House, PATIENCE, quiet, spec};

/// Slow enough that each stage is seen at two looks a second.
fn slow() -> SimConfig {
    let timings = Timings {
        provisioning_ms: 1_500,
        pulling_ms: 1_500,
        agent_ms: 1_500,
        ..Timings::default()
    };
    SimConfig { timings, ..SimConfig::default() }
}

#[tokio::test]
async fn every_stage_is_told_once_and_in_order() {
    let house = House::with(slow()).await;
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    let told = Mutex::new(Vec::new());
    let progress = |stage| told.lock().unwrap().push(stage);
    let bastion = aws.agent_ready(&task, &progress, PATIENCE).await.unwrap();
    let stages = [Stage::Provisioning, Stage::Pulling, Stage::StartingAgent, Stage::Connecting];
    assert_eq!(*told.lock().unwrap(), stages);
    assert_eq!(bastion.task, task);
    assert_eq!(bastion.container, "proxy");
    let view = house.sim.tasks().into_iter().find(|one| one.arn == task.as_str()).unwrap();
    assert_eq!(bastion.runtime_id, view.container("proxy").unwrap().runtime_id);
    assert_ne!(view.containers[0].name, "proxy", "the sidecar comes first, or this shows nothing");
}

#[tokio::test]
async fn twenty_waits_are_one_question() {
    let house = House::with(slow()).await;
    let aws = house.aws();
    let mut tasks = Vec::new();
    for n in 0..5 {
        tasks.push(aws.run_task(&spec(&format!("token-{n}"))).await.unwrap());
    }
    let began = tokio::time::Instant::now();
    let waits = (0..20).map(|n| aws.agent_ready(&tasks[n % 5], &quiet, PATIENCE));
    let ready = all(waits.collect()).await;
    assert!(ready.iter().all(Result::is_ok), "{ready:?}");
    let asked = house.asked("DescribeTasks");
    // Twice a second at most (a fifth faster by the dice), whoever waits; the last look is one more.
    let most = began.elapsed().as_millis() / 400 + 2;
    assert!((asked.len() as u128) <= most, "{} calls, at most {most}", asked.len());
    assert!(asked.iter().any(|one| one["tasks"].as_array().unwrap().len() == 5));
}

#[tokio::test]
async fn who_asks_for_all_may_go_away_and_the_others_still_hear() {
    let house = House::with(slow()).await;
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    house
        .fault(Fault::once("DescribeTasks", What::Held { name: "first".to_owned(), before: true }));
    let mut gone = Box::pin(aws.agent_ready(&task, &quiet, PATIENCE));
    tokio::select! {
        _ = &mut gone => panic!("its question is held"),
        () = house.sim.faults().until_held("first", 1) => {}
    }
    let stays = aws.agent_ready(&task, &quiet, PATIENCE);
    drop(gone);
    stays.await.unwrap();
}

#[tokio::test]
async fn a_task_that_lists_do_not_know_yet_is_waited_for() {
    let timings = Timings { list_lag_ms: 1_500, ..Timings::default() };
    let house = House::with(SimConfig { timings, ..SimConfig::default() }).await;
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_task_that_nobody_ever_knew_takes_no_longer_than_the_patience() {
    let house = House::new().await;
    let error = house
        .aws()
        .agent_ready(&TaskId::new("f".repeat(32)), &quiet, Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::TimedOut);
    assert_eq!(error.message, "the task was not seen within 1 s");
}

#[tokio::test]
async fn throttling_while_waiting_delays_and_does_not_end_it() {
    let house = House::new().await;
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    // More than the SDK's own three attempts.
    house.fault(Fault::on("DescribeTasks", What::Throttled).times(4));
    aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap();
    assert_eq!(house.asked("DescribeTasks").len() - house.sim.count("DescribeTasks"), 4);
}

#[tokio::test]
async fn who_may_not_look_is_told_at_once() {
    let house = House::new().await;
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    house.fault(Fault::on("DescribeTasks", What::AccessDenied { explicit: true, resource: None }));
    let error = aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap_err();
    assert!(matches!(error.kind, Kind::Denied { explicit: true, .. }), "{error:?}");
}

#[tokio::test]
async fn a_task_that_dies_tells_code_exit_code_and_reason() {
    let house = House::new().await;
    for (stage, exit_code) in
        [(At::Provisioning, None), (At::Pending, None), (At::Running, Some(137))]
    {
        house.fault(Fault::once(
            "RunTask",
            What::TaskDies {
                stage,
                stop_code: "EssentialContainerExited".to_owned(),
                reason: "Essential container in task exited".to_owned(),
                container_reason: Some("OutOfMemoryError: killed".to_owned()),
                exit_code,
            },
        ));
        let aws = house.aws();
        let task = aws.run_task(&spec(&format!("{stage:?}"))).await.unwrap();
        let error = aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap_err();
        let Kind::TaskStopped { code, exit_code: told, .. } = error.kind else {
            panic!("{error:?}")
        };
        assert_eq!(code.as_deref(), Some("EssentialContainerExited"));
        assert_eq!(told, exit_code, "{stage:?}");
        assert!(error.message.contains("OutOfMemoryError: killed"), "{}", error.message);
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told_in_awss_words() {
    let house = House::new().await;
    house.fault(Fault::once("RunTask", What::ImagePull));
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    let error = aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap_err();
    let Kind::TaskStopped { code, .. } = &error.kind else { panic!("{error:?}") };
    assert_eq!(code.as_deref(), Some("TaskFailedToStart"));
    assert!(error.message.contains("CannotPullContainerError"), "{}", error.message);
}

#[tokio::test]
async fn exec_that_is_off_and_an_agent_that_has_stopped_end_the_wait_at_once() {
    let house = House::new().await;
    let reason = Some("the task role lacks ssmmessages".to_owned());
    for (what, kind) in
        [(What::ExecOff, Kind::ExecDisabled), (What::AgentStopped { reason }, Kind::AgentStopped)]
    {
        house.fault(Fault::once("RunTask", what.clone()));
        let aws = house.aws();
        let task = aws.run_task(&spec(what.kind())).await.unwrap();
        let error = aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap_err();
        assert_eq!(error.kind, kind);
        if kind == Kind::AgentStopped {
            assert!(error.message.contains("the task role lacks ssmmessages"), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn an_agent_that_never_comes_is_told_when_patience_is_over() {
    let house = House::new().await;
    house.fault(Fault::once("RunTask", What::AgentNever));
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    let error = aws.agent_ready(&task, &quiet, Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(error.kind, Kind::AgentStopped);
    assert_eq!(error.message, "the task runs, and its agent did not start within 3 s");
}

#[tokio::test]
async fn a_container_that_the_task_has_not_is_told_with_those_it_has() {
    let house = House::new().await;
    let site = bastion_cloud::Site { container: Some("prxy".to_owned()), ..house.site() };
    let task = house.aws().run_task(&spec("token-1")).await.unwrap();
    let error = house.aws_of(site).agent_ready(&task, &quiet, PATIENCE).await.unwrap_err();
    let Kind::NotFound { what: "container", candidates } = error.kind else { panic!("{error:?}") };
    assert!(candidates.contains(&"proxy".to_owned()), "{candidates:?}");
}

#[tokio::test]
async fn without_permission_to_read_the_definition_the_only_own_container_is_taken() {
    let house = House::new().await;
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    house.fault(Fault::on(
        "DescribeTaskDefinition",
        What::AccessDenied { explicit: false, resource: None },
    ));
    let bastion = house.aws().agent_ready(&task, &quiet, PATIENCE).await.unwrap();
    assert_eq!(bastion.container, "proxy");
}

/// All of them, at once.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        for slot in &mut waiting {
            if let Some(future) = slot
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                done.push(output);
                *slot = None;
            }
        }
        if waiting.iter().all(Option::is_none) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done
}
