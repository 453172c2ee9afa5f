//! The life of bastions and of the daemon in small numbers, of which `cargo xtask bench life` measures the large ones: what
//! is left after a death, after a restart and after many visits.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::time::Duration;

use bastion_api::State;
use bastion_e2e::knock::{SSL_REQUEST, answer, connect};
use bastion_e2e::{House, Plan, configs, databases, until};
use bastion_sim::SimConfig;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_and_never_comes_back_leaves_no_task() {
    let mut house = with_targets(3, |sim| sim.session.idle_ms = 2_000).await;
    // One is visited, one is held, one has been visited; nobody ends any of it.
    let mut visit = connect(house.port("t0")).await;
    visit.write_all(&SSL_REQUEST).await.unwrap();
    assert_eq!(answer(&mut visit, 1, LIMIT).await, b"S");
    house.ctl(&["open", "t1", "--hold", "1h"]).await.ok();
    house.psql("t2", "SELECT 1").finish().await.ok();
    assert_eq!(house.sim().running(), 3);

    house.kill().await;

    // The service ends their sessions, and a minute after that each ends itself.
    house.until_nothing_runs(ALONE).await;
    assert_eq!(house.sim().count("StopTask") + house.sim().count("TerminateSession"), 0);
    let ended = house.sim().tasks().into_iter().filter(|task| !task.of_service());
    for task in ended {
        let proxy = task.container("proxy").unwrap();
        assert_eq!(proxy.exit_code, Some(0), "it ended by itself: {task:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_takes_up_what_runs_and_nothing_else() {
    let mut house = with_targets(5, |_| {}).await;
    for target in ["t0", "t3"] {
        house.psql(target, "SELECT 1").finish().await.ok();
    }
    house.kill().await;

    house.start().await;

    for target in ["t0", "t3"] {
        house.until_state(target, State::Ready).await;
    }
    let status = house.status().await;
    let cold = status.targets.iter().filter(|target| target.state == State::Cold);
    assert_eq!(cold.count(), 3, "{status:?}");
    for target in ["t0", "t3", "t1"] {
        assert_eq!(house.psql(target, "SELECT 6 * 7").finish().await.ok(), "42");
    }
    assert_eq!(house.sim().count("RunTask"), 3);
    assert_eq!(house.sim().count("TerminateSession"), 2, "those of the dead daemon");
    assert_eq!(house.sim().count("StopTask"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_config_no_longer_names_is_stopped_by_a_daemon_that_comes_back() {
    let mut house = with_targets(3, |_| {}).await;
    for target in ["t0", "t1", "t2"] {
        house.psql(target, "SELECT 1").finish().await.ok();
    }
    let kept = house.target("t0").await.task.unwrap();
    house.kill().await;
    let config = fs::read_to_string(house.path("config.toml")).unwrap();
    let (first, _) = config.split_once("[target.t1]").unwrap();
    fs::write(house.path("config.toml"), first).unwrap();

    house.start().await;

    assert!(house.sim().until(LIMIT, |sim| sim.running() == 1).await, "{}", house.log());
    house.until_state("t0", State::Ready).await;
    assert_eq!(house.target("t0").await.task, Some(kept));
    assert_eq!(house.sim().asked_to_stop().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "descriptors are counted by /proc")]
async fn five_hundred_visits_leave_no_descriptor_and_open_no_second_session() {
    let house = House::script_way().await;
    let port = house.port("prod-db");
    visits(port, 20).await;
    let before = settled(&house).await;

    visits(port, VISITS).await;

    let after = until("every descriptor's end", LIMIT, async || {
        Some(descriptors(&house)).filter(|now| *now <= before)
    });
    assert!(after.await <= before);
    assert_eq!(house.sim().count("StartSession"), 1);
    until("every visit's end", LIMIT, async || {
        house.target("prod-db").await.visits.is_empty().then_some(())
    })
    .await;
}

/// So many visits, a few at a time: every other one ends as a client does that says good-bye, the rest break off.
async fn visits(port: u16, count: usize) {
    let mut at_once = JoinSet::new();
    for number in 0..count {
        if at_once.len() == AT_ONCE {
            at_once.join_next().await.unwrap().unwrap();
        }
        at_once.spawn(async move {
            let mut visit = connect(port).await;
            visit.write_all(&startup()).await.unwrap();
            assert_eq!(answer(&mut visit, 1, LIMIT).await, b"R", "the server asks who comes");
            if number % 2 == 0 {
                visit.write_all(&TERMINATE).await.unwrap();
                assert!(
                    answer(&mut visit, 64 * 1024, LIMIT).await.len() < 64 * 1024,
                    "it hangs up"
                );
            } else {
                visit.set_zero_linger().unwrap();
            }
        });
    }
    at_once.join_all().await;
}

/// A startup message of PostgreSQL's without TLS, for a user that it knows.
fn startup() -> Vec<u8> {
    let user = databases::POSTGRES.user;
    let words = [b"\0\x03\0\0user\0", user.as_bytes(), b"\0\0"].concat();
    let length = u32::try_from(words.len() + 4).unwrap();
    [&length.to_be_bytes()[..], &words].concat()
}

/// How many descriptors the daemon holds while nobody visits: the fewest of some looks in a row.
async fn settled(house: &House) -> usize {
    until("the end of the first visits", LIMIT, async || {
        house.target("prod-db").await.visits.is_empty().then_some(())
    })
    .await;
    let mut looks = Vec::new();
    until("some looks", LIMIT, async || {
        looks.push(descriptors(house));
        (looks.len() == LOOKS).then_some(())
    })
    .await;
    looks.into_iter().min().unwrap()
}

fn descriptors(house: &House) -> usize {
    fs::read_dir(format!("/proc/{}/fd", house.pid())).unwrap().count()
}

/// A house with so many targets `t0`, `t1`, … in front of the real PostgreSQL.
async fn with_targets(count: usize, sim: impl FnOnce(&mut SimConfig)) -> House {
    // So that the real database is there before anything is timed.
    databases::postgres();
    Plan::new(&configs::targets(count)).postgres().sim(sim).build().await
}

/// A client's good-bye.
const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];
const VISITS: usize = 500;
const AT_ONCE: usize = 8;
/// A second's worth.
const LOOKS: usize = 40;
/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);
/// The session's idle limit (2 s here), the watchdog's minute and a half at most.
const ALONE: Duration = Duration::from_secs(2 + 90);
