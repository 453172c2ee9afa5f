//! Stories of a pool: who gets which bastion, and when bastions come and go.
#![expect(clippy::disallowed_methods, reason = "a test's clock must begin somewhere")]

#[path = "pool/story.rs"]
mod story;
#[path = "pool/targets.rs"]
mod targets;

use bastion_pool::{Input, LeaseId, Mood, Output, Phase, Terms, Timer, Why, Wish};
use story::{LIMITS, Story, secs, task, terms};

#[test]
fn fifty_leases_start_one_task_and_all_get_it() {
    let mut it = Story::lone(1);
    let leases: Vec<_> = (0..50).map(|_| it.visit("db")).collect();
    assert_eq!(it.started.len(), 1);
    let bastion = it.serve("t1");
    assert!(leases.iter().all(|lease| it.through(*lease) == Some(bastion)));
    assert_eq!((it.pool.leases("db"), it.started.len()), (50, 1));
}

#[test]
fn each_target_has_a_bastion_of_its_own() {
    let mut it = Story::of(&[("a", terms(1)), ("b", terms(1))]);
    it.visit("a");
    let on_b = it.visit("b");
    assert_eq!(it.started.len(), 2);
    it.serve("t2");
    assert!(it.through(on_b).is_some());
    assert_eq!(it.granted.len(), 1);
}

#[test]
fn nobody_gets_a_lease_on_a_target_that_is_not_there() {
    let mut it = Story::lone(1);
    let wish = Wish { lease: LeaseId(1), target: "nowhere".to_owned(), by_person: true };
    assert!(!it.pool.lease(wish, it.now));
    assert_eq!(it.pool.poll(), None);
}

#[test]
fn an_idle_bastion_is_stopped_when_its_time_is_up_and_not_before() {
    let (mut it, lease, bastion) = Story::ready();
    it.end(lease);
    assert_eq!(it.pool.timeout(), Some((it.now + LIMITS.idle, Timer::Idle)));
    it.after(secs(299));
    assert_eq!(it.stopped, []);
    it.after(secs(1));
    assert_eq!(it.stopped, [(bastion, Some(task("t1")))]);
    it.finish(bastion);
    assert_eq!(it.gone, [bastion]);
    assert_eq!(it.pool.bastions().count(), 0);
}

#[test]
fn a_stop_is_asked_for_again_until_the_task_is_gone() {
    let (mut it, lease, bastion) = Story::ready();
    it.end(lease);
    it.after(secs(300));
    it.tell(bastion, Input::StopTaken(task("t1")));
    for again in 2..5 {
        it.after(secs(60));
        assert_eq!(it.stopped.len(), again);
    }
    it.tell(bastion, Input::TaskGone(task("t1")));
    assert_eq!(it.pool.timeout(), None);
}

#[test]
fn who_comes_while_a_task_goes_gets_the_next_as_soon_as_the_order_is_taken() {
    let (mut it, lease, bastion) = Story::ready();
    it.end(lease);
    it.after(secs(300));
    let next = it.visit("db");
    assert_eq!(it.started.len(), 1, "nobody knows yet whether the first one ends");
    it.tell(bastion, Input::StopTaken(task("t1")));
    assert_eq!(it.started.len(), 2);
    let second = it.serve("t2");
    assert_eq!(it.through(next), Some(second));
}

#[test]
fn who_waits_behind_a_task_that_does_not_stop_is_refused_when_its_time_is_up() {
    let (mut it, lease, _) = Story::ready();
    it.end(lease);
    it.after(secs(300));
    it.after(secs(30));
    let next = it.visit("db");
    it.after(secs(59));
    assert_eq!(it.why(next), None);
    it.after(secs(1));
    assert_eq!(it.why(next), Some(Why::NotStopped));
    assert_eq!(it.started.len(), 1);
}

#[test]
fn a_crowded_bastion_still_serves_and_one_more_is_started_beside_it() {
    let mut it = Story::lone(2);
    it.visit("db");
    let first = it.serve("t1");
    it.pool.crowd(first, true);
    let second = it.visit("db");
    assert_eq!(it.through(second), Some(first), "it does not wait for the other");
    assert_eq!(it.started.len(), 2);
    it.visit("db");
    assert_eq!(it.started.len(), 2, "two are enough");
    let beside = it.serve("t2");
    let fourth = it.visit("db");
    assert_eq!(it.through(fourth), Some(beside));
}

#[test]
fn a_lease_goes_to_the_bastion_with_the_fewest() {
    let mut it = Story::lone(2);
    let on_first = [it.visit("db"), it.visit("db")];
    let first = it.serve("t1");
    it.pool.crowd(first, true);
    it.visit("db");
    let second = it.serve("t2");
    it.pool.crowd(first, false);
    let lease = it.visit("db");
    assert_eq!(it.through(lease), Some(second));
    for lease in on_first {
        it.end(lease);
    }
    let (one, two) = (it.visit("db"), it.visit("db"));
    assert_eq!((it.through(one), it.through(two)), (Some(first), Some(second)));
}

#[test]
fn a_crowded_bastion_stays_alone_where_the_config_wants_one() {
    let (mut it, _, bastion) = Story::ready();
    it.pool.crowd(bastion, true);
    it.visit("db");
    assert_eq!(it.started.len(), 1);
}

#[test]
fn as_many_as_a_person_wants_are_started_and_stay_while_one_of_them_is_used() {
    let mut it = Story::lone(1);
    let hold = it.person("db");
    it.pool.widen("db", 4, it.now);
    it.note();
    assert_eq!(it.started.len(), 4);
    for (number, bastion) in it.started.clone().into_iter().enumerate() {
        it.tell(bastion, Input::TaskReady(task(&format!("t{number}"))));
    }
    it.after(secs(3_600));
    assert_eq!(it.stopped, []);
    it.end(hold);
    it.after(secs(300));
    assert_eq!(it.stopped.len(), 4);
    for bastion in it.started.clone() {
        it.finish(bastion);
    }
    it.visit("db");
    assert_eq!(it.started.len(), 5, "the wish went with the last of them");
}

#[test]
fn who_waits_for_one_of_several_gets_the_first_that_is_ready() {
    let mut it = Story::lone(1);
    let lease = it.visit("db");
    it.pool.widen("db", 3, it.now);
    it.note();
    let last = it.serve("t3");
    assert_eq!(it.through(lease), Some(last));
}

#[test]
fn an_hour_before_its_end_a_used_bastion_gets_a_successor_that_takes_the_new() {
    let (mut it, old_visit, old) = Story::ready();
    it.after(secs(11 * 60 * 60));
    assert!(matches!(it.phase(old), Phase::Retiring { .. }));
    assert_eq!(it.started.len(), 2);
    let visit = it.visit("db");
    assert_eq!(it.through(visit), None, "it waits for the successor");
    let new = it.serve("t2");
    assert_eq!(it.through(visit), Some(new));
    it.end(old_visit);
    assert_eq!(it.stopped, [(old, Some(task("t1")))], "its last visit has gone");
}

#[test]
fn the_last_visits_of_an_old_bastion_end_with_it_and_are_told_why() {
    let (mut it, visit, old) = Story::ready();
    it.after(secs(11 * 60 * 60));
    it.serve("t2");
    it.after(secs(60 * 60 - 1));
    assert_eq!(it.why(visit), None);
    it.after(secs(1));
    assert_eq!(it.why(visit), Some(Why::TooOld));
    assert!(it.stopped.contains(&(old, Some(task("t1")))));
}

#[test]
fn a_successor_stays_while_it_may_be_needed() {
    let (mut it, visit, _) = Story::ready();
    it.after(secs(11 * 60 * 60));
    let new = it.serve("t2");
    it.after(secs(900));
    assert!(matches!(it.phase(new), Phase::Ready { idle_due: None, .. }));
    it.end(visit);
    it.after(secs(300));
    assert!(it.stopped.contains(&(new, Some(task("t2")))));
}

#[test]
fn where_no_successor_can_be_had_the_old_one_serves_on() {
    let (mut it, _, old) = Story::ready();
    it.after(secs(11 * 60 * 60));
    let waits = it.visit("db");
    let new = it.started[1];
    it.tell(new, Input::StartFailed);
    assert_eq!(it.through(waits), Some(old));
    let next = it.visit("db");
    assert_eq!(it.through(next), Some(old), "the failure stands");
    assert_eq!(it.revoked, []);
    it.after(secs(400));
    it.end(waits);
    assert_eq!(it.started.len(), 2, "nothing is tried again until somebody comes");
    it.visit("db");
    assert_eq!(it.started.len(), 3);
}

#[test]
fn an_old_bastion_that_nobody_uses_is_stopped_without_a_successor() {
    let (mut it, lease, old) = Story::ready();
    it.after(secs(11 * 60 * 60 - 10));
    it.end(lease);
    it.after(secs(10));
    assert_eq!((it.stopped.len(), it.started.len()), (1, 1));
    assert!(matches!(it.phase(old), Phase::Draining { .. }));
}

#[test]
fn a_bastion_of_somebody_elses_never_grows_old() {
    let mut limits = LIMITS;
    limits.life = None;
    let mut it = Story::of(&[("db", Terms { limits, ..terms(1) })]);
    it.visit("db");
    let bastion = it.serve("t1");
    it.after(secs(30 * 24 * 60 * 60));
    assert!(matches!(it.phase(bastion), Phase::Ready { .. }));
    assert_eq!(it.pool.timeout(), None);
}

#[test]
fn leases_that_are_silent_hold_nothing_and_are_told_so_at_the_end() {
    let (mut it, lease, bastion) = Story::ready();
    it.pool.silent(lease, true, it.now);
    it.after(secs(299));
    assert_eq!(it.revoked, []);
    it.after(secs(1));
    assert_eq!(it.revoked, [(lease, Why::Silent)]);
    assert_eq!(it.stopped, [(bastion, Some(task("t1")))]);
}

#[test]
fn a_silent_lease_that_stirs_holds_its_bastion_again() {
    let (mut it, lease, _) = Story::ready();
    it.pool.silent(lease, true, it.now);
    it.after(secs(200));
    it.pool.silent(lease, false, it.now);
    it.after(secs(3_000));
    assert_eq!((it.revoked.len(), it.stopped.len()), (0, 0));
}

#[test]
fn a_client_that_only_reconnects_does_not_start_a_task_again_and_again() {
    let (mut it, lease, bastion) = Story::ready();
    it.pool.silent(lease, true, it.now);
    it.after(secs(300));
    it.finish(bastion);
    // It comes back every ten seconds, for a day, and never asks for anything.
    for _ in 0..6 * 60 * 24 {
        it.after(secs(10));
        let lease = it.visit("db");
        let last = it.started.last().copied().filter(|id| it.pool.bastion(*id).is_some());
        if let Some(starting) = last
            && matches!(it.phase(starting), Phase::Starting { .. })
        {
            it.serve("next");
            assert_eq!(it.moods(starting), [Mood::OnTrial]);
        }
        if let Some((stopping, _)) = it.stopped.last().cloned()
            && it.pool.bastion(stopping).is_some()
        {
            it.finish(stopping);
        }
        // While a bastion serves, its client is content.
        while let Some(on) = it.through(lease).filter(|_| it.why(lease).is_none()) {
            assert!(it.pool.bastion(on).is_some());
            it.after(secs(10));
        }
    }
    assert!((5..40).contains(&it.started.len()), "{} tasks", it.started.len());
    let refused = it.revoked.iter().filter(|(_, why)| *why == Why::Reconnects).count();
    assert!(refused > 1_000, "{refused}");
}

#[test]
fn a_reconnecting_client_is_refused_a_person_is_not_and_asking_ends_it() {
    let (mut it, lease, bastion) = Story::ready();
    it.pool.silent(lease, true, it.now);
    it.after(secs(300));
    it.finish(bastion);
    it.after(secs(5));
    let client = it.visit("db");
    assert_eq!(it.why(client), Some(Why::Reconnects));
    assert!(matches!(it.pool.held_back("db", it.now), Some((Why::Reconnects, _))));
    let person = it.person("db");
    it.serve("t2");
    assert!(it.through(person).is_some());
    let client = it.visit("db");
    assert!(it.through(client).is_some(), "a bastion that is there serves it, too");
}

#[test]
fn a_client_on_trial_that_asks_for_something_is_a_visitor_like_any_other() {
    let (mut it, lease, bastion) = Story::ready();
    it.pool.silent(lease, true, it.now);
    it.after(secs(300));
    it.finish(bastion);
    it.after(secs(70));
    let client = it.visit("db");
    let second = it.serve("t2");
    assert_eq!(it.moods(second), [Mood::OnTrial]);
    it.pool.asked(client, it.now);
    it.after(secs(3_600));
    assert_eq!((it.why(client), it.moods(second)), (None, vec![Mood::Stirring]));
}

#[test]
fn whoever_comes_back_after_a_while_is_no_client_that_reconnects() {
    let (mut it, lease, bastion) = Story::ready();
    it.pool.silent(lease, true, it.now);
    it.after(secs(300));
    it.finish(bastion);
    it.after(secs(600));
    it.visit("db");
    let second = it.serve("t2");
    assert_eq!(it.moods(second), [Mood::Stirring]);
}

#[test]
fn after_a_failed_start_visits_are_refused_for_a_while_and_then_start_at_once() {
    let mut it = Story::lone(1);
    let first = it.visit("db");
    it.tell(it.started[0], Input::StartFailed);
    assert_eq!(it.why(first), Some(Why::StartFailed));
    let soon = it.visit("db");
    assert_eq!((it.why(soon), it.started.len()), (Some(Why::StartFailed), 1));
    it.after(secs(5));
    it.visit("db");
    assert_eq!(it.started.len(), 2);
}

#[test]
fn a_person_is_not_held_back_by_a_failure() {
    let mut it = Story::lone(1);
    it.visit("db");
    it.tell(it.started[0], Input::StartFailed);
    it.person("db");
    assert_eq!(it.started.len(), 2);
}

#[test]
fn a_client_that_reconnects_every_second_starts_few_tasks_that_fail() {
    let mut it = Story::lone(1);
    for _ in 0..3_600 {
        it.visit("db");
        let last = *it.started.last().expect("one was started");
        it.tell(last, Input::StartFailed);
        it.after(secs(1));
    }
    assert!((8..=25).contains(&it.started.len()), "{} tasks in an hour", it.started.len());
}

#[test]
fn a_task_that_dies_as_soon_as_it_serves_has_failed_and_one_that_has_served_has_not() {
    let (mut it, _, bastion) = Story::ready();
    it.after(secs(10));
    it.tell(bastion, Input::TaskGone(task("t1")));
    let next = it.visit("db");
    assert_eq!(it.why(next), Some(Why::StartFailed));
    it.after(secs(10));
    it.visit("db");
    let second = it.serve("t2");
    it.after(secs(600));
    it.tell(second, Input::TaskGone(task("t2")));
    it.visit("db");
    assert_eq!(it.started.len(), 3);
}

#[test]
fn what_was_mended_is_forgiven() {
    let mut it = Story::lone(1);
    it.visit("db");
    it.tell(it.started[0], Input::StartFailed);
    it.pool.forgive("db");
    it.visit("db");
    assert_eq!(it.started.len(), 2);
    assert_eq!(it.pool.held_back("db", it.now), None);
}

#[test]
fn a_start_that_may_have_started_a_task_is_followed_by_none_until_that_is_known() {
    let mut it = Story::lone(1);
    it.visit("db");
    let first = it.started[0];
    it.tell(first, Input::StartUncertain);
    it.person("db");
    assert_eq!(it.started.len(), 1);
    it.tell(first, Input::TaskNamed(task("late")));
    assert_eq!(it.stopped.last(), Some(&(first, Some(task("late")))));
    it.tell(first, Input::StopTaken(task("late")));
    assert_eq!(it.started.len(), 2);
}

#[test]
fn a_task_that_another_one_replaces_is_stopped_too() {
    let mut it = Story::lone(1);
    let lease = it.visit("db");
    let bastion = it.started[0];
    it.tell(bastion, Input::TaskNamed(task("t1")));
    it.tell(bastion, Input::TaskReady(task("t2")));
    assert_eq!(it.through(lease), Some(bastion));
    assert_eq!(it.stopped.len(), 1);
    let (stray, stopped) = it.stopped[0].clone();
    assert_eq!(stopped, Some(task("t1")));
    it.after(secs(60));
    assert_eq!(it.stopped.len(), 2, "until it is gone");
    it.tell(stray, Input::TaskGone(task("t1")));
    it.after(secs(60));
    assert_eq!(it.stopped.len(), 2);
}

#[test]
fn a_task_that_is_named_after_its_bastion_has_gone_is_stopped() {
    let mut it = Story::lone(1);
    it.visit("db");
    let first = it.started[0];
    it.tell(first, Input::StartFailed);
    assert_eq!(it.gone, [first]);
    it.tell(first, Input::TaskNamed(task("late")));
    let [(stray, Some(_))] = it.stopped[..] else { panic!("{:?}", it.stopped) };
    assert_ne!(stray, first);
    assert_eq!(
        it.pool.bastion(stray).unwrap().origin,
        Some(first),
        "it runs where that was started"
    );
}

#[test]
fn closing_tells_everybody_before_the_task_is_stopped() {
    let (mut it, lease, bastion) = Story::ready();
    it.pool.close("db", it.now);
    assert_eq!(it.pool.poll(), Some(Output::Revoke { lease, why: Why::Closed }));
    let stop = Output::StopTask { bastion, task: Some(task("t1")) };
    assert_eq!(it.pool.poll(), Some(stop));
}

#[test]
fn the_daemons_end_stops_all_and_refuses_who_waits() {
    let mut it = Story::of(&[("a", terms(1)), ("b", terms(1))]);
    let a = it.visit("a");
    it.serve("t1");
    let b = it.visit("b");
    it.pool.close_all(it.now);
    it.note();
    assert_eq!((it.why(a), it.why(b)), (Some(Why::Closed), Some(Why::Closed)));
    assert_eq!(it.stopped.len(), 2);
}
