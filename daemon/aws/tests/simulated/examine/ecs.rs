use bastion_cloud::{Cloud, EndClass, Kind, Runs, Site, TaskFact};
use bastion_sim::{Fault, Status, What};

use super::{ask, forbid, lacks};
use crate::house::{House, PATIENCE, spec};

#[tokio::test]
async fn the_cluster_is_told_as_it_is() {
    let house = House::new().await;
    let aws = house.aws();
    let cluster = ask(&aws).cluster().await.unwrap();
    assert!(cluster.arn.ends_with(":cluster/neuraKnot-prod-cluster"), "{cluster:?}");
    assert_eq!(cluster.status, "ACTIVE");
    assert_eq!(cluster.capacity_providers, ["FARGATE", "FARGATE_SPOT"]);
    house.sim.world(|world| {
        let cluster = world.clusters.get_mut("neuraKnot-prod-cluster").unwrap();
        cluster.status = "INACTIVE".to_owned();
        cluster.capacity_providers.clear();
    });
    let cluster = ask(&aws).cluster().await.unwrap();
    assert_eq!((cluster.status.as_str(), cluster.capacity_providers.len()), ("INACTIVE", 0));
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_told_with_those_that_are_and_where() {
    let house = House::new().await;
    let aws = house.aws_of(Site { cluster: "neuraKnot-prd-cluster".to_owned(), ..house.site() });
    let error = ask(&aws).cluster().await.unwrap_err();
    let Kind::NotFound { what: "cluster", candidates } = &error.kind else { panic!("{error:?}") };
    assert_eq!(candidates, &["neuraKnot-prod-cluster"]);
    assert!(error.message.contains("ap-northeast-1 of account 123456789012"), "{error}");
    forbid(&house, "ListClusters");
    let error = ask(&aws).cluster().await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound { what: "cluster", candidates: Vec::new() });
    forbid(&house, "DescribeClusters");
    let error = ask(&aws).cluster().await.unwrap_err();
    assert_eq!(lacks(&error), "ecs:DescribeClusters");
}

#[tokio::test]
async fn the_task_definition_is_told_as_far_as_it_decides_about_bastions() {
    let house = House::new().await;
    let aws = house.aws();
    let definition = ask(&aws).definition().await.unwrap();
    assert_eq!(definition.name, "neuraKnot-prod-ssm-proxy:7");
    let role = "arn:aws:iam::123456789012:role/neuraKnot-prod-ssm-proxy-task";
    assert_eq!(definition.task_role.as_deref(), Some(role));
    assert!(definition.execution_role.unwrap().ends_with("-execution"));
    assert_eq!((definition.network_mode.as_str(), definition.pid_mode), ("awsvpc", None));
    assert!(definition.fargate && !definition.retired);
    let [container] = &definition.containers[..] else { panic!("{:?}", definition.containers) };
    assert_eq!((container.name.as_str(), container.read_only), ("proxy", false));
    assert_eq!(container.variables, ["TZ"]);
    assert_eq!(container.log_group.as_deref(), Some("/ecs/neuraKnot-prod-ssm-proxy"));

    house.sim.world(|world| {
        let definition = world.task_definitions.get_mut("neuraKnot-prod-ssm-proxy:7").unwrap();
        definition.pid_mode = Some("task".to_owned());
        definition.task_role = None;
        let container = &mut definition.containers[0];
        container.readonly_root = true;
        container.environment.insert("AWS_ACCESS_KEY_ID".to_owned(), "AKIA".to_owned());
        container.secrets.insert("AWS_SECRET_ACCESS_KEY".to_owned(), "arn:aws:secret".to_owned());
        container.log_group = None;
    });
    let definition = ask(&aws).definition().await.unwrap();
    assert_eq!((definition.pid_mode.as_deref(), definition.task_role), (Some("task"), None));
    let container = &definition.containers[0];
    assert!(container.read_only && container.log_group.is_none());
    assert_eq!(container.variables, ["AWS_ACCESS_KEY_ID", "TZ", "AWS_SECRET_ACCESS_KEY"]);
}

#[tokio::test]
async fn a_task_definition_by_its_revision_may_have_been_retired() {
    let house = House::new().await;
    house.sim.world(|world| {
        world.task_definitions.get_mut("neuraKnot-prod-ssm-proxy:7").unwrap().active = false;
    });
    let of = |name: &str| Site { runs: Runs::TaskDefinition(name.to_owned()), ..house.site() };
    let aws = house.aws_of(of("neuraKnot-prod-ssm-proxy:7"));
    assert!(ask(&aws).definition().await.unwrap().retired);
    let aws = house.aws_of(of("neuraKnot-prod-ssm-prox"));
    let error = ask(&aws).definition().await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "task definition", .. }), "{error:?}");
    forbid(&house, "DescribeTaskDefinition");
    assert_eq!(lacks(&ask(&aws).definition().await.unwrap_err()), "ecs:DescribeTaskDefinition");
}

#[tokio::test]
async fn a_service_is_told_with_its_definition_its_counts_and_its_last_words() {
    let house = House::new().await;
    assert_eq!(ask(&house.aws()).service().await.unwrap(), None);
    let told =
        "(service bastion-service) was unable to place a task. Reason: Capacity is unavailable";
    house.sim.world(|world| {
        let service = world.services.get_mut("dev-cluster/bastion-service").unwrap();
        service.events = (0..9).map(|number| format!("{told} {number}")).collect();
    });
    assert!(
        house
            .sim
            .until(PATIENCE, |sim| sim
                .tasks()
                .iter()
                .any(|task| task.last_status == Status::Running))
            .await
    );
    let aws = house.aws_of(house.service_site());
    let service = ask(&aws).service().await.unwrap().unwrap();
    assert_eq!((service.status.as_str(), service.desired, service.running), ("ACTIVE", 1, 1));
    assert!(service.exec && service.definition.ends_with(":task-definition/dev-bastion:3"));
    assert_eq!(service.security_groups, ["sg-0b0b0000000000ec"]);
    assert_eq!(service.subnets.len(), 2);
    assert_eq!((service.events.len(), service.events[0].ends_with(" 0")), (5, true));
    assert_eq!(ask(&aws).definition().await.unwrap().name, "dev-bastion:3");

    forbid(&house, "DescribeServices");
    assert_eq!(lacks(&ask(&aws).service().await.unwrap_err()), "ecs:DescribeServices");
    assert_eq!(lacks(&ask(&aws).definition().await.unwrap_err()), "ecs:DescribeServices");
}

#[tokio::test]
async fn recent_tasks_are_told_the_newest_first_and_why_they_ended() {
    let house = House::new().await;
    let aws = house.aws();
    assert_eq!(ask(&aws).recent_tasks().await.unwrap(), []);
    house.fault(Fault::once(
        "RunTask",
        What::TaskDies {
            stage: bastion_sim::Stage::Pending,
            stop_code: "TaskFailedToStart".to_owned(),
            reason: "CannotPullContainerError: no such image".to_owned(),
            container_reason: None,
            exit_code: None,
        },
    ));
    let first = aws.run_task(&spec("token-1")).await.unwrap();
    let stopped = |sim: &bastion_sim::Sim| {
        sim.tasks()
            .iter()
            .any(|task| task.arn == first.as_str() && task.last_status == Status::Stopped)
    };
    assert!(house.sim.until(PATIENCE, stopped).await);
    let second = aws.run_task(&spec("token-2")).await.unwrap();
    let ready = |sim: &bastion_sim::Sim| {
        sim.tasks().iter().any(|task| task.arn == second.as_str() && task.connected)
    };
    assert!(house.sim.until(PATIENCE, ready).await);

    let mut tasks = ask(&aws).recent_tasks().await.unwrap();
    // Lists lag.
    while !settled(&tasks) {
        tasks = ask(&aws).recent_tasks().await.unwrap();
    }
    let [newer, older] = &tasks[..] else { panic!("{tasks:?}") };
    assert_eq!((newer.arn.as_str(), older.arn.as_str()), (second.as_str(), first.as_str()));
    assert_eq!((newer.status.as_str(), newer.exec, newer.end), ("RUNNING", true, None));
    assert_eq!(newer.agent.as_deref(), Some("RUNNING"));
    assert_eq!(newer.started_by.as_deref(), Some("bastiond/house"));
    assert_eq!((older.status.as_str(), older.end), ("STOPPED", Some(EndClass::Image)));
    assert_eq!(older.stop_code.as_deref(), Some("TaskFailedToStart"));
    assert!(older.stopped_reason.as_deref().unwrap().contains("CannotPullContainerError"));
    assert!(older.stopped.unwrap() >= older.created.unwrap() && newer.stopped.is_none());

    for (action, permission) in
        [("DescribeTasks", "ecs:DescribeTasks"), ("ListTasks", "ecs:ListTasks")]
    {
        forbid(&house, action);
        assert_eq!(lacks(&ask(&aws).recent_tasks().await.unwrap_err()), permission);
    }
}

fn settled(tasks: &[TaskFact]) -> bool {
    let agent = tasks.iter().any(|task| task.agent.as_deref() == Some("RUNNING"));
    tasks.len() == 2 && agent && tasks.iter().any(|task| task.status == "STOPPED")
}

#[tokio::test]
async fn recent_tasks_of_a_service_are_its_own() {
    let house = House::new().await;
    let running =
        |sim: &bastion_sim::Sim| sim.tasks().iter().any(|task| task.last_status == Status::Running);
    assert!(house.sim.until(PATIENCE, running).await);
    let aws = house.aws_of(house.service_site());
    let mut tasks = ask(&aws).recent_tasks().await.unwrap();
    while tasks.is_empty() {
        tasks = ask(&aws).recent_tasks().await.unwrap();
    }
    assert!(tasks[0].started_by.as_deref().unwrap().starts_with("ecs-svc/"), "{tasks:?}");
    let other = Site { runs: Runs::Service("no-such-service".to_owned()), ..house.service_site() };
    let error = ask(&house.aws_of(other)).recent_tasks().await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "service", .. }), "{error:?}");
}
