//! What the stories share: names, times, and a clock that is turned by hand.

use std::time::{Duration, Instant};

use bastion_cloud::TaskId;
use bastion_pool::{
    BastionId, Input, LeaseId, Limits, Mood, Output, Phase, Pool, Share, Terms, View, Why, Wish,
};

pub(crate) const LIMITS: Limits =
    Limits { start: secs(120), idle: secs(300), stop: secs(60), life: Some(secs(12 * 60 * 60)) };

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn task(name: &str) -> TaskId {
    TaskId::new(name)
}

/// A pool, and the clock that its test turns by hand.
pub(crate) struct Story {
    pub(crate) pool: Pool,
    pub(crate) now: Instant,
    leases: u64,
    /// Every answer that a lease has got.
    pub(crate) granted: Vec<(LeaseId, BastionId)>,
    pub(crate) revoked: Vec<(LeaseId, Why)>,
    /// Every wish of the pool.
    pub(crate) started: Vec<BastionId>,
    pub(crate) stopped: Vec<(BastionId, Option<TaskId>)>,
    pub(crate) vacated: Vec<(BastionId, String)>,
    pub(crate) gone: Vec<BastionId>,
}

impl Story {
    pub(crate) fn of(targets: &[(&str, Terms)]) -> Self {
        let mut pool = Pool::new();
        for (target, terms) in targets {
            pool.add(target, terms);
        }
        Self {
            pool,
            now: Instant::now(),
            leases: 0,
            granted: Vec::new(),
            revoked: Vec::new(),
            started: Vec::new(),
            stopped: Vec::new(),
            vacated: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// One target with a bastion of its own, or up to `most`.
    pub(crate) fn lone(most: usize) -> Self {
        Self::of(&[("db", terms(most))])
    }

    /// The same, with a bastion that is ready and one visit on it.
    pub(crate) fn ready() -> (Self, LeaseId, BastionId) {
        let mut it = Self::lone(1);
        let lease = it.visit("db");
        let bastion = it.serve("t1");
        (it, lease, bastion)
    }

    pub(crate) fn visit(&mut self, target: &str) -> LeaseId {
        self.wish(target, false)
    }

    pub(crate) fn person(&mut self, target: &str) -> LeaseId {
        self.wish(target, true)
    }

    fn wish(&mut self, target: &str, by_person: bool) -> LeaseId {
        self.leases += 1;
        let lease = LeaseId(self.leases);
        assert!(self.pool.lease(Wish { lease, target: target.to_owned(), by_person }, self.now));
        self.note();
        lease
    }

    pub(crate) fn end(&mut self, lease: LeaseId) {
        self.pool.end(lease, self.now);
        self.note();
    }

    pub(crate) fn tell(&mut self, bastion: BastionId, input: Input) {
        self.pool.handle(bastion, input, self.now);
        self.note();
    }

    /// The bastion that was started last answers.
    pub(crate) fn serve(&mut self, name: &str) -> BastionId {
        let bastion = *self.started.last().expect("one was started");
        self.tell(bastion, Input::TaskNamed(task(name)));
        self.tell(bastion, Input::TaskReady(task(name)));
        bastion
    }

    /// The cloud takes the order to stop this bastion's task, and does it.
    pub(crate) fn finish(&mut self, bastion: BastionId) {
        let task = self.view(bastion).phase.task().expect("it has a name").clone();
        self.tell(bastion, Input::StopTaken(task.clone()));
        self.tell(bastion, Input::TaskGone(task));
    }

    pub(crate) fn after(&mut self, time: Duration) {
        self.now += time;
        self.pool.tick(self.now);
        self.note();
    }

    pub(crate) fn note(&mut self) {
        while let Some(output) = self.pool.poll() {
            match output {
                Output::StartTask { bastion, .. } => self.started.push(bastion),
                Output::StopTask { bastion, task } => self.stopped.push((bastion, task)),
                Output::Overdue { .. } => {}
                Output::Grant { lease, bastion, .. } => self.granted.push((lease, bastion)),
                Output::Revoke { lease, why } => self.revoked.push((lease, why)),
                Output::Vacate { bastion, target } => {
                    self.vacated.push((bastion, target.to_string()));
                }
                Output::Gone { bastion } => self.gone.push(bastion),
            }
        }
    }

    pub(crate) fn view(&self, bastion: BastionId) -> View {
        self.pool.bastion(bastion).expect("there is such a bastion")
    }

    pub(crate) fn phase(&self, bastion: BastionId) -> Phase {
        self.view(bastion).phase
    }

    /// Where a lease was let through, if it was.
    pub(crate) fn through(&self, lease: LeaseId) -> Option<BastionId> {
        self.granted.iter().find(|(id, _)| *id == lease).map(|(_, bastion)| *bastion)
    }

    pub(crate) fn why(&self, lease: LeaseId) -> Option<Why> {
        self.revoked.iter().find(|(id, _)| *id == lease).map(|(_, why)| *why)
    }

    pub(crate) fn moods(&self, bastion: BastionId) -> Vec<Mood> {
        self.pool.leases_on(bastion).map(|(_, claim)| claim.mood).collect()
    }
}

pub(crate) fn terms(most: usize) -> Terms {
    Terms { limits: LIMITS, most, share: None }
}

pub(crate) fn shared(seats: usize) -> Terms {
    Terms { share: Some(Share { site: "site".to_owned(), seats }), ..terms(1) }
}
