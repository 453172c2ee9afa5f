//! From the wish to stop a task to its end: ordered again and again, until it is seen to have stopped.

use std::sync::Arc;

use bastion_cloud::{Cloud, CloudError, Seen, TaskId};
use bastion_pool::Record;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::{
    Desk, End, FIRST_PAUSE, LONGEST_PAUSE, MISSING_PROVES, Post, STOP_PATIENCE, STOP_REASON,
    is_ours, service,
};
use crate::config::Target;
use crate::keeper::{Ask, News, Refusal};

/// From the wish to stop to the task's end, or until its time is up; then the pool asks again.
pub(in crate::keeper) async fn stop(desk: Desk, task: TaskId) {
    if !is_ours(&desk.target) {
        desk.tunnels.close(&task).await;
        service::leave(&desk).await;
        desk.tell(News::StopTaken(task.clone()));
        return desk.gone(task, End::Left);
    }
    desk.journal.note(Record::Stopping { task: task.clone() });
    desk.tunnels.close(&task).await;
    let order = || async {
        let refused = |err| desk.tell(News::StopRefused(Refusal::Cloud(err)));
        order_stop(desk.cloud.as_ref(), &task, refused).await;
        desk.tell(News::StopTaken(task.clone()));
    };
    match timeout(STOP_PATIENCE, until_stopped(desk.cloud.as_ref(), &task, order)).await {
        Ok(end) => desk.gone(task, end),
        Err(_) => warn!(%task, "the task has not stopped in time"),
    }
}

/// Stops a task of ours that no target has any use for, until it is seen to have stopped.
pub(in crate::keeper) async fn stop_stray(post: Post, target: Option<Arc<Target>>, task: TaskId) {
    let order = || order_stop(post.cloud.as_ref(), &task, |_| {});
    let end = until_stopped(post.cloud.as_ref(), &task, order).await;
    post.journal.note(Record::Gone { task: task.clone() });
    // A keeper that has ended hears no news.
    drop(post.asks.send(Ask::StrayGone { target, task, end }));
}

/// Gives the order and looks until the cloud says that the task has ended; a task that the cloud does not know yet is
/// ordered to stop again.
async fn until_stopped<F: Future<Output = ()>>(
    cloud: &dyn Cloud,
    task: &TaskId,
    order: impl Fn() -> F,
) -> End {
    order().await;
    let (mut pause, mut missing) = (FIRST_PAUSE, 0);
    loop {
        match cloud.see_tasks(std::slice::from_ref(task)).await.as_deref() {
            Ok([Seen::Stopped(end)]) => return End::Told(end.clone()),
            // ECS may not know yet what it has just started: neither for this question nor for the order.
            Ok([Seen::Missing]) if missing + 1 < MISSING_PROVES => {
                missing += 1;
                order().await;
            }
            Ok([Seen::Missing]) => return End::Forgotten,
            Ok([Seen::Starting(_) | Seen::Running { .. }]) => {
                // An order that was taken and came to nothing is given again.
                if pause == LONGEST_PAUSE {
                    order().await;
                }
                missing = 0;
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
}

/// Gives the order to stop until the cloud takes it.
async fn order_stop(cloud: &dyn Cloud, task: &TaskId, refused: impl Fn(CloudError)) {
    let mut pause = FIRST_PAUSE;
    let mut tries = 0;
    while let Err(err) = cloud.stop_task(task, STOP_REASON).await {
        warn!(%task, call = err.call, request = err.request_id, "stopping the task again");
        debug!(%task, %err, "the order to stop failed");
        tries += 1;
        // One that may pass is told when it does not.
        if tries >= STOP_TRIES || !err.is_transient() {
            refused(err);
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// How often an order to stop may fail before people hear of it.
const STOP_TRIES: u32 = 4;
