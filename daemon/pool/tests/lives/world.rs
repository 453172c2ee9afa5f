//! The cloud, the keeper and the visitors of one life; every output is held to what must always be true.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bastion_cloud::TaskId;
use bastion_pool::{
    BastionId, Input, LeaseId, Limits, Output, Phase, Pool, Removal, Share, Terms, View, Why, Wish,
};

use super::dice::Dice;

/// What kind of targets a life has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Each has one bastion.
    Lone,
    /// Each may have three.
    Wide,
    /// Three share bastions of two seats.
    Shared,
}

pub(super) struct World {
    seed: u64,
    kind: Kind,
    dice: Dice,
    pool: Pool,
    now: Instant,
    leases: BTreeMap<LeaseId, Lease>,
    tasks: BTreeMap<TaskId, Task>,
    /// What the pool will be told, and when.
    news: BTreeMap<(Instant, u64), (BastionId, Input)>,
    numbers: u64,
    gone: BTreeSet<BastionId>,
    /// How many bastions people want at most.
    widest: usize,
    /// From here on the cloud does what it is asked.
    obliging: bool,
}

#[derive(Debug)]
struct Lease {
    target: &'static str,
    granted: Option<BastionId>,
}

#[derive(Debug)]
struct Task {
    bastion: Option<BastionId>,
    ended: bool,
}

const TARGETS: [&str; 3] = ["a", "b", "c"];
const SEATS: usize = 2;

impl World {
    pub(super) fn new(seed: u64, kind: Kind) -> Self {
        let mut it = Self {
            seed,
            kind,
            dice: Dice(seed),
            pool: Pool::new(),
            now: Instant::now(),
            leases: BTreeMap::new(),
            tasks: BTreeMap::new(),
            news: BTreeMap::new(),
            numbers: 0,
            gone: BTreeSet::new(),
            widest: 0,
            obliging: false,
        };
        for target in TARGETS {
            it.pool.add(target, &it.terms());
        }
        it
    }

    /// One thing happens.
    pub(super) fn step(&mut self) {
        let target = TARGETS[self.roll(3)];
        match self.roll(24) {
            0..=5 => {
                let lease = LeaseId(self.number());
                let by_person = self.roll(6) == 0;
                self.leases.insert(lease, Lease { target, granted: None });
                let wish = Wish { lease, target: target.to_owned(), by_person };
                if !self.pool.lease(wish, self.now) {
                    self.leases.remove(&lease);
                }
            }
            6..=9 => {
                if let Some(lease) = self.any_lease() {
                    self.leases.remove(&lease);
                    self.pool.end(lease, self.now);
                }
            }
            10 | 11 => {
                if let Some(lease) = self.any_lease() {
                    let silent = self.roll(3) > 0;
                    self.pool.silent(lease, silent, self.now);
                }
            }
            12 => {
                if let Some(lease) = self.any_lease() {
                    self.pool.asked(lease, self.now);
                }
            }
            13 => {
                let ready: Vec<_> = self.pool.bastions().map(|view| view.bastion).collect();
                if !ready.is_empty() {
                    let bastion = ready[self.roll(ready.len())];
                    let crowded = self.roll(2) == 0;
                    self.pool.crowd(bastion, crowded);
                }
            }
            14 => self.task_dies(),
            15 => self.anything_else(target),
            16..=19 => self.pass(Duration::from_secs(self.dice.0 % 40)),
            20 | 21 => self.pass(Duration::from_secs(self.dice.0 % 400)),
            22 => self.pass(Duration::from_secs(self.dice.0 % 8_000)),
            _ => self.hear_next(),
        }
        self.run_errands();
    }

    fn anything_else(&mut self, target: &'static str) {
        match self.roll(10) {
            0 => self.pool.close(target, self.now),
            1 if self.kind == Kind::Wide => {
                let wide = self.roll(6);
                self.widest = self.widest.max(wide);
                self.pool.widen(target, wide, self.now);
            }
            2 => {
                let how = if self.roll(2) == 0 { Removal::AtOnce } else { Removal::WhenUnused };
                self.pool.remove(target, how, self.now);
                self.run_errands();
                let terms = self.terms();
                self.pool.add(target, &terms);
            }
            3 => {
                let mut terms = self.terms();
                terms.limits.idle = Duration::from_secs(self.dice.0 % 600);
                self.pool.alter(target, &terms, self.now);
            }
            4 => self.pool.replace(target, &self.terms(), self.now),
            5 if self.roll(2) == 0 => self.pool.evict(target, self.now),
            5 => self.pool.forgive(target),
            6 => self.pool.undecided(target, true, self.now),
            7 | 8 => {
                let task = self.make_task(None);
                let left = Duration::from_secs(self.dice.0 % 50_000);
                if self.roll(2) == 0 {
                    let bastion = self.pool.abandon(target, task.clone(), LIMITS, self.now);
                    self.tasks.get_mut(&task).unwrap().bastion = Some(bastion);
                } else if let Some(bastion) = self.pool.adopt(target, task.clone(), left, self.now)
                {
                    self.tasks.get_mut(&task).unwrap().bastion = Some(bastion);
                    match self.roll(4) {
                        0 => self.tell_later(bastion, Input::StartFailed, 20),
                        1 => {}
                        _ => self.tell_later(bastion, Input::TaskReady(task), 20),
                    }
                }
            }
            _ => {
                // The keeper decides in the end.
                for target in TARGETS {
                    self.pool.undecided(target, false, self.now);
                }
            }
        }
    }

    /// Everybody leaves, the cloud obliges, and time passes until nothing is left.
    pub(super) fn wind_up(&mut self) {
        self.obliging = true;
        for target in TARGETS {
            self.pool.undecided(target, false, self.now);
        }
        self.run_errands();
        while let Some((lease, _)) = self.leases.pop_first() {
            self.pool.end(lease, self.now);
            self.run_errands();
        }
        for _ in 0..1_000 {
            if self.pool.bastions().next().is_none() && self.news.is_empty() {
                break;
            }
            let next = self.pool.timeout().map(|(due, _)| due);
            let news = self.news.first_key_value().map(|((at, _), _)| *at);
            let at = next.into_iter().chain(news).min();
            self.holds(at.is_some(), "nobody will wake what is left");
            self.pass(at.unwrap().saturating_duration_since(self.now));
            self.hear_due();
        }
        let left: Vec<_> = self.pool.bastions().collect();
        self.holds(left.is_empty(), &format!("bastions stay: {left:?}"));
        let running: Vec<_> = self.tasks.iter().filter(|(_, task)| !task.ended).collect();
        self.holds(running.is_empty(), &format!("tasks stay: {running:?}"));
        self.holds(self.pool.timeout().is_none(), "a timer runs for nobody");
    }

    fn run_errands(&mut self) {
        while let Some(output) = self.pool.poll() {
            match output {
                Output::StartTask { bastion, target } => self.start(bastion, &target),
                Output::StopTask { bastion, task } => self.stop(bastion, task),
                Output::Overdue { bastion } => {
                    self.holds(!self.gone.contains(&bastion), "overdue after its end");
                }
                Output::Grant { lease, bastion, task } => self.grant(lease, bastion, &task),
                Output::Revoke { lease, why } => {
                    let lease = self.leases.remove(&lease);
                    self.holds(lease.is_some(), "revoked what is not open");
                    let was_granted = lease.is_some_and(|lease| lease.granted.is_some());
                    let only_granted = matches!(why, Why::Silent | Why::Reconnects | Why::TooOld);
                    let refused = why == Why::Reconnects || !only_granted;
                    self.holds(was_granted || refused, "ended before it began");
                }
                Output::Vacate { bastion, target } => {
                    let used = self
                        .leases
                        .values()
                        .any(|lease| lease.granted == Some(bastion) && *lease.target == *target);
                    self.holds(!used, "a seat was taken from somebody");
                }
                Output::Gone { bastion } => {
                    let first = self.gone.insert(bastion);
                    self.holds(first, "gone twice");
                    let used = self.leases.values().any(|lease| lease.granted == Some(bastion));
                    self.holds(!used, "gone under somebody");
                }
            }
        }
        self.check();
    }

    fn start(&mut self, bastion: BastionId, target: &str) {
        let others = self.pool.bastions_of(target).filter(|view| view.bastion != bastion);
        let others: Vec<View> = others.collect();
        let unsettled =
            others.iter().any(|view| matches!(view.phase, Phase::Draining { taken: false, .. }));
        let live = others
            .iter()
            .filter(|view| matches!(view.phase, Phase::Starting { .. } | Phase::Ready { .. }))
            .count();
        match self.kind {
            Kind::Lone => self.holds(live == 0 && !unsettled, "two where one was asked"),
            Kind::Wide => self.holds(live < 3.max(self.widest) && !unsettled, "more than asked"),
            Kind::Shared => self.holds(live < TARGETS.len() && !unsettled, "one each is enough"),
        }
        match self.roll(12) {
            0 => self.tell_later(bastion, Input::StartFailed, 10),
            1 => {
                let task = self.make_task(Some(bastion));
                self.tell_later(bastion, Input::TaskNamed(task), 10);
                self.tell_in(bastion, Input::StartFailed, 11 + self.dice.0 % 100);
            }
            2 => {
                self.tell_later(bastion, Input::StartUncertain, 10);
                if self.roll(2) == 0 {
                    let task = self.make_task(Some(bastion));
                    self.tell_in(bastion, Input::TaskNamed(task), 11 + self.dice.0 % 200);
                } else {
                    self.tell_in(bastion, Input::StartFailed, 11 + self.dice.0 % 200);
                }
            }
            // It hangs, with a name or without one, until it is given up.
            3 => {
                let task = self.make_task(Some(bastion));
                self.tell_later(bastion, Input::TaskNamed(task), 10);
            }
            4 => {}
            5 => {
                // Another try, after the first task came to nothing.
                for _ in 0..2 {
                    let task = self.make_task(Some(bastion));
                    self.tell_later(bastion, Input::TaskNamed(task), 40);
                }
            }
            _ => {
                let task = self.make_task(Some(bastion));
                self.tell_in(bastion, Input::TaskNamed(task.clone()), 1);
                self.tell_in(bastion, Input::TaskReady(task), 2 + self.dice.0 % 60);
            }
        }
    }

    fn stop(&mut self, bastion: BastionId, task: Option<TaskId>) {
        let Some(task) = task else {
            // The start is given up; it says so, or it has a name after all.
            let pending = self.news.values().any(|(of, input)| {
                *of == bastion && matches!(input, Input::TaskNamed(_) | Input::StartFailed)
            });
            if !pending {
                self.tell_later(bastion, Input::StartFailed, 5);
            }
            return;
        };
        let used = self.leases.values().filter_map(|lease| lease.granted);
        let used = used.filter_map(|bastion| self.pool.bastion(bastion));
        let used = used.into_iter().any(|view| view.phase.task() == Some(&task));
        self.holds(!used, "stopped under somebody");
        self.tasks.get_mut(&task).unwrap().bastion.get_or_insert(bastion);
        let answers = self.obliging || self.roll(4) > 0;
        if self.tasks[&task].ended || answers {
            self.tell_later(bastion, Input::StopTaken(task.clone()), 5);
            self.tell_in(bastion, Input::TaskGone(task), 5 + self.dice.0 % 50);
        }
    }

    fn grant(&mut self, lease: LeaseId, bastion: BastionId, task: &TaskId) {
        let seed = self.seed;
        let open = self.leases.get_mut(&lease).unwrap_or_else(|| panic!("{seed}: nobody's"));
        assert!(open.granted.replace(bastion).is_none(), "{seed}: granted twice");
        let view = self.pool.bastion(bastion).unwrap_or_else(|| panic!("{seed}: no such bastion"));
        // It may have moved on since the output was made, but never to another task.
        let same = view.phase.task() == Some(task);
        self.holds(same, "granted another task");
        if let Phase::Retiring { .. } = view.phase {
            let target = self.leases[&lease].target;
            let better = self.pool.bastions_of(target).any(|other| {
                matches!(other.phase, Phase::Ready { .. })
                    && (self.kind != Kind::Shared || other.targets.len() < SEATS)
            });
            self.holds(!better, "granted one that retires beside a ready one");
        }
    }

    /// What must be true after every step.
    fn check(&self) {
        for view in self.pool.bastions() {
            if self.kind == Kind::Shared {
                self.holds(view.targets.len() <= SEATS, "more targets than seats");
            }
            let granted =
                self.leases.values().filter(|lease| lease.granted == Some(view.bastion)).count();
            match &view.phase {
                Phase::Ready { .. } | Phase::Retiring { .. } => {
                    self.holds(granted == view.leases, "leases were lost");
                    self.holds(
                        view.stirring == 0 || view.phase.idle_due().is_none(),
                        "idle though it is used",
                    );
                    self.holds(view.life.is_some(), "without an end");
                }
                Phase::Starting { .. } => self.holds(granted == 0, "granted what is not ready"),
                Phase::Draining { .. } | Phase::Gone => {
                    self.holds(granted == 0 && view.leases == 0, "used while it goes");
                }
            }
        }
        let waits: BTreeSet<_> =
            self.leases.values().filter(|l| l.granted.is_none()).map(|l| l.target).collect();
        if !waits.is_empty() {
            self.holds(self.pool.timeout().is_some(), "nobody will wake who waits");
        }
        for target in waits {
            let ready = self.pool.bastions_of(target).any(|view| {
                let seat = self.kind != Kind::Shared
                    || view.targets.len() < SEATS
                    || view.targets.iter().any(|here| **here == *target);
                matches!(view.phase, Phase::Ready { .. }) && seat
            });
            self.holds(!ready, "somebody waits beside a ready one");
        }
        for lease in self.leases.keys() {
            let place = self.pool.granted(*lease);
            self.holds(place == self.leases[lease].granted, "forgotten");
        }
    }

    /// Time passes, and the pool is told as often as it wants.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some((due, _)) = self.pool.timeout().filter(|(due, _)| *due <= until) {
            self.now = self.now.max(due);
            for round in 0.. {
                self.pool.tick(self.now);
                self.run_errands();
                if self.pool.timeout().is_none_or(|(due, _)| due > self.now) {
                    break;
                }
                self.holds(round < 3, "the same timer again and again");
            }
        }
        self.now = until;
    }

    fn hear_next(&mut self) {
        if let Some(((at, _), _)) = self.news.first_key_value() {
            self.pass(at.saturating_duration_since(self.now));
            self.hear_due();
        }
    }

    fn hear_due(&mut self) {
        while let Some(entry) = self.news.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (bastion, input) = entry.remove();
            if let Input::TaskGone(task) = &input {
                self.tasks.get_mut(task).unwrap().ended = true;
            }
            self.pool.handle(bastion, input, self.now);
            self.run_errands();
        }
    }

    fn task_dies(&mut self) {
        let serving: Vec<_> = self
            .pool
            .bastions()
            .filter_map(|view| Some((view.bastion, view.phase.task()?.clone())))
            .collect();
        if !serving.is_empty() {
            let (bastion, task) = serving[self.roll(serving.len())].clone();
            self.tasks.get_mut(&task).unwrap().ended = true;
            self.pool.handle(bastion, Input::TaskGone(task), self.now);
        }
    }

    fn make_task(&mut self, bastion: Option<BastionId>) -> TaskId {
        let task = TaskId::new(format!("t{}", self.number()));
        self.tasks.insert(task.clone(), Task { bastion, ended: false });
        task
    }

    fn tell_later(&mut self, bastion: BastionId, input: Input, within: u64) {
        let secs = self.roll(usize::try_from(within).unwrap() + 1);
        self.tell_in(bastion, input, secs as u64);
    }

    fn tell_in(&mut self, bastion: BastionId, input: Input, secs: u64) {
        let number = self.number();
        self.news.insert((self.now + Duration::from_secs(secs), number), (bastion, input));
    }

    fn any_lease(&mut self) -> Option<LeaseId> {
        let sides = self.leases.len();
        if sides == 0 {
            return None;
        }
        let index = self.roll(sides);
        self.leases.keys().nth(index).copied()
    }

    fn terms(&self) -> Terms {
        let share = || Share { site: "site".to_owned(), seats: SEATS };
        Terms {
            limits: LIMITS,
            most: if self.kind == Kind::Wide { 3 } else { 1 },
            share: (self.kind == Kind::Shared).then(share),
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn roll(&mut self, sides: usize) -> usize {
        usize::try_from(self.dice.roll(u64::try_from(sides).unwrap())).unwrap()
    }

    #[track_caller]
    fn holds(&self, truth: bool, otherwise: &str) {
        assert!(truth, "{:?} {}: {otherwise}", self.kind, self.seed);
    }
}

const LIMITS: Limits = Limits {
    start: Duration::from_secs(120),
    idle: Duration::from_secs(300),
    stop: Duration::from_secs(60),
    life: Some(Duration::from_secs(12 * 60 * 60)),
};
