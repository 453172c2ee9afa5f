//! Clusters, task definitions, services and tasks as they are.
//!
//! needs: ecs:DescribeClusters (and ecs:ListClusters for the names of others) — see the cluster
//! needs: ecs:DescribeTaskDefinition (and ecs:ListTaskDefinitionFamilies) — see the task definition
//! needs: ecs:DescribeServices (and ecs:ListServices) — see the service
//! needs: ecs:ListTasks, ecs:DescribeTasks — see recent tasks

use std::time::SystemTime;

use aws_sdk_ecs::types::{
    AssignPublicIp, Compatibility, Container, ContainerDefinition, DesiredStatus, LogDriver, Task,
    TaskDefinition, TaskDefinitionStatus,
};
use bastion_cloud::{
    CloudError, ClusterFacts, ContainerFacts, DefinitionFacts, Kind, Runs, ServiceFacts, TaskFact,
};

use crate::Aws;
use crate::clients::Clients;
use crate::container;
use crate::ecs::{LIST_TASKS, clustered, describe_tasks, every_page, unknown_cluster};
use crate::service::describe as describe_service;
use crate::task;

/// The site's cluster.
pub(super) async fn cluster(aws: &Aws) -> Result<ClusterFacts, CloudError> {
    let clients = aws.access.clients().await?;
    let name = &aws.site.cluster;
    let answer = clients.ecs.describe_clusters().clusters(name).send().await;
    let answer = answer.map_err(|err| clients.refusal(DESCRIBE_CLUSTERS, &err).error)?;
    // One that is not there is a failure in a good answer.
    let Some(cluster) = answer.clusters().first() else {
        return Err(unknown_cluster(&clients, DESCRIBE_CLUSTERS, name).await);
    };
    Ok(ClusterFacts {
        arn: cluster.cluster_arn().unwrap_or_default().to_owned(),
        status: cluster.status().unwrap_or("unknown").to_owned(),
        capacity_providers: cluster.capacity_providers().to_vec(),
    })
}

/// The task definition of the site's tasks.
pub(super) async fn definition(aws: &Aws) -> Result<DefinitionFacts, CloudError> {
    let clients = aws.access.clients().await?;
    let name = match &aws.site.runs {
        Runs::TaskDefinition(name) => name.clone(),
        Runs::Service(name) => {
            let service = describe_service(&clients, &aws.site, name).await?;
            service.task_definition.unwrap_or_default()
        }
    };
    Ok(definition_facts(&container::describe(&clients, &name).await?))
}

/// The site's service, where it has one.
pub(super) async fn service(aws: &Aws) -> Result<Option<ServiceFacts>, CloudError> {
    let Runs::Service(name) = &aws.site.runs else {
        return Ok(None);
    };
    let clients = aws.access.clients().await?;
    let service = describe_service(&clients, &aws.site, name).await?;
    let network =
        service.network_configuration().and_then(|network| network.awsvpc_configuration());
    let count = |number: i32| u32::try_from(number).unwrap_or_default();
    let events = service.events().iter().filter_map(|event| event.message());
    Ok(Some(ServiceFacts {
        arn: service.service_arn().unwrap_or_default().to_owned(),
        status: service.status().unwrap_or("unknown").to_owned(),
        desired: count(service.desired_count()),
        running: count(service.running_count()),
        definition: service.task_definition().unwrap_or_default().to_owned(),
        events: events.take(EVENTS).map(str::to_owned).collect(),
        exec: service.enable_execute_command(),
        public: network.and_then(|network| network.assign_public_ip())
            == Some(&AssignPublicIp::Enabled),
        subnets: network.map(|network| network.subnets().to_vec()).unwrap_or_default(),
        security_groups: network
            .map(|network| network.security_groups().to_vec())
            .unwrap_or_default(),
    }))
}

/// The site's tasks, those that have stopped lately with them, the newest first.
pub(super) async fn recent_tasks(aws: &Aws) -> Result<Vec<TaskFact>, CloudError> {
    let clients = aws.access.clients().await?;
    let mut arns = Vec::new();
    for status in [DesiredStatus::Running, DesiredStatus::Stopped] {
        let call = clients.ecs.list_tasks().cluster(&aws.site.cluster).desired_status(status);
        let call = match &aws.site.runs {
            // ListTasks takes no more of its name.
            Runs::TaskDefinition(name) => call.family(container::family(name)),
            Runs::Service(name) => call.service_name(name),
        };
        match every_page(&clients, call).await {
            Ok(found) => {
                arns.extend(found.into_iter().filter(|arn| !arns.contains(arn)).collect::<Vec<_>>())
            }
            Err(refusal) if refusal.is("ServiceNotFoundException") => {
                return Err(
                    refusal.into_kind(Kind::NotFound { what: "service", candidates: Vec::new() })
                );
            }
            Err(refusal) => return Err(clustered(&clients, &aws.site.cluster, refusal).await),
        }
    }
    let seen = describe_tasks(&clients, &aws.site, &arns).await?;
    let name = container_name(aws, &clients).await;
    let mut tasks: Vec<TaskFact> =
        seen.values().map(|task| task_fact(task, name.as_deref())).collect();
    tasks.sort_by(|one, other| {
        other.created.cmp(&one.created).then_with(|| one.arn.cmp(&other.arn))
    });
    Ok(tasks)
}

/// The container that bastions are made of, as far as it can be known.
async fn container_name(aws: &Aws, clients: &Clients) -> Option<String> {
    if let Some(name) = &aws.site.container {
        return Some(name.clone());
    }
    let Runs::TaskDefinition(definition) = &aws.site.runs else {
        return None;
    };
    let containers = aws.definitions.containers(clients, definition).await.ok()?;
    container::only(LIST_TASKS, &containers).ok()
}

fn definition_facts(definition: &TaskDefinition) -> DefinitionFacts {
    let family = definition.family().unwrap_or_default();
    let compatible = definition.compatibilities().iter();
    let fargate = compatible.chain(definition.requires_compatibilities());
    DefinitionFacts {
        arn: definition.task_definition_arn().unwrap_or_default().to_owned(),
        name: format!("{family}:{}", definition.revision()),
        task_role: definition.task_role_arn().map(str::to_owned),
        execution_role: definition.execution_role_arn().map(str::to_owned),
        network_mode: definition
            .network_mode()
            .map_or_else(String::new, |mode| mode.as_str().to_owned()),
        pid_mode: definition.pid_mode().map(|mode| mode.as_str().to_owned()),
        fargate: fargate.into_iter().any(|one| *one == Compatibility::Fargate),
        retired: definition.status().is_some_and(|status| *status != TaskDefinitionStatus::Active),
        containers: definition.container_definitions().iter().map(container_facts).collect(),
    }
}

fn container_facts(container: &ContainerDefinition) -> ContainerFacts {
    let plain = container.environment().iter().filter_map(|pair| pair.name());
    let secret = container.secrets().iter().map(|secret| secret.name());
    let logs = container.log_configuration().filter(|log| *log.log_driver() == LogDriver::Awslogs);
    ContainerFacts {
        name: container.name().unwrap_or_default().to_owned(),
        image: container.image().unwrap_or_default().to_owned(),
        read_only: container.readonly_root_filesystem().unwrap_or_default(),
        variables: plain.chain(secret).map(str::to_owned).collect(),
        writable: container
            .mount_points()
            .iter()
            .filter(|mount| mount.read_only() != Some(true))
            .filter_map(|mount| mount.container_path())
            .map(str::to_owned)
            .collect(),
        log_group: logs.and_then(|log| log.options()?.get("awslogs-group").cloned()),
    }
}

fn task_fact(task: &Task, container: Option<&str>) -> TaskFact {
    let named = task.containers().iter().find(|one| one.name() == container);
    let own = named.filter(|_| container.is_some());
    let agents = own.map_or_else(
        || task.containers().iter().flat_map(Container::managed_agents).collect::<Vec<_>>(),
        |own| own.managed_agents().iter().collect(),
    );
    let broken = task::broken(task);
    TaskFact {
        arn: task.task_arn().unwrap_or_default().to_owned(),
        status: task.last_status().unwrap_or("unknown").to_owned(),
        exec: task.enable_execute_command(),
        agent: agents.first().and_then(|agent| agent.last_status()).map(str::to_owned),
        stopped_reason: task.stopped_reason().map(str::to_owned),
        stop_code: task.stop_code().map(|code| code.as_str().to_owned()),
        container_reason: broken.and_then(Container::reason).map(str::to_owned),
        exit_code: broken.and_then(Container::exit_code),
        end: task::end(task).map(|end| end.class),
        created: task.created_at().and_then(|at| SystemTime::try_from(*at).ok()),
        stopped: task.stopped_at().and_then(|at| SystemTime::try_from(*at).ok()),
        started_by: task.started_by().map(str::to_owned),
    }
}

const DESCRIBE_CLUSTERS: &str = "ecs:DescribeClusters";

/// How many of a service's last words are kept: it repeats itself.
const EVENTS: usize = 5;
