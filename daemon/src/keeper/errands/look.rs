//! Whether what serves still lives, and the way of one more target through it.

use std::time::Duration;

use bastion_cloud::{Bastion, Cloud, Seen, TaskEnd, TaskId};
use bastion_pool::{BastionId, Record};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::{
    CONNECT_PATIENCE, Desk, End, LONGEST_PAUSE, MISSING_PROVES, Post, STOP_PATIENCE, STOP_REASON,
    runs_tasks,
};
use crate::keeper::{Ask, News, Refusal};
use crate::tunnels::Route;

/// Looks whether tasks that serve still live; all of them with one question.
pub(in crate::keeper) async fn look(post: Post, tasks: Vec<(BastionId, TaskId)>) {
    let tell = |bastion, news| {
        // A keeper that has ended hears no news.
        drop(post.asks.send(Ask::Told { bastion, news }));
    };
    let mut unclear = tasks.clone();
    let looked = timeout(STOP_PATIENCE, async {
        for round in 1..=MISSING_PROVES {
            let names: Vec<TaskId> = unclear.iter().map(|(_, task)| task.clone()).collect();
            let seen = match post.cloud.see_tasks(&names).await {
                Ok(seen) => seen,
                Err(err) => {
                    warn!(site = post.site.name, call = err.call, "looking whether tasks live");
                    return debug!(%err, "the look failed");
                }
            };
            let mut missing = Vec::new();
            for ((bastion, task), seen) in unclear.into_iter().zip(seen) {
                match seen {
                    Seen::Stopping(end) => {
                        let end = with_log(post.cloud.as_ref(), &task, end).await;
                        tell(bastion, News::Lost(task, end));
                    }
                    Seen::Stopped(end) => {
                        post.journal.note(Record::Gone { task: task.clone() });
                        let end = with_log(post.cloud.as_ref(), &task, end).await;
                        tell(bastion, News::Gone(task, End::Told(end)));
                    }
                    Seen::Missing => missing.push((bastion, task)),
                    Seen::Starting(facts) | Seen::Running { facts, .. } => {
                        tell(bastion, News::Facts(task, facts));
                    }
                }
            }
            if missing.is_empty() {
                return;
            }
            unclear = missing;
            if round < MISSING_PROVES {
                sleep(LONGEST_PAUSE).await;
            }
        }
        for (bastion, task) in unclear {
            // Nobody will follow it up from here on, and an order to stop what is gone does no harm.
            if runs_tasks(&post.site)
                && let Err(err) = post.cloud.stop_task(&task, STOP_REASON).await
            {
                debug!(%task, %err, "stopping a task that is no longer known");
            }
            post.journal.note(Record::Gone { task: task.clone() });
            tell(bastion, News::Gone(task, End::Forgotten));
        }
    });
    if looked.await.is_err() {
        debug!(site = post.site.name, "the look took too long");
    }
    for (bastion, _) in tasks {
        tell(bastion, News::Looked);
    }
}

/// The end with the task's last words, where they may tell why it came.
async fn with_log(cloud: &dyn Cloud, task: &TaskId, mut end: Box<TaskEnd>) -> Box<TaskEnd> {
    if end.is_its_own() {
        match timeout(LOG_PATIENCE, cloud.task_logs(task)).await {
            Ok(Ok(log)) => end.log = log,
            Ok(Err(err)) => debug!(%task, %err, "no log"),
            Err(_) => debug!(%task, "no log in time"),
        }
    }
    end
}

/// After a sleep: asks until it is proven that the task is there and that a tunnel through it answers, or that the task
/// is gone. Visits wait for it, but not for ever: `News::Unproven` lets them go on to meet what there is.
pub(in crate::keeper) async fn alive(desk: Desk, task: TaskId, route: Option<Route>) {
    let mut told = false;
    let patience = sleep(WAKE_PATIENCE);
    let mut patience = std::pin::pin!(patience);
    let mut missing = 0;
    loop {
        let look = timeout(WAKE_LOOK, async {
            tokio::join!(
                desk.cloud.see_tasks(std::slice::from_ref(&task)),
                answers(&desk, &task, route.as_ref())
            )
        });
        let look = tokio::select! {
            look = look => look,
            () = desk.stopping.cancelled() => return,
            () = &mut patience, if !told => {
                told = true;
                desk.tell(News::Unproven);
                continue;
            }
        };
        match look {
            Ok((Ok(seen), answered)) => match seen.as_slice() {
                [Seen::Stopping(end)] => {
                    let end = with_log(desk.cloud.as_ref(), &task, end.clone()).await;
                    return desk.tell(News::Lost(task, end));
                }
                [Seen::Stopped(end)] => {
                    let end = with_log(desk.cloud.as_ref(), &task, end.clone()).await;
                    return desk.gone(task, End::Told(end));
                }
                [Seen::Missing] if missing + 1 == MISSING_PROVES => {
                    return desk.gone(task, End::Forgotten);
                }
                [Seen::Missing] => missing += 1,
                _ if answered => return desk.tell(News::Alive),
                _ => missing = 0,
            },
            Ok((Err(err), _)) => debug!(%task, %err, "no look at the task after the sleep"),
            Err(_) => debug!(%task, "no answer after the sleep"),
        }
        sleep(WAKE_PAUSE).await;
    }
}

/// Whether a tunnel through the task answers; where none does, whether one more can be had.
async fn answers(desk: &Desk, task: &TaskId, route: Option<&Route>) -> bool {
    if desk.tunnels.prove_alive(task).await {
        return true;
    }
    match route {
        Some(route) => desk.tunnels.prove(route, WAKE_LOOK).await.is_ok(),
        None => false,
    }
}

/// The way of one more target through a bastion that serves.
pub(in crate::keeper) async fn join(desk: Desk, task: TaskId, agent: Option<Bastion>) {
    let joined = async {
        let agent = async {
            match agent {
                Some(agent) => Ok(agent),
                None => desk.cloud.agent_ready(&task, &|_| {}, CONNECT_PATIENCE).await,
            }
        };
        let database = desk.cloud.find_database(&desk.target.database);
        let (agent, database) = tokio::try_join!(agent, database).map_err(Refusal::Cloud)?;
        let route = desk.route(agent, &database);
        desk.tunnels.prove(&route, CONNECT_PATIENCE).await.map_err(Refusal::Tunnel)?;
        Ok(route.into())
    };
    let came = tokio::select! {
        joined = joined => joined,
        () = desk.stopping.cancelled() => Err(Refusal::Stopping),
    };
    let target = desk.target.name.clone();
    desk.tell(News::Joined(target, came));
}

/// How long people wait to hear of a task's end for its last words.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// How long visits wait for the proof after a sleep: a laptop's network is back within some seconds.
const WAKE_PATIENCE: Duration = Duration::from_secs(15);

/// How long one look may take.
const WAKE_LOOK: Duration = Duration::from_secs(10);

/// The pause between two looks.
const WAKE_PAUSE: Duration = Duration::from_secs(1);
