//! What can go wrong while setting up, running and judging; told with the deed and its cause.

use std::io;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Why a developer's command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The operating system refused something.
    #[error("{deed}: {err}")]
    Io {
        /// What was being done.
        deed: String,
        /// What the system said.
        #[source]
        err: io::Error,
    },
    /// A program ran and said no.
    #[error("{program} ended with {status}\n{output}")]
    Program {
        /// The program with its arguments.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it had to say, both streams.
        output: String,
    },
    /// Something did not happen by its deadline.
    #[error("{what} did not happen within {} s\n{seen}", limit.as_secs())]
    TookTooLong {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// The last thing that was seen instead.
        seen: String,
    },
    /// A program that we need is not on this machine and was not installed.
    #[error("{what} is missing; {cure}")]
    Missing {
        /// What is missing.
        what: String,
        /// What to do about it.
        cure: String,
    },
    /// It ran, and what came out is not what should.
    #[error("expected {expected}, saw {saw}")]
    Unexpected {
        /// What should have been seen.
        expected: String,
        /// What was.
        saw: String,
    },
    /// The person pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// Wraps an operating system's error with the deed that met it.
    pub fn io(deed: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let deed = deed.into();
        move |err| Self::Io { deed, err }
    }

    /// Something other than expected came out.
    pub fn unexpected(expected: impl Into<String>, saw: impl Into<String>) -> Self {
        Self::Unexpected { expected: expected.into(), saw: saw.into() }
    }
}

/// Runs a program to its end and gives what it printed on standard output; both streams are in the failure.
///
/// # Errors
/// When it cannot be started, or ends with anything but success.
pub fn run(command: &mut Command) -> Result<String, Failure> {
    let program = words(command);
    let output = command.output().map_err(Failure::io(format!("starting {program}")))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Program { program, status: output.status, output: format!("{stdout}{stderr}") })
}

/// Runs a program to its end with our own terminal.
///
/// # Errors
/// When it cannot be started, or ends with anything but success.
pub fn run_loud(command: &mut Command) -> Result<(), Failure> {
    let program = words(command);
    let status = command.status().map_err(Failure::io(format!("starting {program}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Program { program, status, output: String::new() })
}

/// A command as a person would type it, for messages.
pub fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}
