//! The service manager's own programs, found on PATH: what they are asked, and what they say.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use bastion_api::{Problem, ProblemKind};
use tokio::process::Command;
use tokio::time::timeout;

use crate::error::Failure;
use crate::words::clean;

/// A program and its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Call {
    program: &'static str,
    arguments: Vec<String>,
}

/// What a program said.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// Whether it ended well.
    pub(super) ok: bool,
    /// What it printed.
    pub(super) out: String,
    /// What it complained of.
    pub(super) err: String,
}

/// Why a program said nothing.
#[derive(Debug)]
pub(super) enum Mute {
    /// It is not on PATH.
    Missing,
    /// It did not end in time.
    Slow,
    /// It cannot be run.
    System(io::Error),
}

impl Call {
    /// A call of this program.
    pub(super) fn new<A: AsRef<OsStr>>(
        program: &'static str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let text = |argument: A| argument.as_ref().to_string_lossy().into_owned();
        Self { program, arguments: arguments.into_iter().map(text).collect() }
    }

    /// The program's name.
    pub(super) fn program(&self) -> &'static str {
        self.program
    }

    /// The call as a process that is still to be started.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.args(&self.arguments).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs it to its end and says what it said, whether it ended well or not.
    pub(super) async fn ask(&self) -> Result<Said, Mute> {
        // Its words are looked at.
        let mut command = self.command();
        let Ok(ran) = timeout(LIMIT, command.env("LC_ALL", "C").output()).await else {
            return Err(Mute::Slow);
        };
        match ran {
            Ok(output) => Ok(Said {
                ok: output.status.success(),
                out: String::from_utf8_lossy(&output.stdout).into_owned(),
                err: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Mute::Missing),
            Err(error) => Err(Mute::System(error)),
        }
    }

    /// Runs it to its end; that it did not end well is a problem.
    pub(super) async fn run(&self) -> Result<(), Failure> {
        match self.ask().await {
            Ok(said) if said.ok => Ok(()),
            Ok(said) => Err(self.refused(&said).into()),
            Err(mute) => Err(self.mute(&mute).into()),
        }
    }

    /// It ran and refused.
    fn refused(&self, said: &Said) -> Problem {
        let mut problem = self.problem();
        let lines = said.err.lines().chain(said.out.lines()).map(str::trim);
        for line in lines.filter(|line| !line.is_empty()).take(MOST_LINES) {
            problem = problem.because(clean(line));
        }
        problem
    }

    /// It said nothing.
    pub(super) fn mute(&self, mute: &Mute) -> Problem {
        match mute {
            Mute::Missing => self.problem().because(format!("{} is not on PATH", self.program)),
            Mute::Slow => {
                let seconds = LIMIT.as_secs();
                let message = format!("{self} did not end in {seconds} s");
                Problem::new("C21", ProblemKind::TimedOut, message)
            }
            Mute::System(error) => self.problem().because(error.to_string()),
        }
    }

    fn problem(&self) -> Problem {
        Problem::new("C21", ProblemKind::Failed, format!("{self} failed"))
    }
}

impl fmt::Display for Call {
    /// As one types it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        self.arguments
            .iter()
            .try_for_each(|argument| write!(f, " {}", crate::address::shell(argument)))
    }
}

/// How long a program may take: a service's stop has 90 s, for its bastions are stopped before.
const LIMIT: Duration = Duration::from_secs(120);
/// How many lines of a complaint are repeated: the reason stands in the first.
const MOST_LINES: usize = 4;
