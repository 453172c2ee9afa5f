//! The keeper at work: asks in, the pool's machine, errands out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bastion_api::{EventKind, Stage};
use bastion_cloud::TaskId;
use bastion_pool::LeaseId;
use bastion_pool::single::{Input, Limits, Output, Phase, Pool, Why};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::lease::{Granted, Pulse, Revoked};
use super::ward::Ward;
use super::{Answer, Ask, Holder, News, Parts, Refusal, Standing, Start, errands};

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
    /// Tells the errands so.
    no_more: CancellationToken,
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
            let ward = Ward::new(Arc::clone(target), Arc::clone(cloud), now);
            wards.insert(target.name.clone(), ward);
        }
        let (leases, no_more) = (BTreeMap::new(), CancellationToken::new());
        Self { parts, pool, wards, leases, asks, inbox, next_look: None, stopping: None, no_more }
    }

    pub(super) fn starts(&self) -> BTreeMap<String, watch::Receiver<Start>> {
        self.wards.iter().map(|(name, ward)| (name.clone(), ward.start.subscribe())).collect()
    }

    #[cfg(test)]
    pub(super) fn use_ways(&mut self, ways: Arc<dyn crate::tunnels::Ways>) {
        self.parts.tunnels = ways;
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
    pub(super) fn next_tick(&self) -> impl Future<Output = ()> + use<> {
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
                    self.put_aside(&target);
                    self.pool.handle(&target, Input::CloseWanted, now);
                }
                drop(answer.send(if known { Ok(()) } else { Err(Refusal::UnknownTarget) }));
            }
            Ask::Doubt { target } => self.look_at(&target),
            Ask::Standings { answer } => drop(answer.send(self.standings(now))),
            Ask::Stop { answer } => {
                self.stopping.get_or_insert_default().push(answer);
                self.no_more.cancel();
                let targets: Vec<_> = self.wards.keys().cloned().collect();
                for target in targets {
                    self.pool.handle(&target, Input::CloseWanted, now);
                }
            }
            Ask::Told { target, news } => self.hear(&target, news, now),
        }
    }

    fn hear(&mut self, target: &str, news: News, now: Instant) {
        let phase = self.pool.phase(target);
        let Some(ward) = self.wards.get_mut(target) else { return };
        // What comes of a start that was given up is of no use, and its failure no news.
        let starting = phase == Some(Phase::Starting);
        match news {
            News::Stage(stage) if !starting || ward.start.borrow().stage == Some(stage) => {}
            News::Stage(stage) => {
                ward.start.send_modify(|start| start.stage = Some(stage));
                let words = stage.words();
                self.parts.events.tell(Some(target), EventKind::BastionStage, words);
            }
            News::Named(task) => {
                ward.task = Some(task.clone());
                self.pool.handle(target, Input::TaskNamed(task), now);
            }
            News::Ready(route) => {
                let task = route.bastion.task.clone();
                ward.task = Some(task.clone());
                if starting {
                    ward.route = Some(route);
                    ward.failure = None;
                }
                self.pool.handle(target, Input::TaskReady(task), now);
            }
            News::Failed(why) => {
                if starting {
                    self.fail(target, why);
                }
                self.pool.handle(target, Input::StartFailed, now);
            }
            News::Uncertain(why) => {
                if starting {
                    self.fail(target, why);
                }
                self.pool.handle(target, Input::StartUncertain, now);
            }
            News::GivenUp => self.pool.handle(target, Input::StartFailed, now),
            News::StopRefused(why) => {
                if ward.stuck.replace(why.clone()).is_none() {
                    self.explain(target, why);
                }
            }
            News::StopTaken => {
                ward.stop_taken = true;
                ward.stuck = None;
            }
            News::Gone(task, words) => {
                if matches!(phase, Some(Phase::Ready { task: served, .. }) if served == task) {
                    self.fail(target, Refusal::TaskGone(words));
                }
                self.pool.handle(target, Input::TaskGone(task), now);
            }
            News::Looked => ward.looked_at = false,
        }
    }

    /// Notes and tells why there is no bastion.
    fn fail(&mut self, target: &str, why: Refusal) {
        if let Some(ward) = self.wards.get_mut(target) {
            ward.failure = Some(why.clone());
        }
        self.explain(target, why);
    }

    fn explain(&self, target: &str, why: Refusal) {
        if let Some(ward) = self.wards.get(target) {
            // Nobody there to explain it is no fault.
            drop(self.parts.failures.send((Arc::clone(&ward.target), why)));
        }
    }

    /// Whoever closes what has failed has read why.
    fn put_aside(&mut self, target: &str) {
        if self.pool.phase(target) == Some(Phase::Cold)
            && let Some(ward) = self.wards.get_mut(target)
        {
            ward.failure = None;
        }
    }

    fn run_errands(&mut self) {
        let now = self.parts.clock.now();
        while let Some((target, output)) = self.pool.poll() {
            match output {
                Output::StartTask => {
                    let Some(desk) = self.errand(&target) else { continue };
                    let Some(ward) = self.wards.get_mut(&target) else { continue };
                    ward.begin(now, self.parts.clock.calendar());
                    let events = &self.parts.events;
                    events.tell(Some(&target), EventKind::BastionStarting, "starting a bastion");
                    let start = errands::start(desk, ward.give_up.clone());
                    self.parts.tasks.spawn(format!("start {target}"), start);
                }
                Output::StopTask(task) => self.stop_task(&target, task),
                Output::Overdue => {
                    let stage = self.wards.get(&target).and_then(|ward| ward.start.borrow().stage);
                    self.fail(&target, Refusal::TookTooLong(stage.unwrap_or(Stage::Requesting)));
                }
                Output::Grant(lease, task) => self.grant(lease, &target, &task, now),
                Output::Revoke(lease, why) => self.revoke(lease, &target, why),
            }
        }
    }

    fn stop_task(&mut self, target: &str, task: Option<TaskId>) {
        let desk = self.errand(target);
        let Some(ward) = self.wards.get_mut(target) else { return };
        // A stray task's end leaves the one that serves alone.
        let serves = ward.route.as_ref().map(|route| &route.bastion.task);
        if serves.is_none() || serves == task.as_ref() {
            ward.give_up.cancel();
            ward.route = None;
            ward.stop_taken = false;
        }
        if let (Some(desk), Some(task)) = (desk, task) {
            self.parts.tasks.spawn(format!("stop {target}"), errands::stop(desk, task));
        }
    }

    fn errand(&self, target: &str) -> Option<errands::Desk> {
        let ward = self.wards.get(target)?;
        Some(errands::Desk {
            target: Arc::clone(&ward.target),
            cloud: Arc::clone(&ward.cloud),
            tunnels: Arc::clone(&self.parts.tunnels),
            started_by: self.parts.started_by.clone(),
            asks: self.asks.clone(),
            stopping: self.no_more.clone(),
        })
    }

    fn grant(&mut self, lease: LeaseId, target: &str, task: &TaskId, now: Instant) {
        let route = self.wards.get(target).and_then(|ward| ward.route.clone());
        let route = route.filter(|route| route.bastion.task == *task);
        let Some(route) = route else {
            // Its task is on its way out already.
            self.pool.end(lease, now);
            return self.revoke(lease, target, Why::TaskGone);
        };
        let Some(held) = self.leases.get_mut(&lease) else {
            self.pool.end(lease, now);
            return;
        };
        let revoked = Revoked::default();
        let granted = Granted { route, revoked: revoked.clone(), pulse: Pulse::default() };
        if let Stand::Waiting(answer) = std::mem::replace(&mut held.stand, Stand::Granted(revoked))
        {
            // Whoever gave up in this very moment says so by itself, when its claim is dropped.
            drop(answer.send(Ok(granted)));
        }
    }

    fn revoke(&mut self, lease: LeaseId, target: &str, why: Why) {
        let Some(ward) = self.wards.get(target) else { return };
        let refusal = match why {
            Why::StartFailed | Why::TaskGone | Why::TookTooLong => {
                ward.failure.clone().unwrap_or_else(|| Refusal::TaskGone(String::new()))
            }
            Why::NotStopped => ward.stuck.clone().unwrap_or(Refusal::NotStopped),
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

    /// Sends somebody to look whether a task that serves still lives; many who doubt it need one look.
    fn look_at(&mut self, target: &str) {
        let desk = self.errand(target);
        let Some(ward) = self.wards.get_mut(target) else { return };
        if let (Some(desk), Some(route), false) = (desk, &ward.route, ward.looked_at) {
            ward.looked_at = true;
            let look = errands::look(desk, route.bastion.task.clone());
            self.parts.tasks.spawn(format!("look at {target}"), look);
        }
    }

    /// Notes and tells every change of state, whatever brought it about.
    fn note_states(&mut self, now: Instant) {
        for (name, ward) in &mut self.wards {
            let Some(phase) = self.pool.phase(name) else { continue };
            if phase == Phase::Cold {
                ward.task = None;
                ward.stuck = None;
                if let Some(route) = ward.route.take() {
                    // Its task is gone, and its tunnels are of no use to anybody.
                    let tunnels = Arc::clone(&self.parts.tunnels);
                    self.parts.tasks.spawn(format!("close tunnels to {name}"), async move {
                        tunnels.close(&route.bastion.task).await;
                    });
                }
            }
            if let Some((kind, words)) = ward.note(&phase, now) {
                self.parts.events.tell(Some(name), kind, words);
            }
        }
    }

    fn standings(&self, now: Instant) -> Vec<Standing> {
        let standing = |(name, ward): (&String, &Ward)| {
            let phase = self.pool.phase(name)?;
            let held = |held: &&Held| held.target == *name && held.holder == Holder::Hold;
            let holds = self.leases.values().filter(held).count();
            Some(ward.standing(&phase, holds, now))
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
