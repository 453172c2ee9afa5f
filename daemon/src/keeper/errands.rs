//! What the pool wants done, done on the cloud: each errand tells the keeper how it went, and ends by itself.

use std::sync::Arc;
use std::time::Duration;

use bastion_api::Stage;
use bastion_cloud::{Cloud, CloudError, Kind, Runs, Seen, TaskId, TaskSpec};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::{Ask, News, Refusal};
use crate::config::Target;
use crate::tunnels::{Route, Ways};

/// What an errand works with.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) target: Arc<Target>,
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) tunnels: Arc<dyn Ways>,
    pub(super) started_by: String,
    pub(super) asks: mpsc::UnboundedSender<Ask>,
    /// Fires when the daemon is stopping.
    pub(super) stopping: CancellationToken,
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
        Ok(route) => desk.tell(News::Ready(Arc::new(route))),
        Err(Unready::GivenUp) => {
            info!(target = desk.target.name, "start given up");
            desk.tell(News::GivenUp);
        }
        Err(Unready::Refused(why)) => desk.tell(News::Failed(why)),
        Err(Unready::Unknown(spec, err)) => {
            desk.tell(News::Uncertain(Refusal::Cloud(err)));
            desk.tell(clear_up(&desk, &spec).await.map_or(News::GivenUp, News::Named));
        }
    }
}

/// Why a start has come to no route.
enum Unready {
    GivenUp,
    Refused(Refusal),
    /// A task was asked for, and no answer said whether there is one.
    Unknown(Box<TaskSpec>, CloudError),
}

async fn try_start(desk: &Desk, give_up: &CancellationToken) -> Result<Route, Unready> {
    let target = &desk.target;
    let cloud = &desk.cloud;

    let (database, task) = if is_ours(target) {
        let found =
            async { tokio::try_join!(cloud.find_database(&target.database), cloud.find_place()) };
        // Until here nothing was asked for, so there is nothing to stop.
        let (database, place) = unless(give_up, found).await?;
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
            subnets: place.subnet_ids(),
            security_groups: place.security_groups,
            spot: target.site.spot,
        };
        match run_task(desk, &spec).await {
            Ok(task) => (database, task),
            Err(err) if says_nothing(&err) => return Err(Unready::Unknown(Box::new(spec), err)),
            Err(err) => return Err(err.into()),
        }
    } else {
        let found =
            async { tokio::try_join!(cloud.find_database(&target.database), cloud.service_task()) };
        unless(give_up, found).await?
    };
    desk.tell(News::Named(task.clone()));

    let progress = |stage| desk.stage(stage);
    let ready = async {
        let bastion = cloud.agent_ready(&task, &progress, target.start_timeout).await?;
        desk.stage(bastion_cloud::Stage::Connecting);
        let route = Route {
            target: Arc::clone(target),
            cloud: Arc::clone(cloud),
            bastion,
            remote: database.remote,
        };
        // A bastion is ready when a tunnel through it stands: nothing less proves that visits will go through.
        desk.tunnels.prove(&route, CONNECT_PATIENCE).await.map_err(Refusal::Tunnel)?;
        Ok::<_, Refusal>(route)
    };
    unless(give_up, ready).await
}

/// What comes of it, unless the start is given up first.
async fn unless<T, E: Into<Refusal>>(
    give_up: &CancellationToken,
    it: impl Future<Output = Result<T, E>>,
) -> Result<T, Unready> {
    tokio::select! {
        biased;
        () = give_up.cancelled() => Err(Unready::GivenUp),
        came = it => came.map_err(|why| Unready::Refused(why.into())),
    }
}

/// Asks for a task, again with the very same request where the answer did not come: the token makes it one task.
async fn run_task(desk: &Desk, spec: &TaskSpec) -> Result<TaskId, CloudError> {
    let cloud = desk.cloud.as_ref();
    let mut pause = FIRST_PAUSE;
    for _ in 1..RUN_TASK_TRIES {
        match run_task_once(cloud, spec).await {
            Err(err) if says_nothing(&err) && !desk.stopping.is_cancelled() => {
                warn!(call = err.call, request = err.request_id, "asking for the task again");
                debug!(%err, "no answer to the wish for a task");
                sleep(pause).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
    run_task_once(cloud, spec).await
}

async fn run_task_once(cloud: &dyn Cloud, spec: &TaskSpec) -> Result<TaskId, CloudError> {
    match cloud.run_task(spec).await {
        // The request was altered on its way, and the task is there.
        Err(CloudError { kind: Kind::Conflict { mut tasks }, .. }) if tasks.len() == 1 => {
            Ok(tasks.remove(0))
        }
        answer => answer,
    }
}

/// Whether a failure leaves open what the cloud has done.
fn says_nothing(err: &CloudError) -> bool {
    matches!(err.kind, Kind::Unreachable | Kind::TimedOut | Kind::Service)
}

/// Finds out what became of a wish for a task that nobody answered: the same token names the task that it made, and
/// where it made none, one that is stopped at once. None where the cloud refuses by now, or where the daemon is
/// stopping: asking would then make a task that nobody follows up.
async fn clear_up(desk: &Desk, spec: &TaskSpec) -> Option<TaskId> {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::select! {
            biased;
            () = desk.stopping.cancelled() => {
                sweep(desk).await;
                return None;
            }
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        match run_task_once(desk.cloud.as_ref(), spec).await {
            Ok(task) => return Some(task),
            Err(err) if says_nothing(&err) || matches!(err.kind, Kind::Throttled) => {
                debug!(%err, "still no answer to the wish for a task");
            }
            Err(err) => {
                warn!(target = desk.target.name, call = err.call, "a task may have been started");
                debug!(%err, "no way to find out what became of the wish for a task");
                return None;
            }
        }
    }
}

/// Stops every task that carries our mark: the daemon is stopping, so none of them is to stay.
async fn sweep(desk: &Desk) {
    let tasks = match desk.cloud.list_tasks(&desk.started_by).await {
        Ok(tasks) => tasks,
        Err(err) => {
            warn!(target = desk.target.name, call = err.call, "a task may have been left running");
            return debug!(%err, "no way to list our tasks");
        }
    };
    for task in tasks {
        if let Err(err) = desk.cloud.stop_task(&task, STOP_REASON).await {
            warn!(%task, call = err.call, "a task may have been left running");
            debug!(%task, %err, "the order to stop failed");
        }
    }
}

/// From the wish to stop to the task's end, or until its time is up; then the pool asks again.
pub(super) async fn stop(desk: Desk, task: TaskId) {
    desk.tunnels.close(&task).await;
    if !is_ours(&desk.target) {
        desk.tell(News::StopTaken);
        desk.tell(News::Gone(task, "left to its service".to_owned()));
        return;
    }
    let done = timeout(STOP_PATIENCE, async {
        order_stop(&desk, &task).await;
        let (mut pause, mut missing) = (FIRST_PAUSE, 0);
        loop {
            match desk.cloud.see_tasks(std::slice::from_ref(&task)).await.as_deref() {
                Ok([Seen::Stopped(end)]) => {
                    return desk.tell(News::Gone(task.clone(), end.to_string()));
                }
                // ECS may not know yet what it has just started: neither for this question nor for the order.
                Ok([Seen::Missing]) if missing + 1 < MISSING_PROVES => {
                    missing += 1;
                    order_stop(&desk, &task).await;
                }
                Ok([Seen::Missing]) => {
                    return desk.tell(News::Gone(task.clone(), "no longer known".to_owned()));
                }
                Ok(_) => missing = 0,
                Err(err) => {
                    warn!(%task, call = err.call, "looking whether the task has stopped");
                    debug!(%task, %err, "the look failed");
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
    if done.await.is_err() {
        warn!(%task, "the task has not stopped in time");
    }
}

/// Gives the order to stop until the cloud takes it.
async fn order_stop(desk: &Desk, task: &TaskId) {
    let mut pause = FIRST_PAUSE;
    let mut tries = 0;
    while let Err(err) = desk.cloud.stop_task(task, STOP_REASON).await {
        warn!(%task, call = err.call, request = err.request_id, "stopping the task again");
        debug!(%task, %err, "the order to stop failed");
        tries += 1;
        // One that may pass is told when it does not.
        if tries >= STOP_TRIES || !err.is_transient() {
            desk.tell(News::StopRefused(Refusal::Cloud(err)));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    desk.tell(News::StopTaken);
}

/// Looks whether a task that served still lives.
pub(super) async fn look(desk: Desk, task: TaskId) {
    let seen = timeout(STOP_PATIENCE, see_end(&desk, &task));
    if let Ok(Some(words)) = seen.await {
        desk.tell(News::Gone(task, words));
    }
    desk.tell(News::Looked);
}

/// The cloud's words why a task has ended; none where it lives, or where nobody can say.
async fn see_end(desk: &Desk, task: &TaskId) -> Option<String> {
    for _ in 0..MISSING_PROVES {
        match desk.cloud.see_tasks(std::slice::from_ref(task)).await.as_deref() {
            Ok([Seen::Stopping(end) | Seen::Stopped(end)]) => return Some(end.to_string()),
            Ok([Seen::Missing]) => sleep(LONGEST_PAUSE).await,
            Ok(_) => return None,
            Err(err) => {
                warn!(%task, call = err.call, "looking whether the task lives");
                debug!(%task, %err, "the look failed");
                return None;
            }
        }
    }
    // Nobody will follow it up from here on, and an order to stop what is gone does no harm.
    if is_ours(&desk.target)
        && let Err(err) = desk.cloud.stop_task(task, STOP_REASON).await
    {
        debug!(%task, %err, "stopping a task that is no longer known");
    }
    Some("the task is no longer known".to_owned())
}

impl From<CloudError> for Refusal {
    fn from(err: CloudError) -> Self {
        Self::Cloud(err)
    }
}

impl From<CloudError> for Unready {
    fn from(err: CloudError) -> Self {
        Self::Refused(Refusal::Cloud(err))
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

/// How often in a row the cloud must not know a task for it to be gone: ECS's answers lag behind (aws.md 3.4).
const MISSING_PROVES: u32 = 3;

/// How often an order to stop may fail before people hear of it.
const STOP_TRIES: u32 = 4;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What ECS shows as the reason of the task's end.
const STOP_REASON: &str = "bastiond: no longer used";
