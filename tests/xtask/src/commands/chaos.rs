//! Chaos in full count: the daemon is killed at random points, and one line at the end says what came of it.

#![expect(clippy::print_stdout, reason = "the runs' output and their sum are this command's data")]
#![expect(clippy::disallowed_methods, reason = "a seed that nobody names is the time")]

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use xtask::Failure;
use xtask::process::Process;
use xtask::setup::{Consent, postgres};

use super::build::{Part, build, cargo};

/// Live through random visits, faults and deaths of the daemon, and see that nothing is leaked
#[derive(Debug, Args)]
pub(crate) struct Chaos {
    /// How many runs
    #[arg(long, default_value_t = 300)]
    runs: u64,
    /// What the dice are thrown from; without it, the time
    #[arg(long)]
    seed: Option<u64>,
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
}

impl Chaos {
    /// Builds, runs, and ends with the sum.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let postgres = postgres::Programs::ensure(Consent::new(self.yes))?;
        let built = build(Part::Programs)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut tests = cargo();
        tests.args(["test", "--package=bastion-e2e", "--test=chaos", "--", "--nocapture"]);
        tests
            .env("BASTION_BIN_DIR", &built.bin)
            .env("BASTION_POSTGRES_BIN", &postgres.bin)
            .env("CHAOS_RUNS", self.runs.to_string())
            .env("CHAOS_SEED", self.seed.unwrap_or(now.as_secs()).to_string());
        let mut process = Process::spawn(tests.stdout(Stdio::piped()).stdin(Stdio::null()))?;
        let output = process.child().stdout.take().expect("it was asked for");
        let reader = std::thread::spawn(move || {
            let mut sum = None;
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                match verdict(&line) {
                    Some(verdict) => sum = Some(verdict.to_owned()),
                    None => println!("{line}"),
                }
            }
            sum
        });
        // A run takes some seconds, and four live side by side.
        let limit = SETUP + A_RUN * u32::try_from(self.runs).unwrap_or(u32::MAX);
        let ended = process.wait(limit);
        // Whatever still held the pipe is gone with the process group.
        drop(process);
        let sum = reader.join().expect("the reader does not panic");
        let succeeded = ended?.success();
        let Some(sum) = sum else {
            return Err(Failure::unexpected("a sum at the end", "none"));
        };
        println!("{sum}");
        if succeeded { Ok(()) } else { Err(Failure::unexpected("nothing leaked", sum)) }
    }
}

/// The last word of all runs, where a line is that.
fn verdict(line: &str) -> Option<&str> {
    let at = line.find("chaos ok: ").or_else(|| line.find("chaos failed: "))?;
    Some(&line[at..])
}

/// What building the stories may take.
const SETUP: Duration = Duration::from_secs(15 * 60);
/// What a run may take, however loaded the machine is.
const A_RUN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_found_whatever_stands_before_it() {
        let line = "test whatever_happens ... chaos ok: 300 runs, late tasks 0";
        assert_eq!(verdict(line), Some("chaos ok: 300 runs, late tasks 0"));
        assert_eq!(verdict("chaos failed: 1 runs"), Some("chaos failed: 1 runs"));
        assert_eq!(verdict("chaos: 36 tasks, 60 visits"), None);
    }
}
