//! The keeper at work: asks in, the pool's machine, errands out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bastion_api::EventKind;
use bastion_cloud::TaskId;
use bastion_pool::{BastionId, Input, LeaseId, Phase, Pool, Wish};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::berth::{Berth, Proof};
use super::bill::Billed;
use super::history::History;
use super::lease::{Granted, Revoked};
use super::logins::Watch;
use super::orders::Grave;
use super::settle::Settling;
use super::silence::Quiet;
use super::ward::Ward;
use super::{Answer, Ask, Holder, News, Parts, Refusal, Starts, view};
use crate::tunnels::Route;

/// The keeper before and while it runs.
#[derive(Debug)]
pub struct Running {
    pub(super) parts: Parts,
    pub(super) pool: Pool,
    pub(super) wards: BTreeMap<String, Ward>,
    pub(super) berths: BTreeMap<BastionId, Berth>,
    /// Bastions that have gone not long ago.
    pub(super) graves: VecDeque<Grave>,
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
    pub(super) next_look: Option<Instant>,
    /// Logins that have failed, by their sites' names.
    pub(super) logins: BTreeMap<String, Watch>,
    /// How long the machine had slept when that was last looked at.
    pub(super) slept: Duration,
    /// Set once the daemon is stopping: who waits for every order to be taken.
    pub(super) stopping: Option<Vec<Answer<()>>>,
    /// Tells the errands so.
    pub(super) no_more: CancellationToken,
    /// Tells them before that, where no task is to be left.
    pub(super) sweep: CancellationToken,
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
    pub(super) target: String,
    pub(super) bastions: usize,
    pub(super) answer: Answer<Result<Vec<Arc<Route>>, Refusal>>,
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
            graves: VecDeque::new(),
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
            logins: BTreeMap::new(),
            slept,
            stopping: None,
            no_more: CancellationToken::new(),
            sweep: CancellationToken::new(),
        };
        for (target, cloud) in targets {
            running.take_in(target, cloud, now);
        }
        running.begin_to_settle(now);
        running
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
        self.answer_wide();
        self.answer_stop();
    }

    /// Until something is due; a second at most while anything runs, because a long sleep ignores the laptop's own.
    pub(super) fn next_tick(&self) -> impl Future<Output = ()> + use<> {
        let now = self.parts.clock.now();
        let pool = self.pool.timeout().map(|(due, _)| due);
        let pulses = self.is_watching().then_some(now + TICK);
        let due = [pool, self.next_look, self.next_login_look(), self.next_settling(), pulses];
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
            Ask::Evict { target } => self.pool.evict(&target, now),
            Ask::Doubt { target } => {
                // A start looks after its own task: where that has ended for want of room, it asks elsewhere.
                let serving = self.pool.bastions_of(&target).filter(|it| view::serves(&it.phase));
                let doubted: Vec<_> = serving.map(|it| it.bastion).collect();
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
            Ask::LoginSeen { site, seen } => self.hear_login(&site, seen, now),
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
            return self.hear_late(bastion, news, now);
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
                let site = berth.target.site.clone();
                self.claim(&task, &site);
                self.pool.handle(bastion, Input::TaskNamed(task), now);
            }
            News::Ready(route) => {
                let task = route.bastion.task.clone();
                berth.task = Some(task.clone());
                if starting {
                    // Until it is stopped it is wanted: by a visit, by a hold, by whoever comes before its time is up.
                    self.parts.tunnels.keep(&task, true);
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
    fn hear_late(&mut self, bastion: BastionId, news: News, now: Instant) {
        match news {
            News::Gone(task, end) => self.bill_left(&task, &end, None),
            // The pool has the task stopped.
            News::Named(task) => self.pool.handle(bastion, Input::TaskNamed(task), now),
            News::Ready(route) => {
                let task = route.bastion.task.clone();
                self.pool.handle(bastion, Input::TaskReady(task), now);
            }
            News::Stage(_)
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
}

/// How often time is read again while anything runs.
pub(super) const TICK: Duration = Duration::from_secs(1);
