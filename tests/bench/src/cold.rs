//! The daemon's own share of a cold start: from the moment the agent accepts sessions to the first byte at the database.

use std::time::{Duration, UNIX_EPOCH};

use bastion_e2e::knock::{SSL_REQUEST, ask};
use bastion_e2e::{Plan, configs, plan};
use bastion_sim::Timings;

use crate::echo::Echo;
use crate::figure::{Figure, Goal, median};

pub(crate) const NAME: &str = "cold-start-share";

/// Several cold starts that take as long as they do on Fargate, for the daemon asks less often the longer it waits.
pub(crate) async fn measure() -> Figure {
    // One after the other, so that none meets the busy moment of another.
    let (a, b, c, d, e) = tokio::join!(start(0), start(1), start(2), start(3), start(4));
    let (shares, wholes): (Vec<f64>, Vec<f64>) = [a, b, c, d, e].into_iter().unzip();
    Figure {
        bench: NAME,
        unit: "s",
        ours: median(shares),
        against: vec![("the whole start", median(wholes))],
        goal: Goal::AtMost(1.0),
        runs: RUNS,
    }
}

/// Gives the daemon's share and the whole, in seconds.
async fn start(place: u32) -> (f64, f64) {
    tokio::time::sleep(APART * place).await;
    let echo = Echo::start().await;
    let house = Plan::new(configs::SCRIPT_WAY)
        .route(plan::PROD_DB, echo.port())
        .sim(|sim| sim.timings = Timings::fargate())
        .start_timeout("3m")
        .build()
        .await;
    let answer = ask(house.port("prod-db"), &SSL_REQUEST, SSL_REQUEST.len(), LONGEST).await;
    assert_eq!(answer, SSL_REQUEST, "the echo answered");
    let heard = echo.first_byte().expect("it heard what it echoed");
    let heard_ms = heard.duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64() * 1000.0;
    let times = house.task().times;
    let connected = times.connected.expect("its agent was connected");
    let since = |ms: i64| (heard_ms - ms as f64) / 1000.0;
    (since(connected), since(times.created))
}

const RUNS: usize = 5;
const APART: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(120);
