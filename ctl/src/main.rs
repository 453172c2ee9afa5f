//! Drives bastiond from a terminal: arguments, command, exit code.
//!
//! | file | what it holds |
//! |---|---|
//! | `cli.rs` | the tree of commands |
//! | `commands/*.rs` | one verb each: its arguments, then its deed |
//! | `top/` | the dashboard |
//! | `ui.rs` | stdout is data, stderr is talk |
//! | `error.rs` | a problem on the screen, and its exit code |
//! | `address.rs` | where a target is found, and the line that calls its engine's client |
//! | `words.rs`, `table.rs` | durations, plurals, columns |
//! | `signals.rs`, `clock.rs` | what interrupts us, what time it is |

mod address;
mod card;
mod cli;
mod clock;
mod commands;
mod error;
mod export;
mod forms;
mod handover;
mod put;
#[cfg(test)]
mod schema;
mod signals;
mod span;
mod table;
mod top;
mod ui;
mod variables;
mod words;

use std::process::ExitCode;

use bastion_api::client::Client;

use crate::cli::Cli;
use crate::error::Failure;
use crate::signals::Signals;
use crate::ui::Ui;

fn main() -> ExitCode {
    if let Some(code) = commands::completions::answer() {
        return code;
    }
    let cli = match Cli::of_process() {
        Ok(cli) => cli,
        Err(asked) => return cli::explain(&asked),
    };
    let mut ui = Ui::of_process(&cli.output);
    let done = run(cli, &mut ui);
    ExitCode::from(error::conclude(done, &mut ui))
}

fn run(cli: Cli, ui: &mut Ui) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::System)?;
    let client = Client::of_process();
    let done = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            done = cli.command.run(&client, ui) => done,
            signal = signals.next() => Err(Failure::Signal(signal)),
        }
    });
    // A question may still wait for its answer on stdin.
    runtime.shutdown_background();
    done
}
