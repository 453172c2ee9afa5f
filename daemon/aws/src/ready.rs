//! From a task that was asked for to a container whose agent answers (F2).
//!
//! needs: ecs:DescribeTasks — wait for the agent
//!
//! ```text
//!   (missing) ──► Provisioning ──► Pulling ──► StartingAgent ──► ready: Connecting
//!       │               │             │               │
//!       │               └─────────────┴───────────────┴──► stopped · exec off · agent stopped
//!       └──► unknown, once it was missing for too long
//! ```

use std::time::Duration;

use aws_sdk_ecs::types::{Container, ManagedAgent, ManagedAgentName, Task, TaskStopCode};
use bastion_cloud::{Bastion, CloudError, EndClass, Kind, Progress, Stage, TaskId};
use tokio::time::Instant;
use tracing::debug;

use crate::Aws;
use crate::container::{self, Candidate};
use crate::ecs::describe_tasks;
use crate::logs;
use crate::task;
use crate::watch::{Asked, Next};

/// Waits until the agent of the task's container is started.
pub(crate) async fn agent_ready(
    aws: &Aws,
    task: &TaskId,
    progress: Progress<'_>,
    patience: Duration,
) -> Result<Bastion, CloudError> {
    let mut waiter = Waiter {
        aws,
        task,
        progress,
        container: aws.site.container.clone(),
        told: None,
        unseen_since: Instant::now(),
        last: None,
    };
    match tokio::time::timeout(patience, waiter.run()).await {
        Ok(Err(error)) => Err(with_log(aws, task, error).await),
        Ok(Ok(bastion)) => Ok(bastion),
        Err(_) => Err(waiter.late(patience)),
    }
}

/// The error with the task's last words, where its container came to say any.
async fn with_log(aws: &Aws, task: &TaskId, mut error: CloudError) -> CloudError {
    if let Kind::TaskStopped { class, exit_code, log, .. } = &mut error.kind
        && (exit_code.is_some() || matches!(class, EndClass::Exited | EndClass::Memory))
    {
        // The log only makes the message better: whatever fails here is not what went wrong.
        match tokio::time::timeout(LOG, logs::task_logs(aws, task)).await {
            Ok(Ok(lines)) => *log = lines.into(),
            Ok(Err(err)) => debug!(%task, %err, "no log"),
            Err(_) => debug!(%task, "no log in time"),
        }
    }
    error
}

/// One wait and what it has learned.
struct Waiter<'a> {
    aws: &'a Aws,
    task: &'a TaskId,
    progress: Progress<'a>,
    /// The container by name, once it is known.
    container: Option<String>,
    /// The latest stage that was told.
    told: Option<Stage>,
    /// Since when AWS does not know the task.
    unseen_since: Instant,
    /// Why the last asking brought nothing, if it did.
    last: Option<CloudError>,
}

impl Waiter<'_> {
    async fn run(&mut self) -> Result<Bastion, CloudError> {
        let mut wait = self.aws.watch.wait(self.task, Instant::now());
        loop {
            match wait.next().await {
                Next::Turn(turn) => {
                    let clients = match self.aws.access.clients().await {
                        Ok(clients) => clients,
                        Err(error) => {
                            turn.publish(Err(error));
                            continue;
                        }
                    };
                    let answer = describe_tasks(&clients, &self.aws.site, &turn.tasks).await;
                    turn.publish(answer);
                }
                Next::Round(round) => {
                    if let Some(bastion) = self.judge(round.as_ref()).await? {
                        return Ok(bastion);
                    }
                }
            }
        }
    }

    async fn judge(
        &mut self,
        round: &Result<Asked, CloudError>,
    ) -> Result<Option<Bastion>, CloudError> {
        let asked = match round {
            Ok(asked) => asked,
            Err(error) if error.is_transient() => {
                debug!(task = %self.task, %error, "asking again");
                self.last = Some(error.clone());
                return Ok(None);
            }
            Err(error) => return Err(error.clone()),
        };
        self.last = None;
        let Some(task) = asked.known.get(self.task) else {
            return self.missing();
        };
        self.unseen_since = Instant::now();
        if self.container.is_none() {
            self.container = Some(self.choose(task).await?);
        }
        match look(task, self.container.as_deref().unwrap_or_default()) {
            Look::On(stage) => {
                self.tell(stage);
                Ok(None)
            }
            Look::Ready { runtime_id } => {
                self.tell(Stage::Connecting);
                let container = self.container.clone().unwrap_or_default();
                Ok(Some(Bastion { task: self.task.clone(), container, runtime_id }))
            }
            Look::Over { kind, message } => Err(error(kind, message)),
        }
    }

    /// Right after a start AWS may not know the task yet, and later forget it for a moment.
    fn missing(&self) -> Result<Option<Bastion>, CloudError> {
        if self.unseen_since.elapsed() < UNSEEN {
            return Ok(None);
        }
        let kind = Kind::NotFound { what: "task", candidates: Vec::new() };
        Err(error(kind, format!("ECS does not know the task {}", self.task)))
    }

    /// The container's name: of the task's definition, or, where we may not read that, of the task itself.
    async fn choose(&self, task: &Task) -> Result<String, CloudError> {
        let clients = self.aws.access.clients().await?;
        let definition = task.task_definition_arn().unwrap_or_default();
        match self.aws.definitions.containers(&clients, definition).await {
            Ok(containers) => container::only(DESCRIBE, &containers),
            Err(error) if matches!(error.kind, Kind::Denied { .. } | Kind::NotFound { .. }) => {
                let containers: Vec<_> = task.containers().iter().map(Candidate::from).collect();
                container::only(DESCRIBE, &containers)
            }
            Err(error) => Err(error),
        }
    }

    /// Each stage once, and never back: reads lag, and differ from one to the next.
    fn tell(&mut self, stage: Stage) {
        if self.told < Some(stage) {
            self.told = Some(stage);
            (self.progress)(stage);
        }
    }

    fn late(&self, patience: Duration) -> CloudError {
        let seconds = patience.as_secs();
        let (kind, message) = match (&self.last, self.told) {
            (Some(error), _) => return error.clone(),
            (None, None) => (Kind::TimedOut, format!("the task was not seen within {seconds} s")),
            (None, Some(Stage::StartingAgent)) => (
                Kind::AgentStopped,
                format!("the task runs, and its agent did not start within {seconds} s"),
            ),
            (None, Some(Stage::Discovering | Stage::Requesting | Stage::Provisioning)) => (
                Kind::TimedOut,
                format!("the task still waits for its network interface after {seconds} s"),
            ),
            (None, Some(Stage::Pulling)) => {
                (Kind::TimedOut, format!("the task still pulls its image after {seconds} s"))
            }
            (None, Some(Stage::Connecting)) => {
                (Kind::TimedOut, format!("the agent was not reached within {seconds} s"))
            }
        };
        error(kind, message)
    }
}

/// What one look at a task tells.
#[derive(Debug, Eq, PartialEq)]
enum Look {
    On(Stage),
    Ready { runtime_id: String },
    Over { kind: Kind, message: String },
}

fn look(task: &Task, container: &str) -> Look {
    if let Some(end) = task::end(task) {
        // ECS tells that a container has exited a moment before it tells how: that moment is worth waiting for.
        let exited = task.stop_code() == Some(&TaskStopCode::EssentialContainerExited);
        let told_all = matches!(task.last_status(), Some("STOPPED" | "DELETED"));
        if exited && end.exit.is_none() && !told_all {
            return Look::On(Stage::Provisioning);
        }
        let kind = Kind::TaskStopped {
            class: end.class,
            code: end.code,
            exit_code: end.exit,
            log: Box::default(),
        };
        return Look::Over { kind, message: end.words };
    }
    if !task.enable_execute_command() {
        return Look::Over {
            kind: Kind::ExecDisabled,
            message: "the task was started without enableExecuteCommand".to_owned(),
        };
    }
    match task.last_status().unwrap_or_default() {
        "RUNNING" => look_inside(task, container),
        "PENDING" | "ACTIVATING" => Look::On(Stage::Pulling),
        _ => Look::On(Stage::Provisioning),
    }
}

fn look_inside(task: &Task, name: &str) -> Look {
    let Some(container) = task.containers().iter().find(|one| one.name() == Some(name)) else {
        let names = task.containers().iter().filter_map(Container::name).map(str::to_owned);
        return Look::Over {
            kind: Kind::NotFound { what: "container", candidates: names.collect() },
            message: format!("the task has no container \"{name}\""),
        };
    };
    let agent = container.managed_agents().iter().find(|agent| is_exec(agent));
    match (agent.and_then(|agent| agent.last_status()), container.runtime_id()) {
        (Some("RUNNING"), Some(runtime_id)) => Look::Ready { runtime_id: runtime_id.to_owned() },
        (Some("STOPPED"), _) => {
            let reason = agent.and_then(|agent| agent.reason()).unwrap_or("no reason given");
            let message = format!("the agent of the container \"{name}\" has stopped: {reason}");
            Look::Over { kind: Kind::AgentStopped, message }
        }
        _ => Look::On(Stage::StartingAgent),
    }
}

fn is_exec(agent: &ManagedAgent) -> bool {
    agent.name() == Some(&ManagedAgentName::ExecuteCommandAgent)
}

fn error(kind: Kind, message: String) -> CloudError {
    CloudError { call: DESCRIBE, kind, message, request_id: None }
}

const DESCRIBE: &str = "ecs:DescribeTasks";

/// How long a failed start waits for its task's last words.
const LOG: Duration = Duration::from_secs(5);

/// How long AWS may not know a task that it has just started, or knew a moment ago.
const UNSEEN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::builders::TaskBuilder;
    use aws_sdk_ecs::types::{Container, ManagedAgent, ManagedAgentName, Task, TaskStopCode};
    use bastion_cloud::{EndClass, Kind, Stage};

    use super::{Look, look};

    fn task(status: &str) -> TaskBuilder {
        Task::builder().last_status(status).desired_status("RUNNING").enable_execute_command(true)
    }

    fn container(name: &str, agent: Option<&str>) -> Container {
        let agents = agent.map(|status| {
            ManagedAgent::builder()
                .name(ManagedAgentName::ExecuteCommandAgent)
                .last_status(status)
                .reason("why")
                .build()
        });
        Container::builder()
            .name(name)
            .runtime_id(format!("{name}-1"))
            .set_managed_agents(agents.map(|agent| vec![agent]))
            .build()
    }

    #[test]
    fn each_status_is_a_stage() {
        let stage = |status: &str| look(&task(status).build(), "proxy");
        assert_eq!(stage("PROVISIONING"), Look::On(Stage::Provisioning));
        assert_eq!(stage("PENDING"), Look::On(Stage::Pulling));
        assert_eq!(stage("ACTIVATING"), Look::On(Stage::Pulling));
        for agent in [None, Some("PENDING")] {
            let running = task("RUNNING").containers(container("proxy", agent)).build();
            assert_eq!(look(&running, "proxy"), Look::On(Stage::StartingAgent));
        }
    }

    #[test]
    fn the_runtime_id_is_the_named_containers_and_never_the_firsts() {
        let running = task("RUNNING")
            .containers(container("aws-guardduty-agent-1", Some("RUNNING")))
            .containers(container("proxy", Some("RUNNING")))
            .build();
        assert_eq!(look(&running, "proxy"), Look::Ready { runtime_id: "proxy-1".to_owned() });
    }

    #[test]
    fn a_sidecars_agent_does_not_make_the_container_ready() {
        let running = task("RUNNING")
            .containers(container("sidecar", Some("RUNNING")))
            .containers(container("proxy", Some("PENDING")))
            .build();
        assert_eq!(look(&running, "proxy"), Look::On(Stage::StartingAgent));
    }

    #[test]
    fn a_container_that_has_exited_is_waited_for_until_its_exit_code_is_told() {
        let ending = |status: &str| {
            let ending = task(status).stop_code(TaskStopCode::EssentialContainerExited);
            look(&ending.build(), "proxy")
        };
        assert_eq!(ending("STOPPING"), Look::On(Stage::Provisioning));
        let Look::Over { kind, .. } = ending("STOPPED") else { panic!("it has stopped") };
        let code = Some("EssentialContainerExited".to_owned());
        let class = EndClass::Exited;
        assert_eq!(kind, Kind::TaskStopped { class, code, exit_code: None, log: Box::default() });
    }

    #[test]
    fn what_can_never_become_ready_is_over() {
        let kind = |task: TaskBuilder| {
            let seen = look(&task.build(), "proxy");
            let Look::Over { kind, .. } = seen else { panic!("{seen:?}") };
            kind
        };
        assert_eq!(kind(task("PENDING").enable_execute_command(false)), Kind::ExecDisabled);
        assert_eq!(
            kind(task("RUNNING").containers(container("proxy", Some("STOPPED")))),
            Kind::AgentStopped
        );
        assert_eq!(
            kind(task("RUNNING").containers(container("web", Some("RUNNING")))),
            Kind::NotFound { what: "container", candidates: vec!["web".to_owned()] }
        );
        assert_eq!(
            kind(task("DEPROVISIONING").stop_code(TaskStopCode::TaskFailedToStart)),
            Kind::TaskStopped {
                class: EndClass::Unknown,
                code: Some("TaskFailedToStart".to_owned()),
                exit_code: None,
                log: Box::default()
            }
        );
    }
}
