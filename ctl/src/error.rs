//! A problem on the screen, and its exit code. The daemon's problems have codes of their own (D02 to D32); ours are:
//!
//! | code | what is wrong | said by |
//! |---|---|---|
//! | C01 | no daemon answers | here |
//! | C02 | its socket belongs to somebody else | here |
//! | C03 | it does not answer in time | here |
//! | C04 | it went away in the middle | here, `events.rs` |
//! | C05 | its answer makes no sense: it is of another version, or broken | here |
//! | C06 | the target is in use, and nobody can be asked | `close.rs` |
//! | C07 | stdout cannot be written | here |
//! | C08 | the system refuses what we need to start | here |
//! | C09 | what was waited for has not come | `wait.rs` |
//! | C10 | the config cannot be checked | `config.rs` |
//! | C11 | the config has no place | `config.rs` |
//! | C12 | the support bundle cannot be written | `doctor/bundle.rs` |
//! | C13 | a client's program is not installed | `handover.rs` |
//! | C14 | the target does not speak what the client does, or is found nowhere | `handover.rs`, `connect.rs` |
//! | C15 | a client's program cannot be started | `handover.rs` |
//! | C16 | a file is there already | `put.rs` |
//! | C17 | no target can be written for a client | `export.rs` |
//! | C20 | no service manager answers | `service/manager.rs` |
//! | C21 | a service manager refused what was asked of it | `service/` |
//! | C22 | bastiond is not installed as a service | `service.rs` |
//! | C23 | there is no bastiond to install | `service/program.rs` |
//! | C24 | a file cannot be written or removed | `service/`, `man.rs`, `put.rs` |
//! | C25 | the service's log cannot be read | `service/logs.rs` |
//! | C30 | no stack can be called so | `init/stack.rs` |
//! | C40 | top has no terminal to draw on | `top.rs` |
//! | C50 | a question that nobody can be asked, or that was not answered | `init/` |
//! | C51 | what init looks for is not there, or not suitable | `init/` |

use std::io;
use std::path::Path;

use bastion_api::client::{ClientError, Oddity, Tried, Why};
use bastion_api::{Problem, ProblemKind};

use crate::commands::service;
use crate::signals::Signal;
use crate::ui::Ui;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no answer from the daemon, or none that was hoped for.
    Client(ClientError),
    /// A problem, in words.
    Problem(Box<Problem>),
    /// All has been said; this is the kind of it.
    Told(ProblemKind),
    /// A signal ended us.
    Signal(Signal),
    /// The data cannot be written.
    Stdout(io::Error),
    /// The system refused something that we cannot do without.
    System(io::Error),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

/// Says how a command ended and gives its exit code.
pub(crate) fn conclude(done: Result<(), Failure>, ui: &mut Ui) -> u8 {
    let Err(failure) = done else { return 0 };
    match failure {
        Failure::Client(error) => tell(&explain(error), ui),
        Failure::Problem(problem) => tell(&problem, ui),
        Failure::Told(kind) => kind.exit_code(),
        Failure::Signal(signal) => {
            ui.part();
            signal.exit_code()
        }
        // Whoever read our output has seen enough: `bastionctl events | head -1`.
        Failure::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe => KILLED_BY_SIGPIPE,
        Failure::Stdout(error) => tell(&plain("C07", "cannot write to stdout", &error), ui),
        Failure::System(error) => tell(&plain("C08", "cannot start", &error), ui),
    }
}

/// What went wrong between us and the daemon, in words.
pub(crate) fn explain(error: ClientError) -> Problem {
    match error {
        ClientError::NotRunning { tried } => not_running(&tried),
        ClientError::Forbidden { path } => {
            let kind = ProblemKind::NotPermitted;
            Problem::new("C02", kind, "not permitted to talk to bastiond")
                .because(format!("{} belongs to somebody else", path.display()))
                .hint("set BASTION_SOCKET to the socket of your own bastiond")
        }
        ClientError::Problem(problem) => *problem,
        ClientError::Refused(refused) => refused.problem,
        ClientError::UnknownCall { call } => {
            Problem::new("C05", ProblemKind::Failed, "this bastiond cannot do that")
                .because(format!("it does not know {call}: it is of another version"))
                .hint("bastionctl version")
        }
        ClientError::TimedOut { call, after } => {
            let seconds = after.as_secs();
            Problem::new("C03", ProblemKind::TimedOut, "bastiond does not answer")
                .because(format!("no answer to {call} in {seconds} s"))
                .hint(restart())
        }
        ClientError::NoProgram { program, source } => no_program(&program, &source),
        ClientError::Ended { status } => {
            // What else ends it is somebody's signal.
            let kind = match status.code() {
                Some(PANICKED) => ProblemKind::Bug,
                Some(_) | None => ProblemKind::Failed,
            };
            Problem::new("C04", kind, "bastiond ended before it had answered")
                .because(format!("bastiond --oneshot, which was started for this call: {status}"))
                .hint("try again")
        }
        ClientError::Lost { call, source } => {
            Problem::new("C04", ProblemKind::NotRunning, "bastiond went away")
                .because(format!("its answer to {call} broke off: {source}"))
                .hint(service::how_to_start())
        }
        ClientError::Protocol { call, source } => odd(&call, &source),
    }
}

/// An answer that makes no sense, by what is odd about it.
fn odd(call: &str, oddity: &Oddity) -> Problem {
    let senseless = |kind| Problem::new("C05", kind, "bastiond's answer makes no sense");
    match oddity {
        // Another version is the likeliest reason for another shape.
        Oddity::Shape(error) => senseless(ProblemKind::Bug)
            .because(format!("the answer to {call} is {oddity}: {error}"))
            .hint("bastionctl version"),
        Oddity::TooLong(_) => senseless(ProblemKind::Bug)
            .because(format!("the answer to {call} is {oddity}"))
            .hint("bastionctl version"),
        Oddity::Status(_) => Problem::new("C05", ProblemKind::Failed, "bastiond gave no reason")
            .because(format!("the answer to {call}: {oddity}"))
            .hint(restart()),
        Oddity::Cut => Problem::new("C04", ProblemKind::NotRunning, "bastiond went away")
            .because(format!("its answer to {call} ended too early"))
            .hint(service::how_to_start()),
    }
}

/// There is no daemon where one was looked for.
fn not_running(tried: &[Tried]) -> Problem {
    let mut problem = Problem::new("C01", ProblemKind::NotRunning, "bastiond is not running");
    if tried.is_empty() {
        problem =
            problem.because("no place is known to look for it").hint("set HOME, or BASTION_SOCKET");
    }
    for place in tried {
        problem = problem.because(format!("{}: {}", place.path.display(), place.why));
    }
    let hints = tried.iter().filter_map(|place| match &place.why {
        Why::Unusable(error) => Some(error.hint()),
        Why::Missing | Why::Refused | Why::Denied | Why::Other(_) => None,
    });
    for hint in hints {
        problem = problem.hint(hint);
    }
    problem.hint(service::how_to_start()).hint(BY_HAND)
}

/// There is no daemon, and none can be started for the one call.
fn no_program(program: &Path, error: &io::Error) -> Problem {
    let problem = Problem::new("C01", ProblemKind::NotRunning, "bastiond is not running");
    if error.kind() != io::ErrorKind::NotFound {
        return problem
            .because(format!("nor can it be started for this call: {}: {error}", program.display()))
            .hint(service::how_to_start());
    }
    problem
        .because("there is no bastiond beside bastionctl, and none on PATH: it cannot be started for this call")
        .hint("put the two programs into one directory, or bastiond's on PATH")
}

/// How a daemon is started anew.
fn restart() -> &'static str {
    service::how_to_restart()
        .unwrap_or("end bastiond in its terminal with Ctrl-C, and start it again")
}

fn plain(code: &str, message: &str, error: &io::Error) -> Problem {
    Problem::new(code, ProblemKind::Failed, message).because(error.to_string())
}

fn tell(problem: &Problem, ui: &mut Ui) -> u8 {
    ui.problem(problem);
    problem.kind.exit_code()
}

/// How a daemon is started in this terminal.
const BY_HAND: &str = "bastiond  # in a terminal, until Ctrl-C";
/// The exit code of a program of Rust's that has panicked.
const PANICKED: i32 = 101;
/// The exit code of a program that SIGPIPE kills, as a shell shows it: 128 and 13.
const KILLED_BY_SIGPIPE: u8 = 141;
