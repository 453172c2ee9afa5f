//! The daemon is killed and started again with fifty targets and ten bastions: when it accepts, and when it has decided.

#![expect(clippy::disallowed_methods, reason = "a measurement of the real time")]

use std::time::{Duration, Instant};

use bastion_api::State;
use bastion_e2e::{House, Plan, configs, plan, until};
use tokio::net::TcpStream;

use super::death::now_ms;
use crate::echo::Echo;
use crate::figure::{Figure, Goal, median};

pub(crate) const NAME: &str = "life-restart";

/// Several restarts of one house, each of which takes up what the one before it had left.
pub(crate) async fn measure() -> Vec<Figure> {
    let echo = Echo::start().await;
    let plan = Plan::new(&configs::targets(TARGETS)).route(plan::PROD_DB, echo.port());
    let mut house = plan.build().await;
    for number in 0..BASTIONS {
        let opened = house.ctl(&["open", &format!("t{number}")]).await;
        assert!(opened.status.success(), "{opened}");
    }
    let (mut accepting, mut decided) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        house.kill().await;
        let (accepts, decides) = restart(&mut house).await;
        accepting.push(accepts);
        decided.push(decides);
    }
    assert_eq!(house.sim().count("RunTask"), BASTIONS, "nothing was started twice");
    let figure = |bench, ours, goal| Figure {
        bench,
        unit: "s",
        ours: median(ours),
        against: Vec::new(),
        goal: Goal::AtMost(goal),
        runs: RUNS,
    };
    vec![figure("life-restart-accept", accepting, 1.0), figure("life-restart-decide", decided, 5.0)]
}

/// Gives the seconds from the process's start until every target accepts, and those from AWS's first answer until every
/// target has its state: the bastions that run are proven, the rest are known not to be there.
async fn restart(house: &mut House) -> (f64, f64) {
    let ports: Vec<u16> = (0..TARGETS).map(|number| house.port(&format!("t{number}"))).collect();
    let begun_ms = now_ms();
    let begun = Instant::now();
    let (accepting, ()) = tokio::join!(all_accept(&ports, begun), house.start());
    until("the decision", LONGEST, async || {
        let targets = house.status().await.targets;
        let count = |state| targets.iter().filter(|target| target.state == state).count();
        let all = count(State::Ready) == BASTIONS && count(State::Cold) == TARGETS - BASTIONS;
        all.then_some(())
    })
    .await;
    let decided_ms = now_ms();
    let calls = house.sim().calls();
    let asked = calls.iter().map(|call| call.at_ms).filter(|at| *at >= begun_ms).min();
    let asked = asked.expect("it asked AWS before it decided");
    (accepting, (decided_ms - asked) as f64 / 1000.0)
}

async fn all_accept(ports: &[u16], begun: Instant) -> f64 {
    for port in ports {
        until("a port that accepts", LONGEST, async || {
            TcpStream::connect(("127.0.0.1", *port)).await.ok()
        })
        .await;
    }
    begun.elapsed().as_secs_f64()
}

const TARGETS: usize = 50;
const BASTIONS: usize = 10;
const RUNS: usize = 3;
const LONGEST: Duration = Duration::from_secs(60);
