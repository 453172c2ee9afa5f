use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use crate::paths::PathError;
use crate::{Problem, Refused};

/// Why there is no answer, or none that was hoped for.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody answers at any of the places.
    #[error("no daemon answers")]
    NotRunning {
        /// The places, each with what happened there.
        tried: Vec<Tried>,
    },
    /// There is a socket that we may not use.
    #[error("not permitted to use {path}")]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// The daemon answered, with a problem.
    #[error("{}", .0.message)]
    Problem(Box<Problem>),
    /// The daemon will not close a target that is in use.
    #[error("{}", .0.problem.message)]
    Refused(Box<Refused>),
    /// The daemon does not know the call: it is older or newer than this program.
    #[error("the daemon does not know {call}")]
    UnknownCall {
        /// The method and path.
        call: String,
    },
    /// No answer in time.
    #[error("no answer to {call} in {} s", .after.as_secs())]
    TimedOut {
        /// The method and path.
        call: String,
        /// How long we waited.
        after: Duration,
    },
    /// No daemon answers, and the program cannot be started that would in its place.
    #[error("starting {}", .program.display())]
    NoProgram {
        /// The program.
        program: PathBuf,
        /// Why it cannot.
        #[source]
        source: io::Error,
    },
    /// The program that was started in the daemon's place has ended without an answer.
    #[error("bastiond --oneshot has ended without an answer: {status}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
    },
    /// The daemon went away in the middle of its answer.
    #[error("the daemon went away while answering {call}")]
    Lost {
        /// The method and path.
        call: String,
        /// How it looked from here.
        #[source]
        source: hyper::Error,
    },
    /// The answer is none that this program understands.
    #[error("an answer to {call} that makes no sense")]
    Protocol {
        /// The method and path.
        call: String,
        /// What is odd about it.
        #[source]
        source: Oddity,
    },
}

/// What is odd about an answer.
#[derive(Debug, Error)]
pub enum Oddity {
    /// It is not JSON, or JSON of another shape.
    #[error("not the JSON that was expected")]
    Shape(#[from] serde_json::Error),
    /// It is a failure without a word of why.
    #[error("status {0} without a problem in it")]
    Status(StatusCode),
    /// It is longer than anything that a daemon says.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// The stream ended before its last word.
    #[error("it ended too early")]
    Cut,
}

/// A place where a daemon was looked for in vain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tried {
    /// The place.
    pub path: PathBuf,
    /// What happened.
    pub why: Why,
}

/// What happened where a daemon was looked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Why {
    /// There is no socket.
    Missing,
    /// There is a socket and nobody listens: left behind by a daemon that was killed.
    Refused,
    /// We may not use it.
    Denied,
    /// No socket can be there.
    Unusable(PathError),
    /// Anything else that the system said.
    Other(io::ErrorKind),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no socket there"),
            Self::Refused => f.write_str("nobody listens there"),
            Self::Denied => f.write_str("not permitted"),
            Self::Unusable(error) => write!(f, "{error}"),
            Self::Other(kind) => write!(f, "{kind}"),
        }
    }
}
