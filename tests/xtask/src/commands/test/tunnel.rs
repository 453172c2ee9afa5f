//! The tunnel's full run: everything that a network can do to it, in full count, and one line at the end.

#![expect(
    clippy::print_stdout,
    reason = "the stories' output and their sum are this command's data"
)]

use std::time::Duration;

use xtask::Failure;
use xtask::setup::{Consent, postgres};

use super::super::build::{Part, build, cargo};
use super::{Count, count};

/// What all stories together did to tunnels, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Websockets that were cut at random.
    cuts: u64,
    /// Bytes that did not arrive as they were sent.
    lost: u64,
    /// TCP connections that did not outlive a cut.
    closed: u64,
}

impl Tally {
    /// `tunnel tally: 500 cuts, lost 0 bytes, closed 0 connections`
    pub(super) fn add(&mut self, line: &str) {
        let Some((_, rest)) = line.split_once("tunnel tally: ") else { return };
        let numbers: Vec<u64> = rest.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [cuts, lost, closed] = numbers[..] else { return };
        self.cuts += cuts;
        self.lost += lost;
        self.closed += closed;
    }

    /// Whether something was lost, or too little was tried.
    fn failed(self) -> bool {
        self.cuts < CUTS || self.lost > 0 || self.closed > 0
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cuts, lost, closed } = self;
        write!(f, "{cuts} cuts, lost {lost} bytes, closed {closed} connections")
    }
}

/// Builds, runs and adds up.
pub(super) fn run(consent: Consent) -> Result<(), Failure> {
    let postgres = postgres::Programs::ensure(consent)?;
    let built = build(Part::Programs)?;
    let mut tests = cargo();
    tests.args(["test", "--no-fail-fast", "--package=bastion-e2e", "--test=tunnel"]);
    // Most of them wait for a limit to pass; more at once than processors do not disturb each other's times.
    tests.args(["--", "--nocapture", "--include-ignored", "--test-threads=3"]);
    tests
        .env("BASTION_BIN_DIR", &built.bin)
        .env("BASTION_POSTGRES_BIN", &postgres.bin)
        .env("BASTION_TEST_LONG", "1");
    let Count { passed, failed, whole, tally, .. } = count(&mut tests, LIMIT)?;
    println!("{passed} passed, {failed} failed");
    if !whole || failed > 0 || tally.failed() {
        println!("tunnel failed: {tally}");
        return Err(Failure::unexpected(
            format!("every story to pass, and {CUTS} cuts to lose nothing"),
            "the above",
        ));
    }
    println!("tunnel ok: {tally}");
    Ok(())
}

/// How many cuts the promise is about.
const CUTS: u64 = 2000;
/// The promise.
const LIMIT: Duration = Duration::from_secs(25 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stories_tell_adds_up() {
        let mut tally = Tally::default();
        tally.add("tunnel tally: 1500 cuts, lost 0 bytes, closed 0 connections");
        tally.add("test cuts::x ... tunnel tally: 500 cuts, lost 0 bytes, closed 0 connections");
        tally.add("test result: ok. 3 passed; 0 failed");
        assert_eq!(tally.to_string(), "2000 cuts, lost 0 bytes, closed 0 connections");
        assert!(!tally.failed());
        tally.add("tunnel tally: 1 cuts, lost 7 bytes, closed 0 connections");
        assert!(tally.failed());
    }

    #[test]
    fn too_few_cuts_prove_nothing() {
        assert!(Tally { cuts: CUTS - 1, lost: 0, closed: 0 }.failed());
    }
}
