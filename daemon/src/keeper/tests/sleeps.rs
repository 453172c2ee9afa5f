//! The machine sleeps for three quarters of an hour, in each state.

use super::*;

const NIGHT: Duration = Duration::from_secs(45 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test(start_paused = true)]
async fn a_sleep_while_nothing_runs_changes_nothing() {
    let it = Story::begin();
    it.sleep(NIGHT).await;
    assert_eq!(it.standing().await.state, State::Cold);
    it.keeper.lease("db", Holder::Visit).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_start_that_was_slept_through_has_taken_too_long_and_its_task_is_stopped() {
    let it = Story::begin();
    let held = it.aws.hold_run();
    let (refused, ()) = tokio::join!(it.keeper.lease("db", Holder::Visit), async {
        it.aws.until_called("run").await;
        it.sleep(NIGHT).await;
        held.notify_one();
    });
    assert!(matches!(refused, Err(Refusal::TookTooLong(_))), "{refused:?}");
    it.until(State::Problem).await;
    assert_eq!(it.aws.stopped(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn a_bastion_that_is_used_is_called_ready_again_once_it_is_proven() {
    let it = Story::begin();
    let _used = it.keeper.lease("db", Holder::Visit).await.unwrap();
    let silent = it.ways.keep_silent();
    it.sleep(NIGHT).await;
    assert_eq!(it.standing().await.state, State::Unknown, "nothing is proven");
    let visit = it.keeper.lease("db", Holder::Visit);
    let (lease, ()) = tokio::join!(visit, async {
        for _ in 0..20 {
            assert_eq!(it.standing().await.state, State::Unknown);
        }
        silent.notify_one();
    });
    assert_eq!(lease.unwrap().route().bastion.task, task("t1"));
    assert_eq!(it.standing().await.state, State::Ready);
    assert_eq!(it.aws.called("run"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_takes_long_holds_no_visit_for_ever_and_nothing_is_called_ready() {
    let it = Story::begin();
    let _used = it.keeper.lease("db", Holder::Visit).await.unwrap();
    let _silent = it.ways.keep_silent();
    it.sleep(NIGHT).await;
    let waits = tokio::time::Instant::now();
    it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert!(waits.elapsed() <= Duration::from_secs(16), "{:?}", waits.elapsed());
    assert_eq!(it.standing().await.state, State::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ended_during_the_sleep_is_told_and_the_next_visit_starts_another() {
    let it = Story::begin();
    let used = it.keeper.lease("db", Holder::Visit).await.unwrap();
    it.aws.revive();
    it.sleep(NIGHT).await;
    let next = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert!(matches!(used.revoked().await, Refusal::TaskGone(_)));
    assert_eq!(next.route().bastion.task, task("t2"));
}

#[tokio::test(start_paused = true)]
async fn a_bastion_that_nobody_used_is_stopped_at_the_wake() {
    let it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.standing().await;
    it.sleep(NIGHT).await;
    it.until(State::Cold).await;
    assert_eq!(it.aws.stopped(), ["t1"], "its idle time has passed");
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_was_slept_through_is_asked_for_again() {
    let it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.aws.refuse_stop(true);
    it.keeper.close("db").await.unwrap();
    it.until_stuck(true).await;
    it.sleep(NIGHT).await;
    it.aws.refuse_stop(false);
    it.until(State::Cold).await;
    assert!(it.aws.stopped().contains(&"t1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_visit_that_slept_with_the_machine_is_silent_when_its_time_is_up() {
    let it = Story::begin();
    let visit = it.keeper.lease("db", Holder::Visit).await.unwrap();
    it.sleep(NIGHT).await;
    it.until(State::Ready).await;
    assert!(it.standing().await.idle_stop.is_none(), "it may say something yet");
    it.sleep(NIGHT).await;
    it.until(State::Ready).await;
    assert!(it.standing().await.idle_stop.is_some(), "ninety minutes without a byte");
    visit.pulse().beat();
    it.turn(Duration::from_secs(1)).await;
    assert!(it.standing().await.idle_stop.is_none(), "it stirs");
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_is_tried_again_by_the_first_visit_after_the_sleep() {
    let it = Story::begin();
    it.aws.answer_run(Err(fault(Kind::NoCapacity)));
    it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    assert_eq!(it.aws.called("run"), 1, "the failure still stands");
    it.sleep(NIGHT).await;
    assert_eq!(it.standing().await.state, State::Problem, "nobody has tried again");
    it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!((it.standing().await.state, it.aws.called("run")), (State::Ready, 2));
}

#[tokio::test(start_paused = true)]
async fn a_missing_login_is_looked_for_at_the_wake_and_found() {
    let it = Story::begin();
    it.aws.hopeless(true);
    it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    it.aws.hopeless(false);
    it.sleep(NIGHT).await;
    it.until(State::Cold).await;
    it.keeper.lease("db", Holder::Visit).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_had_left_undecided_is_decided_after_the_sleep_by_what_is_then_there() {
    for gone in [false, true] {
        let mut it = Story::begin();
        drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
        it.halt().await;
        it.aws.unreachable(true);
        it.again().await;
        it.until(State::Problem).await;
        if gone {
            it.aws.revive();
        }
        it.sleep(NIGHT).await;
        it.aws.unreachable(false);
        let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
        let fits = task(if gone { "t2" } else { "t1" });
        assert_eq!((&lease.route().bastion.task, gone), (&fits, gone));
    }
}

#[tokio::test(start_paused = true)]
async fn a_bastion_that_retires_is_proven_like_any_other_and_ends_when_it_would_have() {
    let it = Story::begin();
    let visit = it.keeper.lease("db", Holder::Hold).await.unwrap();
    it.turn(11 * HOUR).await;
    it.look_until(|standing| standing.bastions == 2).await;
    it.sleep(NIGHT).await;
    it.until(State::Ready).await;
    assert_eq!(it.standing().await.ends_in, Some(HOUR - NIGHT));
    it.sleep(NIGHT).await;
    assert!(matches!(visit.revoked().await, Refusal::TooOld(_)));
    it.look_until(|_| it.aws.stopped().first().is_some_and(|first| first == "t1")).await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_decided_before_a_sleep_is_looked_at_again_after_it() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.aws.unreachable(true);
    it.crash().await;
    it.until(State::Problem).await;
    it.aws.unreachable(false);
    it.sleep(NIGHT).await;
    it.until(State::Ready).await;
    assert_eq!(it.standing().await.task, Some(task("t1")));
}
