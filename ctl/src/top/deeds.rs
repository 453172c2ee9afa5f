//! What the dashboard's wishes and its looks at the daemon come to: each becomes an event again.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bastion_api::client::{Client, ClientError, EventsWanted};
use bastion_api::{CloseRequest, OpenEvent, OpenRequest, Timestamp};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::model::{Event, Wish};
use crate::clock;
use crate::commands::close;
use crate::error::explain;
use crate::words::{clean, duration};

/// Tells how the daemon is, every second, for ever.
pub(super) async fn looks(client: &Client, tell: &Sender<Event>) {
    let mut tick = interval(LOOK_AGAIN);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let event = match client.status().await {
            Ok(status) => Event::Seen { status: Box::new(status), today: clock::today() },
            Err(error) => Event::Away(explain(error)),
        };
        say(tell, event).await;
    }
}

/// Tells what happens, for ever: also after the daemon has been away, and nothing twice.
pub(super) async fn happenings(client: &Client, tell: &Sender<Event>) {
    let mut last: Option<(Timestamp, u64)> = None;
    let wanted = EventsWanted { follow: true, since: None, target: None };
    loop {
        if let Ok(mut lines) = client.events(&wanted).await {
            // A daemon that has begun anew counts from one again, but its time goes on.
            while let Ok(Some(event)) = lines.next().await {
                let this = (event.time, event.seq);
                if last.is_none_or(|last| this > last) {
                    last = Some(this);
                    say(tell, Event::Happened(Box::new(event))).await;
                }
            }
        }
        // Why it is away is told by who looks at it.
        sleep(LOOK_AGAIN).await;
    }
}

/// Does what is wished, for ever; one thing does not wait for another.
pub(super) async fn deeds(client: &Client, mut wishes: Receiver<Wish>, tell: &Sender<Event>) {
    let mut under_way: Vec<Pin<Box<dyn Future<Output = Event> + '_>>> = Vec::new();
    loop {
        let done = poll_fn(|context| {
            for at in 0..under_way.len() {
                if let Poll::Ready(event) = under_way[at].as_mut().poll(context) {
                    drop(under_way.swap_remove(at));
                    return Poll::Ready(event);
                }
            }
            Poll::Pending
        });
        tokio::select! {
            event = done => say(tell, event).await,
            Some(wish) = wishes.recv() => match wish {
                Wish::Open(name, request) => under_way.push(Box::pin(open(client, name, request))),
                Wish::Close(name, request) => under_way.push(Box::pin(close(client, name, request))),
                // The dashboard ends by itself.
                Wish::Quit | Wish::Interrupt | Wish::Suspend => {}
            },
        }
    }
}

/// Starts a bastion, which needs nobody to look on; or holds it, which does until it is ready.
async fn open(client: &Client, name: String, request: OpenRequest) -> Event {
    let mut lines = match client.open(&name, &request).await {
        Ok(lines) => lines,
        Err(error) => return Event::Failed(explain(error)),
    };
    let told = clean(&name);
    loop {
        match lines.next().await {
            Ok(Some(OpenEvent::Ready { .. })) => {
                let held =
                    request.hold_seconds.map(|hold| format!(", held for {}", duration(hold)));
                return Event::Done(format!("{told}: ready{}", held.unwrap_or_default()));
            }
            Ok(Some(OpenEvent::Failed { problem })) => return Event::Failed(problem),
            Ok(Some(OpenEvent::Stage { .. })) if request.hold_seconds.is_none() => {
                return Event::Done(format!("{told}: starting"));
            }
            Ok(Some(OpenEvent::Stage { .. } | OpenEvent::Tunnels { .. } | OpenEvent::Unknown)) => {}
            Ok(None) => return Event::Failed(explain(lines.cut())),
            Err(error) => return Event::Failed(explain(error)),
        }
    }
}

async fn close(client: &Client, name: String, request: CloseRequest) -> Event {
    match client.close(&name, &request).await {
        Ok(answer) => Event::Done(close::said(&answer)),
        Err(ClientError::Refused(refused)) => Event::InUse { target: name, visits: refused.visits },
        Err(error) => Event::Failed(explain(error)),
    }
}

async fn say(tell: &Sender<Event>, event: Event) {
    // Where the dashboard has ended there is nobody to tell.
    tell.send(event).await.ok();
}

/// How often it is looked: what is shown counts seconds.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
