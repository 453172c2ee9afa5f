//! `events`: what happened, and, for who stays, what happens.

use axum::extract::State;
use axum::response::Response;
use bastion_api::Event;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Desk;
use super::answer::{Failed, Queried, lines};

/// Which events are asked for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Wanted {
    /// Whether to stay and hear of what happens from now on.
    #[serde(default)]
    follow: bool,
    /// Only those after this number.
    #[serde(default)]
    since: u64,
    /// Only those of this target.
    target: Option<String>,
}

/// `GET /v1/events?follow=true&since=N&target=T`
pub(super) async fn events(
    State(desk): State<Desk>,
    Queried(wanted): Queried<Wanted>,
) -> Result<Response, Failed> {
    if let Some(name) = &wanted.target {
        desk.target(name)?;
    }
    let (past, mut live) = desk.house.events.since(wanted.since);
    let (tell, told) = mpsc::channel(LINES_AHEAD);
    let stop = desk.tasks.stop_token();
    desk.tasks.spawn("events", async move {
        let of_target = |event: &Event| wanted.target.is_none() || event.target == wanted.target;
        for event in past.into_iter().filter(of_target) {
            if !say(&tell, event, &stop).await {
                return;
            }
        }
        if !wanted.follow {
            return;
        }
        loop {
            let event = tokio::select! {
                event = live.recv() => event,
                () = tell.closed() => return,
                () = stop.cancelled() => return,
            };
            match event {
                Ok(event) if of_target(&event) => {
                    if !say(&tell, event, &stop).await {
                        return;
                    }
                }
                // What a slow reader has missed stands in the past: it sees the gap in the numbers.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    Ok(lines(told))
}

/// Whether there is still somebody to read on: not once everything ends, for a reader that has stopped reading.
async fn say(tell: &mpsc::Sender<Event>, event: Event, stop: &CancellationToken) -> bool {
    tokio::select! {
        sent = tell.send(event) => sent.is_ok(),
        () = stop.cancelled() => false,
    }
}

/// How many lines may wait for a slow reader.
const LINES_AHEAD: usize = 64;
