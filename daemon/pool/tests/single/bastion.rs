//! One bastion, told what happens and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bastion_cloud::TaskId;
use bastion_pool::LeaseId;
use bastion_pool::single::Input::{
    CloseWanted, LeaseEnded, LeaseWanted, StartFailed, StartUncertain, TaskGone, TaskNamed,
    TaskReady, Tick,
};
use bastion_pool::single::{Bastion, Input, Limits, Output, Phase, Timer, Why};

#[test]
fn a_first_lease_starts_a_task_and_gets_it() {
    let mut it = Story::begin();
    assert_eq!(it.then(LeaseWanted(LeaseId(1))), [Output::StartTask]);
    assert_eq!(it.then(TaskReady(task("a"))), [Output::Grant(LeaseId(1), task("a"))]);
}

#[test]
fn an_idle_bastion_is_stopped_when_its_time_is_up_and_not_before() {
    let mut it = Story::ready();
    it.then(LeaseEnded(LeaseId(1)));
    assert_eq!(it.bastion.timeout().unwrap().1, Timer::Idle);
    assert_eq!(it.after(299), []);
    assert_eq!(it.after(1), [Output::StopTask(Some(task("a")))]);
}

#[test]
fn a_lease_that_comes_while_draining_waits_for_the_next_task() {
    let mut it = Story::ready();
    it.then(LeaseEnded(LeaseId(1)));
    it.after(300);
    assert_eq!(it.then(LeaseWanted(LeaseId(2))), []);
    assert_eq!(it.then(TaskGone(task("a"))), [Output::StartTask]);
}

#[test]
fn a_start_that_takes_too_long_refuses_those_who_wait() {
    let mut it = Story::begin();
    it.then(LeaseWanted(LeaseId(1)));
    assert_eq!(
        it.after(120),
        [Output::Overdue, Output::StopTask(None), Output::Revoke(LeaseId(1), Why::TookTooLong)]
    );
}

#[test]
fn a_task_that_nobody_asked_for_is_stopped() {
    let mut it = Story::begin();
    assert_eq!(it.then(TaskReady(task("stray"))), [Output::StopTask(Some(task("stray")))]);
}

#[test]
fn a_task_that_dies_revokes_its_leases() {
    let mut it = Story::ready();
    assert_eq!(it.then(TaskGone(task("a"))), [Output::Revoke(LeaseId(1), Why::TaskGone)]);
}

#[test]
fn a_task_that_will_not_stop_is_asked_again() {
    let mut it = Story::ready();
    it.then(LeaseEnded(LeaseId(1)));
    it.after(300);
    assert_eq!(it.after(60), [Output::StopTask(Some(task("a")))]);
}

#[test]
fn a_start_that_fails_before_the_task_has_a_name_leaves_nothing_to_stop() {
    let mut it = Story::begin();
    it.then(LeaseWanted(LeaseId(1)));
    assert_eq!(it.then(StartFailed), [Output::Revoke(LeaseId(1), Why::StartFailed)]);
    assert_eq!(it.bastion.phase(), Phase::Cold);
}

#[test]
fn a_start_that_fails_with_a_task_stops_that_task() {
    let mut it = Story::begin();
    it.then(LeaseWanted(LeaseId(1)));
    it.then(TaskNamed(task("a")));
    let stop = Output::StopTask(Some(task("a")));
    assert_eq!(it.then(StartFailed), [stop, Output::Revoke(LeaseId(1), Why::StartFailed)]);
    assert_eq!(it.bastion.phase(), Phase::Draining);
}

#[test]
fn a_task_that_is_named_after_its_start_was_given_up_is_stopped() {
    let mut it = Story::begin();
    it.then(LeaseWanted(LeaseId(1)));
    it.after(120);
    assert_eq!(it.then(TaskNamed(task("late"))), [Output::StopTask(Some(task("late")))]);
}

#[test]
fn a_start_that_was_given_up_and_failed_makes_room_for_the_next() {
    let mut it = Story::begin();
    it.then(LeaseWanted(LeaseId(1)));
    it.after(120);
    it.then(LeaseWanted(LeaseId(2)));
    assert_eq!(it.then(StartFailed), [Output::StartTask]);
}

#[test]
fn closing_revokes_everybody_and_stops_the_task() {
    let mut it = Story::ready();
    let stop = Output::StopTask(Some(task("a")));
    assert_eq!(it.then(CloseWanted), [Output::Revoke(LeaseId(1), Why::Closed), stop]);
}

#[test]
fn a_start_that_nobody_waits_for_any_more_still_ends_in_idleness() {
    let mut it = Story::begin();
    it.then(LeaseWanted(LeaseId(1)));
    it.then(LeaseEnded(LeaseId(1)));
    assert_eq!(it.then(TaskReady(task("a"))), []);
    assert_eq!(it.after(300), [Output::StopTask(Some(task("a")))]);
}

#[test]
fn another_tasks_end_ends_neither_a_start_nor_a_bastion_nor_a_stop() {
    let mut it = Story::begin();
    it.then(LeaseWanted(LeaseId(1)));
    assert_eq!(it.then(TaskGone(task("before"))), []);
    it.then(TaskNamed(task("a")));
    assert_eq!(it.then(TaskGone(task("before"))), []);
    assert_eq!(it.bastion.phase(), Phase::Starting);
    it.then(TaskReady(task("a")));
    assert_eq!(it.then(TaskGone(task("before"))), []);
    it.then(CloseWanted);
    assert_eq!(it.then(TaskGone(task("before"))), []);
    assert_eq!(it.bastion.phase(), Phase::Draining);
}

#[test]
fn a_start_that_takes_too_long_is_told_though_nobody_waits() {
    let mut it = Story::begin();
    it.then(LeaseWanted(LeaseId(1)));
    it.then(LeaseEnded(LeaseId(1)));
    assert_eq!(it.after(120), [Output::Overdue, Output::StopTask(None)]);
}

#[test]
fn a_start_that_may_have_started_a_task_refuses_at_once_and_stops_it_when_it_is_named() {
    let mut it = Story::begin();
    it.then(LeaseWanted(LeaseId(1)));
    let refused = Output::Revoke(LeaseId(1), Why::StartFailed);
    assert_eq!(it.then(StartUncertain), [Output::StopTask(None), refused]);
    assert_eq!(it.bastion.phase(), Phase::Draining);
    assert_eq!(it.then(TaskNamed(task("late"))), [Output::StopTask(Some(task("late")))]);
}

#[test]
fn who_waits_behind_a_task_that_does_not_stop_is_refused_when_its_time_is_up() {
    let mut it = Story::ready();
    it.then(CloseWanted);
    it.then(LeaseWanted(LeaseId(2)));
    let again = Output::StopTask(Some(task("a")));
    assert_eq!(it.after(60), [again, Output::Revoke(LeaseId(2), Why::NotStopped)]);
}

/// Whatever happens in whatever order: nobody waits for ever, nobody is cut off.
#[test]
fn every_lease_is_granted_revoked_or_ended() {
    for seed in 0..10_000 {
        let mut dice = Dice(seed);
        let mut it = Story::begin();
        let (mut open, mut granted) = (BTreeSet::new(), BTreeMap::new());
        for step in 0..60 {
            let lease = LeaseId(dice.roll(6));
            let input = match dice.roll(8) {
                0 if open.insert(lease) => LeaseWanted(lease),
                0 | 1 => {
                    open.remove(&lease);
                    granted.remove(&lease);
                    LeaseEnded(lease)
                }
                2 => TaskReady(task(["a", "b"][dice.roll(2) as usize])),
                3 => TaskGone(task(["a", "b"][dice.roll(2) as usize])),
                4 => TaskNamed(task(["a", "b"][dice.roll(2) as usize])),
                5 if dice.roll(2) == 0 => StartUncertain,
                5 => StartFailed,
                6 if dice.roll(3) == 0 => CloseWanted,
                _ => Tick,
            };
            it.now += Duration::from_secs(dice.roll(200));
            for output in it.then(input) {
                match output {
                    Output::Grant(lease, by) => {
                        let twice = granted.insert(lease, by);
                        assert!(open.contains(&lease) && twice.is_none(), "{seed}/{step}");
                    }
                    Output::Revoke(lease, _) => {
                        assert!(open.remove(&lease), "{seed}/{step}");
                        granted.remove(&lease);
                    }
                    Output::StartTask | Output::Overdue => {}
                    Output::StopTask(None) => {}
                    Output::StopTask(Some(task)) => {
                        assert!(!granted.values().any(|by| *by == task), "{seed}/{step}: in use");
                    }
                }
            }
            let waits = open.len() > granted.len();
            assert!(!waits || it.bastion.timeout().is_some(), "{seed}/{step}: nobody will wake it");
        }
    }
}

/// Numbers that are the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A bastion, and the clock that its test turns by hand.
struct Story {
    bastion: Bastion,
    now: Instant,
}

impl Story {
    fn begin() -> Self {
        let limits = Limits {
            start: Duration::from_secs(120),
            idle: Duration::from_secs(300),
            stop: Duration::from_secs(60),
        };
        Self { bastion: Bastion::new(limits), now: Instant::now() }
    }

    fn ready() -> Self {
        let mut it = Self::begin();
        it.then(LeaseWanted(LeaseId(1)));
        it.then(TaskReady(task("a")));
        it
    }

    fn then(&mut self, input: Input) -> Vec<Output> {
        self.bastion.handle(input, self.now);
        std::iter::from_fn(|| self.bastion.poll()).collect()
    }

    fn after(&mut self, secs: u64) -> Vec<Output> {
        self.now += Duration::from_secs(secs);
        self.then(Tick)
    }
}

fn task(name: &str) -> TaskId {
    TaskId::new(name)
}
