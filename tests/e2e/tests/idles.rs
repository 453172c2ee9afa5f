//! When nobody visits any more, the task is stopped: not before its time, and at most two seconds after it.

use std::time::Duration;

use bastion_api::State;
use bastion_e2e::knock::{SSL_REQUEST, answer, connect};
use bastion_e2e::{Plan, configs};
use tokio::io::AsyncWriteExt;

const IDLE: Duration = Duration::from_secs(3);
/// The promise.
const SLACK: Duration = Duration::from_secs(2);

fn plan() -> Plan {
    Plan::new(configs::SCRIPT_WAY).postgres().idle("3s")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_bastion_is_stopped_when_its_time_is_up_and_not_before_and_the_next_visit_starts_again()
 {
    let house = plan().build().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    let left_at = now_ms();

    let stop = house.until_called("StopTask", 1, IDLE + SLACK + SLACK).await;

    let after = Duration::from_millis(u64::try_from(stop[0].at_ms - left_at).unwrap());
    assert!(after + Duration::from_millis(300) >= IDLE, "stopped after {after:?}, too early");
    assert!(after <= IDLE + SLACK, "stopped after {after:?}, too late");
    assert_eq!(stop[0].parameters["task"], house.task().arn);
    house.until_nothing_runs(Duration::from_secs(5)).await;
    house.until_state("prod-db", State::Cold).await;

    assert_eq!(house.psql("prod-db", "SELECT 2").finish().await.ok(), "2");
    assert_eq!(house.sim().count("RunTask"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_says_nothing_keeps_the_bastion_however_long() {
    let house = plan().build().await;
    let mut visit = connect(house.port("prod-db")).await;
    visit.write_all(&SSL_REQUEST).await.unwrap();
    assert_eq!(answer(&mut visit, 1, Duration::from_secs(30)).await, b"S");

    let stopped = house.sim().until(IDLE + SLACK, |sim| sim.count("StopTask") > 0).await;
    assert!(!stopped, "somebody is still there");

    // It breaks off. Had it only closed its side, an answer might still be on its way.
    visit.set_zero_linger().unwrap();
    drop(visit);
    house.until_called("StopTask", 1, IDLE + SLACK + SLACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_within_the_time_begins_it_anew() {
    let house = plan().build().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    let half = house.sim().until(IDLE / 2, |sim| sim.count("StopTask") > 0).await;
    assert!(!half);
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    let left_at = now_ms();

    let stop = house.until_called("StopTask", 1, IDLE + SLACK + SLACK).await;

    let after = Duration::from_millis(u64::try_from(stop[0].at_ms - left_at).unwrap());
    assert!(after + Duration::from_millis(300) >= IDLE, "stopped {after:?} after the second visit");
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_counts_as_a_visit_that_ends_when_the_bastion_is_ready() {
    let house = plan().build().await;
    let opened = house.ctl(&["open", "prod-db"]).await;
    assert!(opened.status.success(), "{opened}");

    house.until_called("StopTask", 1, IDLE + SLACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_the_bastion_for_its_time() {
    let house = plan().build().await;
    let opened = house.ctl(&["open", "prod-db", "--hold", "6s"]).await;
    assert!(opened.status.success(), "{opened}");
    assert_eq!(house.target("prod-db").await.holds, 1);

    let early = house.sim().until(Duration::from_secs(5), |sim| sim.count("StopTask") > 0).await;
    assert!(!early, "it is held for 6 s");
    house.until_called("StopTask", 1, Duration::from_secs(1) + IDLE + SLACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_when_an_idle_bastion_will_be_stopped() {
    let house = Plan::new(configs::SCRIPT_WAY).postgres().idle("10m").build().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();

    let left = bastion_e2e::until("the idle timer", Duration::from_secs(5), async || {
        house.target("prod-db").await.idle_stop_seconds
    })
    .await;

    assert!((590..=600).contains(&left), "{left}");
    let shown = house.ctl(&["status"]).await;
    assert!(shown.ok().contains("prod-db") && shown.out.contains("ready"), "{shown}");
}

fn now_ms() -> i64 {
    bastion_api::Timestamp::now().as_millisecond()
}
