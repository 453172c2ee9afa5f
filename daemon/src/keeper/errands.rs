//! What the pool wants done, done on the cloud: each errand tells the keeper how it went, and ends by itself.

use std::sync::Arc;
use std::time::Duration;

use bastion_api::Stage;
use bastion_cloud::{Cloud, CloudError, Kind, Runs, Seen, TaskId, TaskSpec};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::{Ask, News, Refusal};
use crate::config::Target;
use crate::tunnels::{Route, Tunnels};

/// What an errand works with.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) target: Arc<Target>,
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) tunnels: Tunnels,
    pub(super) started_by: String,
    pub(super) asks: mpsc::UnboundedSender<Ask>,
}

impl Desk {
    fn tell(&self, news: News) {
        // A keeper that has ended hears no news.
        drop(self.asks.send(Ask::Told { target: self.target.name.clone(), news }));
    }

    fn stage(&self, stage: bastion_cloud::Stage) {
        self.tell(News::Stage(match stage {
            bastion_cloud::Stage::Discovering => Stage::Discovering,
            bastion_cloud::Stage::Requesting => Stage::Requesting,
            bastion_cloud::Stage::Provisioning => Stage::Provisioning,
            bastion_cloud::Stage::Pulling => Stage::Pulling,
            bastion_cloud::Stage::StartingAgent => Stage::StartingAgent,
            bastion_cloud::Stage::Connecting => Stage::Connecting,
        }));
    }
}

/// Whether the target's bastions are tasks of our own, to be started and stopped by us.
pub(super) fn is_ours(target: &Target) -> bool {
    match target.site.runs {
        Runs::TaskDefinition(_) => true,
        Runs::Service(_) => false,
    }
}

/// From nothing to a tunnel that stands. `give_up` ends it, but never between asking for a task and its name.
pub(super) async fn start(desk: Desk, give_up: CancellationToken) {
    match try_start(&desk, &give_up).await {
        Ok(Some(route)) => desk.tell(News::Ready(Arc::new(route))),
        Ok(None) => info!(target = desk.target.name, "start given up"),
        Err(why) => desk.tell(News::Failed(why)),
    }
}

async fn try_start(desk: &Desk, give_up: &CancellationToken) -> Result<Option<Route>, Refusal> {
    let target = &desk.target;
    let cloud = &desk.cloud;

    let (database, task) = if is_ours(target) {
        let (database, place) =
            tokio::try_join!(cloud.find_database(&target.database), cloud.find_place())?;
        if give_up.is_cancelled() {
            // Nothing was asked for, so there is nothing to stop.
            return Err(Refusal::Closed);
        }
        desk.stage(bastion_cloud::Stage::Requesting);
        let spec = TaskSpec {
            token: Uuid::new_v4().to_string(),
            started_by: desk.started_by.clone(),
            tags: vec![
                ("bastiond:target".to_owned(), target.name.clone()),
                ("bastiond:started-by".to_owned(), desk.started_by.clone()),
            ],
            environment: vec![("BASTIOND_TARGET".to_owned(), target.name.clone())],
            command: None,
            subnets: place.subnets,
            security_groups: place.security_groups,
        };
        (database, run_task(cloud.as_ref(), &spec).await?)
    } else {
        tokio::try_join!(cloud.find_database(&target.database), cloud.service_task())?
    };
    desk.tell(News::Named(task.clone()));

    let progress = |stage| desk.stage(stage);
    let ready = async {
        let bastion = cloud.agent_ready(&task, &progress, target.start_timeout).await?;
        desk.stage(bastion_cloud::Stage::Connecting);
        let route = Route {
            target: target.name.clone(),
            cloud: Arc::clone(cloud),
            bastion,
            remote: database.remote,
            endpoints: target.endpoints.clone(),
        };
        // A bastion is ready when a tunnel through it stands: nothing less proves that visits will go through.
        desk.tunnels.prove(&route, CONNECT_PATIENCE).await.map_err(Refusal::Tunnel)?;
        Ok::<_, Refusal>(route)
    };
    tokio::select! {
        route = ready => route.map(Some),
        () = give_up.cancelled() => Ok(None),
    }
}

/// Asks for a task, again with the very same request where the answer did not come: the token makes it one task.
async fn run_task(cloud: &dyn Cloud, spec: &TaskSpec) -> Result<TaskId, CloudError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..RUN_TASK_TRIES {
        match cloud.run_task(spec).await {
            Err(err) if matches!(err.kind, Kind::Unreachable | Kind::TimedOut | Kind::Service) => {
                warn!(%err, "asking for the task again");
                sleep(pause).await;
                pause *= 2;
            }
            Err(CloudError { kind: Kind::Conflict { mut tasks }, .. }) if tasks.len() == 1 => {
                return Ok(tasks.remove(0));
            }
            answer => return answer,
        }
    }
    cloud.run_task(spec).await
}

/// From the wish to stop to the task's end, or until its time is up; then the pool asks again.
pub(super) async fn stop(desk: Desk, task: TaskId) {
    desk.tunnels.close(&task).await;
    if !is_ours(&desk.target) {
        desk.tell(News::StopTaken);
        desk.tell(News::Gone("left to its service".to_owned()));
        return;
    }
    let done = timeout(STOP_PATIENCE, async {
        let mut pause = FIRST_PAUSE;
        while let Err(err) = desk.cloud.stop_task(&task, STOP_REASON).await {
            warn!(%task, %err, "stopping the task again");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        desk.tell(News::StopTaken);
        let mut pause = FIRST_PAUSE;
        loop {
            match desk.cloud.see_tasks(std::slice::from_ref(&task)).await.as_deref() {
                Ok([Seen::Stopped(words)]) => return desk.tell(News::Gone(words.clone())),
                Ok([Seen::Missing]) => return desk.tell(News::Gone("no longer known".to_owned())),
                Ok(_) => {}
                Err(err) => warn!(%task, %err, "looking whether the task has stopped"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
    if done.await.is_err() {
        warn!(%task, "the task has not stopped in time");
    }
}

/// Looks whether a task that served still lives.
pub(super) async fn look(
    cloud: Arc<dyn Cloud>,
    route: Arc<Route>,
    asks: mpsc::UnboundedSender<Ask>,
) {
    let task = &route.bastion.task;
    let words = match cloud.see_tasks(std::slice::from_ref(task)).await.as_deref() {
        Ok([Seen::Stopped(words)]) => words.clone(),
        Ok([Seen::Missing]) => "the task is no longer known".to_owned(),
        Ok(_) => return,
        Err(err) => return warn!(%task, %err, "looking whether the task lives"),
    };
    let news = News::Gone(words);
    drop(asks.send(Ask::Told { target: route.target.clone(), news }));
}

impl From<CloudError> for Refusal {
    fn from(err: CloudError) -> Self {
        Self::Cloud(err)
    }
}

/// How long an order to stop is followed up before it is given anew: Fargate stops a task in well under a minute.
pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// How often the tasks that serve are looked at: within ECS's sustained 20 calls a second for any number of targets.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long a started agent may take to be known to the session service, and the first tunnel to stand (aws.md 3.5).
const CONNECT_PATIENCE: Duration = Duration::from_secs(90);

/// How often the same RunTask is asked for where nobody answers.
const RUN_TASK_TRIES: u32 = 3;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What ECS shows as the reason of the task's end.
const STOP_REASON: &str = "bastiond: no longer used";
