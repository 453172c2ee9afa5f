//! The CDK way: a task of an ECS service is used, followed when it is replaced, and never stopped.

use std::time::Duration;

use bastion_api::State;
use bastion_e2e::{House, Plan, configs};

async fn house(idle: &str) -> House {
    let house = Plan::new(configs::CDK_WAY).mariadb().idle(idle).build().await;
    let runs = house.sim().until(Duration::from_secs(20), |sim| {
        sim.tasks().iter().any(|task| task.of_service() && task.connected)
    });
    assert!(runs.await, "the service keeps a task of its own");
    house
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
    let house = Plan::new(configs::CDK_WAY)
        .start_timeout("5s")
        .sim(|sim| {
            sim.world = serde_json::json!({
                "services": { "dev-cluster/bastion-service": { "desired": 0 } }
            });
        })
        .build()
        .await;
    let opened = house.ctl(&["open", "dev-mysql"]).await;
    assert!(!opened.status.success(), "{opened}");
    assert!(opened.err.contains("bastion-service"), "{opened}");
}
