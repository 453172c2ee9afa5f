use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::sleep;

use super::error::{ClientError, Tried, Why};
use crate::paths::fits;

/// A stream to the first place where somebody answers.
pub(super) async fn dial(places: &[PathBuf]) -> Result<UnixStream, ClientError> {
    let mut waited = Duration::ZERO;
    loop {
        let mut tried = Vec::new();
        for path in places {
            match connect(path).await {
                Ok(stream) => return Ok(stream),
                Err(why) => tried.push(Tried { path: path.clone(), why }),
            }
        }
        if let Some(denied) = tried.iter().find(|tried| tried.why == Why::Denied) {
            return Err(ClientError::Forbidden { path: denied.path.clone() });
        }
        // A daemon that is starting replaces the socket that its predecessor left behind.
        let starting = tried.iter().any(|tried| tried.why == Why::Refused);
        if !starting || waited >= STARTING {
            return Err(ClientError::NotRunning { tried });
        }
        sleep(AGAIN).await;
        waited += AGAIN;
    }
}

async fn connect(path: &Path) -> Result<UnixStream, Why> {
    fits(path).map_err(Why::Unusable)?;
    UnixStream::connect(path).await.map_err(|error| why(&error))
}

fn why(error: &io::Error) -> Why {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the kinds are the system's, not ours")]
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Why::Missing,
        io::ErrorKind::ConnectionRefused => Why::Refused,
        io::ErrorKind::PermissionDenied => Why::Denied,
        other => Why::Other(other),
    }
}

/// How long a socket that nobody listens on may be a daemon's that is starting: from its lock to its bind.
const STARTING: Duration = Duration::from_millis(500);
/// How long until it is tried again; short, for a person waits.
const AGAIN: Duration = Duration::from_millis(25);
