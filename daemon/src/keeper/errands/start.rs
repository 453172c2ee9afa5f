//! From nothing to a tunnel that stands.
//!
//! ```text
//!   login? ─▶ place, database ─▶ intention on disk ─▶ RunTask ─▶ name on disk ─▶ agent ─▶ first tunnel
//!                                       ▲                │
//!                                       └── no room ─────┘   other subnets, then the ordinary kind: a new intention each
//! ```

use std::time::Duration;

use bastion_cloud::{
    Cloud, CloudError, Database, EndClass, Kind, LoginState, Place, Stage, TaskId, TaskSpec,
};
use bastion_pool::Watchdog;
use bastion_pool::adopt::TARGET_VARIABLE;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::{CONNECT_PATIENCE, Desk, FIRST_PAUSE, LONGEST_PAUSE, STOP_REASON, is_ours, service};
use crate::config::{BastionCommand, Target};
use crate::keeper::{News, Refusal};
use crate::tunnels::Route;

/// Starts a bastion. `give_up` ends it, but never between asking for a task and its name.
pub(in crate::keeper) async fn start(desk: Desk, give_up: CancellationToken) {
    let came = try_start(&desk, &give_up).await;
    conclude(&desk, came).await;
}

/// Makes a bastion of a task that runs already.
pub(in crate::keeper) async fn adopt(desk: Desk, task: TaskId, give_up: CancellationToken) {
    let came = async {
        let database = unless(&give_up, find_database(&desk)).await?;
        lead_to(&desk, &give_up, task, &database).await
    };
    let came = came.await;
    conclude(&desk, came).await;
}

async fn conclude(desk: &Desk, came: Result<Route, Unready>) {
    match came {
        Ok(route) => desk.tell(News::Ready(route.into())),
        Err(Unready::GivenUp) => {
            info!(target = desk.target.name, "start given up");
            desk.tell(News::GivenUp);
        }
        Err(Unready::Refused(why)) => desk.tell(News::Failed(why)),
        Err(Unready::Unknown(spec, err)) => {
            desk.tell(News::Uncertain(Refusal::Cloud(err)));
            desk.tell(clear_up(desk, &spec).await.map_or(News::GivenUp, News::Named));
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
    // What the files on this machine tell to be hopeless is not begun.
    if let LoginState::Hopeless(err) = desk.cloud.login_state().await {
        return Err(err.into());
    }
    if !is_ours(&desk.target) {
        let found = async { tokio::try_join!(find_database(desk), service::task(desk)) };
        let (database, task) = unless(give_up, found).await?;
        return lead_to(desk, give_up, task, &database).await;
    }
    let found = async {
        let command = async { Ok(command(desk).await) };
        tokio::try_join!(find_database(desk), find_place(desk), command)
    };
    // Until here nothing was asked for, so there is nothing to stop.
    let (database, place, command) = unless(give_up, found).await?;
    let mut full = None;
    for (subnets, spot) in turns(&desk.target, &place) {
        desk.stage(Stage::Requesting);
        let spec = spec(desk, &place, command.clone(), subnets, spot);
        let came = async {
            let task = ask_for(desk, spec).await?;
            lead_to(desk, give_up, task, &database).await
        };
        match came.await {
            Err(Unready::Refused(Refusal::Cloud(err))) if is_about_room(&err) => {
                warn!(target = desk.target.name, spot, "no room for the task there");
                full = Some(err);
            }
            came => return came,
        }
        if give_up.is_cancelled() {
            return Err(Unready::GivenUp);
        }
    }
    Err(full.expect("a place has at least one turn, and each that is full says so").into())
}

/// Where, and as which kind, a task is asked for: one after the other where there is no room.
fn turns(target: &Target, place: &Place) -> Vec<(Vec<String>, bool)> {
    let kinds: &[bool] = if target.site.spot { &[true, false] } else { &[false] };
    let turns = kinds
        .iter()
        .flat_map(|spot| place.turns().into_iter().map(move |subnets| (subnets, *spot)));
    turns.collect()
}

/// The whole request: what asking again asks for again.
fn spec(
    desk: &Desk,
    place: &Place,
    command: Option<Vec<String>>,
    subnets: Vec<String>,
    spot: bool,
) -> TaskSpec {
    let target = &desk.target;
    TaskSpec {
        tags: vec![
            ("bastiond:target".to_owned(), target.name.clone()),
            ("bastiond:started-by".to_owned(), desk.started_by.clone()),
        ],
        // The cloud deletes tags when a task is stopped; this it keeps.
        environment: vec![(TARGET_VARIABLE.to_owned(), target.name.clone())],
        token: Uuid::new_v4().to_string(),
        started_by: desk.started_by.clone(),
        command,
        subnets,
        security_groups: place.security_groups.clone(),
        spot,
    }
}

/// What the container is to run: the watchdog in the form that suits its entry point, or what its image says.
async fn command(desk: &Desk) -> Option<Vec<String>> {
    let target = &desk.target;
    let watchdog = match target.rules.command {
        BastionCommand::Watchdog => Watchdog::new(target.start_timeout, target.rules.max_life),
        BastionCommand::Keep => return None,
    };
    // Most containers have none, and where nobody may look it is taken for that.
    let entry_point = match timeout(ENTRY_POINT, desk.cloud.entry_point()).await {
        Ok(Ok(entry_point)) => entry_point,
        Ok(Err(err)) => {
            debug!(%err, "the container's entry point is not known");
            Vec::new()
        }
        Err(_) => {
            debug!("the container's entry point was not told in time");
            Vec::new()
        }
    };
    Some(watchdog.command(&entry_point))
}

/// Asks for one task, once the intention is on disk.
async fn ask_for(desk: &Desk, spec: TaskSpec) -> Result<TaskId, Unready> {
    desk.intend(&spec).await.map_err(|err| Unready::Refused(Refusal::Journal(err)))?;
    match run_task(desk, &spec).await {
        Ok(task) => {
            desk.named(&spec, &task);
            Ok(task)
        }
        Err(err) if says_nothing(&err) => Err(Unready::Unknown(Box::new(spec), err)),
        Err(err) => {
            desk.refused(&spec);
            Err(err.into())
        }
    }
}

/// From a task to a tunnel through it.
async fn lead_to(
    desk: &Desk,
    give_up: &CancellationToken,
    task: TaskId,
    database: &Database,
) -> Result<Route, Unready> {
    desk.tell(News::Named(task.clone()));
    let progress = |stage| desk.stage(stage);
    let ready = async {
        let agent = desk.cloud.agent_ready(&task, &progress, desk.target.start_timeout);
        let bastion = agent.await.map_err(Refusal::Cloud)?;
        desk.stage(Stage::Connecting);
        let route = desk.route(bastion, database);
        // A bastion is ready when a tunnel through it stands: nothing less proves that visits will go through.
        desk.tunnels.prove(&route, CONNECT_PATIENCE).await.map_err(Refusal::Tunnel)?;
        Ok::<_, Refusal>(route)
    };
    unless(give_up, ready).await
}

async fn find_database(desk: &Desk) -> Result<Database, Refusal> {
    by_deadline(desk.cloud.find_database(&desk.target.database)).await
}

async fn find_place(desk: &Desk) -> Result<Place, Refusal> {
    by_deadline(desk.cloud.find_place()).await
}

async fn by_deadline<T>(found: impl Future<Output = Result<T, CloudError>>) -> Result<T, Refusal> {
    match timeout(DISCOVERY, found).await {
        Ok(found) => found.map_err(Refusal::Cloud),
        Err(_) => Err(Refusal::TookTooLong(bastion_api::Stage::Discovering)),
    }
}

/// What comes of it, unless the start is given up first.
async fn unless<T>(
    give_up: &CancellationToken,
    it: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Unready> {
    tokio::select! {
        biased;
        () = give_up.cancelled() => Err(Unready::GivenUp),
        came = it => came.map_err(Unready::Refused),
    }
}

/// Asks for a task, again with the very same request where the answer did not come: the token makes it one task.
async fn run_task(desk: &Desk, spec: &TaskSpec) -> Result<TaskId, CloudError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..RUN_TASK_TRIES {
        match run_task_once(desk.cloud.as_ref(), spec).await {
            Err(err) if says_nothing(&err) && !desk.stopping.is_cancelled() => {
                warn!(call = err.call, request = err.request_id, "asking for the task again");
                debug!(%err, "no answer to the wish for a task");
                sleep(pause).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
    run_task_once(desk.cloud.as_ref(), spec).await
}

pub(super) async fn run_task_once(
    cloud: &dyn Cloud,
    spec: &TaskSpec,
) -> Result<TaskId, CloudError> {
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

/// Whether another place, or the ordinary kind, may have what this one has not.
fn is_about_room(err: &CloudError) -> bool {
    matches!(
        err.kind,
        Kind::NoCapacity
            | Kind::TaskStopped { class: EndClass::Capacity | EndClass::SpotTaken, .. }
    )
}

/// Finds out what became of a wish for a task that nobody answered: the same token names the task that it made, and
/// where it made none, one that is stopped at once. None where the cloud refuses by now, or where the daemon is
/// stopping: asking would then make a task that nobody follows up. The intention stays in the journal until the answer.
async fn clear_up(desk: &Desk, spec: &TaskSpec) -> Option<TaskId> {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::select! {
            biased;
            () = desk.stopping.cancelled() => {
                // What is left on purpose carries our mark, too; the next run asks for the name.
                if desk.sweep.is_cancelled() {
                    sweep(desk).await;
                }
                return None;
            }
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        match run_task_once(desk.cloud.as_ref(), spec).await {
            Ok(task) => {
                desk.named(spec, &task);
                return Some(task);
            }
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

impl From<CloudError> for Unready {
    fn from(err: CloudError) -> Self {
        Self::Refused(Refusal::Cloud(err))
    }
}

/// How long looking up a place and a database may take: each is a call or two, with their own retries.
const DISCOVERY: Duration = Duration::from_secs(30);

/// How long the look at the task definition may take: it is one call, beside others.
const ENTRY_POINT: Duration = Duration::from_secs(15);

/// How often the same RunTask is asked for where nobody answers.
const RUN_TASK_TRIES: u32 = 3;
