//! The doctor in full count: every broken world, what was expected against what was found, and one line at the end.

use std::time::Duration;

use xtask::Failure;

use super::super::build::{Part, build, cargo};
use super::super::suite;

/// Builds, runs, and ends with the sum. It needs nothing of anybody's: databases and helpers are made by the worlds.
pub(super) fn run() -> Result<(), Failure> {
    let built = build(Part::Programs)?;
    let mut tests = cargo();
    tests.args(["test", "--package=bastion-e2e", "--test=doctor", "every_broken_world"]);
    tests.args(["--", "--nocapture", "--include-ignored"]);
    tests.env("BASTION_BIN_DIR", &built.bin).env("BASTION_TEST_LONG", "1");
    suite::judge(&mut tests, LIMIT, "doctor", "every root cause to be found")
}

/// The worlds take two minutes: some wait for a helper that gives no answer, or an agent that does not come.
const LIMIT: Duration = Duration::from_secs(15 * 60);
