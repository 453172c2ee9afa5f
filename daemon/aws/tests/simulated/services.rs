//! Service mode: a task that the service runs anyway.

use bastion_cloud::{Cloud, Kind, Runs, Scaled, Site};
use bastion_sim::{Fault, Sim, Status, What};

use crate::house::{House, PATIENCE, denied, quiet, simple};

#[tokio::test]
async fn the_services_running_task_is_used_by_its_own_container() {
    let house = House::new().await;
    let aws = house.aws_of(house.service_site());
    assert!(house.sim.until(PATIENCE, service_runs).await);
    let task = found(&house, &aws).await;
    let bastion = aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap();
    assert_eq!(bastion.container, "bastion");
    assert_eq!(house.sim.count("RunTask") + house.sim.count("StopTask"), 0);
}

#[tokio::test]
async fn a_replaced_task_is_followed() {
    let house = House::new().await;
    let aws = house.aws_of(house.service_site());
    assert!(house.sim.until(PATIENCE, service_runs).await);
    let first = found(&house, &aws).await;
    house.sim.replace_service_task("dev-cluster", "bastion-service");
    let gone = |sim: &Sim| {
        sim.tasks()
            .iter()
            .any(|task| task.arn == first.as_str() && task.last_status == Status::Stopped)
    };
    assert!(house.sim.until(PATIENCE, gone).await);
    let second = found(&house, &aws).await;
    assert_ne!(second, first);
    aws.agent_ready(&second, &quiet, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_service_without_exec_is_told() {
    let house = House::new().await;
    house.sim.world(|world| {
        let service = world.services.get_mut("dev-cluster/bastion-service").unwrap();
        service.exec = false;
        service.deployment += 1;
    });
    let off = |sim: &Sim| service_runs(sim) && alive(sim).iter().all(|exec| !exec);
    assert!(house.sim.until(PATIENCE, off).await);
    let aws = house.aws_of(house.service_site());
    let mut error = aws.service_task().await;
    // Lists lag: the task before this one may still be told of.
    while error.is_ok() {
        error = aws.service_task().await;
    }
    assert_eq!(error.unwrap_err().kind, Kind::ExecDisabled);
}

#[tokio::test]
async fn a_service_that_runs_nothing_is_told_with_its_counts() {
    let house = House::new().await;
    house.sim.world(|world| {
        world.services.get_mut("dev-cluster/bastion-service").unwrap().desired = 0;
    });
    assert!(house.sim.until(PATIENCE, |sim| alive(sim).is_empty()).await);
    let error = house.aws_of(house.service_site()).service_task().await.unwrap_err();
    assert_eq!(error.kind, Kind::ScaledToZero);
    assert!(error.message.contains("desired 0"), "{}", error.message);
}

#[tokio::test]
async fn the_last_task_of_a_service_that_was_scaled_to_zero_is_not_taken() {
    let house = House::new().await;
    assert!(house.sim.until(PATIENCE, service_runs).await);
    house.sim.world(|world| {
        world.services.get_mut("dev-cluster/bastion-service").unwrap().desired = 0;
    });
    // It may still run, or be listed as running; it is on its way out.
    let error = house.aws_of(house.service_site()).service_task().await.unwrap_err();
    assert_eq!(error.kind, Kind::ScaledToZero);
}

#[tokio::test]
async fn a_service_is_scaled_from_zero_and_back_and_only_by_who_finds_it_so() {
    let house = House::new().await;
    let desired = |house: &House| {
        house.sim.world(|world| world.services["dev-cluster/bastion-service"].desired)
    };
    house.sim.world(|world| {
        world.services.get_mut("dev-cluster/bastion-service").unwrap().desired = 0;
    });
    let aws = house.aws_of(house.service_site());
    assert_eq!(aws.scale_service(0, 1).await.unwrap(), Scaled::ByUs);
    assert_eq!(desired(&house), 1);
    assert_eq!(aws.scale_service(0, 1).await.unwrap(), Scaled::Already(1));
    assert_eq!(house.asked("UpdateService").len(), 1);
    house.sim.world(|world| {
        world.services.get_mut("dev-cluster/bastion-service").unwrap().desired = 3;
    });
    assert_eq!(aws.scale_service(1, 0).await.unwrap(), Scaled::Already(3));
    assert_eq!(desired(&house), 3);
    house.fault(Fault::on("UpdateService", What::AccessDenied { explicit: false, resource: None }));
    let error = aws.scale_service(3, 4).await.unwrap_err();
    assert_eq!((error.call, simple(error.kind)), ("ecs:UpdateService", denied(false)));
}

#[tokio::test]
async fn a_misspelt_service_is_not_found_and_the_likeliest_is_named() {
    let house = House::new().await;
    let runs = Runs::Service("bastion-servce".to_owned());
    let aws = house.aws_of(Site { runs, ..house.service_site() });
    let error = aws.service_task().await.unwrap_err();
    let Kind::NotFound { what: "service", candidates } = error.kind else { panic!("{error:?}") };
    assert_eq!(candidates, ["bastion-service"]);
    assert!(error.message.contains("\"dev-cluster\""), "{}", error.message);
}

async fn found(house: &House, aws: &bastion_aws::Aws) -> bastion_cloud::TaskId {
    // Lists lag behind the truth: ask until they know, as the daemon does.
    for _ in 0..200 {
        if let Ok(task) = aws.service_task().await
            && house
                .sim
                .tasks()
                .iter()
                .any(|one| one.arn == task.as_str() && one.last_status != Status::Stopped)
        {
            return task;
        }
    }
    panic!("the service's task was never found");
}

fn service_runs(sim: &Sim) -> bool {
    sim.tasks().iter().any(|task| task.of_service() && task.last_status == Status::Running)
}

/// Whether each task of a service that has not stopped has ECS Exec.
fn alive(sim: &Sim) -> Vec<bool> {
    let tasks = sim.tasks().into_iter().filter(|task| task.of_service());
    tasks.filter(|task| task.last_status != Status::Stopped).map(|task| task.exec).collect()
}
