//! The developer's commands: demo, test, bench, chaos, check-macos, dist.

#![expect(clippy::print_stderr, reason = "the last word goes to the person at the terminal")]

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{bench, chaos, check_macos, demo, dist, test};

/// What a developer of bastiond runs
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Test(test::Test),
    Bench(bench::Bench),
    Chaos(chaos::Chaos),
    CheckMacos(check_macos::CheckMacos),
    Dist(dist::Dist),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo(demo) => demo.run(),
        Command::Test(test) => test.run(),
        Command::Bench(bench) => bench.run(),
        Command::Chaos(chaos) => chaos.run(),
        Command::CheckMacos(check) => check.run(),
        Command::Dist(dist) => dist.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
