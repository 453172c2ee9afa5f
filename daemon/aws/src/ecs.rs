//! Tasks: started, seen, listed, stopped.
//!
//! needs: ecs:RunTask, iam:PassRole (both roles of the task definition), ecs:TagResource — run a task
//! needs: ecs:DescribeTasks — see tasks
//! needs: ecs:ListTasks — list tasks
//! needs: ecs:StopTask — stop a task

use std::collections::{BTreeMap, HashMap};

use aws_sdk_ecs::error::ProvideErrorMetadata;
use aws_sdk_ecs::operation::list_tasks::builders::ListTasksFluentBuilder;
use aws_sdk_ecs::operation::run_task::RunTaskError;
use aws_sdk_ecs::operation::run_task::builders::RunTaskFluentBuilder;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride, Failure,
    KeyValuePair, LaunchType, NetworkConfiguration, Tag, Task, TaskOverride,
};
use bastion_cloud::{CloudError, Kind, Runs, Seen, Site, TaskId, TaskSpec};

use crate::access::Access;
use crate::clients::Clients;
use crate::container::{self, Definitions};
use crate::fault::Refusal;
use crate::near::near;
use crate::task;

/// Starts a task, or finds the one that the same token has started before.
pub(crate) async fn run_task(
    access: &Access,
    definitions: &Definitions,
    site: &Site,
    spec: &TaskSpec,
) -> Result<TaskId, CloudError> {
    let clients = access.clients().await?;
    let Runs::TaskDefinition(definition) = &site.runs else {
        return Err(ours(Kind::Invalid, "the site uses a service's tasks and starts none"));
    };
    let mut call = request(&clients, site, definition, spec);
    if !spec.environment.is_empty() || spec.command.is_some() {
        let name = match &site.container {
            Some(name) => name.clone(),
            None => {
                container::only(RUN_TASK, &definitions.containers(&clients, definition).await?)?
            }
        };
        call = call.overrides(overrides(name, spec));
    }
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(err) => {
            // What the place was made of may be gone.
            clients.discovery.forget_place();
            let refusal = clients.refusal(RUN_TASK, &err);
            return Err(refused(&clients, site, definition, refusal, err.as_service_error()).await);
        }
    };
    if let Some(arn) = answer.tasks().first().and_then(Task::task_arn) {
        return Ok(TaskId::new(arn));
    }
    // A 200 that holds no task is a failure all the same (aws.md 3.4).
    Err(answer.failures().first().map_or_else(
        || ours(Kind::Service, "an answer with neither a task nor a failure"),
        unplaced,
    ))
}

/// What has become of tasks, in the order that they are asked for.
pub(crate) async fn see_tasks(
    access: &Access,
    site: &Site,
    tasks: &[TaskId],
) -> Result<Vec<Seen>, CloudError> {
    let clients = access.clients().await?;
    let seen = describe_tasks(&clients, site, tasks).await?;
    Ok(tasks.iter().map(|task| seen.get(task).map_or(Seen::Missing, task::seen)).collect())
}

/// Tasks that carry a mark.
pub(crate) async fn list_tasks(
    access: &Access,
    site: &Site,
    started_by: &str,
) -> Result<Vec<TaskId>, CloudError> {
    let clients = access.clients().await?;
    // startedBy "must be the only filter you use" (aws.md 3.4).
    let asked = clients.ecs.list_tasks().cluster(&site.cluster).started_by(started_by);
    match every_page(&clients, asked).await {
        Ok(tasks) => Ok(tasks),
        Err(refusal) => Err(clustered(&clients, &site.cluster, refusal).await),
    }
}

/// All tasks that a ListTasks asks for, page after page.
pub(crate) async fn every_page(
    clients: &Clients,
    asked: ListTasksFluentBuilder,
) -> Result<Vec<TaskId>, Refusal> {
    let arns = asked.into_paginator().items().send().collect::<Result<Vec<String>, _>>().await;
    let arns = arns.map_err(|err| clients.refusal(LIST_TASKS, &err))?;
    Ok(arns.into_iter().map(TaskId::new).collect())
}

/// Asks for a task's end; one that has ended, or that nobody knows, is done with.
pub(crate) async fn stop_task(
    access: &Access,
    site: &Site,
    task: &TaskId,
    reason: &str,
) -> Result<(), CloudError> {
    let clients = access.clients().await?;
    let answer = clients
        .ecs
        .stop_task()
        .cluster(cluster_of(task, site))
        .task(task.as_str())
        .reason(reason.chars().take(REASON).collect::<String>())
        .send()
        .await;
    let Err(err) = answer else {
        return Ok(());
    };
    let refusal = clients.refusal("ecs:StopTask", &err);
    if refusal.is("InvalidParameterException") && refusal.says("task was not found") {
        return Ok(());
    }
    Err(clustered(&clients, cluster_of(task, site), refusal).await)
}

/// All of these tasks that AWS knows, by name: one call for each hundred of each cluster.
pub(crate) async fn describe_tasks(
    clients: &Clients,
    site: &Site,
    tasks: &[TaskId],
) -> Result<HashMap<TaskId, Task>, CloudError> {
    let mut clusters: BTreeMap<&str, Vec<&TaskId>> = BTreeMap::new();
    for task in tasks {
        clusters.entry(cluster_of(task, site)).or_default().push(task);
    }
    let mut seen = HashMap::new();
    for (cluster, tasks) in clusters {
        for some in tasks.chunks(AT_ONCE) {
            let call = clients.ecs.describe_tasks().cluster(cluster);
            let call = some.iter().fold(call, |call, task| call.tasks(task.as_str()));
            let answer = match call.send().await {
                Ok(answer) => answer,
                Err(err) => {
                    let refusal = clients.refusal("ecs:DescribeTasks", &err);
                    return Err(clustered(clients, cluster, refusal).await);
                }
            };
            let known = answer.tasks.unwrap_or_default().into_iter();
            seen.extend(known.filter_map(|task| Some((TaskId::new(task.task_arn()?), task))));
        }
    }
    Ok(seen)
}

/// The cluster's name, which the SSM target is made of.
pub(crate) fn cluster_name<'a>(task: &'a TaskId, site: &'a Site) -> &'a str {
    let cluster = cluster_of(task, site);
    cluster.rsplit('/').next().unwrap_or(cluster)
}

/// The cluster that a task's ARN names; the site may have moved to another since.
fn cluster_of<'a>(task: &'a TaskId, site: &'a Site) -> &'a str {
    let path = task.as_str().split_once(":task/").map(|(_, path)| path);
    path.and_then(|path| path.split_once('/')).map_or(site.cluster.as_str(), |(cluster, _)| cluster)
}

fn request(
    clients: &Clients,
    site: &Site,
    definition: &str,
    spec: &TaskSpec,
) -> RunTaskFluentBuilder {
    let public =
        if site.assign_public_ip { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled };
    let network = AwsVpcConfiguration::builder()
        .set_subnets(Some(spec.subnets.clone()))
        .set_security_groups(Some(spec.security_groups.clone()))
        .assign_public_ip(public)
        .build()
        .expect("subnets are set");
    let tags = spec.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let call = clients
        .ecs
        .run_task()
        .cluster(&site.cluster)
        .task_definition(definition)
        .count(1)
        .client_token(&spec.token)
        .started_by(&spec.started_by)
        .enable_execute_command(true)
        .network_configuration(
            NetworkConfiguration::builder().awsvpc_configuration(network).build(),
        )
        .set_tags(Some(tags.collect::<Vec<_>>()).filter(|tags| !tags.is_empty()));
    if spec.spot {
        let spot = CapacityProviderStrategyItem::builder()
            .capacity_provider("FARGATE_SPOT")
            .weight(1)
            .build()
            .expect("the provider is set");
        call.capacity_provider_strategy(spot)
    } else {
        call.launch_type(LaunchType::Fargate)
    }
}

fn overrides(container: String, spec: &TaskSpec) -> TaskOverride {
    let environment = (spec.environment.iter())
        .map(|(name, value)| KeyValuePair::builder().name(name).value(value).build())
        .collect::<Vec<_>>();
    let container = ContainerOverride::builder()
        .name(container)
        .set_environment(Some(environment).filter(|environment| !environment.is_empty()))
        .set_command(spec.command.clone())
        .build();
    TaskOverride::builder().container_overrides(container).build()
}

async fn refused(
    clients: &Clients,
    site: &Site,
    definition: &str,
    refusal: Refusal,
    err: Option<&RunTaskError>,
) -> CloudError {
    if let Some(RunTaskError::ConflictException(conflict)) = err {
        let tasks = conflict.resource_ids().iter().map(TaskId::new).collect();
        return refusal.into_kind(Kind::Conflict { tasks });
    }
    if NO_CAPACITY.iter().any(|words| refusal.says(words)) {
        return refusal.into_kind(Kind::NoCapacity);
    }
    let gone = refusal.says("taskdefinition not found")
        || refusal.says("taskdefinition is inactive")
        || refusal.says("unable to describe task definition");
    if gone {
        let request_id = refusal.error.request_id;
        return container::unknown_definition(clients, RUN_TASK, definition, request_id).await;
    }
    if err.and_then(ProvideErrorMetadata::code).is_some() && refusal.says("override for container")
    {
        let candidates = Vec::new();
        return refusal.into_kind(Kind::NotFound { what: "container", candidates });
    }
    clustered(clients, &site.cluster, refusal).await
}

/// A failure in a 200: what could not be placed, and why.
fn unplaced(failure: &Failure) -> CloudError {
    let reason = failure.reason().unwrap_or("no reason given");
    let words =
        [Some(reason), failure.detail()].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let scarce =
        reason.starts_with("RESOURCE") || NO_CAPACITY.iter().any(|known| has(&words, known));
    ours(if scarce { Kind::NoCapacity } else { Kind::Invalid }, &words)
}

/// A cluster that is not there (D02) gets its name, where it was looked for, and names like it.
pub(crate) async fn clustered(clients: &Clients, cluster: &str, refusal: Refusal) -> CloudError {
    if !refusal.is("ClusterNotFoundException") {
        return refusal.into();
    }
    let unknown = unknown_cluster(clients, refusal.error.call, cluster).await;
    CloudError { request_id: refusal.error.request_id, ..unknown }
}

pub(crate) async fn unknown_cluster(
    clients: &Clients,
    call: &'static str,
    cluster: &str,
) -> CloudError {
    // Without permission for this the message has no candidates, no more.
    let arns = clients.ecs.list_clusters().into_paginator().items().send();
    let arns = arns.collect::<Result<Vec<String>, _>>().await.unwrap_or_default();
    let names = arns.iter().map(|arn| arn.rsplit('/').next().unwrap_or(arn).to_owned());
    let candidates = near(cluster.rsplit('/').next().unwrap_or(cluster), names);
    CloudError {
        call,
        kind: Kind::NotFound { what: "cluster", candidates },
        message: format!("no active cluster \"{cluster}\" in {}", clients.whereabouts().await),
        request_id: None,
    }
}

fn ours(kind: Kind, message: &str) -> CloudError {
    CloudError { call: RUN_TASK, kind, message: message.to_owned(), request_id: None }
}

fn has(text: &str, words: &str) -> bool {
    text.to_lowercase().contains(words)
}

const RUN_TASK: &str = "ecs:RunTask";
pub(crate) const LIST_TASKS: &str = "ecs:ListTasks";

/// How AWS says that there is no room, or no more of it for this account (aws.md 3.5).
const NO_CAPACITY: [&str; 5] = [
    "capacity is unavailable",
    "capacity unavailable",
    "configuration is above your limit",
    "limit on the number of",
    "you've reached the limit",
];

/// DescribeTasks takes a hundred.
const AT_ONCE: usize = 100;

/// StopTask takes a reason of 255 characters.
const REASON: usize = 255;

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::Failure;
    use bastion_cloud::{Kind, Runs, Select, Site, TaskId};

    use super::{cluster_name, cluster_of, unplaced};

    fn site() -> Site {
        Site {
            name: "prod".to_owned(),
            profile: None,
            region: None,
            cluster: "arn:aws:ecs:ap-northeast-1:1:cluster/now".to_owned(),
            runs: Runs::TaskDefinition("proxy".to_owned()),
            container: None,
            subnets: Select::Ids(Vec::new()),
            security_groups: Select::Ids(Vec::new()),
            spot: false,
            assign_public_ip: false,
        }
    }

    #[test]
    fn a_task_is_looked_for_in_the_cluster_of_its_own_arn() {
        let task = TaskId::new("arn:aws:ecs:ap-northeast-1:1:task/before/0123");
        assert_eq!(cluster_of(&task, &site()), "before");
        let old_format = TaskId::new("arn:aws:ecs:ap-northeast-1:1:task/0123");
        assert_eq!(cluster_of(&old_format, &site()), site().cluster);
        assert_eq!(cluster_name(&old_format, &site()), "now");
    }

    #[test]
    fn a_failure_in_a_good_answer_is_no_capacity_only_where_it_speaks_of_it() {
        let failure =
            |reason: &str| unplaced(&Failure::builder().reason(reason).detail("why").build());
        assert_eq!(failure("RESOURCE:ENI").kind, Kind::NoCapacity);
        assert_eq!(failure("Capacity is unavailable at this time").kind, Kind::NoCapacity);
        assert_eq!(failure("INACTIVE").kind, Kind::Invalid);
        assert_eq!(failure("MISSING").message, "MISSING: why");
    }
}
