//! RunTask, ListTasks, DescribeTasks, StopTask.

use bastion_cloud::{Architecture, Cloud, EndClass, Kind, Runs, Seen, Site, TaskId, TaskSpec};
use bastion_sim::{Fault, Launch, SimConfig, Status, Timings, What};

use crate::house::{House, PATIENCE, denied, quiet, simple, spec};

#[tokio::test]
async fn a_task_is_asked_for_with_everything_its_spec_says() {
    let house = House::new().await;
    let mut spec = spec("token-1");
    spec.command = Some(vec!["sh".to_owned(), "-c".to_owned(), "sleep 60".to_owned()]);
    let task = house.aws().run_task(&spec).await.unwrap();
    let tasks = house.sim.tasks();
    let view = tasks.iter().find(|one| one.arn == task.as_str()).unwrap();
    assert_eq!(view.started_by.as_deref(), Some("bastiond/house"));
    assert_eq!(view.tags.get("bastiond:target").map(String::as_str), Some("prod-db"));
    assert_eq!(view.launch, Launch::Fargate);
    assert!(view.exec && !view.public_address);
    let asked = &house.asked("RunTask")[0];
    assert_eq!(asked["clientToken"], "token-1");
    let overrides = &asked["overrides"]["containerOverrides"][0];
    assert_eq!(overrides["name"], "proxy");
    assert_eq!(overrides["command"][2], "sleep 60");
    assert_eq!(overrides["environment"][0]["name"], "MAX_LIFE");
    let network = &asked["networkConfiguration"]["awsvpcConfiguration"];
    assert_eq!(network["subnets"][1], "subnet-0a11ce0000000001c");
    assert_eq!(network["securityGroups"][0], "sg-0a11ce000000000ec");
}

#[tokio::test]
async fn spare_capacity_and_a_public_address_are_asked_for_where_the_site_says_so() {
    let house = House::new().await;
    let site = Site { spot: true, assign_public_ip: true, ..house.site() };
    let spare = TaskSpec { spot: true, ..spec("token-1") };
    house.aws_of(site).run_task(&spare).await.unwrap();
    let view = &house.sim.tasks().into_iter().find(|task| !task.of_service()).unwrap();
    assert_eq!(view.launch, Launch::Provider("FARGATE_SPOT".to_owned()));
    assert!(view.public_address);
    assert!(house.asked("RunTask")[0]["launchType"].is_null());
}

#[tokio::test]
async fn the_same_token_gives_the_same_task_and_with_another_request_names_it() {
    let house = House::new().await;
    let aws = house.aws();
    let first = aws.run_task(&spec("token-1")).await.unwrap();
    assert_eq!(aws.run_task(&spec("token-1")).await.unwrap(), first);
    assert_eq!(house.sim.running(), 1);
    let mut other = spec("token-1");
    other.environment[0].1 = "7200".to_owned();
    let error = aws.run_task(&other).await.unwrap_err();
    assert_eq!(error.kind, Kind::Conflict { tasks: vec![first] });
}

#[tokio::test]
async fn an_answer_that_is_lost_starts_no_second_task() {
    let house = House::new().await;
    house.fault(Fault::once("RunTask", What::Reset { after: true }));
    let task = house.aws().run_task(&spec("token-1")).await.unwrap();
    assert_eq!(house.asked("RunTask").len(), 2);
    assert_eq!(house.sim.running(), 1);
    assert!(house.sim.tasks().iter().any(|one| one.arn == task.as_str()));
}

#[tokio::test]
async fn want_of_capacity_is_told_from_a_refusal_and_from_a_failure_in_a_good_answer() {
    let house = House::new().await;
    for what in [
        What::NoCapacity,
        What::Failure { reason: "RESOURCE:ENI".to_owned(), detail: None },
        What::Failure { reason: "Capacity is unavailable at this time.".to_owned(), detail: None },
        refused("ClientException", "The requested CPU configuration is above your limit"),
        refused(
            "ClientException",
            "You’ve reached the limit on the number of vCPUs you can run concurrently",
        ),
    ] {
        house.fault(Fault::once("RunTask", what.clone()));
        let error = house.aws().run_task(&spec("token-1")).await.unwrap_err();
        assert_eq!(error.kind, Kind::NoCapacity, "{what:?}: {error:?}");
        assert_eq!(error.call, "ecs:RunTask");
    }
    assert_eq!(house.sim.running(), 0);
}

#[tokio::test]
async fn where_one_zone_is_full_another_is_asked_for_and_where_spare_capacity_is_ordinary() {
    let house = House::new().await;
    let aws = house.aws();
    let place = aws.find_place().await.unwrap();
    house.fault(Fault::on("RunTask", What::NoCapacity).times(2));
    let mut tries = 0;
    let mut ran = None;
    for subnets in place.turns() {
        tries += 1;
        let spec = TaskSpec { subnets, ..spec(&format!("turn-{tries}")) };
        match aws.run_task(&spec).await {
            Ok(task) => {
                ran = Some(task);
                break;
            }
            Err(error) => assert_eq!(error.kind, Kind::NoCapacity),
        }
    }
    let tasks = house.sim.tasks();
    let task = tasks.iter().find(|one| Some(one.arn.as_str()) == ran.as_ref().map(TaskId::as_str));
    assert_eq!((tries, task.unwrap().zone.as_str()), (3, "ap-northeast-1c"));
    // No room for spare capacity in the whole cluster.
    house.sim.world(|world| {
        let cluster = world.clusters.get_mut("neuraKnot-prod-cluster").unwrap();
        cluster.exhausted = vec!["FARGATE_SPOT".to_owned()];
    });
    let spare = TaskSpec { spot: true, ..spec("spare") };
    assert_eq!(aws.run_task(&spare).await.unwrap_err().kind, Kind::NoCapacity);
    aws.run_task(&TaskSpec { spot: false, ..spec("ordinary") }).await.unwrap();
}

#[tokio::test]
async fn a_task_tells_what_the_ledger_wants_to_know() {
    let timings = Timings { list_lag_ms: 0, ..Timings::default() };
    let house = House::with(SimConfig { timings, ..SimConfig::default() }).await;
    let aws = house.aws();
    let task = aws.run_task(&TaskSpec { spot: true, ..spec("one") }).await.unwrap();
    aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap();
    let seen = aws.see_tasks(std::slice::from_ref(&task)).await.unwrap();
    let [Seen::Running { since: Some(since), facts }] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((facts.size.cpu, facts.size.memory), (Some(256), Some(512)));
    assert_eq!(facts.size.architecture, Architecture::X86);
    assert_eq!((facts.size.spot, facts.size.region.as_str()), (true, "ap-northeast-1"));
    assert_eq!(facts.started_by.as_deref(), Some("bastiond/house"));
    assert!(facts.times.pull_started.unwrap() < *since && facts.times.stopped.is_none());
    aws.stop_task(&task, "idle").await.unwrap();
    assert!(house.sim.until(PATIENCE, |sim| sim.running() == 0).await);
    let seen = aws.see_tasks(std::slice::from_ref(&task)).await.unwrap();
    let [Seen::Stopped(end)] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(end.class, EndClass::Asked);
    assert!(end.facts.times.stopped.unwrap() > *since);
}

#[tokio::test]
async fn another_failure_in_a_good_answer_is_no_task() {
    let house = House::new().await;
    let detail = Some("no such thing".to_owned());
    house.fault(Fault::once("RunTask", What::Failure { reason: "INACTIVE".to_owned(), detail }));
    let error = house.aws().run_task(&spec("token-1")).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Invalid, "INACTIVE: no such thing"));
}

#[tokio::test]
async fn an_unknown_cluster_is_told_with_region_and_account_by_every_call() {
    let house = House::new().await;
    let site = Site { cluster: "neuraKnot-prd-cluster".to_owned(), ..house.site() };
    let aws = house.aws_of(site);
    let errors = [
        aws.run_task(&spec("token-1")).await.unwrap_err(),
        aws.list_tasks("bastiond/house").await.unwrap_err(),
        aws.see_tasks(&[TaskId::new("0123")]).await.unwrap_err(),
        aws.stop_task(&TaskId::new("0123"), "idle").await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error.kind, Kind::NotFound { what: "cluster", .. }), "{error:?}");
        assert_eq!(
            error.message,
            "no active cluster \"neuraKnot-prd-cluster\" in ap-northeast-1 of account 123456789012"
        );
    }
}

#[tokio::test]
async fn an_unknown_task_definition_is_told_whoever_finds_out() {
    let house = House::new().await;
    let runs = Runs::TaskDefinition("neuraKnot-prod-proxy".to_owned());
    // With a container named, RunTask finds out; without, DescribeTaskDefinition does.
    for container in [Some("proxy".to_owned()), None] {
        let site = Site { runs: runs.clone(), container, ..house.site() };
        let error = house.aws_of(site).run_task(&spec("token-1")).await.unwrap_err();
        assert!(matches!(error.kind, Kind::NotFound { what: "task definition", .. }), "{error:?}");
        assert!(error.message.contains("\"neuraKnot-prod-proxy\" in ap-northeast-1"), "{error}");
    }
}

#[tokio::test]
async fn denied_throttled_and_broken_are_told_apart() {
    let house = House::new().await;
    for (what, kind) in [
        (What::AccessDenied { explicit: false, resource: None }, denied(false)),
        (What::AccessDenied { explicit: true, resource: None }, denied(true)),
        (What::Throttled, Kind::Throttled),
        (What::Broken, Kind::Service),
        (What::Garbled, Kind::Service),
    ] {
        house.fault(Fault::on("RunTask", what.clone()));
        let error = house.aws().run_task(&spec("token-1")).await.unwrap_err();
        assert_eq!(simple(error.kind), kind, "{what:?}");
        assert!(!error.message.is_empty());
        house.sim.faults().clear();
    }
}

#[tokio::test]
async fn a_throttled_call_is_tried_again() {
    let house = House::new().await;
    house.fault(Fault::once("RunTask", What::Throttled));
    house.aws().run_task(&spec("token-1")).await.unwrap();
    assert_eq!(house.asked("RunTask").len(), 2);
}

#[tokio::test]
async fn tasks_are_listed_by_their_mark_alone_over_all_pages() {
    let timings = Timings { list_lag_ms: 0, ..Timings::default() };
    let house = House::with(SimConfig { page_size: 1, timings, ..SimConfig::default() }).await;
    let aws = house.aws();
    let mut own = Vec::new();
    for token in ["one", "two", "three"] {
        own.push(aws.run_task(&spec(token)).await.unwrap());
    }
    let mut foreign = spec("four");
    foreign.started_by = "bastiond/other".to_owned();
    aws.run_task(&foreign).await.unwrap();
    let mut listed = aws.list_tasks("bastiond/house").await.unwrap();
    listed.sort();
    own.sort();
    assert_eq!(listed, own);
}

#[tokio::test]
async fn tasks_are_seen_in_the_order_asked_for_alive_stopped_or_missing() {
    let timings = Timings { list_lag_ms: 0, ..Timings::default() };
    let house = House::with(SimConfig { timings, ..SimConfig::default() }).await;
    let aws = house.aws();
    let alive = aws.run_task(&spec("one")).await.unwrap();
    let ended = aws.run_task(&spec("two")).await.unwrap();
    let missing =
        TaskId::new(format!("{}/{}", alive.as_str().rsplit_once('/').unwrap().0, "f".repeat(32)));
    aws.stop_task(&ended, "idle for 15 min").await.unwrap();
    let seen = aws.see_tasks(&[missing, ended, alive]).await.unwrap();
    let [Seen::Missing, ended, Seen::Starting(facts)] = seen.as_slice() else { panic!("{seen:?}") };
    let words = ended.end().unwrap().to_string();
    assert!(words.contains("idle for 15 min"), "{words}");
    assert_eq!(facts.variable("MAX_LIFE"), Some("3600"));
}

#[tokio::test]
async fn nothing_to_see_asks_nobody() {
    let house = House::new().await;
    assert_eq!(house.aws().see_tasks(&[]).await.unwrap(), []);
    assert_eq!(house.sim.count("DescribeTasks"), 0);
}

#[tokio::test]
async fn stopping_twice_and_stopping_what_nobody_knows_is_done() {
    let house = House::new().await;
    let aws = house.aws();
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    aws.stop_task(&task, "idle").await.unwrap();
    aws.stop_task(&task, "idle").await.unwrap();
    assert!(house.sim.until(PATIENCE, |sim| sim.running() == 0).await);
    aws.stop_task(&task, "idle").await.unwrap();
    aws.stop_task(&TaskId::new("f".repeat(32)), &"long reason ".repeat(40)).await.unwrap();
    assert!(house.sim.tasks().iter().any(|one| one.last_status == Status::Stopped));
}

fn refused(code: &str, message: &str) -> What {
    What::Refused { status: 400, code: code.to_owned(), message: message.to_owned() }
}
