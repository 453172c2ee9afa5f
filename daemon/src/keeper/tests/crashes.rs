//! The keeper after the death of the one before: the same journal, the same cloud.

use bastion_cloud::{SessionId, TaskId};
use bastion_pool::{Record, adopt};

use super::told::Swallow;
use super::*;
use crate::tunnels::SessionBook;

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_call_asks_for_the_same_task_again() {
    let mut it = Story::begin();
    it.aws.swallow_run(Swallow::Call);
    it.crash_at("run").await;
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(lease.route().bastion.task, task("t1"));
    assert_eq!((it.aws.tokens(), it.aws.specs().len()), (1, 2), "the very same wish");
    assert_eq!(it.aws.specs()[0], it.aws.specs()[1]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_answer_finds_the_task_that_was_made() {
    let mut it = Story::begin();
    it.aws.swallow_run(Swallow::Answer);
    it.crash_at("run").await;
    assert_eq!(it.aws.made(), ["t1"]);
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(lease.route().bastion.task, task("t1"));
    assert_eq!((it.aws.made().len(), it.aws.tokens()), (1, 1));
    assert_eq!(it.aws.stopped(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_bastion_that_served_is_used_on_once_its_old_sessions_are_ended() {
    let mut it = Story::begin();
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    let book = JournaledSessions(it.journal.clone());
    book.opened("db", &lease.route().bastion.task, &SessionId::new("old")).await;
    it.crash().await;
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(lease.route().bastion.task, task("t1"));
    assert_eq!(it.aws.called("run"), 1);
    assert_eq!(it.aws.ended(), ["old"]);
    drop(lease);
    it.standing().await;
    it.turn(IDLE).await;
    it.until(State::Cold).await;
    assert_eq!(it.aws.stopped(), ["t1"], "and it is stopped as any other");
}

#[tokio::test(start_paused = true)]
async fn a_bastion_that_nobody_visits_after_a_crash_is_stopped_when_its_idle_time_is_up() {
    let mut it = Story::begin();
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    it.crash().await;
    drop(lease);
    it.until(State::Ready).await;
    it.turn(IDLE).await;
    it.until(State::Cold).await;
    assert_eq!(it.aws.stopped(), ["t1"]);
    it.crash().await;
    it.until(State::Cold).await;
    assert_eq!(it.left().await, 0, "nothing is left to be decided");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_being_stopped_is_stopped_to_the_end() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.aws.refuse_stop(true);
    it.keeper.close("db").await.unwrap();
    it.until_stuck(true).await;
    it.crash().await;
    it.aws.refuse_stop(false);
    it.until(State::Cold).await;
    assert!(it.aws.stopped().iter().all(|stopped| stopped == "t1"), "{:?}", it.aws.stopped());
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(lease.route().bastion.task, task("t2"));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_has_ended_meanwhile_is_forgotten_and_the_next_visit_starts_another() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.halt().await;
    it.aws.revive();
    it.again().await;
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(lease.route().bastion.task, task("t2"));
    it.crash().await;
    it.until(State::Ready).await;
    assert_eq!(it.aws.stopped(), ["t1"], "as the cloud has it: nobody asked for it");
}

#[tokio::test(start_paused = true)]
async fn tasks_of_others_are_never_touched() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.aws.add_foreign("theirs", Some("bastiond/another"));
    it.aws.add_foreign("nobodys", None);
    it.aws.add_foreign("stray", Some("bastiond/test"));
    it.crash().await;
    it.until(State::Ready).await;
    it.keeper.close("db").await.unwrap();
    it.until(State::Cold).await;
    let mut stopped = it.aws.stopped();
    stopped.sort();
    assert_eq!(stopped, ["stray", "t1"], "one of ours that no journal knows is stopped");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_read_is_set_aside_and_the_cloud_alone_believed() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.halt().await;
    std::fs::write(it.state.path().join("journal"), "nonsense\nand more\n").unwrap();
    it.again().await;
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(lease.route().bastion.task, task("t1"), "found by its mark and its environment");
    assert_eq!(it.aws.called("run"), 1);
    let aside = it.state.path().join("journal.unreadable-1");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "nonsense\nand more\n");
}

#[tokio::test(start_paused = true)]
async fn a_task_of_a_target_that_the_config_no_longer_has_is_stopped() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.halt().await;
    it.targets = vec![Target { name: "other".to_owned(), ..target() }];
    it.again().await;
    it.aws.until_called("stop").await;
    assert_eq!(it.aws.stopped(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn a_visit_waits_for_the_decision_and_is_told_why_there_is_none() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.halt().await;
    it.aws.unreachable(true);
    it.again().await;
    let refused = it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    let unreachable = matches!(refused, Refusal::Cloud(CloudError { kind: Kind::Unreachable, .. }));
    assert!(unreachable, "{refused:?}");
    assert_eq!(it.standing().await.state, State::Problem);
    assert_eq!(it.aws.called("run"), 1, "another may still run");
    it.aws.unreachable(false);
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(lease.route().bastion.task, task("t1"));
    assert!(it.standing().await.failure.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_site_that_could_not_be_looked_at_is_decided_upon_later_though_nobody_comes() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.halt().await;
    it.aws.unreachable(true);
    it.again().await;
    it.until(State::Problem).await;
    it.aws.unreachable(false);
    it.turn(Duration::from_secs(10)).await;
    it.until(State::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_written_before_a_crash_is_not_asked_for_again() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    for _ in 0..3 {
        it.crash().await;
        it.until(State::Ready).await;
    }
    assert_eq!((it.aws.called("run"), it.aws.made().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn bastions_are_left_on_request_and_used_on_by_the_next_run() {
    let mut it = Story::begin_with(|parts| parts.on_stop = OnStop::Leave);
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    it.keeper.stop().await;
    assert!(matches!(lease.revoked().await, Refusal::Stopping));
    it.crash().await;
    assert_eq!(it.aws.stopped(), [""; 0]);
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(lease.route().bastion.task, task("t1"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_a_dead_run_had_woken_is_put_back_to_sleep() {
    let service = service();
    let mut it = Story::begin_with(|parts| parts.targets[0].0 = service.0.clone());
    it.targets = vec![(*service.0).clone()];
    it.aws.desire(0);
    it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(it.aws.desired(), Some(1));
    it.crash().await;
    for _ in 0..100 {
        it.standing().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(it.aws.desired(), Some(0));
}

/// A journal's record of a session whose task is gone says nothing to anybody.
#[tokio::test(start_paused = true)]
async fn sessions_of_a_task_that_is_gone_are_forgotten() {
    let mut it = Story::begin();
    let session = SessionId::new("old");
    it.journal.note(Record::Session {
        session,
        task: TaskId::new("t0"),
        target: "nobody".to_owned(),
    });
    it.crash().await;
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.crash().await;
    assert_eq!(it.aws.ended(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn without_a_journal_the_cloud_is_looked_at_until_its_list_shows_everything() {
    let mut it = Story::begin();
    it.halt().await;
    std::fs::write(it.state.path().join("journal"), "nonsense\nand more\n").unwrap();
    it.again().await;
    let lease = it.keeper.lease("db", Holder::Visit).await.unwrap();
    assert_eq!(lease.route().bastion.task, task("t1"), "nobody waits for the list");
    it.aws.add_foreign("late", Some("bastiond/test"));
    it.turn(adopt::LAG).await;
    it.look_until(|_| it.aws.stopped() == ["late"]).await;
    it.until(State::Ready).await;
    let looks = it.aws.called("list");
    it.turn(adopt::LAG).await;
    assert_eq!(it.aws.called("list"), looks, "by then it shows everything");
}

#[tokio::test(start_paused = true)]
async fn a_found_task_is_as_old_as_it_is_to_the_next_run_too() {
    let mut it = Story::begin();
    it.aws.add_foreign("old", Some("bastiond/test"));
    it.halt().await;
    std::fs::write(it.state.path().join("journal"), "nonsense\nand more\n").unwrap();
    let made = crate::clock::system_time(it.clock.calendar());
    it.aws.made_at("old", made);
    it.hand.turn(Duration::from_secs(3600));
    it.again().await;
    it.until(State::Ready).await;
    it.halt().await;
    let left = Journal::open(it.state.path()).unwrap().2;
    let at = left.book.entry(&task("old")).unwrap().at;
    let apart = made.duration_since(at).unwrap_or_else(|err| err.duration());
    assert!(apart < Duration::from_secs(1), "the machine's own clock goes on: {apart:?}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_named_after_its_target_has_left_the_config_is_stopped() {
    let it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.reload(&[Target { name: "other".to_owned(), ..target() }]).await;
    it.look_until(|_| it.aws.stopped() == ["t1"]).await;
    it.tell(BastionId(1), News::Named(task("late")));
    it.look_until(|_| it.aws.stopped() == ["t1", "late"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_named_after_its_target_has_moved_is_stopped_where_it_was_started() {
    let it = Story::begin();
    let _visit = it.keeper.lease("db", Holder::Visit).await.unwrap();
    let mut moved = target();
    moved.site.cluster = "another".to_owned();
    let there = Arc::new(Told::default());
    let cloud = Arc::clone(&there) as Arc<dyn Cloud>;
    it.keeper.reload(vec![(Arc::new(moved), cloud)], OnStop::Stop).await;
    it.tell(BastionId(1), News::Named(task("late")));
    it.look_until(|_| it.aws.stopped() == ["late"]).await;
    assert_eq!(there.stopped(), [""; 0]);
}
