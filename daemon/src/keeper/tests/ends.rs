//! The daemon's own end, in the middle of something; and services that were woken for nothing.

use futures_util::poll;

use super::*;

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_has_left_is_stopped_with_everything_else() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.halt().await;
    it.again_only_to_stop(OnStop::Stop).await;
    assert_eq!(it.aws.stopped(), ["t1"], "it was still being looked at");
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_has_left_stays_where_all_is_to_stay() {
    let mut it = Story::begin();
    drop(it.keeper.lease("db", Holder::Visit).await.unwrap());
    it.halt().await;
    let begun = tokio::time::Instant::now();
    it.again_only_to_stop(OnStop::Leave).await;
    assert_eq!((it.aws.stopped(), begun.elapsed()), (Vec::new(), Duration::ZERO));
    assert_eq!(it.left().await, 1, "and the next run decides");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_looks_for_what_nobody_named_spares_what_is_to_stay() {
    let it = Story::begin_with(|parts| parts.on_stop = OnStop::Leave);
    it.aws.break_run("made");
    it.keeper.lease("db", Holder::Visit).await.unwrap_err();
    it.keeper.stop().await;
    assert_eq!(it.aws.stopped(), [""; 0], "it may be one that serves");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_woken_for_a_start_which_came_to_nothing_sleeps_again() {
    let service = service();
    let mut it = Story::begin_with(|parts| parts.targets[0].0 = service.0);
    it.aws.desire(0);
    it.aws.never_find();
    let visit = tokio::join!(it.keeper.lease("db", Holder::Visit), async {
        it.look_until(|_| it.aws.desired() == Some(1)).await;
        it.turn(START).await;
    });
    assert!(matches!(visit.0, Err(Refusal::TookTooLong(_))), "{:?}", visit.0);
    it.look_until(|_| it.aws.desired() == Some(0)).await;
    it.until(State::Problem).await;
    it.halt().await;
    let journal = std::fs::read_to_string(it.state.path().join("journal")).unwrap();
    assert!(journal.contains("\"lowered\""), "{journal}");
}

impl Story {
    /// The next one begins, and is told to stop before it has seen anything.
    async fn again_only_to_stop(&mut self, on_stop: OnStop) {
        let prepared = self.next(|parts| parts.on_stop = on_stop);
        let keeper = prepared.story.keeper.clone();
        self.aws.slow_list();
        let mut stop = std::pin::pin!(keeper.stop());
        assert!(poll!(&mut stop).is_pending());
        *self = Self::run(prepared);
        stop.await;
    }
}
