//! Services: described, altered, and kept at their number of tasks by a scheduler of their own.
//!
//! A new deployment starts its tasks first and stops the old ones once as many new ones run, as ECS's rolling update does.

use std::time::Duration;

use serde_json::{Value, json};

use super::order::Order;
use super::run_task::Network;
use super::{Answer, Ask, AwsError, bad_token, cluster, cluster_arn, last, shape};
use crate::api::ask::page;
use crate::clock::epoch_seconds;
use crate::realm::Realm;
use crate::tasks::{Launch, Status, StopWish, TaskView};
use crate::world::Service;

pub(super) fn describe_services(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let cluster = cluster(realm, ask)?;
    let wanted = ask.texts("services");
    if wanted.is_empty() {
        return Err(AwsError::invalid("Services cannot be empty."));
    }
    if wanted.len() > DESCRIBED {
        return Err(AwsError::invalid(format!(
            "Services cannot have more than {DESCRIBED} items."
        )));
    }
    let (mut services, mut failures): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for name in wanted.iter().map(|name| last(name)) {
        match find(realm, &cluster, name) {
            Some(service) => services.push(describe(realm, &cluster, name, &service)),
            None => {
                failures.push(json!({ "arn": arn(realm, &cluster, name), "reason": "MISSING" }))
            }
        }
    }
    Ok(Answer::Json(json!({ "services": services, "failures": failures })))
}

pub(super) fn list_services(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let cluster = cluster(realm, ask)?;
    let prefix = format!("{cluster}/");
    let names: Vec<String> = realm.world(|world| {
        world
            .services
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect()
    });
    let arns: Vec<String> = names.iter().map(|name| arn(realm, &cluster, name)).collect();
    // Ten unless asked otherwise: the API reference.
    let size = usize::try_from(ask.number("maxResults").unwrap_or(10))
        .unwrap_or(10)
        .min(realm.config().page_size);
    let (arns, next) = page(arns, ask.text("nextToken"), size).map_err(|_| bad_token())?;
    let mut body = json!({ "serviceArns": arns });
    if let Some(next) = next {
        body["nextToken"] = json!(next);
    }
    Ok(Answer::Json(body))
}

pub(super) fn update_service(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let cluster = cluster(realm, ask)?;
    let name = last(ask.text("service").unwrap_or_default()).to_owned();
    let missing = || AwsError::new("ServiceNotFoundException", "Service not found.");
    let service = find(realm, &cluster, &name).ok_or_else(missing)?;
    if service.status != "ACTIVE" {
        return Err(AwsError::new("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    let definition = match ask.text("taskDefinition") {
        None => None,
        Some(wanted) => {
            let found = realm.world(|world| world.task_definition(wanted).map(|(key, _)| key));
            Some(found.ok_or_else(|| AwsError::client("TaskDefinition not found."))?)
        }
    };
    let exec = ask.parameters["enableExecuteCommand"].as_bool();
    realm.world(|world| {
        let Some(service) = world.services.get_mut(&format!("{cluster}/{name}")) else {
            return;
        };
        if let Some(count) = ask.number("desiredCount") {
            service.desired = usize::try_from(count).unwrap_or(usize::MAX);
        }
        let renewed =
            definition.as_ref().is_some_and(|definition| *definition != service.task_definition)
                || exec.is_some_and(|exec| exec != service.exec)
                || ask.flag("forceNewDeployment");
        service.exec = exec.unwrap_or(service.exec);
        service.task_definition = definition.unwrap_or_else(|| service.task_definition.clone());
        service.deployment += u64::from(renewed);
    });
    realm.touch();
    let service = find(realm, &cluster, &name).ok_or_else(missing)?;
    Ok(Answer::Json(json!({ "service": describe(realm, &cluster, &name, &service) })))
}

/// Keeps every service at its number of tasks, until the simulator ends.
pub(crate) async fn schedule(realm: Realm) {
    let mut changed = realm.watch();
    loop {
        reconcile(&realm);
        if changed.changed().await.is_err() {
            return;
        }
        realm.clock().sleep(Duration::from_millis(realm.config().timings.scheduler_ms)).await;
        changed.mark_unchanged();
    }
}

/// Starts what is missing and stops what is too much. Only the scheduler may: two at once would start twice.
fn reconcile(realm: &Realm) {
    for (key, service) in realm.world(|world| world.services.clone()) {
        if let Some((cluster, name)) = key.split_once('/') {
            keep(realm, cluster, name, &service);
        }
    }
}

/// Has a new deployment replace the tasks of a service. False if there is no such service.
pub(crate) fn replace_service_task(realm: &Realm, cluster: &str, name: &str) -> bool {
    let found = realm.world(|world| {
        world
            .services
            .get_mut(&format!("{cluster}/{name}"))
            .map(|service| service.deployment += 1)
            .is_some()
    });
    realm.touch();
    found
}

fn keep(realm: &Realm, cluster: &str, name: &str, service: &Service) {
    let desired = if service.status == "ACTIVE" { service.desired } else { 0 };
    let deployment = service.deployment_id();
    let (new, old): (Vec<TaskView>, Vec<TaskView>) = standing(realm, cluster, name)
        .into_iter()
        .partition(|task| task.started_by.as_deref() == Some(&*deployment));
    if new.len() < desired {
        start(realm, cluster, name, service, desired - new.len());
    }
    let why = StopWish {
        code: "ServiceSchedulerInitiated".to_owned(),
        reason: format!("Scaling activity initiated by (deployment {deployment})"),
    };
    let ready = new.iter().filter(|task| task.last_status == Status::Running).count() >= desired;
    let surplus = new.iter().skip(desired).chain(old.iter().filter(|_| ready));
    for task in surplus {
        realm.tasks().wish(&task.arn, why.clone());
    }
}

fn start(realm: &Realm, cluster: &str, name: &str, service: &Service, count: usize) {
    let found = realm.world(|world| {
        world.task_definition(&service.task_definition).map(|(key, found)| (key, found.clone()))
    });
    let Some((definition_name, definition)) = found else {
        tracing::warn!(
            service = name,
            definition = service.task_definition,
            "a service has no task definition"
        );
        return;
    };
    let order = Order {
        cluster: cluster.to_owned(),
        definition: definition_name,
        group: Some(format!("service:{name}")),
        started_by: Some(service.deployment_id()),
        launch: Launch::Fargate,
        network: Network { subnets: service.subnets.clone(), public_address: false },
        overrides: json!({}),
        exec: service.exec,
        tags: service.tags.clone(),
        count,
    };
    // The script may name the scheduler's own starts, which are no calls, by this action.
    let fate = realm.faults().meet("ecs", "ServiceTask");
    order.place(realm, &definition, &fate);
}

/// The tasks of a service that are to go on.
fn standing(realm: &Realm, cluster: &str, name: &str) -> Vec<TaskView> {
    let group = format!("service:{name}");
    let mut all = realm.tasks().all();
    all.retain(|task| {
        task.cluster == cluster && task.group == group && task.desired_status == Status::Running
    });
    all
}

fn find(realm: &Realm, cluster: &str, name: &str) -> Option<Service> {
    realm.world(|world| world.services.get(&format!("{cluster}/{name}")).cloned())
}

fn arn(realm: &Realm, cluster: &str, name: &str) -> String {
    realm.arn("ecs", &format!("service/{cluster}/{name}"))
}

fn describe(realm: &Realm, cluster: &str, name: &str, service: &Service) -> Value {
    let tasks = standing(realm, cluster, name);
    let running = tasks.iter().filter(|task| task.last_status == Status::Running).count();
    let pending = tasks.len() - running;
    let definition = realm.arn("ecs", &format!("task-definition/{}", service.task_definition));
    let network = json!({ "awsvpcConfiguration": {
        "subnets": service.subnets, "securityGroups": service.security_groups, "assignPublicIp": "DISABLED",
    }});
    let at = epoch_seconds(realm.clock().unix_ms());
    let events = (1..).zip(&service.events).map(|(number, words)| {
        json!({ "id": format!("0a1b2c3d-0000-4000-8000-{number:012}"), "createdAt": at, "message": words })
    });
    let events: Vec<Value> = events.collect();
    json!({
        "serviceArn": arn(realm, cluster, name),
        "serviceName": name,
        "clusterArn": cluster_arn(realm, cluster),
        "status": service.status,
        "desiredCount": service.desired,
        "runningCount": running,
        "pendingCount": pending,
        "launchType": "FARGATE",
        "platformVersion": "LATEST",
        "platformFamily": "Linux",
        "taskDefinition": definition,
        "loadBalancers": [],
        "serviceRegistries": [],
        "deploymentConfiguration": { "maximumPercent": 200, "minimumHealthyPercent": 100 },
        "deployments": [{
            "id": service.deployment_id(),
            "status": "PRIMARY",
            "taskDefinition": definition,
            "desiredCount": service.desired,
            "runningCount": running,
            "pendingCount": pending,
            "failedTasks": 0,
            "launchType": "FARGATE",
            "networkConfiguration": network,
            "rolloutState": if running >= service.desired { "COMPLETED" } else { "IN_PROGRESS" },
        }],
        "events": events,
        "placementConstraints": [],
        "placementStrategy": [],
        "networkConfiguration": network,
        "schedulingStrategy": "REPLICA",
        "deploymentController": { "type": "ECS" },
        "enableECSManagedTags": false,
        "propagateTags": "NONE",
        "enableExecuteCommand": service.exec,
        "tags": shape::tags(&service.tags),
    })
}

/// The most services of one DescribeServices.
const DESCRIBED: usize = 10;
