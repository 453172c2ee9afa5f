//! The daemon's end is its start backwards, and no task outlives it.

use std::time::Duration;

use bastion_api::State;
use bastion_e2e::knock::{SSL_REQUEST, answer, connect};
use bastion_e2e::{House, Plan, configs};
use bastion_sim::{Fault, What};
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_stops_the_tasks_and_ends_the_daemon_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut house = House::script_way().await;
        house.psql("prod-db", "SELECT 1").finish().await.ok();
        assert_eq!(house.sim().running(), 1);

        house.signal(signal);
        let status = house.ended().await;

        assert!(status.success(), "{signal:?}: {status}");
        assert_eq!(house.sim().count("StopTask"), 1, "{signal:?}");
        assert!(!house.socket().exists(), "the control socket is gone");
        house.until_nothing_runs(Duration::from_secs(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_gets_a_grace_and_is_then_ended() {
    let mut house = House::script_way().await;
    let mut visit = connect(house.port("prod-db")).await;
    visit.write_all(&SSL_REQUEST).await.unwrap();
    assert_eq!(answer(&mut visit, 1, Duration::from_secs(30)).await, b"S");

    assert!(house.stop().await.success());

    assert_eq!(answer(&mut visit, 1, Duration::from_secs(5)).await, b"", "it was ended");
    house.until_nothing_runs(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_under_way_is_stopped_too() {
    let mut house = Plan::new(configs::SCRIPT_WAY)
        .postgres()
        .sim(|sim| sim.timings.pulling_ms = 60_000)
        .build()
        .await;
    let waiting = house.psql("prod-db", "SELECT 1");
    house.until_called("RunTask", 1, Duration::from_secs(10)).await;

    assert!(house.stop().await.success());

    assert!(!waiting.finish().await.status.success());
    house.until_nothing_runs(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_answer_is_still_on_its_way_is_stopped_too() {
    let mut house = House::script_way().await;
    house.sim().faults().add(Fault::once("RunTask", What::Slow { ms: 2_000 }));
    let waiting = house.psql("prod-db", "SELECT 1");
    // The task is made, and the daemon does not know its name yet.
    let asked = house.sim().until(Duration::from_secs(10), |sim| {
        sim.calls().iter().any(|call| call.action == "RunTask")
    });
    assert!(asked.await);

    assert!(house.stop().await.success());

    assert!(!waiting.finish().await.status.success());
    house.until_nothing_runs(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_daemon_starts_where_the_last_one_ended() {
    let mut house = House::script_way().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    assert!(house.stop().await.success());

    house.start().await;

    // Until the task's end is seen, nobody knows.
    house.until_state("prod-db", State::Cold).await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    assert_eq!(house.sim().count("RunTask"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_config_says_so_a_stop_leaves_the_task_to_the_next_daemon() {
    let config = format!("[daemon]\non_stop = \"leave\"\n{}", configs::SCRIPT_WAY);
    let mut house = Plan::new(&config).postgres().build().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    assert!(house.stop().await.success());
    assert_eq!((house.sim().count("StopTask"), house.sim().running()), (0, 1));

    house.start().await;

    house.until_state("prod-db", State::Ready).await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_leaves_a_socket_and_a_lock_that_the_next_one_takes_over() {
    let mut house = House::script_way().await;
    house.kill().await;
    assert!(house.socket().exists());

    house.start().await;

    house.psql("prod-db", "SELECT 1").finish().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut house = House::script_way().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    house
        .sim()
        .faults()
        .add(Fault::on("StopTask", What::Held { name: "stop".to_owned(), before: true }));
    house.signal(Signal::TERM);
    house.sim().faults().until_held("stop", 1).await;

    house.signal(Signal::TERM);
    tokio::time::timeout(Duration::from_secs(5), house.ended()).await.unwrap();

    house.sim().faults().release("stop");
}
