//! The keeper at work: asks in, the pool's machine, errands out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bastion_api::{EventKind, Stage, State, Timestamp};
use bastion_cloud::{Cloud, TaskId};
use bastion_pool::{Input, LeaseId, Limits, Output, Phase, Pool, Why};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::lease::{Granted, Revoked};
use super::{Answer, Ask, Holder, News, Parts, Refusal, Standing, Start, errands, view};
use crate::config::Target;
use crate::tunnels::Route;

/// The keeper before and while it runs.
#[derive(Debug)]
pub struct Running {
    parts: Parts,
    pool: Pool,
    wards: BTreeMap<String, Ward>,
    leases: BTreeMap<LeaseId, Held>,
    asks: mpsc::UnboundedSender<Ask>,
    inbox: mpsc::UnboundedReceiver<Ask>,
    /// When the tasks that serve are next looked at.
    next_look: Option<Instant>,
    /// Set once the daemon is stopping: who waits for every order to be taken.
    stopping: Option<Vec<Answer<()>>>,
}

/// One target in the keeper's care.
#[derive(Debug)]
pub(super) struct Ward {
    pub(super) target: Arc<Target>,
    pub(super) cloud: Arc<dyn Cloud>,
    /// Ends the start that is under way, where it may be ended.
    give_up: CancellationToken,
    start: watch::Sender<Start>,
    started_at: Option<Timestamp>,
    /// The way to the database, while the bastion is ready.
    route: Option<Arc<Route>>,
    failure: Option<Refusal>,
    /// What was last told of it, and since when.
    state: (State, Instant),
    idle: bool,
    /// Whether the cloud has taken the order to stop the task that is on its way out.
    stop_taken: bool,
}

/// A lease that was asked for and has not ended.
#[derive(Debug)]
struct Held {
    target: String,
    holder: Holder,
    stand: Stand,
}

#[derive(Debug)]
enum Stand {
    Waiting(Answer<Result<Granted, Refusal>>),
    Granted(Revoked),
}

impl Running {
    pub(super) fn new(
        parts: Parts,
        asks: mpsc::UnboundedSender<Ask>,
        inbox: mpsc::UnboundedReceiver<Ask>,
    ) -> Self {
        let now = parts.clock.now();
        let mut pool = Pool::new();
        let mut wards = BTreeMap::new();
        for (target, cloud) in &parts.targets {
            let limits = Limits {
                start: target.start_timeout,
                idle: target.idle_timeout,
                stop: errands::STOP_PATIENCE,
            };
            pool.add(&target.name, limits);
            let ward = Ward {
                target: Arc::clone(target),
                cloud: Arc::clone(cloud),
                give_up: CancellationToken::new(),
                start: watch::Sender::new(Start::default()),
                started_at: None,
                route: None,
                failure: None,
                state: (State::Cold, now),
                idle: false,
                stop_taken: false,
            };
            wards.insert(target.name.clone(), ward);
        }
        let leases = BTreeMap::new();
        Self { parts, pool, wards, leases, asks, inbox, next_look: None, stopping: None }
    }

    pub(super) fn starts(&self) -> BTreeMap<String, watch::Receiver<Start>> {
        self.wards.iter().map(|(name, ward)| (name.clone(), ward.start.subscribe())).collect()
    }

    /// Serves until the stop token fires.
    pub async fn run(mut self) {
        let stop = self.parts.tasks.stop_token();
        loop {
            let next_tick = self.next_tick();
            tokio::select! {
                ask = self.inbox.recv() => match ask {
                    Some(ask) => self.take(ask),
                    // Cannot be: the keeper itself holds a sender.
                    None => return,
                },
                () = next_tick => {}
                () = stop.cancelled() => return,
            }
            let now = self.parts.clock.now();
            self.pool.tick(now);
            self.run_errands();
            self.look_around(now);
            self.note_states(now);
            self.answer_stop();
        }
    }

    /// Until something is due; a second at most while anything runs, because a long sleep ignores the laptop's own.
    fn next_tick(&self) -> impl Future<Output = ()> + use<> {
        let now = self.parts.clock.now();
        let due = [self.pool.timeout().map(|(due, _)| due), self.next_look];
        let pause = due.into_iter().flatten().min();
        let pause = pause.map(|due| due.saturating_duration_since(now).min(TICK));
        async move {
            match pause {
                Some(pause) => sleep(pause).await,
                None => std::future::pending().await,
            }
        }
    }

    fn take(&mut self, ask: Ask) {
        let now = self.parts.clock.now();
        match ask {
            Ask::Lease { id, target, holder, answer } => {
                if self.stopping.is_some() {
                    drop(answer.send(Err(Refusal::Stopping)));
                } else if self.pool.lease(&target, id, now) {
                    let stand = Stand::Waiting(answer);
                    self.leases.insert(id, Held { target, holder, stand });
                } else {
                    drop(answer.send(Err(Refusal::UnknownTarget)));
                }
            }
            Ask::LeaseEnded { id } => {
                self.leases.remove(&id);
                self.pool.end(id, now);
            }
            Ask::Route { target, answer } => {
                let route = self.wards.get(&target).and_then(|ward| ward.route.clone());
                drop(answer.send(route));
            }
            Ask::Close { target, answer } => {
                let known = self.wards.contains_key(&target);
                if known {
                    self.parts.events.tell(Some(&target), EventKind::Asked, "asked to close");
                    self.pool.handle(&target, Input::CloseWanted, now);
                }
                drop(answer.send(if known { Ok(()) } else { Err(Refusal::UnknownTarget) }));
            }
            Ask::Doubt { target } => self.look_at(&target),
            Ask::Standings { answer } => drop(answer.send(self.standings(now))),
            Ask::Stop { answer } => {
                self.stopping.get_or_insert_default().push(answer);
                let targets: Vec<_> = self.wards.keys().cloned().collect();
                for target in targets {
                    self.pool.handle(&target, Input::CloseWanted, now);
                }
            }
            Ask::Told { target, news } => self.hear(&target, news, now),
        }
    }

    fn hear(&mut self, target: &str, news: News, now: Instant) {
        let Some(ward) = self.wards.get_mut(target) else { return };
        match news {
            News::Stage(stage) if ward.start.borrow().stage == Some(stage) => {}
            News::Stage(stage) => {
                ward.start.send_modify(|start| start.stage = Some(stage));
                let words = stage.words();
                self.parts.events.tell(Some(target), EventKind::BastionStage, words);
            }
            News::Named(task) => self.pool.handle(target, Input::TaskNamed(task), now),
            News::Ready(route) => {
                let task = route.bastion.task.clone();
                ward.route = Some(route);
                ward.failure = None;
                self.pool.handle(target, Input::TaskReady(task), now);
            }
            News::Failed(why) => {
                ward.failure = Some(why);
                self.pool.handle(target, Input::StartFailed, now);
            }
            News::StopTaken => ward.stop_taken = true,
            News::Gone(words) => {
                if matches!(self.pool.phase(target), Some(Phase::Ready { .. })) {
                    ward.failure = Some(Refusal::TaskGone(words));
                }
                self.pool.handle(target, Input::TaskGone, now);
            }
        }
    }

    fn run_errands(&mut self) {
        let now = self.parts.clock.now();
        while let Some((target, output)) = self.pool.poll() {
            let Some(ward) = self.wards.get_mut(&target) else { continue };
            let desk = errands::Desk {
                target: Arc::clone(&ward.target),
                cloud: Arc::clone(&ward.cloud),
                tunnels: self.parts.tunnels.clone(),
                started_by: self.parts.started_by.clone(),
                asks: self.asks.clone(),
            };
            match output {
                Output::StartTask => {
                    ward.give_up = CancellationToken::new();
                    ward.started_at = Some(self.parts.clock.calendar());
                    ward.start.send_modify(|start| {
                        start.stage = Some(Stage::Discovering);
                        start.since = Some(now);
                    });
                    let events = &self.parts.events;
                    events.tell(Some(&target), EventKind::BastionStarting, "starting a bastion");
                    let start = errands::start(desk, ward.give_up.clone());
                    self.parts.tasks.spawn(format!("start {target}"), start);
                }
                Output::StopTask(task) => {
                    ward.give_up.cancel();
                    ward.route = None;
                    ward.stop_taken = false;
                    if let Some(task) = task {
                        let stop = errands::stop(desk, task);
                        self.parts.tasks.spawn(format!("stop {target}"), stop);
                    }
                }
                Output::Grant(lease, task) => self.grant(lease, &target, &task, now),
                Output::Revoke(lease, why) => self.revoke(lease, &target, why),
            }
        }
    }

    fn grant(&mut self, lease: LeaseId, target: &str, task: &TaskId, now: Instant) {
        let route = self.wards.get(target).and_then(|ward| ward.route.clone());
        let route = route.filter(|route| route.bastion.task == *task);
        let (Some(held), Some(route)) = (self.leases.get_mut(&lease), route) else {
            self.pool.end(lease, now);
            return;
        };
        let revoked = Revoked::default();
        let granted = Granted { route, revoked: revoked.clone() };
        if let Stand::Waiting(answer) = std::mem::replace(&mut held.stand, Stand::Granted(revoked))
        {
            // Whoever gave up in this very moment says so by itself, when its claim is dropped.
            drop(answer.send(Ok(granted)));
        }
    }

    fn revoke(&mut self, lease: LeaseId, target: &str, why: Why) {
        let Some(ward) = self.wards.get_mut(target) else { return };
        let refusal = match why {
            Why::StartFailed | Why::TaskGone => {
                ward.failure.clone().unwrap_or_else(|| Refusal::TaskGone(String::new()))
            }
            Why::TookTooLong => {
                let stage = ward.start.borrow().stage.unwrap_or(Stage::Requesting);
                let refusal = Refusal::TookTooLong(stage);
                ward.failure = Some(refusal.clone());
                refusal
            }
            Why::Closed if self.stopping.is_some() => Refusal::Stopping,
            Why::Closed => Refusal::Closed,
        };
        match self.leases.remove(&lease).map(|held| held.stand) {
            Some(Stand::Waiting(answer)) => drop(answer.send(Err(refusal))),
            Some(Stand::Granted(revoked)) => revoked.revoke(refusal),
            None => {}
        }
    }

    /// Looks, every now and then, whether the tasks that serve still live.
    fn look_around(&mut self, now: Instant) {
        let serving: Vec<_> = self.wards.values().filter(|w| w.route.is_some()).collect();
        if serving.is_empty() {
            self.next_look = None;
            return;
        }
        let due = *self.next_look.get_or_insert(now + errands::LOOK_EVERY);
        if due > now {
            return;
        }
        let targets: Vec<_> = serving.iter().map(|w| w.target.name.clone()).collect();
        for target in targets {
            self.look_at(&target);
        }
        self.next_look = Some(now + errands::LOOK_EVERY);
    }

    fn look_at(&self, target: &str) {
        let Some(ward) = self.wards.get(target) else { return };
        let Some(route) = ward.route.clone() else { return };
        let look = errands::look(Arc::clone(&ward.cloud), route, self.asks.clone());
        self.parts.tasks.spawn(format!("look at {target}"), look);
    }

    /// Notes and tells every change of state, whatever brought it about.
    fn note_states(&mut self, now: Instant) {
        for (name, ward) in &mut self.wards {
            let Some(phase) = self.pool.phase(name) else { continue };
            let idle = matches!(&phase, Phase::Ready { idle_due: Some(_), .. });
            let state = view::state(&phase, ward.failure.as_ref());
            let fell_idle = idle && !std::mem::replace(&mut ward.idle, idle);
            if ward.state.0 == state {
                if fell_idle {
                    let words = "nobody uses it any more";
                    self.parts.events.tell(Some(name), EventKind::BastionIdle, words);
                }
                continue;
            }
            let was = std::mem::replace(&mut ward.state, (state, now)).0;
            if was == State::Starting {
                ward.start.send_modify(|start| {
                    if state == State::Ready {
                        start.estimate = start.since.map(|since| now.duration_since(since));
                    }
                    start.stage = None;
                    start.since = None;
                });
            }
            if matches!(phase, Phase::Cold) {
                ward.route = None;
            }
            let (kind, words) = match state {
                State::Ready if idle => (EventKind::BastionReady, "ready, nobody uses it yet"),
                State::Ready => (EventKind::BastionReady, "ready"),
                State::Stopping => (EventKind::BastionStopping, "stopping"),
                State::Cold => (EventKind::BastionStopped, "stopped"),
                State::Problem => {
                    if let Some(why) = &ward.failure {
                        let failure = (Arc::clone(&ward.target), why.clone());
                        // Nobody there to explain it is no fault.
                        drop(self.parts.failures.send(failure));
                    }
                    continue;
                }
                State::Starting | State::Unknown => continue,
            };
            self.parts.events.tell(Some(name), kind, words);
        }
    }

    fn standings(&self, now: Instant) -> Vec<Standing> {
        let standing = |(name, ward): (&String, &Ward)| {
            let phase = self.pool.phase(name)?;
            let start = *ward.start.borrow();
            let held = |held: &&Held| held.target == *name && held.holder == Holder::Hold;
            let holds = self.leases.values().filter(held).count();
            Some(Standing {
                target: name.clone(),
                state: view::state(&phase, ward.failure.as_ref()),
                for_so_long: now.saturating_duration_since(ward.state.1),
                elapsed: start.since.map(|since| now.saturating_duration_since(since)),
                start,
                task: ward.route.as_ref().map(|route| route.bastion.task.clone()),
                started_at: ward.route.as_ref().and(ward.started_at),
                holds: u32::try_from(holds).unwrap_or(u32::MAX),
                idle_stop: view::idle_stop(&phase, now),
                failure: ward.failure.clone(),
            })
        };
        self.wards.iter().filter_map(standing).collect()
    }

    /// Answers those who wait for the end, once the cloud has taken every order.
    fn answer_stop(&mut self) {
        let Some(waiting) = &mut self.stopping else { return };
        let done = self.wards.iter().all(|(name, ward)| match self.pool.phase(name) {
            Some(Phase::Cold) | None => true,
            // A start that was given up may still be named, and is stopped then; or it fails, and is cold.
            Some(Phase::Draining) => ward.stop_taken,
            Some(Phase::Starting | Phase::Ready { .. }) => false,
        });
        if done {
            for answer in waiting.drain(..) {
                // Nobody waiting any more is no fault.
                answer.send(()).ok();
            }
        }
    }
}

/// How often time is read again while anything runs.
const TICK: Duration = Duration::from_secs(1);
