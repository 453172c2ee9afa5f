//! Ten thousand visits in a row through one target: what they leave in the daemon.

use std::time::Duration;

use bastion_e2e::knock::{SSL_REQUEST, answer, connect};
use bastion_e2e::{House, Plan, configs, plan, until};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::echo::{Echo, GOOD_BYE};
use crate::figure::{Figure, Goal};
use crate::idle::resident;

pub(crate) const NAME: &str = "life-visits";

/// Its memory after all visits beside that after the first thousand; its descriptors beside those before any.
pub(crate) async fn measure() -> Vec<Figure> {
    let echo = Echo::start().await;
    let plan = Plan::new(configs::SCRIPT_WAY).route(plan::PROD_DB, echo.port());
    let house = plan.sim(|sim| sim.session.pacing = false).build().await;
    let port = house.port("prod-db");
    visits(port, 1).await;
    let descriptors_before = settled(&house).await.1;
    visits(port, FIRST).await;
    let (memory_before, _) = settled(&house).await;
    visits(port, VISITS - FIRST).await;
    let (memory, descriptors) = settled(&house).await;
    assert_eq!(house.sim().count("StartSession"), 1, "one tunnel carried all of them");
    vec![
        Figure {
            bench: "life-visits-memory",
            unit: "MB",
            ours: memory,
            against: vec![("after the first 1000", memory_before)],
            goal: Goal::AtMost(memory_before + NOISE),
            runs: 1,
        },
        Figure {
            bench: "life-visits-files",
            unit: "open",
            ours: descriptors,
            against: vec![("before any visit", descriptors_before)],
            goal: Goal::AtMost(descriptors_before),
            runs: 1,
        },
    ]
}

/// So many visits, a few at a time: connect, a startup, a small echo, a good-bye, the end.
async fn visits(port: u16, count: usize) {
    let mut at_once = JoinSet::new();
    for _ in 0..count {
        if at_once.len() == AT_ONCE {
            at_once.join_next().await.expect("there are some").expect("a visit does not panic");
        }
        at_once.spawn(async move {
            let mut visit = connect(port).await;
            for words in [&SSL_REQUEST[..], &SMALL] {
                visit.write_all(words).await.expect("the daemon reads");
                assert_eq!(answer(&mut visit, words.len(), LONGEST).await, words);
            }
            visit.write_all(&GOOD_BYE).await.expect("the daemon reads");
            assert_eq!(answer(&mut visit, 1, LONGEST).await, b"", "the echo hangs up");
        });
    }
    at_once.join_all().await;
}

/// Its memory in megabytes and its open descriptors, once the last visit is over and a moment has passed.
async fn settled(house: &House) -> (f64, f64) {
    until("the last visit's end", LONGEST, async || {
        house.target("prod-db").await.visits.is_empty().then_some(())
    })
    .await;
    tokio::time::sleep(SETTLING).await;
    (resident(house.pid()), descriptors(house.pid()))
}

/// How many descriptors a process has.
///
/// # Panics
/// Where there is neither `/proc` nor `lsof`.
fn descriptors(pid: u32) -> f64 {
    let count = match std::fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(open) => open.count(),
        Err(_) => {
            let mut lsof = std::process::Command::new("lsof");
            let open = lsof.args(["-nP", "-a", "-d", "0-65535", "-p", &pid.to_string()]).output();
            open.expect("systems without /proc have lsof")
                .stdout
                .split(|byte| *byte == b'\n')
                .count()
        }
    };
    count as f64
}

const VISITS: usize = 10_000;
const FIRST: usize = 1_000;
const AT_ONCE: usize = 4;
const SMALL: [u8; 64] = [7; 64];
/// Two hundred bytes for each of the visits between the two looks: a visit's own task and buffers are kilobytes, so that one
/// in ten that stays is seen; what the allocator does with its pages, which comes to rest after some thousands, is not.
const NOISE: f64 = 2.0;
const SETTLING: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);
