//! What a person's hands feel: how long bastionctl takes to answer, and how large the programs are.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bastion_e2e::{House, Plan, Running};
use bastion_sim::Timings;
use xtask::place::program;

use crate::figure::{Figure, Goal, median};
use crate::idle;

pub(crate) const STATUS: &str = "ctl-status";
pub(crate) const HELP: &str = "ctl-help";
pub(crate) const SIZES: &str = "size";
pub(crate) const NEWCOMER: &str = "newcomer";

pub(crate) const NAMES: &[&str] = &[STATUS, HELP, SIZES, NEWCOMER];

/// Measures one of [`NAMES`].
pub(crate) async fn measure(name: &'static str) -> Vec<Figure> {
    match name {
        STATUS => vec![status().await],
        HELP => vec![help().await],
        NEWCOMER => vec![newcomer().await],
        _ => sizes(),
    }
}

/// `bastionctl status` against a daemon with fifty targets, from its start to its end, in milliseconds.
async fn status() -> Figure {
    let house = idle::house().await;
    timed(STATUS, 15.0, &house, &["status"])
}

/// `bastionctl --help`, from its start to its end, in milliseconds.
async fn help() -> Figure {
    let house = idle::house().await;
    timed(HELP, 10.0, &house, &["--help"])
}

/// A command line of bastionctl, beside a program that does nothing.
fn timed(bench: &'static str, most_ms: f64, house: &House, words: &[&str]) -> Figure {
    let (mut ours, mut nothing) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(wall(house.program("bastionctl").args(words)));
        nothing.push(wall(&mut house.inside("/bin/true".as_ref())));
    }
    Figure {
        bench,
        unit: "ms",
        ours: median(ours),
        against: vec![("a program that does nothing", median(nothing))],
        goal: Goal::AtMost(most_ms),
        runs: RUNS,
    }
}

/// How long a program takes from its start to its end, in milliseconds.
///
/// # Panics
/// When it cannot be run, or fails.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn wall(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let begun = Instant::now();
    let output = command.output().expect("the program was built");
    let took = begun.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took.as_secs_f64() * 1000.0
}

/// From `bastionctl init` to the first row in psql, by script and with starts as long as Fargate's, in seconds: the
/// config, the daemon, the bastion.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn newcomer() -> Figure {
    let (mut whole, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..NEWCOMERS {
        let mut house = Plan::without_config()
            .postgres()
            .sim(|sim| sim.timings = Timings::fargate())
            .lay()
            .await;
        let begun = Instant::now();
        let words = ["init", "--task-definition", DEFINITION, "--all", "--yes"];
        wall(&mut house.ctl_alone(&words));
        house.start().await;
        let mut psql = house.ctl_with_psql(&["psql", TARGET, "--", "-Atc", "SELECT 6 * 7"]);
        let row = Running::start(&mut psql).finish_within(LONGEST).await;
        whole.push(begun.elapsed().as_secs_f64());
        assert_eq!(row.ok(), "42");
        let times = house.task().times;
        let connected = times.connected.expect("its agent was connected");
        starts.push((connected - times.created) as f64 / 1000.0);
    }
    Figure {
        bench: NEWCOMER,
        unit: "s",
        ours: median(whole),
        against: vec![("the task's own start", median(starts))],
        goal: Goal::AtMost(60.0),
        runs: NEWCOMERS,
    }
}

/// The programs as they are shipped, in megabytes.
fn sizes() -> Vec<Figure> {
    let size = |bench, name: &str, most| {
        let path = program(name).unwrap_or_else(|failure| panic!("{failure}"));
        let bytes = fs::metadata(path).expect("the program was built").len();
        Figure {
            bench,
            unit: "MB",
            ours: bytes as f64 / 1e6,
            against: Vec::new(),
            goal: Goal::AtMost(most),
            runs: 1,
        }
    };
    vec![size("size-bastionctl", "bastionctl", 8.0), size("size-bastiond", "bastiond", 35.0)]
}

/// A start takes milliseconds; the median of so many stands still.
const RUNS: usize = 41;
/// A start takes half a minute.
const NEWCOMERS: usize = 3;
const DEFINITION: &str = "neuraKnot-prod-ssm-proxy";
/// The database of the script way, as init calls it.
const TARGET: &str = "neuraknot-prod-db";
const LONGEST: Duration = Duration::from_secs(120);
