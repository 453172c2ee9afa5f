//! What a daemon with fifty targets costs while nobody visits.

use std::fs;
use std::time::Duration;

use bastion_e2e::{House, Plan, configs};

use crate::figure::{Figure, Goal, median};

pub(crate) const MEMORY: &str = "idle-memory";
pub(crate) const WAKE_UPS: &str = "idle-wake-ups";

/// Its resident memory, in megabytes.
pub(crate) async fn memory() -> Figure {
    let mut seen = Vec::new();
    for _ in 0..RUNS {
        let house = house().await;
        seen.push(resident(house.pid()));
    }
    Figure {
        bench: MEMORY,
        unit: "MB",
        ours: median(seen),
        against: Vec::new(),
        goal: Goal::AtMost(25.0),
        runs: RUNS,
    }
}

/// How often the system puts one of its threads on a processor, each second.
pub(crate) async fn wake_ups() -> Figure {
    let mut seen = Vec::new();
    let house = house().await;
    for _ in 0..RUNS {
        let before = switches(house.pid());
        tokio::time::sleep(WATCHED).await;
        seen.push((switches(house.pid()) - before) / WATCHED.as_secs_f64());
    }
    Figure {
        bench: WAKE_UPS,
        unit: "per s",
        ours: median(seen),
        against: Vec::new(),
        goal: Goal::AtMost(2.0),
        runs: RUNS,
    }
}

/// Fifty targets, and a moment for what a start leaves behind to settle.
pub(crate) async fn house() -> House {
    let mut config = configs::SCRIPT_WAY.to_owned();
    for n in 1..TARGETS {
        let name = format!("db-{n}");
        config += &configs::target(&name, "prod", &format!("{name}.internal"));
    }
    let house = Plan::new(&config).build().await;
    assert_eq!(house.status().await.targets.len(), TARGETS);
    tokio::time::sleep(SETTLING).await;
    house
}

/// Resident memory of a process in megabytes, from `/proc`; elsewhere from `ps`.
///
/// # Panics
/// Where the process is gone.
pub(crate) fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    let kilobytes = match status {
        Ok(status) => number(&status, "VmRSS:"),
        Err(_) => {
            let asked = std::process::Command::new("ps")
                .args(["-o", "rss=", "-p", &pid.to_string()])
                .output()
                .expect("every system that we run on has ps");
            String::from_utf8_lossy(&asked.stdout).trim().parse().expect("ps prints a number")
        }
    };
    assert!(kilobytes > 0.0, "process {pid} is there and has memory");
    kilobytes / 1024.0
}

/// How often its threads were switched away from, all in all.
///
/// # Panics
/// Where there is no `/proc`: other systems count this only for root.
fn switches(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("wake-ups are counted by /proc");
    let of_thread = |path: std::path::PathBuf| {
        let status = fs::read_to_string(path.join("status")).unwrap_or_default();
        number(&status, "voluntary_ctxt_switches:") + number(&status, "nonvoluntary_ctxt_switches:")
    };
    threads.flatten().map(|thread| of_thread(thread.path())).sum()
}

/// The number behind a name in a file of `/proc`.
fn number(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

const TARGETS: usize = 50;
const RUNS: usize = 3;
const SETTLING: Duration = Duration::from_secs(3);
const WATCHED: Duration = Duration::from_secs(15);
