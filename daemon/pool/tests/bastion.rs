//! One bastion, told what happens and when.
#![expect(clippy::disallowed_methods, reason = "a test's clock must begin somewhere")]

mod dice;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bastion_cloud::TaskId;
use bastion_pool::Input::{
    CloseWanted, Keep, LeaseEnded, LeaseSilent, LeaseStirs, LeaseWanted, RetireWanted, StartFailed,
    StartUncertain, StopTaken, TaskGone, TaskNamed, TaskReady, Tick,
};
use bastion_pool::{Bastion, Claim, Deed, Input, LeaseId, Limits, Mood, Phase, Timer, Why};
use dice::Dice;

#[test]
fn a_lease_waits_for_the_task_and_gets_it() {
    let mut it = Story::begin();
    assert_eq!(it.then(wanted(1)), []);
    assert_eq!(it.then(TaskNamed(task("a"))), []);
    assert_eq!(it.then(TaskReady(task("a"))), [Deed::Grant(LeaseId(1), task("a"))]);
}

#[test]
fn a_start_that_takes_too_long_refuses_those_who_wait() {
    let mut it = Story::begin();
    it.then(wanted(1));
    assert_eq!(it.after(119), []);
    let refused = Deed::Revoke(LeaseId(1), Why::TookTooLong);
    assert_eq!(it.after(1), [Deed::Overdue, Deed::Stop(None), refused]);
}

#[test]
fn a_start_that_takes_too_long_is_told_though_nobody_waits() {
    let mut it = Story::begin();
    assert_eq!(it.after(120), [Deed::Overdue, Deed::Stop(None)]);
}

#[test]
fn a_start_that_fails_before_the_task_has_a_name_leaves_nothing_to_stop() {
    let mut it = Story::begin();
    it.then(wanted(1));
    assert_eq!(it.then(StartFailed), [Deed::Revoke(LeaseId(1), Why::StartFailed)]);
    assert_eq!(it.bastion.phase(), Phase::Gone);
}

#[test]
fn a_start_that_fails_with_a_task_stops_that_task() {
    let mut it = Story::begin();
    it.then(wanted(1));
    it.then(TaskNamed(task("a")));
    let refused = Deed::Revoke(LeaseId(1), Why::StartFailed);
    assert_eq!(it.then(StartFailed), [stop("a"), refused]);
}

#[test]
fn a_task_that_is_named_after_its_start_was_given_up_is_stopped() {
    let mut it = Story::begin();
    it.then(StartUncertain);
    assert_eq!(it.then(TaskNamed(task("late"))), [stop("late")]);
    assert_eq!(it.then(TaskGone(task("late"))), []);
    assert_eq!(it.bastion.phase(), Phase::Gone);
}

#[test]
fn a_start_that_was_given_up_and_had_started_nothing_is_over() {
    let mut it = Story::begin();
    it.then(CloseWanted);
    it.then(StartFailed);
    assert_eq!((it.bastion.phase(), it.bastion.timeout()), (Phase::Gone, None));
}

#[test]
fn another_tasks_end_ends_neither_a_start_nor_a_bastion_nor_a_stop() {
    let mut it = Story::begin();
    it.then(TaskNamed(task("a")));
    it.then(TaskGone(task("before")));
    assert!(matches!(it.bastion.phase(), Phase::Starting { .. }));
    it.then(TaskReady(task("a")));
    it.then(TaskGone(task("before")));
    assert!(matches!(it.bastion.phase(), Phase::Ready { .. }));
    it.then(CloseWanted);
    it.then(TaskGone(task("before")));
    it.then(StopTaken(task("before")));
    let phase = Phase::Draining { task: Some(task("a")), taken: false };
    assert_eq!(it.bastion.phase(), phase);
}

#[test]
fn a_task_that_dies_revokes_its_leases() {
    let mut it = Story::ready();
    assert_eq!(it.then(TaskGone(task("a"))), [Deed::Revoke(LeaseId(1), Why::TaskGone)]);
}

#[test]
fn closing_tells_everybody_first() {
    let mut it = Story::ready();
    let told = Deed::Revoke(LeaseId(1), Why::Closed);
    assert_eq!(it.then(CloseWanted), [told, stop("a")]);
}

#[test]
fn a_task_of_another_name_is_a_stray_in_every_state() {
    let mut it = Story::begin();
    it.then(TaskNamed(task("a")));
    assert_eq!(it.then(TaskNamed(task("b"))), [Deed::Stray(task("a"))], "the later one counts");
    it.then(TaskReady(task("b")));
    assert_eq!(it.then(TaskReady(task("c"))), [Deed::Stray(task("c"))]);
    it.then(CloseWanted);
    assert_eq!(it.then(TaskNamed(task("d"))), [Deed::Stray(task("d"))]);
    it.then(TaskGone(task("b")));
    assert_eq!(it.then(TaskReady(task("e"))), [Deed::Stray(task("e"))]);
}

#[test]
fn idle_time_runs_from_the_last_lease_that_holds_and_not_again_for_a_silent_one() {
    let mut it = Story::ready();
    it.then(wanted(2));
    it.then(LeaseSilent(LeaseId(2)));
    it.then(LeaseEnded(LeaseId(1)));
    it.after(200);
    it.then(LeaseEnded(LeaseId(2)));
    assert_eq!(it.after(99), []);
    assert_eq!(it.after(1), [stop("a")]);
}

#[test]
fn what_is_kept_has_no_idle_time_until_it_is_let_go() {
    let mut it = Story::ready();
    it.then(Keep(true));
    it.then(LeaseEnded(LeaseId(1)));
    assert_eq!(it.after(3_600), []);
    it.then(Keep(false));
    assert_eq!(it.after(299), []);
    assert_eq!(it.after(1), [stop("a")]);
}

#[test]
fn one_on_trial_holds_for_two_minutes_only_unless_it_asks() {
    let trial = Claim { target: "db".into(), mood: Mood::OnTrial };
    let mut it = Story::begin();
    it.then(LeaseWanted(LeaseId(1), trial.clone()));
    it.then(TaskReady(task("a")));
    assert_eq!(it.after(120), [Deed::Revoke(LeaseId(1), Why::Reconnects), stop("a")]);
    let mut it = Story::begin();
    it.then(LeaseWanted(LeaseId(1), trial));
    it.then(TaskReady(task("a")));
    it.then(LeaseStirs(LeaseId(1)));
    assert_eq!(it.after(3_600), []);
}

#[test]
fn it_retires_an_hour_before_its_end_and_takes_nobody_along() {
    let mut it = Story::ready();
    it.after(11 * 3_600 - 1);
    assert!(matches!(it.bastion.phase(), Phase::Ready { .. }));
    it.after(1);
    assert!(matches!(it.bastion.phase(), Phase::Retiring { .. }));
    assert_eq!(it.bastion.timeout().map(|(_, timer)| timer), Some(Timer::Life));
    let told = Deed::Revoke(LeaseId(1), Why::TooOld);
    assert_eq!(it.after(3_600), [told, stop("a")]);
}

#[test]
fn a_short_life_retires_half_way() {
    let limits = Limits { life: Some(Duration::from_secs(1_800)), ..LIMITS };
    let now = Instant::now();
    let bastion = Bastion::ordered(limits, now);
    let (old, end) = bastion.life().expect("it is ours");
    assert_eq!((old - now, end - now), (Duration::from_secs(900), Duration::from_secs(1_800)));
}

#[test]
fn one_that_was_found_dies_when_it_would_have() {
    let now = Instant::now();
    let age = Duration::from_secs(11 * 3_600 + 1_800);
    let bastion = Bastion::found(LIMITS, task("a"), age, now);
    let (old, end) = bastion.life().expect("it is ours");
    assert_eq!((old, end - now), (now, Duration::from_secs(1_800)));
}

#[test]
fn a_dropped_target_s_bastion_goes_with_its_last_lease() {
    let mut it = Story::ready();
    assert_eq!(it.then(RetireWanted), []);
    assert_eq!(it.then(LeaseEnded(LeaseId(1))), [stop("a")]);
    let mut it = Story::begin();
    it.then(wanted(1));
    assert_eq!(it.then(RetireWanted), [Deed::Stop(None), Deed::Revoke(LeaseId(1), Why::Removed)]);
}

#[test]
fn a_task_that_will_not_stop_is_asked_again_and_again() {
    let mut it = Story::ready();
    it.then(CloseWanted);
    it.then(StopTaken(task("a")));
    for _ in 0..5 {
        assert_eq!(it.after(59), []);
        assert_eq!(it.after(1), [stop("a")]);
    }
}

/// Whatever happens in whatever order: nobody waits for ever, nobody is cut off without a word, no task is forgotten.
#[test]
fn every_lease_is_answered_and_every_task_is_stopped() {
    for seed in 0..10_000 {
        let mut dice = Dice(seed);
        let mut it = Story::begin();
        let (mut open, mut granted) = (BTreeSet::new(), BTreeMap::new());
        // Tasks that somebody has named, and those that were to be stopped or have gone.
        let (mut named, mut settled) = (BTreeSet::new(), BTreeSet::new());
        for step in 0..60 {
            let lease = LeaseId(dice.roll(6));
            let name = task(["a", "b"][usize::from(dice.roll(2) == 0)]);
            let input = match dice.roll(14) {
                0 | 1 if open.insert(lease) => wanted(lease.0),
                0..=2 => {
                    open.remove(&lease);
                    granted.remove(&lease);
                    LeaseEnded(lease)
                }
                3 => LeaseSilent(lease),
                4 => LeaseStirs(lease),
                5 => TaskNamed(name),
                6 => TaskReady(name),
                7 => TaskGone(name),
                8 => StopTaken(name),
                9 if dice.roll(2) == 0 => StartUncertain,
                9 if dice.roll(2) == 0 => StartFailed,
                10 if dice.roll(3) == 0 => CloseWanted,
                11 if dice.roll(3) == 0 => RetireWanted,
                12 => Keep(dice.roll(2) == 0),
                _ => Tick,
            };
            match &input {
                TaskNamed(task) | TaskReady(task) => {
                    named.insert(task.clone());
                    settled.remove(task);
                }
                TaskGone(task) => {
                    settled.insert(task.clone());
                }
                LeaseWanted(..) | LeaseEnded(_) | LeaseSilent(_) | LeaseStirs(_) | StartFailed
                | StartUncertain | StopTaken(_) | CloseWanted | RetireWanted | Keep(_) | Tick => {}
            }
            let longest = if dice.roll(9) == 0 { 9_000 } else { 200 };
            it.now += Duration::from_secs(dice.roll(longest));
            for deed in it.then(input) {
                match deed {
                    Deed::Grant(lease, by) => {
                        let twice = granted.insert(lease, by);
                        assert!(open.contains(&lease) && twice.is_none(), "{seed}/{step}");
                    }
                    Deed::Revoke(lease, _) => {
                        assert!(open.remove(&lease), "{seed}/{step}");
                        granted.remove(&lease);
                    }
                    Deed::Overdue | Deed::Stop(None) => {}
                    Deed::Stray(task) | Deed::Stop(Some(task)) => {
                        // Whoever waited for it is told next to it.
                        settled.insert(task);
                    }
                }
            }
            let phase = it.bastion.phase();
            let kept: BTreeSet<_> = phase.task().cloned().into_iter().collect();
            let lost = named.iter().find(|task| !settled.contains(*task) && !kept.contains(*task));
            assert_eq!(lost, None, "{seed}/{step}: forgotten in {phase:?}");
            let serves = matches!(phase, Phase::Ready { .. } | Phase::Retiring { .. });
            assert!(serves || granted.is_empty(), "{seed}/{step}: cut off");
            let waits = open.len() > granted.len();
            let timer = it.bastion.timeout();
            assert!(!waits || timer.is_some(), "{seed}/{step}: nobody will wake it");
            assert!(phase == Phase::Gone || timer.is_some(), "{seed}/{step}: it stays for ever");
        }
    }
}

/// A bastion, and the clock that its test turns by hand.
struct Story {
    bastion: Bastion,
    now: Instant,
}

impl Story {
    fn begin() -> Self {
        let now = Instant::now();
        Self { bastion: Bastion::ordered(LIMITS, now), now }
    }

    fn ready() -> Self {
        let mut it = Self::begin();
        it.then(wanted(1));
        it.then(TaskReady(task("a")));
        it
    }

    fn then(&mut self, input: Input) -> Vec<Deed> {
        self.bastion.handle(input, self.now);
        std::iter::from_fn(|| self.bastion.poll()).collect()
    }

    fn after(&mut self, secs: u64) -> Vec<Deed> {
        self.now += Duration::from_secs(secs);
        self.then(Tick)
    }
}

fn wanted(lease: u64) -> Input {
    LeaseWanted(LeaseId(lease), Claim { target: "db".into(), mood: Mood::Stirring })
}

fn stop(name: &str) -> Deed {
    Deed::Stop(Some(task(name)))
}

fn task(name: &str) -> TaskId {
    TaskId::new(name)
}

const LIMITS: Limits = Limits {
    start: Duration::from_secs(120),
    idle: Duration::from_secs(300),
    stop: Duration::from_secs(60),
    life: Some(Duration::from_secs(12 * 60 * 60)),
};
