//! Chaos in full count: the daemon is killed at random points, and one line at the end says what came of it.

#![expect(clippy::disallowed_methods, reason = "a seed that nobody names is the time")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use xtask::Failure;
use xtask::setup::{Consent, postgres};

use super::build::{Part, build, cargo};
use super::suite;

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
        // A run takes some seconds, and four live side by side.
        let limit = SETUP + A_RUN * u32::try_from(self.runs).unwrap_or(u32::MAX);
        suite::judge(&mut tests, limit, "chaos", "nothing leaked")
    }
}

/// What building the stories may take.
const SETUP: Duration = Duration::from_secs(15 * 60);
/// What a run may take, however loaded the machine is.
const A_RUN: Duration = Duration::from_secs(30);
