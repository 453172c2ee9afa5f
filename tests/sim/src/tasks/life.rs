//! One task's life, from RunTask to STOPPED.
//!
//! ```text
//!  RunTask ─► PROVISIONING ─► PENDING ─► RUNNING ─────────────┐ agent PENDING ─► RUNNING ─► connected
//!             network         image      containers run       │ an essential container exits · StopTask · a scripted death
//!                 │              │                            ▼
//!                 └──────────────┴──► DEACTIVATING ─► STOPPING ─► DEPROVISIONING ─► STOPPED
//!                                                     TERM, KILL   network goes
//! ```
//!
//! `version` counts as seen on Fargate: 1 PROVISIONING, 2 PENDING, 3 RUNNING, 4 desired STOPPED, 5 DEPROVISIONING, 6 STOPPED.

use std::time::Duration;

use tokio::sync::watch;

use super::view::{ContainerView, Status, TaskView};
use super::{StopWish, containers};
use crate::container::Container;
use crate::faults::{Stage, What};
use crate::realm::Realm;
use crate::world::ContainerDefinition;

/// What a task is started from.
pub(crate) struct Plan {
    /// It, as RunTask answers it.
    pub(crate) task: TaskView,
    /// Its containers' definitions, injected ones not among them.
    pub(crate) containers: Vec<ContainerDefinition>,
    /// What the script has in store for it.
    pub(crate) fate: Vec<What>,
}

/// Notes the task and sets its life going.
pub(crate) fn launch(realm: &Realm, plan: Plan) {
    let asked = realm.tasks().insert(plan.task.clone(), realm.clock().instant());
    let life = Life {
        realm: realm.clone(),
        arn: plan.task.arn,
        containers: plan.containers,
        fate: plan.fate,
        asked,
    };
    realm.touch();
    realm.spawn(life.live());
}

struct Life {
    realm: Realm,
    arn: String,
    containers: Vec<ContainerDefinition>,
    fate: Vec<What>,
    asked: watch::Receiver<Option<StopWish>>,
}

/// A running container beside its definition.
struct Running {
    definition: ContainerDefinition,
    container: Container,
}

/// Why a life ends.
struct End {
    wish: StopWish,
    container_reason: Option<String>,
    exit_code: Option<i32>,
}

impl End {
    fn asked(wish: StopWish) -> Self {
        Self { wish, container_reason: None, exit_code: None }
    }

    fn failed(reason: String, container_reason: Option<String>) -> Self {
        let wish = StopWish { code: "TaskFailedToStart".to_owned(), reason };
        Self { wish, container_reason, exit_code: None }
    }
}

impl Life {
    async fn live(mut self) {
        let mut running = Vec::new();
        let end = match self.rise(&mut running).await {
            Ok(()) => self.stay(&running).await,
            Err(end) => end,
        };
        self.fall(running, end).await;
    }

    /// PROVISIONING to RUNNING; an early end says why.
    async fn rise(&mut self, running: &mut Vec<Running>) -> Result<(), End> {
        let timings = self.realm.config().timings.clone();
        self.pass(timings.provisioning_ms).await?;
        self.fated(Stage::Provisioning)?;
        let now = self.realm.clock().unix_ms();
        self.alter(|task| {
            task.times.connectivity = Some(now);
            task.times.pull_started = Some(now);
            enter(task, Status::Pending);
        });
        self.pass(timings.pulling_ms).await?;
        self.fated(Stage::Pending)?;
        for definition in self.containers.clone() {
            let container = self.start(&definition).await?;
            running.push(Running { definition, container });
        }
        let now = self.realm.clock().unix_ms();
        self.alter(|task| {
            task.times.pull_stopped = Some(now);
            task.times.started = Some(now);
            enter(task, Status::Running);
        });
        self.fated(Stage::Running)
    }

    /// RUNNING, until something ends it.
    async fn stay(&mut self, running: &[Running]) -> End {
        containers::hold(
            &self.realm,
            &self.arn,
            running.iter().map(|one| one.container.clone()).collect(),
        );
        let mut asked = self.asked.clone();
        let agent = async {
            match self.raise_agent().await {
                Some(end) => end,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            wish = wished(&mut asked) => End::asked(wish),
            code = first_essential(running) => End {
                wish: StopWish { code: "EssentialContainerExited".to_owned(), reason: "Essential container in task exited".to_owned() },
                container_reason: None,
                exit_code: Some(code),
            },
            end = agent => end,
        }
    }

    /// The managed agent: PENDING → RUNNING → connected, unless the script says otherwise.
    async fn raise_agent(&self) -> Option<End> {
        if !self.realm.tasks().get(&self.arn).is_some_and(|task| task.exec) {
            return None;
        }
        let timings = &self.realm.config().timings;
        if self.fate.iter().any(|what| matches!(what, What::AgentNever)) {
            return None;
        }
        self.realm.clock().sleep(Duration::from_millis(timings.agent_ms)).await;
        let stopped = self.fate.iter().find_map(|what| {
            if let What::AgentStopped { reason } = what { Some(reason.clone()) } else { None }
        });
        let now = self.realm.clock().unix_ms();
        if let Some(reason) = stopped {
            let reason =
                reason.unwrap_or_else(|| "Execute Command Agent failed to start".to_owned());
            self.alter(|task| set_agent(task, "STOPPED", Some(reason), Some(now)));
            return None;
        }
        self.alter(|task| set_agent(task, "RUNNING", None, Some(now)));
        if self.fate.iter().any(|what| matches!(what, What::AgentSilent)) {
            return None;
        }
        self.realm.clock().sleep(Duration::from_millis(timings.connecting_ms)).await;
        let now = self.realm.clock().unix_ms();
        self.alter(|task| {
            task.connected = true;
            task.times.connected = Some(now);
        });
        self.fated(Stage::Connected).err()
    }

    /// DEACTIVATING to STOPPED.
    async fn fall(&mut self, running: Vec<Running>, end: End) {
        let clock = self.realm.clock().clone();
        let now = clock.unix_ms();
        self.alter(|task| {
            task.stop_code = Some(end.wish.code.clone());
            task.stopped_reason = Some(end.wish.reason.clone());
            if task.desired_status != Status::Stopped {
                task.desired_status = Status::Stopped;
                task.version += 1;
            }
            task.times.stopping.get_or_insert(now);
            task.connected = false;
            task.last_status = Status::Deactivating;
        });
        containers::let_go(&self.realm, &self.arn);
        self.alter(|task| task.last_status = Status::Stopping);
        let mut codes = Vec::new();
        for one in &running {
            codes.push((one.definition.name.clone(), self.halt(one).await));
        }
        drop(running);
        let now = clock.unix_ms();
        self.alter(|task| {
            task.times.execution_stopped = Some(now);
            for container in &mut task.containers {
                container.last_status = Status::Stopped;
                container.exit_code =
                    codes.iter().find(|(name, _)| *name == container.name).map(|(_, code)| *code);
                if !container.injected {
                    container.exit_code = end.exit_code.or(container.exit_code);
                    container.reason.clone_from(&end.container_reason);
                }
            }
            set_agent(task, "STOPPED", None, None);
            enter(task, Status::Deprovisioning);
        });
        clock.sleep(Duration::from_millis(self.realm.config().timings.stopping_ms)).await;
        let now = clock.unix_ms();
        self.alter(|task| {
            task.times.stopped = Some(now);
            enter(task, Status::Stopped);
        });
    }

    /// TERM, then KILL when the container's time is up.
    async fn halt(&self, one: &Running) -> i32 {
        let grace = match one.definition.stop_timeout {
            Some(seconds) => Duration::from_secs(u64::from(seconds)),
            None => Duration::from_millis(self.realm.config().timings.stop_timeout_ms),
        };
        match one.container.exit_code() {
            Some(code) => code,
            None => one.container.stop(self.realm.clock().real(grace)).await,
        }
    }

    async fn start(&self, definition: &ContainerDefinition) -> Result<Container, End> {
        let task = self.realm.tasks().get(&self.arn).expect("a life's task is never forgotten");
        containers::start(&self.realm, &task, definition).await.map_err(|error| {
            let reason = format!("CannotStartContainerError: {error}");
            End::failed("Task failed to start".to_owned(), Some(reason))
        })
    }

    /// Waits, or ends early because it was asked to.
    async fn pass(&mut self, ms: u64) -> Result<(), End> {
        let clock = self.realm.clock().clone();
        tokio::select! {
            wish = wished(&mut self.asked) => Err(End::asked(wish)),
            () = clock.sleep(Duration::from_millis(ms)) => Ok(()),
        }
    }

    /// The scripted death at this stage, if there is one.
    fn fated(&self, now: Stage) -> Result<(), End> {
        for what in &self.fate {
            if let What::TaskDies { stage, stop_code, reason, container_reason, exit_code } = what
                && *stage == now
            {
                let wish = StopWish { code: stop_code.clone(), reason: reason.clone() };
                return Err(End {
                    wish,
                    container_reason: container_reason.clone(),
                    exit_code: *exit_code,
                });
            }
            if matches!(what, What::ImagePull) && now == Stage::Pending {
                let image =
                    self.containers.first().map_or("", |container| container.image.as_str());
                let reason = format!(
                    "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref {image}: \
                     failed to do request: dial tcp 52.192.0.1:443: i/o timeout"
                );
                return Err(End::failed(reason.clone(), Some(reason)));
            }
        }
        Ok(())
    }

    fn alter(&self, change: impl FnOnce(&mut TaskView)) {
        self.realm.tasks().alter(&self.arn, self.realm.clock().instant(), change);
        self.realm.touch();
    }
}

/// Goes one step on; all its containers with it as far as they go.
fn enter(task: &mut TaskView, status: Status) {
    task.last_status = status;
    task.version += 1;
    for container in &mut task.containers {
        match status {
            Status::Provisioning | Status::Pending => container.last_status = Status::Pending,
            Status::Running => container.last_status = Status::Running,
            Status::Stopped => container.last_status = Status::Stopped,
            Status::Deactivating | Status::Stopping | Status::Deprovisioning => {}
        }
    }
}

fn set_agent(task: &mut TaskView, status: &str, reason: Option<String>, started_ms: Option<i64>) {
    for container in task.containers.iter_mut().filter(|container| container.agent.is_some()) {
        set_one_agent(container, status, reason.clone(), started_ms);
    }
}

fn set_one_agent(
    container: &mut ContainerView,
    status: &str,
    reason: Option<String>,
    started_ms: Option<i64>,
) {
    container.agent = Some(status.to_owned());
    container.agent_reason = reason.or(container.agent_reason.take());
    container.agent_started_ms = started_ms.or(container.agent_started_ms);
}

async fn wished(asked: &mut watch::Receiver<Option<StopWish>>) -> StopWish {
    match asked.wait_for(Option::is_some).await.map(|wish| wish.clone()) {
        Ok(Some(wish)) => wish,
        // The sender lives in the list of tasks, which outlives every life.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

async fn first_essential(running: &[Running]) -> i32 {
    let mut waits = futures_util::stream::FuturesUnordered::new();
    for one in running.iter().filter(|one| one.definition.essential) {
        waits.push(one.container.wait());
    }
    match futures_util::StreamExt::next(&mut waits).await {
        Some(code) => code,
        None => std::future::pending().await,
    }
}
