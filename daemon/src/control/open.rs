//! `open`: starts a target's bastion as a visit would, has as many tunnels opened as are asked for, and tells how it
//! goes.

use axum::extract::State;
use axum::response::Response;
use bastion_api::{EventKind, OpenEvent, OpenRequest, Problem, SCHEMA_VERSION, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::answer::{Asked, Failed, Named, lines};
use super::{Desk, status};
use crate::config::Target;
use crate::explain;
use crate::keeper::{Holder, Lease, Refusal, Start};
use crate::tunnels::{Route, Ways as _};

/// `POST /v1/targets/{name}/open`
pub(super) async fn open(
    State(desk): State<Desk>,
    Named(name): Named,
    Asked(request): Asked<OpenRequest>,
) -> Result<Response, Failed> {
    let target = desk.target(&name)?.clone();
    let hold = request.hold_seconds.map(Duration::from_secs).filter(|hold| !hold.is_zero());
    if hold.is_some_and(|hold| hold > LONGEST_HOLD) {
        let why = format!("hold_seconds is more than {}", LONGEST_HOLD.as_secs());
        return Err(explain::bad_request(&why).into());
    }
    let tunnels = usize::try_from(request.tunnels.unwrap_or(0)).unwrap_or(usize::MAX);
    if tunnels > MOST_TUNNELS {
        let why = format!("tunnels is more than {MOST_TUNNELS}");
        return Err(explain::bad_request(&why).into());
    }
    desk.house.events.tell(Some(&name), EventKind::Asked, "asked to open");
    let (tell, told) = mpsc::channel(LINES_AHEAD);
    let desk_too = desk.clone();
    desk.tasks.spawn(format!("open {name}"), async move {
        let stop = desk_too.tasks.stop_token();
        tokio::select! {
            () = story(&desk_too, &target, hold, tunnels, &tell) => {}
            // Whoever asked has left: the start goes on without them.
            () = tell.closed() => {}
            () = stop.cancelled() => {}
        }
    });
    Ok(lines(told))
}

async fn story(desk: &Desk, target: &Target, hold: Option<Duration>, tunnels: usize, tell: &Tell) {
    let asked = desk.house.clock.now();
    let holder = if hold.is_some() { Holder::Hold } else { Holder::Person };
    let lease = desk.house.keeper.lease(&target.name, holder);
    let lease = tokio::select! {
        lease = lease => lease,
        never = stages(desk, target, tell) => match never {},
    };
    let fanned = match lease {
        Ok(lease) => {
            let fanned = fan(desk, target, lease.route(), tunnels, tell).await;
            match fanned {
                Ok(()) => settled(desk, target, lease.route()).await.map(|()| lease),
                Err(problem) => Err(problem),
            }
        }
        Err(refusal) => Err(explain::refusal(target, &refusal)),
    };
    let last = match fanned {
        Ok(lease) => {
            let elapsed = desk.house.clock.now().saturating_duration_since(asked);
            let hold_until = hold.map(|hold| keep(desk, target, lease, hold));
            let target = status::of(desk, &target.name).await;
            OpenEvent::Ready { target, elapsed_seconds: elapsed.as_secs_f64(), hold_until }
        }
        Err(problem) => OpenEvent::Failed { problem },
    };
    say(tell, last).await;
}

/// Waits until the agent has had the time to refuse the database's name; what is wrong with it, where it does.
async fn settled(desk: &Desk, target: &Target, route: &Route) -> Result<(), Problem> {
    let Err(failure) = desk.house.tunnels.settle(route).await else { return Ok(()) };
    let problem = explain::refusal(target, &Refusal::Tunnel(failure));
    // The bastion was ready after that, and says nothing about it.
    desk.house.roster.note_trouble(&target.name, problem.clone(), desk.house.clock.now());
    Err(problem)
}

/// Has so many tunnels opened, and tells how many stand meanwhile.
async fn fan(
    desk: &Desk,
    target: &Target,
    first: &Arc<Route>,
    wanted: usize,
    tell: &Tell,
) -> Result<(), Problem> {
    if wanted == 0 {
        return Ok(());
    }
    let standing = tokio::select! {
        standing = spread(desk, target, first, wanted) => standing,
        never = count(desk, target, wanted, tell) => match never {},
    };
    match standing {
        Ok(standing) if standing >= wanted => Ok(()),
        Ok(standing) => Err(explain::too_few_tunnels(target, standing, wanted)),
        Err(refusal) => Err(explain::refusal(target, &refusal)),
    }
}

/// Opens so many tunnels, over as many bastions as that takes. Says how many stand.
async fn spread(
    desk: &Desk,
    target: &Target,
    first: &Arc<Route>,
    wanted: usize,
) -> Result<usize, Refusal> {
    let mut routes = vec![Arc::clone(first)];
    let mut each = target.rules.tunnels_per_bastion;
    loop {
        let bastions = wanted.div_ceil(each);
        if bastions > routes.len() {
            let before = routes.len();
            routes = desk.house.keeper.widen(&target.name, bastions).await?;
            if routes.len() <= before && each < target.rules.tunnels_per_bastion {
                return Ok(desk.house.tunnels.count(&target.name));
            }
        }
        let mut left = wanted;
        let shares = routes.iter().map(|route| {
            let share = left.min(each);
            left -= share;
            desk.house.tunnels.fan(route, share)
        });
        let shares = futures_util::future::join_all(shares).await;
        let standing: usize = shares.iter().flatten().sum();
        let least = shares.iter().flatten().copied().filter(|got| *got > 0).min();
        match (least, shares.into_iter().find_map(Result::err)) {
            (None, Some(failure)) => return Err(Refusal::Tunnel(failure)),
            // An agent takes fewer than the config says: more bastions make up for that.
            (Some(least), _) if standing < wanted && least < each && routes.len() == bastions => {
                each = least;
            }
            (_, Some(_) | None) => return Ok(standing),
        }
    }
}

/// Tells how many of so many tunnels stand, whenever that changes, for as long as it is let.
async fn count(
    desk: &Desk,
    target: &Target,
    wanted: usize,
    tell: &Tell,
) -> std::convert::Infallible {
    let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
    let mut last = None;
    loop {
        let standing = desk.house.tunnels.count(&target.name).min(wanted);
        if last.replace(standing) != Some(standing) {
            let (standing, wanted) = (number(standing), number(wanted));
            say(tell, OpenEvent::Tunnels { standing, wanted }).await;
        }
        sleep(COUNT_AGAIN).await;
    }
}

/// Tells each stage as it is reached, for as long as it is let.
pub(super) async fn stages(desk: &Desk, target: &Target, tell: &Tell) -> std::convert::Infallible {
    let Some(mut start) = desk.house.keeper.watch_start(&target.name) else {
        return std::future::pending().await;
    };
    let mut last = None;
    loop {
        let now = *start.borrow_and_update();
        if now.stage != last {
            last = now.stage;
            if let Some(event) = stage(now, desk.house.clock.now()) {
                say(tell, event).await;
            }
        }
        if start.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn stage(start: Start, now: Instant) -> Option<OpenEvent> {
    let elapsed = start.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
    Some(OpenEvent::Stage {
        stage: start.stage?,
        elapsed_seconds: elapsed.as_secs_f64(),
        estimate_seconds: start.estimate.map(|estimate| estimate.as_secs_f64()),
    })
}

/// Keeps the lease until its time is up or it is taken back, and tells until when.
fn keep(desk: &Desk, target: &Target, lease: Lease, hold: Duration) -> Timestamp {
    let (clock, events) = (desk.house.clock.clone(), desk.house.events.clone());
    let (name, stop) = (target.name.clone(), desk.tasks.stop_token());
    let until = clock.calendar().saturating_add(hold).unwrap_or(Timestamp::MAX);
    events.tell(Some(&name), EventKind::HoldPlaced, format!("held until {until}"));
    let due = clock.now() + hold;
    desk.tasks.spawn(format!("hold {name}"), async move {
        let time_is_up = async {
            loop {
                let left = due.saturating_duration_since(clock.now());
                if left.is_zero() {
                    return;
                }
                // The clock is read again and again, because a long sleep ignores the laptop's own.
                sleep(left.min(TICK)).await;
            }
        };
        let why = tokio::select! {
            () = time_is_up => "the hold's time is up",
            refusal = lease.revoked() => match refusal {
                Refusal::Closed => "the hold ended: the bastion was closed",
                Refusal::UnknownTarget | Refusal::Cloud(_) | Refusal::Tunnel(_)
                | Refusal::TookTooLong(_) | Refusal::TaskGone(_) | Refusal::NotStopped
                | Refusal::Silent(_) | Refusal::Reconnects | Refusal::TooOld(_)
                | Refusal::Removed | Refusal::Journal(_) | Refusal::Stopping => {
                    "the hold ended: the bastion is gone"
                }
            },
            () = stop.cancelled() => return,
        };
        events.tell(Some(&name), EventKind::HoldEnded, why);
    });
    until
}

pub(super) async fn say(tell: &Tell, event: OpenEvent) {
    // A listener that has left is noticed by the caller's select.
    drop(tell.send(event).await);
}

pub(super) type Tell = mpsc::Sender<OpenEvent>;

/// How many lines may wait for a slow reader; a start has six stages.
pub(super) const LINES_AHEAD: usize = 16;

/// How long a bastion may be held: beyond any piece of work, and what forgets to end it costs money.
const LONGEST_HOLD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How often a hold looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// How many tunnels may be asked for: at two a bastion these are 32 bastions, and more is a mistake.
const MOST_TUNNELS: usize = 64;

/// How often the tunnels that stand are counted while more are opened: as often as a person sees.
const COUNT_AGAIN: Duration = Duration::from_millis(200);

/// Every answer's shape is the one of this version.
const _: () = assert!(SCHEMA_VERSION == 1, "the lines of open carry no version of their own");
