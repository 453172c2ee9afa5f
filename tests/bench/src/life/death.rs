//! The daemon dies by kill -9: when its last task is gone, if it never comes back and if it does.
//!
//! ```text
//!   alone:  death ── the session's idle limit ──► the service ends the sessions ── the watchdog's minute ──► it ends itself
//!   back:   death ── … ── start ──► it has decided ──► StopTask ──► STOPPED
//! ```
//!
//! The containers are real processes that run the real watchdog, whose minute nobody can shorten. A task whose first session
//! had not begun has the start's deadline and two minutes instead, which with AWS's own idle limit is sooner.

use std::fs;
use std::time::Duration;

use bastion_e2e::knock::{SSL_REQUEST, answer, ask, connect};
use bastion_e2e::{House, Plan, configs, plan};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::echo::Echo;
use crate::figure::{Figure, Goal, median};

pub(crate) const ALONE: &str = "life-death-alone";
pub(crate) const BACK: &str = "life-death-back";

/// From the death to the last task's end, with nobody left to stop it.
pub(crate) async fn alone() -> Figure {
    // At once, for each of them waits for more than a minute.
    let (a, b, c) = tokio::join!(left_alone(), left_alone(), left_alone());
    let idle = SESSION_IDLE.as_secs_f64();
    Figure {
        bench: ALONE,
        unit: "s",
        ours: median(vec![a, b, c]),
        against: vec![("the session idle limit", idle)],
        goal: Goal::AtMost(idle + 90.0),
        runs: 3,
    }
}

async fn left_alone() -> f64 {
    let echo = Echo::start().await;
    let mut house = house(&echo).await;
    // One is visited, one is held, the others have been visited; nobody ends any of it.
    let visit = visit_all(&house).await;
    let held = house.ctl(&["open", "t1", "--hold", "1h"]).await;
    assert!(held.status.success(), "{held}");
    let died = kill(&mut house).await;
    house.until_nothing_runs(LONGEST).await;
    drop(visit);
    assert_eq!(house.sim().count("StopTask"), 0, "nobody was there to stop them");
    since(died, last_stop(&house))
}

/// From the moment at which the daemon answers again to the end of the last task that it has no use for any more.
pub(crate) async fn back() -> Figure {
    let mut seen = Vec::new();
    for _ in 0..RUNS {
        seen.push(come_back().await);
    }
    Figure {
        bench: BACK,
        unit: "s",
        ours: median(seen),
        against: Vec::new(),
        goal: Goal::AtMost(5.0),
        runs: RUNS,
    }
}

async fn come_back() -> f64 {
    let echo = Echo::start().await;
    let mut house = house(&echo).await;
    let visit = visit_all(&house).await;
    kill(&mut house).await;
    drop(visit);
    let path = house.path("config.toml");
    let config = fs::read_to_string(&path).expect("the house has a config");
    let (first, _) = config.split_once("[target.t1]").expect("it has several targets");
    fs::write(&path, first).expect("the house is ours");
    house.start().await;
    let answers = now_ms();
    let one_left = house.sim().until(LONGEST, |sim| sim.running() == 1).await;
    assert!(one_left, "what nobody names any more is stopped\n{}", house.log());
    since(answers, last_stop(&house))
}

async fn house(echo: &Echo) -> House {
    Plan::new(&configs::targets(BASTIONS))
        .route(plan::PROD_DB, echo.port())
        .sim(|sim| {
            sim.session.idle_ms = u64::try_from(SESSION_IDLE.as_millis()).unwrap_or(u64::MAX)
        })
        .build()
        .await
}

/// A bastion for each target; the visit to the first one lasts.
async fn visit_all(house: &House) -> TcpStream {
    let mut visit = connect(house.port("t0")).await;
    visit.write_all(&SSL_REQUEST).await.expect("the daemon listens");
    assert_eq!(answer(&mut visit, 1, LONGEST).await, SSL_REQUEST[..1], "the echo answered");
    for number in 1..BASTIONS {
        let port = house.port(&format!("t{number}"));
        assert_eq!(ask(port, &SSL_REQUEST, 1, LONGEST).await, SSL_REQUEST[..1]);
    }
    assert_eq!(house.sim().running(), BASTIONS);
    visit
}

/// Kills the daemon, and says when.
async fn kill(house: &mut House) -> i64 {
    let at = now_ms();
    house.kill().await;
    at
}

fn last_stop(house: &House) -> i64 {
    let ours = house.sim().tasks().into_iter().filter(|task| !task.of_service());
    ours.filter_map(|task| task.times.stopped).max().expect("something has stopped")
}

fn since(begin_ms: i64, end_ms: i64) -> f64 {
    (end_ms - begin_ms) as f64 / 1000.0
}

/// The simulated AWS tells its times in the same.
pub(super) fn now_ms() -> i64 {
    bastion_api::Timestamp::now().as_millisecond()
}

const BASTIONS: usize = 5;
const RUNS: usize = 3;
/// AWS's own is twenty minutes.
const SESSION_IDLE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(180);
