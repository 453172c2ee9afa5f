//! What a fresh machine lacks: found where it may be, installed where it is not, and never without asking.

#![expect(clippy::print_stderr, reason = "setting up talks to the person at the terminal")]

pub mod java;
pub mod mariadb;
pub mod node;
pub mod packages;
pub mod pgadmin;
pub mod postgres;
pub mod tools;
pub mod venv;

use std::env;
use std::io::{self, BufRead, IsTerminal, Write};

use crate::Failure;

/// May we install what is missing?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Ask the person each time.
    Ask,
    /// They said yes beforehand: `--yes`, or the machine is CI's.
    Given,
}

impl Consent {
    /// Given by `--yes` or by `CI=true`.
    pub fn new(yes: bool) -> Self {
        let ci = env::var("CI").is_ok_and(|value| value == "true" || value == "1");
        if yes || ci { Self::Given } else { Self::Ask }
    }

    /// Returns when we may go on and install this.
    ///
    /// # Errors
    /// When the person says no, or there is nobody to ask.
    pub fn obtain(self, what: &str, how: &str) -> Result<(), Failure> {
        let missing =
            |cure: &str| Failure::Missing { what: what.to_owned(), cure: cure.to_owned() };
        match self {
            Self::Given => Ok(()),
            Self::Ask if !io::stdin().is_terminal() => {
                Err(missing(&format!("run `{how}`, or give --yes to have it done")))
            }
            Self::Ask => {
                eprint!("{what} is missing. Install it with `{how}`? [Y/n] ");
                io::stderr().flush().map_err(Failure::io("writing to the terminal"))?;
                let mut answer = String::new();
                io::stdin()
                    .lock()
                    .read_line(&mut answer)
                    .map_err(Failure::io("reading from the terminal"))?;
                match answer.trim() {
                    "" | "y" | "Y" | "yes" => Ok(()),
                    _ => Err(missing(&format!("install it by hand: {how}"))),
                }
            }
        }
    }
}

/// Tells the person what is going on.
pub fn say(line: &str) {
    eprintln!("{line}");
}
