//! DescribeTaskDefinition and DescribeClusters.

use serde_json::{Map, Value, json};

use super::{Answer, Ask, AwsError, cluster_arn, last, shape};
use crate::realm::Realm;
use crate::tasks::Status;
use crate::world::{ContainerDefinition, TaskDefinition, revision};

pub(super) fn describe_task_definition(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let name = ask
        .text("taskDefinition")
        .ok_or_else(|| AwsError::invalid("TaskDefinition can not be blank."))?;
    let found =
        realm.world(|world| world.task_definition(name).map(|(key, found)| (key, found.clone())));
    let (key, definition) =
        found.ok_or_else(|| AwsError::client("Unable to describe task definition."))?;
    let mut body = json!({ "taskDefinition": task_definition(realm, &key, &definition) });
    if ask.texts("include").iter().any(|field| field == "TAGS") {
        body["tags"] = shape::tags(&definition.tags);
    }
    Ok(Answer::Json(body))
}

pub(super) fn describe_clusters(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let mut wanted = ask.texts("clusters");
    if wanted.is_empty() {
        wanted.push("default".to_owned());
    }
    if wanted.len() > CLUSTERS {
        return Err(AwsError::invalid(format!("Clusters cannot have more than {CLUSTERS} items.")));
    }
    let (mut clusters, mut failures): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for name in wanted.iter().map(|name| last(name)) {
        let Some(cluster) = realm.world(|world| world.clusters.get(name).cloned()) else {
            failures.push(json!({ "arn": cluster_arn(realm, name), "reason": "MISSING" }));
            continue;
        };
        let tasks = realm.tasks().all();
        let own = |status: fn(Status) -> bool| {
            tasks.iter().filter(|task| task.cluster == name && status(task.last_status)).count()
        };
        let prefix = format!("{name}/");
        clusters.push(json!({
            "clusterArn": cluster_arn(realm, name),
            "clusterName": name,
            "status": cluster.status,
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": own(|status| status == Status::Running),
            "pendingTasksCount": own(|status| status < Status::Running),
            "activeServicesCount": realm.world(|world| world.services.keys().filter(|key| key.starts_with(&prefix)).count()),
            "statistics": [],
            "settings": [],
            "capacityProviders": cluster.capacity_providers,
            "defaultCapacityProviderStrategy": [],
            "tags": if ask.texts("include").iter().any(|field| field == "TAGS") { shape::tags(&cluster.tags) } else { json!([]) },
        }));
    }
    Ok(Answer::Json(json!({ "clusters": clusters, "failures": failures })))
}

fn task_definition(realm: &Realm, key: &str, definition: &TaskDefinition) -> Value {
    let family = key.rsplit_once(':').map_or(key, |(family, _)| family);
    let mut shape = json!({
        "taskDefinitionArn": realm.arn("ecs", &format!("task-definition/{key}")),
        "family": family,
        "revision": revision(key),
        "status": if definition.active { "ACTIVE" } else { "INACTIVE" },
        "networkMode": definition.network_mode,
        "cpu": definition.cpu,
        "memory": definition.memory,
        "containerDefinitions": definition.containers.iter().map(|one| container(realm, one)).collect::<Vec<_>>(),
        "volumes": [],
        "placementConstraints": [],
        "requiresAttributes": [{ "name": "com.amazonaws.ecs.capability.task-iam-role" }],
        "compatibilities": ["EC2", "FARGATE"],
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": { "cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX" },
    });
    for (name, value) in [
        ("taskRoleArn", &definition.task_role),
        ("executionRoleArn", &definition.execution_role),
        ("pidMode", &definition.pid_mode),
    ] {
        if let Some(value) = value {
            shape[name] = json!(value);
        }
    }
    shape
}

fn container(realm: &Realm, one: &ContainerDefinition) -> Value {
    let environment: Vec<Value> = one
        .environment
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let mut shape = json!({
        "name": one.name,
        "image": one.image,
        "cpu": 0,
        "essential": one.essential,
        "command": one.command,
        "environment": environment,
        "mountPoints": [],
        "portMappings": [],
        "volumesFrom": [],
        "systemControls": [],
        "linuxParameters": { "initProcessEnabled": one.init_process },
    });
    if !one.entry_point.is_empty() {
        shape["entryPoint"] = json!(one.entry_point);
    }
    if one.readonly_root {
        shape["readonlyRootFilesystem"] = json!(true);
    }
    if let Some(seconds) = one.stop_timeout {
        shape["stopTimeout"] = json!(seconds);
    }
    if !one.secrets.is_empty() {
        let secrets = one.secrets.iter();
        let secrets = secrets.map(|(name, arn)| json!({ "name": name, "valueFrom": arn }));
        shape["secrets"] = secrets.collect();
    }
    if let Some(group) = &one.log_group {
        let mut options = Map::new();
        options.insert("awslogs-group".to_owned(), json!(group));
        options.insert("awslogs-region".to_owned(), json!(realm.config().region));
        options.insert("awslogs-stream-prefix".to_owned(), json!("ecs"));
        shape["logConfiguration"] = json!({ "logDriver": "awslogs", "options": options });
    }
    shape
}

/// The most clusters of one answer.
const CLUSTERS: usize = 100;
