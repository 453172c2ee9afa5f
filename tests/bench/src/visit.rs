//! A visit to a ready tunnel: from connecting to the first echoed byte, beside the same without any tunnel, and beside the
//! same where nobody could be told anything in its own words.

#![expect(clippy::disallowed_methods, reason = "a measurement of the real time")]

use std::time::{Duration, Instant};

use bastion_e2e::knock::{SSL_REQUEST, ask};
use bastion_e2e::{Plan, configs, plan};

use crate::echo::Echo;
use crate::figure::{Figure, Goal, median};

pub(crate) const NAME: &str = "visit-to-ready";
pub(crate) const TOLD: &str = "visit-to-ready-told";

/// Through the daemon beside straight to the echo.
pub(crate) async fn measure() -> Figure {
    let echo = Echo::start().await;
    let house = Plan::new(configs::SCRIPT_WAY)
        .route(plan::PROD_DB, echo.port())
        .sim(|sim| sim.session.pacing = false)
        .build()
        .await;
    let (ours, direct) = in_turn(house.port("prod-db"), echo.port(), RUNS).await;
    Figure {
        bench: NAME,
        unit: "ms",
        ours,
        against: vec![("direct loopback", direct)],
        // The promise: at most 2 ms above.
        goal: Goal::AtMost(direct + 2.0),
        runs: RUNS,
    }
}

/// What it costs a visit that PostgreSQL's words are understood: its first packet is read, a place in the waiting room is
/// kept, and its talk is followed. A target of another protocol has next to nothing of that.
pub(crate) async fn told() -> Figure {
    let echo = Echo::start().await;
    let told = configs::target("told", "prod", "told.internal");
    let plain = configs::target("plain", "prod", "plain.internal");
    let plain = plain.replace("engine = \"postgres\"", "engine = \"other\"");
    let config = configs::site("prod", "") + &told + &plain;
    let house = Plan::new(&config)
        .route("told.internal:5432", echo.port())
        .route("plain.internal:5432", echo.port())
        .sim(|sim| sim.session.pacing = false)
        .build()
        .await;
    let (ours, plain) = in_turn(house.port("told"), house.port("plain"), TOLD_RUNS).await;
    Figure {
        bench: TOLD,
        unit: "ms",
        ours,
        against: vec![("another protocol", plain)],
        // The promise: at most 50 µs.
        goal: Goal::AtMost(plain + 0.05),
        runs: TOLD_RUNS,
    }
}

/// The medians of visits to two ports, in milliseconds: one after the other, many times.
async fn in_turn(one: u16, other: u16, runs: usize) -> (f64, f64) {
    for _ in 0..WARM_UP {
        visit(one).await;
        visit(other).await;
    }
    let (mut to_one, mut to_other) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        to_one.push(visit(one).await);
        to_other.push(visit(other).await);
    }
    (median(to_one), median(to_other))
}

/// One visit, in milliseconds.
async fn visit(port: u16) -> f64 {
    let start = Instant::now();
    let answer = ask(port, &SSL_REQUEST, 1, Duration::from_secs(60)).await;
    let took = start.elapsed();
    assert_eq!(answer, SSL_REQUEST[..1], "the echo answered");
    took.as_secs_f64() * 1000.0
}

const WARM_UP: usize = 20;
const RUNS: usize = 200;
const TOLD_RUNS: usize = 1_000; // the difference is small
