//! The tunnel's figures: the daemon beside aws-ssm-bridge and a plain relay, in turn, through the same simulated AWS.
//!
//! ```text
//!   this process: client ─┬─► bastiond ──────websocket─┐
//!                         ├─► peer-ssm-bridge ─websocket┼─► gateway ─► ssm-session-worker ─┐
//!                         └─► relay ────────────────────────────────────────────────────────┴─► sink, or PostgreSQL
//! ```

mod client;
mod cost;
mod sink;
mod stage;

use std::process::Stdio;
use std::time::Duration;

use bastion_e2e::{Running, databases, plan};
use tokio::task::JoinSet;

use self::sink::Sink;
use self::stage::{Set, Stage};
use crate::figure::{Figure, Goal, median};
use crate::idle::resident;

pub(crate) const NAMES: &[&str] =
    &[UP, UP_PROBED, DOWN, FAN_OUT, SMALL, BESIDE, PGBENCH, CPU, MEMORY];
const UP: &str = "tunnel-up-1k";
const UP_PROBED: &str = "tunnel-up-probed";
const DOWN: &str = "tunnel-down";
const FAN_OUT: &str = "tunnel-down-fan-8";
const SMALL: &str = "tunnel-small";
const BESIDE: &str = "tunnel-small-beside";
const PGBENCH: &str = "tunnel-pgbench";
const CPU: &str = "tunnel-cpu";
const MEMORY: &str = "tunnel-memory";

/// Measures one of [`NAMES`].
pub(crate) async fn measure(name: &'static str) -> Figure {
    match name {
        UP => up(name, false, 1.2).await,
        UP_PROBED => up(name, true, 2.5).await,
        DOWN => down(name).await,
        FAN_OUT => fan_out(name).await,
        SMALL => small(name).await,
        BESIDE => beside(name).await,
        PGBENCH => pgbench(name).await,
        CPU => cpu(name).await,
        _ => memory(name).await,
    }
}

async fn up(bench: &'static str, probing: bool, times: f64) -> Figure {
    let sink = Sink::start().await;
    let mut stage = Stage::set(Set { probing, ..Set::default() }, sink.port()).await;
    let (mut ours, mut bridge, mut relay) = (Vec::new(), Vec::new(), Vec::new());
    let there = stage.bridge();
    // Whatever has to be found out is found out.
    client::up(stage.ours, UP_BYTES).await;
    client::up(there, UP_BYTES / 4).await;
    for _ in 0..RUNS {
        ours.push(client::up(stage.ours, UP_BYTES).await);
        bridge.push(client::up(there, UP_BYTES).await);
        relay.push(client::up(stage.relay(), UP_BYTES).await);
    }
    let bridge = median(bridge);
    Figure {
        bench,
        unit: "MB/s",
        ours: median(ours),
        against: vec![("aws-ssm-bridge", bridge), ("relay", median(relay))],
        goal: Goal::AtLeast(times * bridge),
        runs: RUNS,
    }
}

async fn down(bench: &'static str) -> Figure {
    let sink = Sink::start().await;
    let mut stage = Stage::set(Set::default(), sink.port()).await;
    let there = stage.bridge();
    let (mut ours, mut bridge) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(client::down(stage.ours, DOWN_BYTES).await);
        bridge.push(client::down(there, DOWN_BYTES).await);
    }
    let limit = limit(&stage);
    Figure {
        bench,
        unit: "MB/s",
        ours: median(ours),
        against: vec![("the simulator's limit", limit), ("aws-ssm-bridge", median(bridge))],
        goal: Goal::AtLeast(0.98 * limit),
        runs: RUNS,
    }
}

/// What the agent can send: a message of 1024 bytes, a rest; eight bytes of each 32 KiB are smux's.
fn limit(stage: &Stage) -> f64 {
    let agent = stage.house.sim().gateway().settings().agent;
    let raw = agent.message_bytes as f64 / agent.pause.as_secs_f64();
    raw * 32_768.0 / 32_776.0 / 1e6
}

async fn fan_out(bench: &'static str) -> Figure {
    let sink = Sink::start().await;
    let set = Set { tunnels: 2, bastions: FAN / 2, ..Set::default() };
    let stage = Stage::set(set, sink.port()).await;
    let one = client::down(stage.ours, DOWN_BYTES).await;
    let fanned = stage.house.ctl_started(&["open", "prod-db", "--fan-out", "8"]);
    fanned.finish_within(LONG).await.ok();
    let mut all = Vec::new();
    for _ in 0..RUNS {
        let mut downloads = JoinSet::new();
        for _ in 0..FAN {
            downloads.spawn(client::down(stage.ours, DOWN_BYTES));
        }
        all.push(downloads.join_all().await.iter().sum());
    }
    Figure {
        bench,
        unit: "MB/s",
        ours: median(all),
        against: vec![("one tunnel", one)],
        goal: Goal::AtLeast(7.0 * one),
        runs: RUNS,
    }
}

async fn small(bench: &'static str) -> Figure {
    let sink = Sink::start().await;
    let mut stage = Stage::set(Set::default(), sink.port()).await;
    let there = stage.bridge();
    let (mut ours, mut bridge, mut relay) = (Vec::new(), Vec::new(), Vec::new());
    let mut floor = Vec::new();
    for _ in 0..RUNS {
        floor.push(1000.0 * bare(&stage, SMALL_TIMES).await);
        ours.push(1000.0 * client::small(stage.ours, SMALL_TIMES).await);
        bridge.push(1000.0 * client::small(there, SMALL_TIMES).await);
        relay.push(1000.0 * client::small(stage.relay(), SMALL_TIMES).await);
    }
    let floor = median(floor);
    Figure {
        bench,
        unit: "ms",
        ours: median(ours),
        against: vec![
            ("the simulator's floor", floor),
            ("aws-ssm-bridge", median(bridge)),
            ("relay", median(relay)),
        ],
        goal: Goal::AtMost(1.2 * floor),
        runs: RUNS,
    }
}

/// The same question without any program of ours between: one frame there and one back, by a client that does no more.
async fn bare(stage: &Stage, times: usize) -> f64 {
    let task = stage.house.task();
    let bare = stage.house.sim().bare_client(&task.arn, "proxy", plan::PROD_DB).await;
    let mut bare = bare.expect("the bastion is ready");
    let mut seen = Vec::new();
    for _ in 0..times {
        seen.push(bare.ask(&[sink::ASK]).await.expect("it stands").as_secs_f64());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    median(seen)
}

async fn beside(bench: &'static str) -> Figure {
    let sink = Sink::start().await;
    let mut stage = Stage::set(Set::default(), sink.port()).await;
    let there = stage.bridge();
    let (mut ours, mut idle, mut bridge) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        idle.push(1000.0 * client::small(stage.ours, SMALL_TIMES).await);
        let download = client::endless(stage.ours).await;
        // Long enough that the queue before the agent's limit is full, and that the daemon knows it.
        tokio::time::sleep(SETTLING).await;
        ours.push(1000.0 * client::small(stage.ours, SMALL_TIMES).await);
        drop(download);
        let download = client::endless(there).await;
        tokio::time::sleep(SETTLING).await;
        bridge.push(1000.0 * client::small(there, FEW).await);
        drop(download);
        // What was on its way has gone.
        tokio::time::sleep(SETTLING).await;
    }
    let idle = median(idle);
    Figure {
        bench,
        unit: "ms",
        ours: median(ours),
        against: vec![("nobody beside", idle), ("aws-ssm-bridge", median(bridge))],
        goal: Goal::AtMost(2.0 * idle),
        runs: RUNS,
    }
}

async fn pgbench(bench: &'static str) -> Figure {
    let postgres = databases::postgres().port();
    let mut stage = Stage::set(Set { postgres: true, ..Set::default() }, postgres).await;
    let there = stage.bridge();
    run_pgbench(&stage, postgres, &["--initialize", "--scale=10", "--quiet"]).await;
    let words = ["--select-only", "--no-vacuum", "--client=16", "--time=5"];
    let (mut ours, mut bridge, mut direct) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(run_pgbench(&stage, stage.ours, &words).await);
        bridge.push(run_pgbench(&stage, there, &words).await);
        direct.push(run_pgbench(&stage, stage.relay(), &words).await);
    }
    let bridge = median(bridge);
    Figure {
        bench,
        unit: "per s",
        ours: median(ours),
        against: vec![("aws-ssm-bridge", bridge), ("relay", median(direct))],
        goal: Goal::AtLeast(2.0 * bridge),
        runs: RUNS,
    }
}

/// Transactions a second; 0 of a run that makes none.
async fn run_pgbench(stage: &Stage, port: u16, words: &[&str]) -> f64 {
    let mut pgbench = stage.house.libpq("pgbench", "prod-db");
    pgbench.args(words).env("PGPORT", port.to_string()).stdin(Stdio::null());
    let done = Running::start(&mut pgbench).finish_within(LONG).await;
    let tps = done.ok().lines().find_map(|line| line.strip_prefix("tps = "));
    tps.and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0.0)
}

async fn cpu(bench: &'static str) -> Figure {
    let sink = Sink::start().await;
    let mut stage = Stage::set(Set { probing: false, ..Set::default() }, sink.port()).await;
    let (there, bridge_process) = (stage.bridge(), stage.bridge_process());
    let (mut ours, mut bridge) = (Vec::new(), Vec::new());
    let gigabytes = UP_BYTES as f64 / 1e9;
    for _ in 0..RUNS {
        let before = cost::cpu_seconds(stage.house.pid());
        client::up(stage.ours, UP_BYTES).await;
        ours.push((cost::cpu_seconds(stage.house.pid()) - before) / gigabytes);
        let before = cost::cpu_seconds(bridge_process);
        client::up(there, UP_BYTES).await;
        bridge.push((cost::cpu_seconds(bridge_process) - before) / gigabytes);
    }
    let bridge = median(bridge);
    Figure {
        bench,
        unit: "s per GB",
        ours: median(ours),
        against: vec![("aws-ssm-bridge", bridge)],
        goal: Goal::AtMost(0.7 * bridge),
        runs: RUNS,
    }
}

/// What one more idle tunnel takes: fifty against two.
async fn memory(bench: &'static str) -> Figure {
    let sink = Sink::start().await;
    let few = MANY / BASTIONS;
    let set = Set { tunnels: few, bastions: BASTIONS, ..Set::default() };
    let mut stage = Stage::set(set, sink.port()).await;
    client::small(stage.ours, FEW).await;
    let before = resident(stage.house.pid());
    let opened = stage.house.sim().gateway().sessions().len();
    let many = MANY.to_string();
    let fanned = stage.house.ctl_started(&["open", "prod-db", "--fan-out", &many]);
    fanned.finish_within(LONG).await.ok();
    tokio::time::sleep(SETTLING).await;
    let after = resident(stage.house.pid());
    let more = stage.house.sim().gateway().sessions().len() - opened;
    let bridge = resident(stage.bridge_process());
    Figure {
        bench,
        unit: "MB",
        ours: (after - before) / more as f64,
        against: vec![("aws-ssm-bridge, a process", bridge)],
        goal: Goal::AtMost(0.3),
        runs: more,
    }
}

const RUNS: usize = 5;
const UP_BYTES: u64 = 100_000_000;
const DOWN_BYTES: u64 = 2_000_000;
const SMALL_TIMES: usize = 100;
/// Where each takes a quarter of a second.
const FEW: usize = 15;
const FAN: usize = 8;
const MANY: usize = 50;
const BASTIONS: usize = 5;
const SETTLING: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(120);
