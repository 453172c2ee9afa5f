//! The figures, measured by `tests/bench` in processes of its own.

use std::process::Command;

use clap::Args;

use xtask::Failure;
use xtask::failure::run_loud;
use xtask::setup::{Consent, postgres};

use super::build::{Part, Profile, build, peers};

/// Measure the figures that we promise, each beside what it is promised against
///
/// What is measured is a release build, which the first time takes minutes more.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Only the figures whose name contains this; `tunnel` those of the tunnel, `life` those of deaths, restarts and many visits
    name: Option<String>,
    /// Print one line of JSON each
    #[arg(long)]
    json: bool,
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
}

impl Bench {
    /// Sets up, builds, measures.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let postgres = postgres::Programs::ensure(Consent::new(self.yes))?;
        let peers = peers(Profile::Release)?;
        let built = build(Part::Benches)?;
        let mut bench = Command::new(built.bin.join("bastion-bench"));
        if self.json {
            bench.arg("--json");
        }
        bench.args(&self.name);
        bench
            .env("BASTION_BIN_DIR", &built.bin)
            .env("BASTION_POSTGRES_BIN", &postgres.bin)
            .env("BASTION_PEERS_DIR", peers);
        run_loud(&mut bench)
    }
}
