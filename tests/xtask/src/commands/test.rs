//! The CI tier: everything built once, every test run, third parties included.

#![expect(clippy::print_stdout, reason = "the tests' output and their sum are this command's data")]
#![expect(clippy::disallowed_methods, reason = "a tool for people measures real time")]

mod clients;
mod doctor;
mod tunnel;

use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;

use xtask::Failure;
use xtask::setup::venv::Venv;
use xtask::setup::{Consent, mariadb, postgres, tools};

use super::build::{Part, Profile, build, cargo, peers};
use super::suite;

/// Run every test, with everything that they need set up first
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Run the full counts: more random lives, longer transfers; not for CI
    #[arg(long)]
    long: bool,
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
    /// Only tests whose name contains this; `--long tunnel`, `--long clients` and `--long doctor` are full runs of their own
    name: Option<String>,
}

impl Test {
    /// Sets up, builds, runs, and counts what really ran.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let consent = Consent::new(self.yes);
        if self.long && self.name.as_deref() == Some("tunnel") {
            return tunnel::run(consent);
        }
        if self.long && self.name.as_deref() == Some("clients") {
            return clients::run(consent);
        }
        if self.long && self.name.as_deref() == Some("doctor") {
            return doctor::run();
        }
        tools::ensure(consent)?;
        let postgres = postgres::Programs::ensure(consent)?;
        let mariadb = mariadb::Programs::ensure(consent)?;
        let venv = Venv::ensure(consent)?;
        let peers = peers(Profile::Debug)?;
        let built = build(Part::All)?;

        let mut tests = cargo();
        // Tests marked as ignored are those that need what was just set up.
        tests.args(["test", "--workspace", "--no-fail-fast"]);
        tests.arg("--").arg("--include-ignored");
        tests.args(&self.name);
        tests
            .env("BASTION_BIN_DIR", &built.bin)
            .env("BASTION_POSTGRES_BIN", &postgres.bin)
            .env(
                "BASTION_MARIADB_BIN",
                mariadb.server.parent().expect("a program lies in a folder"),
            )
            .env("BASTION_TEST_VENV", &venv.dir)
            .env("BASTION_TEST_PYTHON", venv.python())
            .env("BASTION_PEERS_DIR", peers);
        if self.long {
            tests.env("BASTION_TEST_LONG", "1");
        }
        let limit = if self.long { LONG_LIMIT } else { LIMIT };
        let start = Instant::now();
        let count = count(&mut tests, limit)?;
        let took = start.elapsed().as_secs();
        println!(
            "{} tests ignored, in {took} s, from {} test programs",
            count.ignored, count.programs
        );
        println!("{} passed, {} failed", count.passed, count.failed);
        match count {
            Count { failed: 0, whole: true, passed: 1.., .. } => Ok(()),
            Count { .. } => Err(Failure::unexpected("every test to pass", "the above")),
        }
    }
}

/// What cargo's own closing lines add up to.
#[derive(Debug, Default)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
    programs: u64,
    /// What the tunnel's stories tell of themselves.
    tally: tunnel::Tally,
    /// cargo itself was content: no test program crashed or could not start.
    whole: bool,
}

/// Shows cargo's output as it comes and adds up its results.
fn count(tests: &mut Command, limit: Duration) -> Result<Count, Failure> {
    let (mut count, whole) = suite::hear(tests, limit, |count: &mut Count, line| {
        println!("{line}");
        count.add(line);
    })?;
    count.whole = whole;
    Ok(count)
}

impl Count {
    /// `test result: ok. 12 passed; 0 failed; 1 ignored; …`
    fn add(&mut self, line: &str) {
        self.tally.add(line);
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        self.programs += 1;
        let numbers = rest.split(['.', ';']).filter_map(|part| {
            let (number, what) = part.trim().split_once(' ')?;
            Some((number.parse::<u64>().ok()?, what))
        });
        for (number, what) in numbers {
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// The CI tier ends, whatever hangs: it takes about 17 minutes on two quiet cores, and all of CI has an hour.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// The full counts end, too.
const LONG_LIMIT: Duration = Duration::from_secs(4 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_all_test_programs_add_up() {
        let mut count = Count::default();
        count.add("running 3 tests");
        count.add("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s");
        count.add("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.10s");
        assert_eq!((count.passed, count.failed, count.ignored, count.programs), (5, 1, 1, 2));
    }
}
