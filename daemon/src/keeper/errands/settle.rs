//! After a start of the daemon: what an earlier run has left at a site.

use std::time::Duration;

use bastion_cloud::{CloudError, Kind, LoginState, SessionId, TaskId, TaskSpec};
use bastion_pool::{Raise, Record};
use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::start::run_task_once;
use super::{FIRST_PAUSE, LONGEST_PAUSE, Post};
use crate::keeper::{Ask, Refusal, Survey};

/// Looks what is there: every task that carries our mark, and those that the journal knows.
pub(in crate::keeper) async fn survey(post: Post, place: usize, known: Vec<TaskId>) {
    let found = match timeout(PATIENCE, look(&post, known)).await {
        Ok(found) => found.map_err(Refusal::Cloud),
        Err(_) => Err(Refusal::TookTooLong(bastion_api::Stage::Discovering)),
    };
    // A keeper that has ended decides nothing.
    drop(post.asks.send(Ask::Surveyed { place, found }));
}

async fn look(post: &Post, known: Vec<TaskId>) -> Result<Survey, CloudError> {
    if let LoginState::Hopeless(err) = post.cloud.login_state().await {
        return Err(err);
    }
    let (mut tasks, unlisted) = match post.cloud.list_tasks(&post.started_by).await {
        Ok(listed) => (listed, None),
        // What the journal names is looked at all the same.
        Err(err) if matches!(err.kind, Kind::Denied { .. }) => {
            warn!(
                site = post.site.name,
                call = err.call,
                "tasks that no journal knows are not found"
            );
            (Vec::new(), Some(err))
        }
        Err(err) => return Err(err),
    };
    let known: Vec<TaskId> = known.into_iter().filter(|task| !tasks.contains(task)).collect();
    tasks.extend(known);
    let seen = if tasks.is_empty() { Vec::new() } else { post.cloud.see_tasks(&tasks).await? };
    Ok(Survey { seen: tasks.into_iter().zip(seen).collect(), unlisted })
}

/// Asks once more, unchanged, for what a run that died has asked for: the token makes it the same task.
pub(in crate::keeper) async fn reask(post: Post, place: usize, spec: TaskSpec) {
    let came = run_task_once(post.cloud.as_ref(), &spec).await;
    // A keeper that has ended learns no name.
    drop(post.asks.send(Ask::Reasked { place, token: spec.token, came }));
}

/// Puts a service back to sleep that a run that died has woken.
pub(in crate::keeper) async fn lower(post: Post, raise: Raise) {
    let mut pause = FIRST_PAUSE;
    loop {
        match post.cloud.scale_service(raise.to, raise.from).await {
            // What somebody else has made of it by now is theirs.
            Ok(_) => break,
            Err(err) if err.is_transient() || matches!(err.kind, Kind::Login { .. }) => {
                debug!(site = raise.site.name, %err, "lowering the service again");
            }
            Err(err) => {
                warn!(site = raise.site.name, call = err.call, "a service was left awake");
                debug!(%err, "the service was not lowered");
                break;
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    let site = raise.site.name;
    post.journal.note(Record::Lowered { site: site.clone() });
    // A keeper that has ended waits for nothing.
    drop(post.asks.send(Ask::Lowered { site }));
}

/// Ends the sessions of a process that has died: nobody can resume them, and each holds one of its container's places.
pub(in crate::keeper) async fn end_sessions(post: Post, sessions: Vec<SessionId>) {
    let ends = sessions.into_iter().map(|session| {
        let post = &post;
        async move {
            match timeout(PATIENCE, post.cloud.end_session(&session)).await {
                Ok(Ok(())) => post.journal.note(Record::SessionOver { session }),
                // It ends by itself at its idle limit, and stays in the journal until then.
                Ok(Err(err)) => debug!(%session, %err, "an old session was not ended"),
                Err(_) => debug!(%session, "an old session did not end in time"),
            }
        }
    });
    join_all(ends).await;
}

/// How long the look may take: visits wait for it.
const PATIENCE: Duration = Duration::from_secs(30);
