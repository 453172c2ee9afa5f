//! The task of an existing ECS service that a bastion may be made of. Nothing is started or stopped here, but for a
//! service that is scaled from zero and back.
//!
//! needs: ecs:ListTasks, ecs:DescribeTasks, ecs:DescribeServices — find a service's task
//! needs: ecs:UpdateService (only with scale_from_zero) — scale a service

use aws_sdk_ecs::types::{Service, Task};
use bastion_cloud::{CloudError, Kind, Runs, Scaled, Site, TaskId};

use crate::access::Access;
use crate::clients::Clients;
use crate::ecs::{clustered, describe_tasks, every_page};
use crate::near::near;
use crate::task;

/// The best of the service's tasks.
pub(crate) async fn service_task(access: &Access, site: &Site) -> Result<TaskId, CloudError> {
    let Runs::Service(name) = &site.runs else {
        return Err(error(Kind::Invalid, "the site names no service".to_owned()));
    };
    let clients = access.clients().await?;
    let (service, arns) =
        tokio::try_join!(describe(&clients, site, name), list(&clients, site, name))?;
    // Whatever still runs is being stopped.
    if service.desired_count() == 0 {
        return Err(error(
            Kind::ScaledToZero,
            format!("the service \"{name}\" is meant to run no task (desired 0)"),
        ));
    }
    let seen = describe_tasks(&clients, site, &arns).await?;
    let tasks: Vec<&Task> = seen.values().collect();
    match pick(&tasks, primary(&service)) {
        Picked::Task(task) => Ok(task),
        Picked::ExecDisabled => Err(error(
            Kind::ExecDisabled,
            format!("the service \"{name}\" runs its tasks without enableExecuteCommand"),
        )),
        Picked::None => Err(error(
            Kind::NotFound { what: "running task of the service", candidates: Vec::new() },
            format!(
                "the service \"{name}\" runs no task in {} (desired {}, pending {}, running {})",
                clients.whereabouts().await,
                service.desired_count(),
                service.pending_count(),
                service.running_count()
            ),
        )),
    }
}

/// Scales the service, where it is still meant to run `from` tasks.
pub(crate) async fn scale(
    access: &Access,
    site: &Site,
    from: u32,
    to: u32,
) -> Result<Scaled, CloudError> {
    let Runs::Service(name) = &site.runs else {
        return Err(error(Kind::Invalid, "the site names no service".to_owned()));
    };
    let clients = access.clients().await?;
    let service = describe(&clients, site, name).await?;
    let desired = u32::try_from(service.desired_count()).unwrap_or_default();
    if desired != from {
        return Ok(Scaled::Already(desired));
    }
    let count = i32::try_from(to).unwrap_or(i32::MAX);
    let call = clients.ecs.update_service().cluster(&site.cluster).service(name);
    match call.desired_count(count).send().await {
        Ok(_) => Ok(Scaled::ByUs),
        Err(err) => {
            let refusal = clients.refusal("ecs:UpdateService", &err);
            Err(clustered(&clients, &site.cluster, refusal).await)
        }
    }
}

/// The service itself.
pub(crate) async fn describe(
    clients: &Clients,
    site: &Site,
    name: &str,
) -> Result<Service, CloudError> {
    let answer = clients.ecs.describe_services().cluster(&site.cluster).services(name).send().await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(err) => {
            let refusal = clients.refusal(DESCRIBE, &err);
            return Err(clustered(clients, &site.cluster, refusal).await);
        }
    };
    let active = |service: &Service| service.status() != Some("INACTIVE");
    match answer.services.unwrap_or_default().into_iter().find(active) {
        Some(service) => Ok(service),
        None => Err(unknown(clients, site, name).await),
    }
}

async fn list(clients: &Clients, site: &Site, name: &str) -> Result<Vec<TaskId>, CloudError> {
    let asked = clients.ecs.list_tasks().cluster(&site.cluster).service_name(name);
    match every_page(clients, asked).await {
        Ok(tasks) => Ok(tasks),
        Err(refusal) if refusal.is("ServiceNotFoundException") => {
            Err(unknown(clients, site, name).await)
        }
        Err(refusal) => Err(clustered(clients, &site.cluster, refusal).await),
    }
}

async fn unknown(clients: &Clients, site: &Site, name: &str) -> CloudError {
    // Without permission for this the message has no candidates, no more.
    let arns = clients.ecs.list_services().cluster(&site.cluster).into_paginator().items().send();
    let arns = arns.collect::<Result<Vec<String>, _>>().await.unwrap_or_default();
    let names = arns.iter().map(|arn| arn.rsplit('/').next().unwrap_or(arn).to_owned());
    error(
        Kind::NotFound { what: "service", candidates: near(name, names) },
        format!(
            "no active service \"{name}\" in the cluster \"{}\", {}",
            site.cluster,
            clients.whereabouts().await
        ),
    )
}

/// The id of the deployment that new tasks belong to.
fn primary(service: &Service) -> Option<&str> {
    let deployment = service.deployments().iter().find(|one| one.status() == Some("PRIMARY"))?;
    deployment.id()
}

/// What there is to use.
#[derive(Debug, Eq, PartialEq)]
enum Picked {
    Task(TaskId),
    /// There are tasks, and no agent will ever answer in any.
    ExecDisabled,
    None,
}

/// Of the tasks that stay: one whose agent runs before one that is on its way; then the newest deployment's; then the
/// newest.
fn pick(tasks: &[&Task], primary: Option<&str>) -> Picked {
    let alive: Vec<&&Task> = tasks.iter().filter(|task| task::end(task).is_none()).collect();
    let usable = alive.iter().filter(|task| task.enable_execute_command());
    let best = usable.max_by_key(|task| {
        let running = task.last_status() == Some("RUNNING");
        let newest = primary.is_some() && task.started_by() == primary;
        let started = task.started_at().or(task.created_at()).map(|at| at.as_nanos());
        (running, agent_runs(task), newest, started, task.task_arn().map(str::to_owned))
    });
    match best.and_then(|task| task.task_arn()) {
        Some(arn) => Picked::Task(TaskId::new(arn)),
        None if alive.is_empty() => Picked::None,
        None => Picked::ExecDisabled,
    }
}

fn agent_runs(task: &Task) -> bool {
    let mut agents = task.containers().iter().flat_map(|container| container.managed_agents());
    agents.any(|agent| agent.last_status() == Some("RUNNING"))
}

fn error(kind: Kind, message: String) -> CloudError {
    CloudError { call: DESCRIBE, kind, message, request_id: None }
}

const DESCRIBE: &str = "ecs:DescribeServices";

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::builders::TaskBuilder;
    use aws_sdk_ecs::types::{Container, ManagedAgent, Task};
    use aws_smithy_types::DateTime;
    use bastion_cloud::TaskId;

    use super::{Picked, pick};

    fn task(name: &str, deployment: &str, started: i64) -> TaskBuilder {
        let agent = ManagedAgent::builder().last_status("RUNNING").build();
        Task::builder()
            .task_arn(name)
            .started_by(deployment)
            .started_at(DateTime::from_secs(started))
            .last_status("RUNNING")
            .desired_status("RUNNING")
            .enable_execute_command(true)
            .containers(Container::builder().name("app").managed_agents(agent).build())
    }

    fn picked(tasks: &[TaskBuilder]) -> Picked {
        let tasks: Vec<Task> = tasks.iter().cloned().map(TaskBuilder::build).collect();
        pick(&tasks.iter().collect::<Vec<_>>(), Some("ecs-svc/2"))
    }

    fn is(name: &str) -> Picked {
        Picked::Task(TaskId::new(name))
    }

    #[test]
    fn the_newest_deployment_is_preferred_and_in_it_the_newest_task() {
        let tasks =
            [task("a", "ecs-svc/2", 1), task("b", "ecs-svc/2", 5), task("c", "ecs-svc/1", 9)];
        assert_eq!(picked(&tasks), is("b"));
    }

    #[test]
    fn an_older_task_that_answers_is_preferred_to_a_newer_one_on_its_way() {
        let pending = task("new", "ecs-svc/2", 9).last_status("PENDING");
        assert_eq!(picked(&[task("old", "ecs-svc/1", 1), pending.clone()]), is("old"));
        let agentless = task("new", "ecs-svc/2", 9).set_containers(None);
        assert_eq!(picked(&[task("old", "ecs-svc/1", 1), agentless]), is("old"));
        assert_eq!(picked(&[pending]), is("new"));
    }

    #[test]
    fn a_task_that_is_being_replaced_is_passed_over() {
        let draining = task("old", "ecs-svc/2", 9).desired_status("STOPPED");
        assert_eq!(picked(&[draining.clone(), task("new", "ecs-svc/1", 1)]), is("new"));
        assert_eq!(picked(&[draining]), Picked::None);
    }

    #[test]
    fn a_service_without_exec_is_told_from_one_without_tasks() {
        assert_eq!(
            picked(&[task("a", "ecs-svc/2", 1).enable_execute_command(false)]),
            Picked::ExecDisabled
        );
        assert_eq!(picked(&[]), Picked::None);
    }
}
