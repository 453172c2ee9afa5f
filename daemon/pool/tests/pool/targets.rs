//! Targets that share, that change, and whose tasks are found after a crash.

use bastion_pool::{Input, Removal, Timer, Why};

use super::story::{LIMITS, Story, secs, shared, task, terms};

#[test]
fn targets_of_a_site_share_a_bastion_as_long_as_it_has_seats() {
    let mut it = Story::of(&[("a", shared(2)), ("b", shared(2)), ("c", shared(2))]);
    let (a, b) = (it.visit("a"), it.visit("b"));
    assert_eq!(it.started.len(), 1);
    let first = it.serve("t1");
    assert_eq!((it.through(a), it.through(b)), (Some(first), Some(first)));
    let more = it.visit("a");
    assert_eq!(it.through(more), Some(first), "whoever sits there already may bring others");
    let c = it.visit("c");
    assert_eq!((it.through(c), it.started.len()), (None, 2));
    let second = it.serve("t2");
    assert_eq!(it.through(c), Some(second));
}

#[test]
fn the_seat_of_a_target_that_nobody_uses_goes_to_the_next() {
    let mut it = Story::of(&[("a", shared(2)), ("b", shared(2)), ("c", shared(2))]);
    let a = it.visit("a");
    it.visit("b");
    let bastion = it.serve("t1");
    it.end(a);
    assert_eq!(it.vacated, [], "its tunnels stay while nobody needs the seat");
    let c = it.visit("c");
    assert_eq!(it.through(c), Some(bastion));
    assert_eq!(it.vacated, [(bastion, "a".to_owned())]);
}

#[test]
fn closing_a_target_leaves_a_shared_bastion_to_the_others() {
    let mut it = Story::of(&[("a", shared(2)), ("b", shared(2))]);
    let (a, b) = (it.visit("a"), it.visit("b"));
    let bastion = it.serve("t1");
    it.pool.close("a", it.now);
    it.note();
    assert_eq!((it.why(a), it.why(b)), (Some(Why::Closed), None));
    assert_eq!((it.vacated.len(), it.stopped.len()), (1, 0));
    it.pool.close("b", it.now);
    it.note();
    assert_eq!(it.stopped, [(bastion, Some(task("t1")))]);
}

#[test]
fn targets_of_another_site_do_not_share() {
    let mut other = shared(2);
    other.share.as_mut().expect("it shares").site = "other".to_owned();
    let mut it = Story::of(&[("a", shared(2)), ("b", other)]);
    it.visit("a");
    it.visit("b");
    assert_eq!(it.started.len(), 2);
}

#[test]
fn a_target_that_leaves_at_once_takes_its_bastion_along() {
    let (mut it, lease, bastion) = Story::ready();
    it.pool.remove("db", Removal::AtOnce, it.now);
    it.note();
    assert_eq!(it.why(lease), Some(Why::Removed));
    assert_eq!(it.stopped, [(bastion, Some(task("t1")))]);
    it.finish(bastion);
    assert_eq!(it.pool.targets().count(), 0);
}

#[test]
fn who_is_sent_away_leaves_an_idle_bastion_and_the_next_finds_it() {
    let mut it = Story::of(&[("a", shared(2)), ("b", shared(2))]);
    let (on_a, on_b) = (it.visit("a"), it.visit("b"));
    let bastion = it.serve("t1");
    it.pool.evict("a", it.now);
    it.note();
    assert_eq!((it.why(on_a), it.why(on_b)), (Some(Why::Removed), None));
    it.end(on_b);
    assert_eq!(
        (it.stopped.len(), it.pool.timeout()),
        (0, Some((it.now + LIMITS.idle, Timer::Idle)))
    );
    let next = it.visit("a");
    assert_eq!((it.through(next), it.started.len()), (Some(bastion), 1));
}

#[test]
fn who_waits_is_sent_away_too() {
    let mut it = Story::lone(1);
    let waits = it.visit("db");
    it.pool.evict("db", it.now);
    it.note();
    assert_eq!(it.why(waits), Some(Why::Removed));
    it.pool.evict("nowhere", it.now);
    assert_eq!(it.pool.targets().count(), 1);
}

#[test]
fn a_target_that_leaves_when_unused_lets_its_visits_end() {
    let (mut it, lease, bastion) = Story::ready();
    it.pool.remove("db", Removal::WhenUnused, it.now);
    it.note();
    assert_eq!((it.why(lease), it.stopped.len()), (None, 0));
    it.end(lease);
    assert_eq!(it.stopped, [(bastion, Some(task("t1")))], "without an idle time");
}

#[test]
fn a_target_that_is_another_now_starts_anew_and_leaves_its_visits_alone() {
    let (mut it, old_visit, old) = Story::ready();
    it.pool.replace("db", &terms(1), it.now);
    it.note();
    let new_visit = it.visit("db");
    let new = it.serve("t2");
    assert_ne!(old, new);
    assert_eq!((it.through(new_visit), it.why(old_visit)), (Some(new), None));
    it.after(secs(3_600));
    assert_eq!(it.started.len(), 2, "the old one has no successor");
}

#[test]
fn other_limits_are_felt_by_nobody_but_the_timer() {
    let (mut it, lease, _) = Story::ready();
    let mut new = terms(1);
    new.limits.idle = secs(30);
    it.pool.alter("db", &new, it.now);
    it.note();
    assert_eq!(it.why(lease), None);
    it.end(lease);
    assert_eq!(it.pool.timeout(), Some((it.now + secs(30), Timer::Idle)));
}

#[test]
fn nothing_is_started_while_nobody_knows_what_is_out_there() {
    let mut it = Story::lone(1);
    it.pool.undecided("db", true, it.now);
    let lease = it.visit("db");
    assert_eq!(it.started, []);
    let found =
        it.pool.adopt("db", task("t0"), secs(12 * 3_600 - 600), it.now).expect("it is known");
    it.pool.undecided("db", false, it.now);
    it.note();
    assert_eq!(it.started, [], "the one that was found may do");
    it.tell(found, Input::TaskReady(task("t0")));
    assert_eq!(it.through(lease), Some(found));
    assert_eq!(it.view(found).life.map(|(_, end)| end), Some(it.now + secs(12 * 3_600 - 600)));
}

#[test]
fn who_waited_for_a_task_that_was_found_and_is_of_no_use_gets_a_new_one() {
    let mut it = Story::lone(1);
    let found =
        it.pool.adopt("db", task("t0"), secs(12 * 3_600 - 600), it.now).expect("it is known");
    let lease = it.visit("db");
    it.tell(found, Input::StartFailed);
    it.tell(found, Input::StopTaken(task("t0")));
    let second = it.serve("t1");
    assert_eq!(it.through(lease), Some(second));
}

#[test]
fn who_waits_for_a_decision_that_does_not_come_is_told_in_the_end() {
    let mut it = Story::lone(1);
    it.pool.undecided("db", true, it.now);
    let lease = it.visit("db");
    it.after(secs(120));
    assert_eq!(it.why(lease), Some(Why::TookTooLong));
}

#[test]
fn a_task_of_which_only_its_end_is_wanted_is_stopped_until_it_has() {
    let mut it = Story::lone(1);
    let bastion = it.pool.abandon("forgotten", task("t9"), LIMITS, it.now);
    it.note();
    it.after(secs(60));
    assert_eq!(it.stopped.len(), 2);
    it.tell(bastion, Input::TaskGone(task("t9")));
    assert_eq!(it.gone, [bastion]);
    assert_eq!(it.pool.timeout(), None);
}
