//! The keeper at work: asks in, the pool's machine, errands out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bastion_api::{EventKind, Stage};
use bastion_cloud::TaskId;
use bastion_pool::{BastionId, Input, LeaseId, Output, Phase, Pool, Why, Wish};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::berth::{Berth, Proof};
use super::bill::Billed;
use super::history::History;
use super::lease::{Granted, Pulse, Revoked};
use super::settle::Settling;
use super::silence::Quiet;
use super::view::{self, Seen};
use super::ward::Ward;
use super::{Answer, Ask, Holder, News, Parts, Refusal, Standing, Starts, errands};
use crate::config::OnStop;
use crate::tunnels::Route;

/// The keeper before and while it runs.
#[derive(Debug)]
pub struct Running {
    pub(super) parts: Parts,
    pub(super) pool: Pool,
    pub(super) wards: BTreeMap<String, Ward>,
    pub(super) berths: BTreeMap<BastionId, Berth>,
    pub(super) leases: BTreeMap<LeaseId, Held>,
    pub(super) starts: Starts,
    /// What an earlier run has left, and nobody has decided upon.
    pub(super) settling: Settling,
    /// What is known of the tasks that cost something.
    pub(super) billed: BTreeMap<TaskId, Billed>,
    /// Sites whose service was woken by us.
    pub(super) raised: BTreeSet<String>,
    /// Who waits for several bastions.
    pub(super) wide: Vec<Wide>,
    pub(super) history: History,
    pub(super) asks: mpsc::UnboundedSender<Ask>,
    inbox: mpsc::UnboundedReceiver<Ask>,
    /// When the tasks that serve are next looked at.
    next_look: Option<Instant>,
    /// When the files of logins that have failed are next looked at.
    pub(super) next_login_look: Option<Instant>,
    /// How long the machine had slept when that was last looked at.
    pub(super) slept: Duration,
    /// Set once the daemon is stopping: who waits for every order to be taken.
    pub(super) stopping: Option<Vec<Answer<()>>>,
    /// Tells the errands so.
    pub(super) no_more: CancellationToken,
}

/// A lease that was asked for and has not ended.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) target: String,
    pub(super) holder: Holder,
    pub(super) stand: Stand,
}

#[derive(Debug)]
pub(super) enum Stand {
    Waiting(Answer<Result<Granted, Refusal>>),
    Granted(Revoked, Quiet),
}

/// Somebody who waits for so many bastions of one target.
#[derive(Debug)]
pub(super) struct Wide {
    target: String,
    bastions: usize,
    answer: Answer<Result<Vec<Arc<Route>>, Refusal>>,
}

impl Running {
    pub(super) fn new(
        mut parts: Parts,
        asks: mpsc::UnboundedSender<Ask>,
        inbox: mpsc::UnboundedReceiver<Ask>,
        starts: Starts,
    ) -> Self {
        let now = parts.clock.now();
        let slept = parts.clock.slept();
        let history = History::remembered(&parts.state_dir);
        let targets = std::mem::take(&mut parts.targets);
        let mut running = Self {
            parts,
            pool: Pool::new(),
            wards: BTreeMap::new(),
            berths: BTreeMap::new(),
            leases: BTreeMap::new(),
            starts,
            settling: Settling::default(),
            billed: BTreeMap::new(),
            raised: BTreeSet::new(),
            wide: Vec::new(),
            history,
            asks,
            inbox,
            next_look: None,
            next_login_look: None,
            slept,
            stopping: None,
            no_more: CancellationToken::new(),
        };
        for (target, cloud) in targets {
            running.take_in(target, cloud, now);
        }
        running.begin_to_settle(now);
        running
    }

    #[cfg(test)]
    pub(super) fn use_ways(&mut self, ways: Arc<dyn crate::tunnels::Ways>) {
        self.parts.tunnels = ways;
    }

    /// Serves until the stop token fires.
    pub async fn run(mut self) {
        let stop = self.parts.tasks.stop_token();
        self.survey_all();
        loop {
            self.follow_up();
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
        }
    }

    /// Whatever follows from what has just happened, and from the time that has passed.
    fn follow_up(&mut self) {
        let now = self.parts.clock.now();
        self.notice_sleep();
        self.feel_pulses(now);
        self.weigh_loads();
        self.pool.tick(now);
        self.run_errands(now);
        self.look_around(now);
        self.look_at_logins(now);
        self.settle_on(now);
        self.note_states(now);
        self.answer_wide(now);
        self.answer_stop();
    }

    /// Until something is due; a second at most while anything runs, because a long sleep ignores the laptop's own.
    pub(super) fn next_tick(&self) -> impl Future<Output = ()> + use<> {
        let now = self.parts.clock.now();
        let pool = self.pool.timeout().map(|(due, _)| due);
        let pulses = self.is_watching().then_some(now + TICK);
        let due = [pool, self.next_look, self.next_login_look, self.next_settling(), pulses];
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
        // Before anything is answered: a visit that comes right after a wake waits for the proof.
        self.notice_sleep();
        match ask {
            Ask::Lease { id, target, holder, answer } => {
                self.take_lease(id, target, holder, answer, now)
            }
            Ask::LeaseEnded { id } => {
                self.leases.remove(&id);
                self.pool.end(id, now);
            }
            Ask::Routes { target, answer } => drop(answer.send(self.routes(&target))),
            Ask::Widen { target, bastions, answer } => {
                if self.stopping.is_some() {
                    drop(answer.send(Err(Refusal::Stopping)));
                } else if self.wards.contains_key(&target) {
                    self.pool.widen(&target, bastions, now);
                    self.wide.push(Wide { target, bastions, answer });
                } else {
                    drop(answer.send(Err(Refusal::UnknownTarget)));
                }
            }
            Ask::Close { target, answer } => {
                let known = self.wards.contains_key(&target);
                if known {
                    self.parts.events.tell(Some(&target), EventKind::Asked, "asked to close");
                    self.put_aside(&target);
                    self.pool.close(&target, now);
                }
                drop(answer.send(if known { Ok(()) } else { Err(Refusal::UnknownTarget) }));
            }
            Ask::Doubt { target } => {
                let doubted: Vec<_> = self.pool.bastions_of(&target).map(|it| it.bastion).collect();
                self.look_at(&doubted);
            }
            Ask::Standings { answer } => drop(answer.send(self.standings(now))),
            Ask::Reload { targets, on_stop, answer } => {
                if self.stopping.is_none() {
                    self.parts.on_stop = on_stop;
                    self.reload(targets, now);
                }
                // Nobody waiting any more is no fault.
                answer.send(()).ok();
            }
            Ask::Stop { answer } => self.begin_to_stop(answer, now),
            Ask::Told { bastion, news } => self.hear(bastion, news, now),
            Ask::StrayGone { target, task, end } => match target {
                Some(target) => self.bill_end(&target, &task, &end),
                None => self.bill_left(&task, &end, None),
            },
            Ask::Surveyed { place, found } => self.decide(place, found, now),
            Ask::Reasked { place, token, came } => self.hear_reasked(place, &token, came, now),
            Ask::Lowered { site } => self.hear_lowered(&site, now),
            Ask::LoginSeen { site, state } => self.hear_login(&site, &state),
        }
    }

    fn take_lease(
        &mut self,
        id: LeaseId,
        target: String,
        holder: Holder,
        answer: Answer<Result<Granted, Refusal>>,
        now: Instant,
    ) {
        if self.stopping.is_some() {
            return drop(answer.send(Err(Refusal::Stopping)));
        }
        let by_person = match holder {
            Holder::Visit => false,
            Holder::Person | Holder::Hold => true,
        };
        if !self.pool.lease(Wish { lease: id, target: target.clone(), by_person }, now) {
            return drop(answer.send(Err(Refusal::UnknownTarget)));
        }
        self.hurry(&target);
        self.leases.insert(id, Held { target, holder, stand: Stand::Waiting(answer) });
    }

    fn hear(&mut self, bastion: BastionId, news: News, now: Instant) {
        let Some(phase) = self.pool.bastion(bastion).map(|view| view.phase) else {
            return self.hear_late(news);
        };
        let Some(berth) = self.berths.get_mut(&bastion) else { return };
        let target = berth.target.name.clone();
        // What comes of a start that was given up is of no use, and its failure no news.
        let starting = matches!(phase, Phase::Starting { .. });
        match news {
            News::Stage(stage) if starting => self.reach(bastion, &target, stage, now),
            News::Stage(_) => {}
            News::Named(task) => {
                berth.task = Some(task.clone());
                self.claim(&task);
                self.pool.handle(bastion, Input::TaskNamed(task), now);
            }
            News::Ready(route) => {
                let task = route.bastion.task.clone();
                berth.task = Some(task.clone());
                if starting {
                    berth.routes.insert(target.clone(), route);
                    self.started(bastion, &target, now);
                }
                self.pool.handle(bastion, Input::TaskReady(task), now);
            }
            News::Failed(why) => {
                if starting {
                    self.fail(&target, why);
                }
                self.pool.handle(bastion, Input::StartFailed, now);
            }
            News::Uncertain(why) => {
                if starting {
                    self.fail(&target, why);
                }
                self.pool.handle(bastion, Input::StartUncertain, now);
            }
            News::GivenUp => self.pool.handle(bastion, Input::StartFailed, now),
            News::Joined(target, came) => self.joined(bastion, &target, came, now),
            News::Facts(task, facts) => {
                let target = Arc::clone(&berth.target);
                self.bill_start(&target, &task, &facts);
            }
            News::StopRefused(why) => {
                if berth.stuck.replace(why.clone()).is_none() {
                    self.explain(&target, why);
                }
            }
            News::StopTaken(task) => {
                berth.stuck = None;
                self.pool.handle(bastion, Input::StopTaken(task), now);
            }
            News::Lost(task, end) => {
                if view::serves(&phase) && phase.task() == Some(&task) {
                    self.fail(&target, Refusal::TaskGone(end.to_string()));
                }
                self.see_off(bastion, &task);
                self.pool.handle(bastion, Input::TaskGone(task), now);
            }
            News::Gone(task, end) => {
                let of = Arc::clone(&berth.target);
                if view::serves(&phase) && phase.task() == Some(&task) {
                    self.fail(&target, Refusal::TaskGone(end.words()));
                }
                self.bill_end(&of, &task, &end);
                self.pool.handle(bastion, Input::TaskGone(task), now);
            }
            News::Looked => berth.looked_at = false,
            News::Alive => self.release(bastion, Proof::Proven, now),
            News::Unproven => self.release(bastion, Proof::Overdue, now),
            News::Raised => {
                self.raised.insert(berth.target.site.name.clone());
            }
            News::Lowered => {
                self.raised.remove(&berth.target.site.name);
            }
        }
    }

    /// Hears what is still of interest of a bastion that is no more.
    fn hear_late(&mut self, news: News) {
        match news {
            News::Gone(task, end) => self.bill_left(&task, &end, None),
            News::Named(_)
            | News::Stage(_)
            | News::Ready(_)
            | News::Failed(_)
            | News::Uncertain(_)
            | News::GivenUp
            | News::Joined(..)
            | News::Facts(..)
            | News::StopRefused(_)
            | News::StopTaken(_)
            | News::Lost(..)
            | News::Looked
            | News::Alive
            | News::Unproven
            | News::Raised
            | News::Lowered => {}
        }
    }

    fn reach(
        &mut self,
        bastion: BastionId,
        target: &str,
        stage: bastion_cloud::Stage,
        now: Instant,
    ) {
        let Some(ward) = self.wards.get_mut(target) else { return };
        if let Some(words) = ward.reach(bastion, stage, now) {
            self.parts.events.tell(Some(target), EventKind::BastionStage, words);
        }
    }

    /// A bastion has become ready.
    fn started(&mut self, bastion: BastionId, target: &str, now: Instant) {
        let found = self.pool.bastion(bastion).is_some_and(|view| view.found);
        let Some(ward) = self.wards.get_mut(target) else { return };
        ward.failure = None;
        let stages = ward.end_start(bastion, now);
        if let Some(stages) = stages.filter(|_| !found) {
            let note = self.history.note(&ward.target.site.name, &stages);
            self.parts.tasks.spawn("remember a start", async move {
                // A panic in there costs an estimate, no more.
                drop(tokio::task::spawn_blocking(|| note.write()).await);
            });
        }
        self.look_at(&[bastion]);
    }

    /// Notes and tells why there is no bastion.
    pub(super) fn fail(&mut self, target: &str, why: Refusal) {
        if let Some(ward) = self.wards.get_mut(target) {
            ward.failure = Some(why.clone());
        }
        self.explain(target, why);
    }

    pub(super) fn explain(&self, target: &str, why: Refusal) {
        if let Some(ward) = self.wards.get(target) {
            // Nobody there to explain it is no fault.
            drop(self.parts.failures.send((Arc::clone(&ward.target), why)));
        }
    }

    /// Whoever closes what has failed has read why.
    fn put_aside(&mut self, target: &str) {
        if self.pool.bastions_of(target).next().is_none()
            && let Some(ward) = self.wards.get_mut(target)
        {
            ward.failure = None;
        }
    }

    pub(super) fn run_errands(&mut self, now: Instant) {
        while let Some(output) = self.pool.poll() {
            match output {
                Output::StartTask { bastion, target } => self.start_task(bastion, &target, now),
                Output::StopTask { bastion, task } => self.stop_task(bastion, task),
                Output::Overdue { bastion } => {
                    let Some(berth) = self.berths.get(&bastion) else { continue };
                    let target = berth.target.name.clone();
                    let stage = self.wards.get(&target).and_then(|ward| ward.stage(bastion));
                    self.fail(&target, Refusal::TookTooLong(stage.unwrap_or(Stage::Requesting)));
                }
                Output::Grant { lease, bastion, task } => self.grant(lease, bastion, &task, now),
                Output::Revoke { lease, why } => self.revoke(lease, why),
                Output::Vacate { bastion, target } => self.vacate(bastion, &target),
                Output::Gone { bastion } => self.let_go(bastion, now),
            }
        }
    }

    fn start_task(&mut self, bastion: BastionId, target: &str, now: Instant) {
        let Some(ward) = self.wards.get_mut(target) else { return };
        let estimate = self.history.estimate(&ward.target.site.name);
        ward.begin(bastion, estimate, now);
        let mut berth = Berth::new(Arc::clone(&ward.target), Arc::clone(&ward.cloud), None);
        berth.started_at = Some(self.parts.clock.calendar());
        let give_up = berth.give_up.clone();
        self.berths.insert(bastion, berth);
        let events = &self.parts.events;
        events.tell(Some(target), EventKind::BastionStarting, "starting a bastion");
        if let Some(desk) = self.errand(bastion) {
            self.parts.tasks.spawn(format!("start {target}"), errands::start(desk, give_up));
        }
    }

    fn stop_task(&mut self, bastion: BastionId, task: Option<TaskId>) {
        if !self.berths.contains_key(&bastion) {
            // A task that nobody asked for: all that is wanted of it is its end.
            let Some(view) = self.pool.bastion(bastion) else { return };
            let Some(ward) = self.wards.get(&*view.target) else { return };
            let berth = Berth::new(Arc::clone(&ward.target), Arc::clone(&ward.cloud), task.clone());
            self.berths.insert(bastion, berth);
        }
        let Some(berth) = self.berths.get_mut(&bastion) else { return };
        berth.give_up.cancel();
        berth.routes.clear();
        let name = format!("stop {}", berth.target.name);
        berth.stopping |= task.is_some();
        if let (Some(desk), Some(task)) = (self.errand(bastion), task) {
            self.parts.tasks.spawn(name, errands::stop(desk, task));
        }
    }

    /// A bastion is no more.
    fn let_go(&mut self, bastion: BastionId, now: Instant) {
        let Some(berth) = self.berths.remove(&bastion) else { return };
        let target = berth.target.name.clone();
        if let Some(ward) = self.wards.get_mut(&target) {
            ward.end_start(bastion, now);
        }
        // A start that is given up in this way knows it by this.
        berth.give_up.cancel();
        if let Some(task) = berth.task.filter(|_| !berth.stopping) {
            // Its tunnels are of no use to anybody; who stops a task closes them first.
            let tunnels = Arc::clone(&self.parts.tunnels);
            self.parts.tasks.spawn(format!("close tunnels to {target}"), async move {
                tunnels.close(&task).await;
            });
        }
    }

    /// A task that ends by itself is followed to its end, for the ledger.
    fn see_off(&mut self, bastion: BastionId, task: &TaskId) {
        let Some(berth) = self.berths.get(&bastion) else { return };
        if errands::is_ours(&berth.target) {
            let post = self.post(&berth.target.site, &berth.cloud);
            let stop = errands::stop_stray(post, Some(Arc::clone(&berth.target)), task.clone());
            self.parts.tasks.spawn(format!("see off {task}"), stop);
        }
    }

    fn vacate(&mut self, bastion: BastionId, target: &str) {
        let Some(berth) = self.berths.get_mut(&bastion) else { return };
        let Some(route) = berth.routes.remove(target) else { return };
        let tunnels = Arc::clone(&self.parts.tunnels);
        self.parts.tasks.spawn(format!("close tunnels to {target}"), async move {
            tunnels.close_route(&route.bastion.task, &route.remote).await;
        });
    }

    /// What an errand for a bastion works with.
    pub(super) fn errand(&self, bastion: BastionId) -> Option<errands::Desk> {
        let target = Arc::clone(&self.berths.get(&bastion)?.target);
        self.errand_for(bastion, target)
    }

    fn errand_for(
        &self,
        bastion: BastionId,
        target: Arc<crate::config::Target>,
    ) -> Option<errands::Desk> {
        let berth = self.berths.get(&bastion)?;
        let site = &target.site.name;
        let others = self.berths.iter().filter(|(id, other)| {
            let live = |view: bastion_pool::View| {
                !matches!(view.phase, Phase::Draining { .. } | Phase::Gone)
            };
            **id != bastion
                && other.target.site.name == *site
                && self.pool.bastion(**id).is_some_and(live)
        });
        let lowers = self.raised.contains(site) && others.count() == 0;
        Some(errands::Desk {
            bastion,
            cloud: Arc::clone(&berth.cloud),
            tunnels: Arc::clone(&self.parts.tunnels),
            journal: self.parts.journal.clone(),
            clock: self.parts.clock.clone(),
            started_by: self.parts.started_by.clone(),
            lowers,
            asks: self.asks.clone(),
            stopping: self.no_more.clone(),
            target,
        })
    }

    pub(super) fn grant(
        &mut self,
        lease: LeaseId,
        bastion: BastionId,
        task: &TaskId,
        now: Instant,
    ) {
        let Some(held) = self.leases.get(&lease) else {
            return self.pool.end(lease, now);
        };
        let target = held.target.clone();
        let Some(berth) = self.berths.get_mut(&bastion).filter(|b| b.task.as_ref() == Some(task))
        else {
            // Its task is on its way out already.
            self.pool.end(lease, now);
            return self.revoke(lease, Why::TaskGone);
        };
        if let Proof::Awaited(waiting) = &mut berth.proof {
            return waiting.push(lease);
        }
        match berth.routes.get(&target) {
            Some(route) => {
                let route = Arc::clone(route);
                self.admit(lease, route, now);
            }
            None => self.join(lease, bastion, &target),
        }
    }

    /// Sends somebody for a target's way through a bastion that serves others, or served it elsewhere.
    fn join(&mut self, lease: LeaseId, bastion: BastionId, target: &str) {
        let Some(berth) = self.berths.get_mut(&bastion) else { return };
        if let Some(waiting) = berth.joining.get_mut(target) {
            return waiting.push(lease);
        }
        let agent = berth.routes.values().next().map(|route| route.bastion.clone());
        berth.joining.insert(target.to_owned(), vec![lease]);
        let target = self.wards.get(target).map(|ward| Arc::clone(&ward.target));
        let task = berth.task.clone();
        let Some((target, task)) = target.zip(task) else { return };
        let name = format!("join {}", target.name);
        if let Some(desk) = self.errand_for(bastion, target) {
            self.parts.tasks.spawn(name, errands::join(desk, task, agent));
        }
    }

    fn joined(
        &mut self,
        bastion: BastionId,
        target: &str,
        came: Result<Arc<Route>, Refusal>,
        now: Instant,
    ) {
        let Some(berth) = self.berths.get_mut(&bastion) else { return };
        let waiting = berth.joining.remove(target).unwrap_or_default();
        match came {
            Ok(route) => {
                berth.routes.insert(target.to_owned(), Arc::clone(&route));
                for lease in waiting {
                    self.admit(lease, Arc::clone(&route), now);
                }
            }
            Err(why) => {
                for lease in waiting {
                    self.turn_away(lease, &why, now);
                }
                self.look_at(&[bastion]);
            }
        }
    }

    /// Lets a lease through.
    pub(super) fn admit(&mut self, lease: LeaseId, route: Arc<Route>, now: Instant) {
        // Whoever is not there any more has been told to the pool already.
        let Some(held) = self.leases.get_mut(&lease) else { return };
        let (revoked, pulse) = (Revoked::default(), Pulse::default());
        let stand = Stand::Granted(revoked.clone(), Quiet::new(pulse.clone(), now));
        let granted = Granted { route, revoked, pulse };
        if let Stand::Waiting(answer) = std::mem::replace(&mut held.stand, stand) {
            // Whoever gave up in this very moment says so by itself, when its claim is dropped.
            drop(answer.send(Ok(granted)));
        }
    }

    /// Ends a lease that the pool still has.
    pub(super) fn turn_away(&mut self, lease: LeaseId, why: &Refusal, now: Instant) {
        self.pool.end(lease, now);
        self.take_back(lease, why.clone());
    }

    fn revoke(&mut self, lease: LeaseId, why: Why) {
        let Some(target) = self.leases.get(&lease).map(|held| held.target.clone()) else { return };
        let ward = self.wards.get(&target);
        let stuck = || {
            self.pool
                .bastions_of(&target)
                .find_map(|it| self.berths.get(&it.bastion).and_then(|berth| berth.stuck.clone()))
        };
        let failure = ward.and_then(|ward| ward.failure.clone());
        let refusal = match why {
            Why::StartFailed | Why::TaskGone => {
                failure.unwrap_or_else(|| Refusal::TaskGone(String::new()))
            }
            Why::TookTooLong => failure.unwrap_or(Refusal::TookTooLong(Stage::Discovering)),
            Why::NotStopped => stuck().unwrap_or(Refusal::NotStopped),
            Why::Closed if self.stopping.is_some() => Refusal::Stopping,
            Why::Closed => Refusal::Closed,
            Why::Silent => {
                Refusal::Silent(ward.and_then(|ward| ward.target.silent_after).unwrap_or_default())
            }
            Why::Reconnects => Refusal::Reconnects,
            Why::TooOld => {
                Refusal::TooOld(ward.map(|ward| ward.target.max_life).unwrap_or_default())
            }
            Why::Removed => Refusal::Removed,
        };
        self.take_back(lease, refusal);
    }

    fn take_back(&mut self, lease: LeaseId, refusal: Refusal) {
        match self.leases.remove(&lease).map(|held| held.stand) {
            Some(Stand::Waiting(answer)) => drop(answer.send(Err(refusal))),
            Some(Stand::Granted(revoked, _)) => revoked.revoke(refusal),
            None => {}
        }
    }

    /// Looks, every now and then, whether the tasks that serve still live.
    fn look_around(&mut self, now: Instant) {
        let serving: Vec<BastionId> = self
            .pool
            .bastions()
            .filter(|it| view::serves(&it.phase))
            .map(|it| it.bastion)
            .collect();
        if serving.is_empty() {
            self.next_look = None;
            return;
        }
        let due = *self.next_look.get_or_insert(now + errands::LOOK_EVERY);
        if due <= now {
            self.look_at(&serving);
            self.next_look = Some(now + errands::LOOK_EVERY);
        }
    }

    /// Sends somebody to look whether tasks that serve still live: one question for each site, and many who doubt the same
    /// task need one look.
    fn look_at(&mut self, bastions: &[BastionId]) {
        let mut looks: BTreeMap<String, (errands::Post, Vec<(BastionId, TaskId)>)> =
            BTreeMap::new();
        for bastion in bastions {
            let phase = self.pool.bastion(*bastion).map(|view| view.phase);
            let Some(task) = phase.and_then(|phase| phase.task().cloned()) else {
                continue;
            };
            let Some(berth) = self.berths.get_mut(bastion).filter(|berth| !berth.looked_at) else {
                continue;
            };
            berth.looked_at = true;
            let (site, cloud) = (berth.target.site.clone(), Arc::clone(&berth.cloud));
            let post = self.post(&site, &cloud);
            looks.entry(site.name).or_insert_with(|| (post, Vec::new())).1.push((*bastion, task));
        }
        for (site, (post, tasks)) in looks {
            self.parts.tasks.spawn(format!("look at {site}"), errands::look(post, tasks));
        }
    }

    /// What an errand for a site works with.
    pub(super) fn post(
        &self,
        site: &bastion_cloud::Site,
        cloud: &Arc<dyn bastion_cloud::Cloud>,
    ) -> errands::Post {
        errands::Post {
            site: site.clone(),
            cloud: Arc::clone(cloud),
            journal: self.parts.journal.clone(),
            started_by: self.parts.started_by.clone(),
            asks: self.asks.clone(),
        }
    }

    /// Notes and tells every change of state, whatever brought it about.
    fn note_states(&mut self, now: Instant) {
        let names: Vec<String> = self.wards.keys().cloned().collect();
        for name in names {
            let seen = self.seen(&name);
            let undecided = self.is_undecided(&name);
            let Some(ward) = self.wards.get_mut(&name) else { continue };
            if let Some((kind, words)) = ward.note(&seen, undecided, now) {
                self.parts.events.tell(Some(&name), kind, words);
            }
        }
    }

    /// A target's bastions, as far as its state goes.
    fn seen(&self, target: &str) -> Vec<Seen> {
        let bastions = self.pool.bastions_of(target);
        let seen = bastions.map(|view| Seen {
            doubtful: self.berths.get(&view.bastion).is_some_and(Berth::is_doubtful),
            phase: view.phase,
        });
        seen.collect()
    }

    /// The ways to a target through every bastion that serves it, the least used first.
    fn routes(&self, target: &str) -> Vec<Arc<Route>> {
        let mut serving: Vec<_> =
            self.pool.bastions_of(target).filter(|view| view::serves(&view.phase)).collect();
        serving.sort_by_key(|view| (view.crowded, view.leases));
        let route = |view: bastion_pool::View| {
            self.berths.get(&view.bastion)?.routes.get(target).map(Arc::clone)
        };
        serving.into_iter().filter_map(route).collect()
    }

    /// Answers those who wait for several bastions, once they are there or no more will come.
    fn answer_wide(&mut self, _now: Instant) {
        let mut waiting = Vec::new();
        for wide in std::mem::take(&mut self.wide) {
            let routes = self.routes(&wide.target);
            let coming = self.is_undecided(&wide.target)
                || self.pool.bastions_of(&wide.target).any(|view| {
                    matches!(
                        view.phase,
                        Phase::Starting { .. } | Phase::Draining { taken: false, .. }
                    )
                });
            if routes.len() < wide.bastions && coming && self.stopping.is_none() {
                waiting.push(wide);
                continue;
            }
            let failure = self.wards.get(&wide.target).and_then(|ward| ward.failure.clone());
            let answer = if routes.is_empty() {
                Err(failure.unwrap_or(Refusal::Closed))
            } else {
                Ok(routes)
            };
            // Whoever has left wants no answer.
            drop(wide.answer.send(answer));
        }
        self.wide = waiting;
    }

    fn standings(&self, now: Instant) -> Vec<Standing> {
        self.wards.iter().map(|(name, ward)| self.standing(name, ward, now)).collect()
    }

    fn standing(&self, name: &str, ward: &Ward, now: Instant) -> Standing {
        let seen = self.seen(name);
        let views: Vec<_> = self.pool.bastions_of(name).collect();
        let serving = views.iter().filter(|view| view::serves(&view.phase));
        let first = serving.clone().next().or(views.first());
        let berths = || views.iter().filter_map(|view| self.berths.get(&view.bastion));
        let held = |held: &&Held| held.target == *name && held.holder == Holder::Hold;
        let start = *ward.start.borrow();
        let retiring = views.iter().filter(|view| matches!(view.phase, Phase::Retiring { .. }));
        let ends = retiring.clone().filter_map(|view| Some(view.life?.1)).min();
        Standing {
            target: name.to_owned(),
            state: view::state(&seen, self.is_undecided(name), ward.failure.as_ref()),
            for_so_long: now.saturating_duration_since(ward.state().1),
            elapsed: start.since.map(|since| now.saturating_duration_since(since)),
            start,
            task: first.and_then(|view| view.phase.task().cloned()),
            started_at: first
                .filter(|view| view.phase.task().is_some())
                .and_then(|view| self.berths.get(&view.bastion)?.started_at),
            bastions: serving.count(),
            tunnels: berths()
                .filter_map(|berth| berth.task.as_ref())
                .map(|task| self.parts.tunnels.tunnels(task))
                .sum(),
            holds: u32::try_from(self.leases.values().filter(held).count()).unwrap_or(u32::MAX),
            idle_stop: view::idle_stop(&seen, now),
            ends_in: ends.map(|end| end.saturating_duration_since(now)),
            on_retiring: retiring.map(|view| view.leases).sum(),
            failure: ward.failure.clone(),
            stuck: berths().find_map(|berth| berth.stuck.clone()),
        }
    }

    fn begin_to_stop(&mut self, answer: Answer<()>, now: Instant) {
        let first = self.stopping.is_none();
        self.stopping.get_or_insert_default().push(answer);
        if !first {
            return;
        }
        self.no_more.cancel();
        match self.parts.on_stop {
            OnStop::Stop => self.pool.close_all(now),
            OnStop::Leave => self.leave(now),
        }
    }

    /// Lets what serves go on without us; what is on its way has nobody who waits for it.
    fn leave(&mut self, now: Instant) {
        let starting =
            self.pool.bastions().filter(|view| matches!(view.phase, Phase::Starting { .. }));
        let starting: Vec<BastionId> = starting.map(|view| view.bastion).collect();
        for bastion in starting {
            self.pool.handle(bastion, Input::CloseWanted, now);
        }
        let leases: Vec<LeaseId> = self.leases.keys().copied().collect();
        for lease in leases {
            self.take_back(lease, Refusal::Stopping);
        }
        for berth in self.berths.values().filter(|berth| !berth.routes.is_empty()) {
            if let Some(task) = berth.task.clone() {
                // Nobody could resume their sessions, and each would hold a place until its idle limit.
                let tunnels = Arc::clone(&self.parts.tunnels);
                self.parts.tasks.spawn("close tunnels", async move { tunnels.close(&task).await });
            }
        }
    }

    /// Answers those who wait for the end, once the cloud has taken every order.
    fn answer_stop(&mut self) {
        let Some(waiting) = &mut self.stopping else { return };
        let leaves = self.parts.on_stop == OnStop::Leave;
        let done = self.pool.bastions().all(|view| match view.phase {
            Phase::Gone | Phase::Draining { taken: true, .. } => true,
            Phase::Ready { .. } | Phase::Retiring { .. } => leaves,
            // A start that was given up may still be named, and is stopped then; or it fails, and is gone.
            Phase::Starting { .. } | Phase::Draining { taken: false, .. } => false,
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
pub(super) const TICK: Duration = Duration::from_secs(1);
