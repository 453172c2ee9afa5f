//! The CDK way: a task of an ECS service is used, followed when it is replaced, and never stopped.

use std::time::Duration;

use bastion_api::State;
use bastion_e2e::{House, Plan, configs};
use bastion_sim::SimConfig;

async fn house(idle: &str) -> House {
    let house = Plan::new(configs::CDK_WAY).mariadb().idle(idle).build().await;
    let runs = house.sim().until(Duration::from_secs(20), |sim| {
        sim.tasks().iter().any(|task| task.of_service() && task.connected)
    });
    assert!(runs.await, "the service keeps a task of its own");
    house
}

/// The CDK way with leave to wake its service.
fn woken() -> String {
    configs::CDK_WAY.replace("[site.dev]\n", "[site.dev]\nscale_from_zero = true\n")
}

/// The service is meant to run no task.
fn asleep(sim: &mut SimConfig) {
    sim.world = serde_json::json!({ "services": { SERVICE: { "desired": 0 } } });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_task_is_used_by_its_containers_name_and_none_is_started() {
    let house = house("1h").await;
    let task = house.sim().tasks().into_iter().find(|task| task.of_service()).unwrap();
    assert_ne!(task.containers[0].name, "bastion", "a sidecar stands first");

    assert_eq!(house.mariadb("dev-mysql", "SELECT 6 * 7").finish().await.ok(), "42");

    assert_eq!(house.sim().count("RunTask"), 0);
    let session = &house.called("StartSession")[0].parameters;
    let bastion = task.containers.iter().find(|container| container.name == "bastion").unwrap();
    let target = format!("ecs:dev-cluster_{}_{}", task.id, bastion.runtime_id);
    assert_eq!(session["Target"], target);
    assert_eq!(house.target("dev-mysql").await.task, Some(task.arn));
}

#[tokio::test(flavor = "multi_thread")]
async fn idleness_stops_no_task_of_a_service() {
    let house = house("1s").await;
    assert_eq!(house.mariadb("dev-mysql", "SELECT 1").finish().await.ok(), "1");
    house.until_state("dev-mysql", State::Cold).await;

    assert_eq!(house.mariadb("dev-mysql", "SELECT 2").finish().await.ok(), "2");

    assert_eq!(house.sim().count("StopTask") + house.sim().count("RunTask"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_close_nor_the_daemons_end_stops_a_task_of_a_service() {
    let mut house = house("1h").await;
    assert_eq!(house.mariadb("dev-mysql", "SELECT 1").finish().await.ok(), "1");
    let closed = house.ctl(&["close", "dev-mysql", "--yes"]).await;
    assert!(closed.status.success(), "{closed}");

    assert_eq!(house.mariadb("dev-mysql", "SELECT 2").finish().await.ok(), "2");
    assert!(house.stop().await.success());

    assert_eq!(house.sim().count("StopTask") + house.sim().count("RunTask"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_task_is_followed() {
    let house = house("1h").await;
    assert_eq!(house.mariadb("dev-mysql", "SELECT 1").finish().await.ok(), "1");
    let before = house.target("dev-mysql").await.task.unwrap();

    assert!(house.sim().replace_service_task("dev-cluster", "bastion-service"));
    let gone = house.sim().until(Duration::from_secs(20), |sim| {
        let task = |arn: &str| sim.tasks().into_iter().find(|task| task.arn == arn);
        task(&before).is_none_or(|task| task.last_status == bastion_sim::Status::Stopped)
            && sim
                .tasks()
                .iter()
                .any(|task| task.of_service() && task.connected && task.arn != before)
    });
    assert!(gone.await, "the service replaced its task");

    // The first visit may still meet the end of the old tunnel; it is told so, and the next one finds the new task.
    let answered =
        bastion_e2e::until("an answer through the new task", Duration::from_secs(30), async || {
            let asked = house.mariadb("dev-mysql", "SELECT 2").finish().await;
            asked.status.success().then(|| asked.ok().to_owned())
        });
    assert_eq!(answered.await, "2");
    let after = house.target("dev-mysql").await.task.unwrap();
    assert_ne!(before, after);
    assert_eq!(house.sim().count("RunTask") + house.sim().count("StopTask"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_task_is_a_problem_in_words() {
    let house = Plan::new(configs::CDK_WAY).start_timeout("5s").sim(asleep).build().await;
    let opened = house.ctl(&["open", "dev-mysql"]).await;
    assert!(!opened.status.success(), "{opened}");
    assert!(opened.err.contains("bastion-service"), "{opened}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_sleeps_is_woken_for_a_visit_and_put_back_to_sleep_and_nothing_is_stopped_by_hand()
 {
    let house = Plan::new(&woken()).mariadb().idle("2s").sim(asleep).build().await;
    let desired = || house.sim().world(|world| world.services[SERVICE].desired);
    assert_eq!((desired(), house.sim().tasks().len()), (0, 0));

    assert_eq!(house.mariadb("dev-mysql", "SELECT 6 * 7").finish().await.ok(), "42");
    assert_eq!(desired(), 1);

    let asleep = house.sim().until(Duration::from_secs(20), |sim| {
        let stopped =
            |task: &bastion_sim::TaskView| task.last_status == bastion_sim::Status::Stopped;
        sim.world(|world| world.services[SERVICE].desired) == 0 && sim.tasks().iter().all(stopped)
    });
    assert!(asleep.await, "we had woken it");
    house.until_state("dev-mysql", State::Cold).await;
    let counts: Vec<_> = house
        .called("UpdateService")
        .iter()
        .map(|call| call.parameters["desiredCount"].clone())
        .collect();
    assert_eq!(counts, [1, 0]);
    assert_eq!(house.sim().count("RunTask") + house.sim().count("StopTask"), 0);

    assert_eq!(house.mariadb("dev-mysql", "SELECT 2").finish().await.ok(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_somebody_else_has_woken_is_not_put_to_sleep() {
    let house = Plan::new(&woken()).mariadb().idle("1s").build().await;
    assert_eq!(house.mariadb("dev-mysql", "SELECT 1").finish().await.ok(), "1");

    house.until_state("dev-mysql", State::Cold).await;

    assert_eq!(house.sim().count("UpdateService"), 0);
    assert_eq!(house.sim().world(|world| world.services[SERVICE].desired), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_a_daemon_had_woken_before_it_was_killed_is_put_to_sleep_by_the_next() {
    let mut house = Plan::new(&woken()).mariadb().idle("2s").sim(asleep).build().await;
    assert_eq!(house.mariadb("dev-mysql", "SELECT 1").finish().await.ok(), "1");
    house.kill().await;
    assert_eq!(house.sim().world(|world| world.services[SERVICE].desired), 1);

    house.start().await;

    let asleep = house.sim().until(Duration::from_secs(30), |sim| {
        sim.world(|world| world.services[SERVICE].desired) == 0
    });
    assert!(asleep.await, "{}", house.log());
}

const SERVICE: &str = "dev-cluster/bastion-service";
