//! Which container of a task the agent is asked for: by name, never the first (F1: sidecars get injected).
//!
//! needs: ecs:DescribeTaskDefinition (where the site names no container; else for the entry point and the log alone)

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ecs::types::{Container, ContainerDefinition, LogDriver, TaskDefinition};
use bastion_cloud::{CloudError, Kind, Runs, Site};

use crate::clients::Clients;
use crate::near::near;

/// Containers of task definitions, by the definition's ARN: a revision never changes.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    known: Mutex<HashMap<String, Arc<[Candidate]>>>,
}

impl Definitions {
    /// The containers of a task definition, given as family, `family:revision` or ARN.
    pub(crate) async fn containers(
        &self,
        clients: &Clients,
        definition: &str,
    ) -> Result<Arc<[Candidate]>, CloudError> {
        let known =
            self.known.lock().unwrap_or_else(PoisonError::into_inner).get(definition).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let described = describe(clients, definition).await?;
        let containers: Arc<[Candidate]> =
            described.container_definitions().iter().map(Candidate::from).collect();
        if let Some(arn) = described.task_definition_arn() {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(arn.to_owned(), Arc::clone(&containers));
        }
        Ok(containers)
    }
}

/// A container as far as choosing goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    image: String,
    /// Only a router of logs has a FireLens configuration.
    routes_logs: bool,
    log: Option<LogStream>,
    entry_point: Vec<String>,
}

/// Where a container's words go, where they go to CloudWatch Logs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LogStream {
    pub(crate) group: String,
    /// The group's region; without one, the task's own.
    pub(crate) region: Option<String>,
    /// What a stream's name begins with: `prefix/container/task`.
    pub(crate) prefix: String,
}

impl LogStream {
    fn of(container: &ContainerDefinition) -> Option<Self> {
        let configuration = container.log_configuration()?;
        if *configuration.log_driver() != LogDriver::Awslogs {
            return None;
        }
        let option = |name: &str| configuration.options()?.get(name).cloned();
        Some(Self {
            group: option("awslogs-group")?,
            region: option("awslogs-region"),
            prefix: option("awslogs-stream-prefix")?,
        })
    }
}

impl From<&ContainerDefinition> for Candidate {
    fn from(container: &ContainerDefinition) -> Self {
        Self {
            name: container.name().unwrap_or_default().to_owned(),
            image: container.image().unwrap_or_default().to_owned(),
            routes_logs: container.firelens_configuration().is_some(),
            log: LogStream::of(container),
            entry_point: container.entry_point().to_vec(),
        }
    }
}

impl From<&Container> for Candidate {
    fn from(container: &Container) -> Self {
        Self {
            name: container.name().unwrap_or_default().to_owned(),
            image: container.image().unwrap_or_default().to_owned(),
            routes_logs: false,
            log: None,
            entry_point: Vec::new(),
        }
    }
}

impl Candidate {
    /// Where its words go, where the definition says so.
    pub(crate) fn log(&self) -> Option<&LogStream> {
        self.log.as_ref()
    }

    pub(crate) fn is_sidecar(&self) -> bool {
        let known = |text: &str| SIDECARS.iter().any(|part| text.contains(part));
        self.routes_logs || known(&self.name) || known(&self.image)
    }
}

/// The one container that a bastion can be, or what there is to choose from.
pub(crate) fn only(call: &'static str, containers: &[Candidate]) -> Result<String, CloudError> {
    if let [container] = containers {
        return Ok(container.name.clone());
    }
    let mut own = containers.iter().filter(|container| !container.is_sidecar());
    let names = || containers.iter().map(|container| container.name.clone()).collect::<Vec<_>>();
    match (own.next(), own.next()) {
        (Some(container), None) => Ok(container.name.clone()),
        (Some(_), Some(_)) => Err(CloudError {
            call,
            kind: Kind::Ambiguous { what: "container", candidates: names() },
            message: format!(
                "which container? The site names none, and there are {}",
                names().join(", ")
            ),
            request_id: None,
        }),
        (None, _) => Err(CloudError {
            call,
            kind: Kind::NotFound { what: "container", candidates: names() },
            message: "no container but sidecars".to_owned(),
            request_id: None,
        }),
    }
}

/// What the container of a site's tasks runs its command with.
pub(crate) async fn entry_point(
    clients: &Clients,
    definitions: &Definitions,
    site: &Site,
) -> Result<Vec<String>, CloudError> {
    let Runs::TaskDefinition(definition) = &site.runs else { return Ok(Vec::new()) };
    let containers = definitions.containers(clients, definition).await?;
    let name = match &site.container {
        Some(name) => name.clone(),
        None => only("ecs:DescribeTaskDefinition", &containers)?,
    };
    let container = containers.iter().find(|container| container.name == name);
    Ok(container.map(|container| container.entry_point.clone()).unwrap_or_default())
}

/// The task definition itself.
pub(crate) async fn describe(
    clients: &Clients,
    definition: &str,
) -> Result<TaskDefinition, CloudError> {
    const CALL: &str = "ecs:DescribeTaskDefinition";
    let answer = clients.ecs.describe_task_definition().task_definition(definition).send().await;
    match answer {
        Ok(answer) => answer.task_definition.ok_or_else(|| CloudError {
            call: CALL,
            kind: Kind::Service,
            message: "an answer without a task definition".to_owned(),
            request_id: None,
        }),
        Err(err) => {
            let refusal = clients.refusal(CALL, &err);
            if refusal.is("ClientException") && refusal.says("unable to describe task definition") {
                return Err(unknown_definition(
                    clients,
                    CALL,
                    definition,
                    refusal.error.request_id,
                )
                .await);
            }
            Err(refusal.into())
        }
    }
}

/// The family in `family`, `family:revision` or an ARN.
pub(crate) fn family(definition: &str) -> &str {
    let name = definition.rsplit('/').next().unwrap_or(definition);
    name.split(':').next().unwrap_or(name)
}

/// A task definition that is not there (D03): its family, where it was looked for, and names like it.
pub(crate) async fn unknown_definition(
    clients: &Clients,
    call: &'static str,
    definition: &str,
    request_id: Option<String>,
) -> CloudError {
    let family = family(definition);
    // Without permission for this the message has no candidates, no more.
    let families = clients
        .ecs
        .list_task_definition_families()
        .status(aws_sdk_ecs::types::TaskDefinitionFamilyStatus::Active)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<String>, _>>()
        .await
        .unwrap_or_default();
    CloudError {
        call,
        kind: Kind::NotFound { what: "task definition", candidates: near(family, families) },
        message: format!(
            "no active task definition \"{definition}\" in {}",
            clients.whereabouts().await
        ),
        request_id,
    }
}

/// Parts of names or images of containers that stand beside the real one: injected by AWS, or by everybody's habit.
const SIDECARS: [&str; 10] = [
    "aws-guardduty-agent",
    "amazon-guardduty",
    "aws-otel-collector",
    "cloudwatch-agent",
    "datadog-agent",
    "datadog/agent",
    "ecs-service-connect",
    "fluent-bit",
    "log_router",
    "xray-daemon",
];

#[cfg(test)]
mod tests {
    use bastion_cloud::Kind;

    use super::{Candidate, family, only};

    fn container(name: &str) -> Candidate {
        Candidate {
            name: name.to_owned(),
            image: "busybox".to_owned(),
            routes_logs: false,
            log: None,
            entry_point: Vec::new(),
        }
    }

    #[test]
    fn a_definition_of_one_container_needs_no_choice() {
        assert_eq!(only("x", &[container("log_router")]).unwrap(), "log_router");
    }

    #[test]
    fn an_injected_sidecar_listed_first_is_passed_over() {
        let containers = [container("aws-guardduty-agent-x7"), container("proxy")];
        assert_eq!(only("x", &containers).unwrap(), "proxy");
    }

    #[test]
    fn a_sidecar_is_known_by_its_image_or_by_routing_logs() {
        let mut agent = container("metrics");
        agent.image = "public.ecr.aws/datadog/agent:7".to_owned();
        let mut router = container("logs");
        router.routes_logs = true;
        assert_eq!(only("x", &[agent, router, container("app")]).unwrap(), "app");
    }

    #[test]
    fn two_real_containers_are_ambiguous_and_both_are_named() {
        let error = only("x", &[container("web"), container("worker")]).unwrap_err();
        let candidates = vec!["web".to_owned(), "worker".to_owned()];
        assert_eq!(error.kind, Kind::Ambiguous { what: "container", candidates });
    }

    #[test]
    fn nothing_but_sidecars_is_not_found() {
        let error = only("x", &[container("log_router"), container("xray-daemon")]).unwrap_err();
        assert!(matches!(error.kind, Kind::NotFound { what: "container", .. }));
        assert!(matches!(only("x", &[]).unwrap_err().kind, Kind::NotFound { .. }));
    }

    #[test]
    fn a_family_is_known_however_the_definition_is_named() {
        assert_eq!(family("proxy"), "proxy");
        assert_eq!(family("proxy:7"), "proxy");
        assert_eq!(family("arn:aws:ecs:eu-west-1:1:task-definition/proxy:7"), "proxy");
    }
}
