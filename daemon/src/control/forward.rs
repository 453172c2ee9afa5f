//! `forward`: serves a database that the config does not name, for as long as somebody listens to the answer.
//!
//! ```text
//!   asked ──▶ checked as the config's own would be ──▶ added beside the config's targets, as a reload adds
//!                │ faulty, or its port is taken           │
//!                ▼                                        ▼
//!             a problem                     its listeners, a lease: stages, ready ── … ── the caller leaves
//!                                                                                           │
//!   no more ◀── its bastion has stopped, of itself ◀── idle: no listener, no lease, no visit ◀┘
//! ```
//!
//! A reload leaves it as it is, unless the config has come to name a target so, which then takes its place.

use std::sync::Arc;
use std::time::Duration;

use axum::extract;
use axum::response::Response;
use bastion_api::{Engine, EventKind, ForwardRequest, OpenEvent, Problem, State};
use bastion_cloud::Cloud;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::answer::{Asked, Failed, lines};
use super::open::{LINES_AHEAD, Tell, say, stages};
use super::running::Loaded;
use super::{Desk, Pair, status};
use crate::config::{Config, Target, ad_hoc};
use crate::explain;
use crate::keeper::{Holder, Lease};

/// `POST /v1/forward`
pub(super) async fn forward(
    extract::State(desk): extract::State<Desk>,
    Asked(asked): Asked<ForwardRequest>,
) -> Result<Response, Failed> {
    let asked = complete(asked)?;
    let (tell, told) = mpsc::channel(LINES_AHEAD);
    let (begun, begins) = oneshot::channel();
    let tasks = desk.tasks.clone();
    // In a task of its own from the beginning: a caller who leaves early must not leave a target behind.
    tasks.spawn("forward", async move {
        let stop = desk.tasks.stop_token();
        let forward = match Forward::begin(desk, &asked).await {
            Ok(forward) => forward,
            // A caller who has left needs no reason.
            Err(failed) => return drop(begun.send(Err(failed))),
        };
        drop(begun.send(Ok(())));
        tokio::select! {
            () = forward.serve(&tell) => {}
            () = tell.closed() => {}
            // Everything ends anyway.
            () = stop.cancelled() => return,
        }
        drop(tell);
        forward.end().await;
    });
    begins.await.unwrap_or_else(|_| Err(explain::call_too_slow().into()))?;
    Ok(lines(told))
}

/// The request with what follows from what it says, where it says enough.
fn complete(mut asked: ForwardRequest) -> Result<ForwardRequest, Failed> {
    let missing = |what: &str| Err(Failed::from(explain::bad_request(what)));
    match (&asked.site, &asked.cluster, &asked.service) {
        (Some(_), None, None) | (None, Some(_), Some(_)) => {}
        (Some(_), ..) => {
            return missing("a site and a service are two ways, of which one is taken");
        }
        (None, ..) => return missing("the site is missing, or a service and its cluster"),
    }
    if asked.host.is_some() == asked.rds.is_some() {
        return missing("one database is taken: a host or an rds instance");
    }
    let usual = asked.engine.and_then(|engine| match engine {
        Engine::Postgres => Some(5432),
        Engine::Mysql => Some(3306),
        Engine::Other => None,
    });
    asked.remote_port = asked.remote_port.or(usual);
    asked.local_port = asked.local_port.or(asked.remote_port);
    if asked.local_port.is_none() {
        return missing("the local port is missing, and nothing says what is usual");
    }
    Ok(asked)
}

/// A target beside the config's.
struct Forward {
    desk: Desk,
    target: Arc<Target>,
}

impl Forward {
    /// Adds the target, unless something is wrong with it.
    async fn begin(desk: Desk, asked: &ForwardRequest) -> Result<Self, Failed> {
        let reloading = Arc::clone(&desk.reloading);
        let _one_at_a_time = reloading.lock().await;
        let was = desk.running.now();
        let name = format!("forward-{}", asked.local_port.unwrap_or_default());
        let target = ad_hoc::target(asked, &name, &was.config)
            .map_err(|faults| explain::forward_faulty(&faults.report().faults))?;
        let others = was.targets.iter().map(|(target, _)| target.as_ref());
        let known = was.find(&name).map(|(known, _)| known.as_ref());
        let known = known.filter(|known| !is_fading(&was, known));
        if let Some(other) = known.or_else(|| ad_hoc::in_the_way(&target, others)) {
            return Err(explain::forward_in_the_way(&target, &other.name).into());
        }
        let (target, cloud) = with_cloud(&desk, target, &was);
        let before = was.targets.iter().filter(|(known, _)| known.name != name).cloned();
        let pair = (Arc::clone(&target), Arc::clone(&cloud));
        let targets = before.chain([pair]).collect();
        exchange(&desk, &was.config, targets).await;
        desk.listeners.open(&target, &cloud, &desk.opening);
        desk.house.events.tell(Some(&name), EventKind::Asked, "asked to forward");
        Ok(Self { desk, target })
    }

    /// Tells how it goes until it is ready, and then keeps a lease; ends only where it fails.
    async fn serve(&self, tell: &Tell) {
        match self.open(tell).await {
            Ok(lease) => {
                // Whoever closes the bastion closes this one; the next visit starts another.
                drop(lease.revoked().await);
                std::future::pending().await
            }
            Err(problem) => say(tell, OpenEvent::Failed { problem }).await,
        }
    }

    async fn open(&self, tell: &Tell) -> Result<Lease, Problem> {
        let Self { desk, target } = self;
        self.listens().await?;
        let asked = desk.house.clock.now();
        let lease = tokio::select! {
            lease = desk.house.keeper.lease(&target.name, Holder::Hold) => lease,
            never = stages(desk, target, tell) => match never {},
        };
        let lease = lease.map_err(|refusal| explain::refusal(target, &refusal))?;
        let elapsed = desk.house.clock.now().saturating_duration_since(asked);
        let target = status::of(desk, &target.name).await;
        let elapsed_seconds = elapsed.as_secs_f64();
        say(tell, OpenEvent::Ready { target, elapsed_seconds, hold_until: None }).await;
        Ok(lease)
    }

    /// Waits until the target is found where it should be, at one of its places at least; a problem where it is not.
    async fn listens(&self) -> Result<(), Problem> {
        let Self { desk, target } = self;
        let looked = async {
            loop {
                if let Some(problem) = desk.listeners.problems(&target.name).into_iter().next() {
                    return Err(explain::forward_cannot_listen(problem));
                }
                if !desk.listeners.addresses(&target.name).is_empty() {
                    return Ok(());
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        // Where neither comes, there is nobody to wait for: Docker's bridge alone, without Docker.
        timeout(BIND, looked).await.unwrap_or(Ok(()))
    }

    /// Takes no more visits, ends those that there are, and lets the bastion go idle; once that has stopped, nothing is
    /// left of it.
    async fn end(self) {
        let Self { desk, target } = self;
        if !close(&desk, &target).await {
            return;
        }
        desk.house.keeper.evict(&target.name);
        let words = "the forward has ended";
        desk.house.events.tell(Some(&target.name), EventKind::HoldEnded, words);
        let stop = desk.tasks.stop_token();
        loop {
            tokio::select! {
                gone = is_gone(&desk, &target.name) => if gone { return },
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = sleep(FADING) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

/// Closes the target's listeners; false where the config has taken its name.
async fn close(desk: &Desk, target: &Target) -> bool {
    let _one_at_a_time = desk.reloading.lock().await;
    let was = desk.running.now();
    let Some((_, cloud)) = was.beside().find(|(it, _)| it.name == target.name) else {
        return false;
    };
    let closed = Arc::new(Target { listen: Vec::new(), ..target.clone() });
    let pair = (closed, Arc::clone(cloud));
    let others = was.targets.iter().filter(|(known, _)| known.name != target.name).cloned();
    exchange(desk, &was.config, others.chain([pair]).collect()).await;
    true
}

/// Whether nothing is left of a forward that has ended; what has become idle and stopped is taken away here.
async fn is_gone(desk: &Desk, name: &str) -> bool {
    let _one_at_a_time = desk.reloading.lock().await;
    let was = desk.running.now();
    let fading = was.find(name).is_some_and(|(target, _)| is_fading(&was, target));
    if !fading {
        // Somebody forwards it again, or the config names it.
        return true;
    }
    let standings = desk.house.keeper.standings().await;
    let standing = standings.iter().find(|standing| standing.target == name);
    let over = |state| match state {
        State::Cold | State::Problem => true,
        State::Starting | State::Ready | State::Stopping | State::Unknown => false,
    };
    if !standing.is_none_or(|it| over(it.state) && it.task.is_none() && it.retiring.is_empty()) {
        return false;
    }
    let others = was.targets.iter().filter(|(target, _)| target.name != name).cloned();
    exchange(desk, &was.config, others.collect()).await;
    true
}

/// Whether a target is a forward that has ended.
fn is_fading(loaded: &Loaded, target: &Target) -> bool {
    let beside = loaded.beside().any(|(it, _)| it.name == target.name);
    beside && target.listen.is_empty()
}

/// The target and the cloud of its site, a known one where there is one.
fn with_cloud(desk: &Desk, target: Target, was: &Loaded) -> Pair {
    let alone = Config { targets: vec![target], ..was.config.clone() };
    let made: Vec<(Arc<Target>, Arc<dyn Cloud>)> = desk.clouds.make(&alone, &was.targets);
    made.into_iter().next().expect("a target has a cloud")
}

/// From here on these are the targets, under the same config.
async fn exchange(desk: &Desk, config: &Config, targets: Vec<Pair>) {
    let names: Vec<_> = targets.iter().map(|(target, _)| Arc::clone(target)).collect();
    desk.listeners.close_others(&names).await;
    desk.house.keeper.reload(targets.clone(), config.on_stop).await;
    desk.running.exchange(Loaded { config: config.clone(), targets });
}

/// How long a listener may take to say whether it is bound: it is, or not, when it is opened.
const BIND: Duration = Duration::from_secs(2);

/// How often it is asked meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How often it is looked whether the bastion of a forward that has ended has stopped: nothing waits for it.
const FADING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use bastion_api::ProblemKind;

    use super::*;

    fn asked() -> ForwardRequest {
        ForwardRequest {
            site: Some("prod".into()),
            host: Some("db".into()),
            ..ForwardRequest::default()
        }
    }

    #[test]
    fn what_is_not_said_follows_from_the_engine() {
        let mysql = ForwardRequest { engine: Some(Engine::Mysql), ..asked() };
        let completed = complete(mysql).unwrap();
        assert_eq!((completed.remote_port, completed.local_port), (Some(3306), Some(3306)));
        let other = ForwardRequest { remote_port: Some(6379), ..asked() };
        assert_eq!(complete(other).unwrap().local_port, Some(6379));
    }

    #[test]
    fn too_little_and_too_much_are_the_callers_mistakes() {
        let port = Some(3306);
        let service = Some("s".to_owned());
        for wrong in [
            asked(),
            ForwardRequest { service: service.clone(), local_port: port, ..asked() },
            ForwardRequest { site: None, service, local_port: port, ..asked() },
            ForwardRequest { site: None, local_port: port, ..asked() },
            ForwardRequest { rds: Some("db".into()), local_port: port, ..asked() },
            ForwardRequest { host: None, local_port: port, ..asked() },
        ] {
            let Err(Failed::Problem(problem)) = complete(wrong.clone()) else {
                panic!("{wrong:?}");
            };
            assert_eq!(problem.kind, ProblemKind::Usage, "{wrong:?}");
        }
    }
}
