//! A task in ECS's own shape.

use serde_json::{Map, Value, json};

use super::cluster_arn;
use crate::clock::epoch_seconds;
use crate::realm::Realm;
use crate::tasks::{ContainerView, Launch, Status, TaskView};
use crate::world::Tags;

/// One `Task`; its tags only where they were asked for.
pub(super) fn task(realm: &Realm, task: &TaskView, with_tags: bool) -> Value {
    let mut shape = json!({
        "taskArn": task.arn,
        "clusterArn": cluster_arn(realm, &task.cluster),
        "taskDefinitionArn": realm.arn("ecs", &format!("task-definition/{}", task.definition)),
        "attachments": [attachment(task)],
        "attributes": [{ "name": "ecs.cpu-architecture", "value": "x86_64" }],
        "availabilityZone": task.zone,
        "containers": task.containers.iter().map(|one| container(realm, task, one)).collect::<Vec<_>>(),
        "cpu": task.cpu,
        "memory": task.memory,
        "createdAt": epoch_seconds(task.times.created),
        "desiredStatus": task.desired_status.as_str(),
        "lastStatus": task.last_status.as_str(),
        "enableExecuteCommand": task.exec,
        "group": task.group,
        "healthStatus": "UNKNOWN",
        "overrides": overrides(task),
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "version": task.version,
        "ephemeralStorage": { "sizeInGiB": 20 },
        "tags": if with_tags { tags(&task.tags) } else { json!([]) },
    });
    let Some(fields) = shape.as_object_mut() else {
        return shape;
    };
    match &task.launch {
        Launch::Fargate => fields.insert("launchType".to_owned(), json!("FARGATE")),
        Launch::Provider(name) => fields.insert("capacityProviderName".to_owned(), json!(name)),
    };
    text(fields, "startedBy", task.started_by.as_ref());
    text(fields, "stopCode", task.stop_code.as_ref());
    text(fields, "stoppedReason", task.stopped_reason.as_ref());
    if task.times.connectivity.is_some() {
        fields.insert("connectivity".to_owned(), json!("CONNECTED"));
    }
    let times = &task.times;
    for (name, time) in [
        ("connectivityAt", times.connectivity),
        ("pullStartedAt", times.pull_started),
        ("pullStoppedAt", times.pull_stopped),
        ("startedAt", times.started),
        ("stoppingAt", times.stopping),
        ("executionStoppedAt", times.execution_stopped),
        ("stoppedAt", times.stopped),
    ] {
        if let Some(time) = time {
            fields.insert(name.to_owned(), epoch_seconds(time));
        }
    }
    shape
}

/// Tags as ECS lists them.
pub(super) fn tags(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

fn attachment(task: &TaskView) -> Value {
    let status = match task.last_status {
        Status::Provisioning => "PRECREATED",
        Status::Pending | Status::Running | Status::Deactivating | Status::Stopping => "ATTACHED",
        Status::Deprovisioning => "DETACHING",
        Status::Stopped => "DELETED",
    };
    let mut details = vec![json!({ "name": "subnetId", "value": task.subnet })];
    if task.last_status != Status::Provisioning {
        details.extend([
            json!({ "name": "networkInterfaceId", "value": task.eni }),
            json!({ "name": "privateIPv4Address", "value": task.address }),
        ]);
    }
    json!({ "id": attachment_id(task), "type": "ElasticNetworkInterface", "status": status, "details": details })
}

fn container(realm: &Realm, task: &TaskView, one: &ContainerView) -> Value {
    let mut shape = json!({
        "containerArn": realm.arn("ecs", &format!("container/{}/{}/{}", task.cluster, task.id, one.id)),
        "taskArn": task.arn,
        "name": one.name,
        "image": one.image,
        "lastStatus": one.last_status.as_str(),
        "networkInterfaces": [],
        "healthStatus": "UNKNOWN",
        "cpu": "0",
    });
    let Some(fields) = shape.as_object_mut() else {
        return shape;
    };
    if task.times.started.is_some() {
        fields.insert("runtimeId".to_owned(), json!(one.runtime_id));
    }
    if task.last_status != Status::Provisioning {
        let interface =
            json!([{ "attachmentId": attachment_id(task), "privateIpv4Address": task.address }]);
        fields.insert("networkInterfaces".to_owned(), interface);
    }
    if let Some(code) = one.exit_code {
        fields.insert("exitCode".to_owned(), json!(code));
    }
    text(fields, "reason", one.reason.as_ref());
    if let Some(status) = &one.agent {
        let mut agent = Map::new();
        agent.insert("name".to_owned(), json!("ExecuteCommandAgent"));
        agent.insert("lastStatus".to_owned(), json!(status));
        text(&mut agent, "reason", one.agent_reason.as_ref());
        if let Some(time) = one.agent_started_ms {
            agent.insert("lastStartedAt".to_owned(), epoch_seconds(time));
        }
        fields.insert("managedAgents".to_owned(), json!([agent]));
    }
    shape
}

fn overrides(task: &TaskView) -> Value {
    let mut shape = task.overrides.clone();
    // ECS lists every container here, overridden or not.
    let mut list = shape["containerOverrides"].as_array().cloned().unwrap_or_default();
    for one in &task.containers {
        if !list.iter().any(|known| known["name"] == one.name.as_str()) {
            list.push(json!({ "name": one.name }));
        }
    }
    shape["containerOverrides"] = Value::Array(list);
    shape["inferenceAcceleratorOverrides"] = json!([]);
    shape
}

fn attachment_id(task: &TaskView) -> String {
    let id = &task.id;
    format!("{}-{}-4{}-8{}-{}", &id[..8], &id[8..12], &id[13..16], &id[17..20], &id[20..32])
}

fn text(fields: &mut Map<String, Value>, name: &str, value: Option<&String>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), json!(value));
    }
}
