//! Where no daemon answers: `bastiond --oneshot`, started for one call on a socket pair of which it gets one end.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::ClientError;

/// How such a one is started.
#[derive(Clone, Debug)]
pub(super) struct Oneshot {
    program: PathBuf,
    config: Option<PathBuf>,
}

impl Oneshot {
    /// The program beside ours or on PATH, with this config file or the usual one.
    pub(super) fn new(config: Option<&Path>) -> Self {
        Self { program: daemon_program(), config: config.map(Path::to_owned) }
    }

    /// Starts it. It ends when either of the two goes.
    pub(super) fn start(&self) -> Result<(UnixStream, Child), ClientError> {
        self.started()
            .map_err(|source| ClientError::NoProgram { program: self.program.clone(), source })
    }

    fn started(&self) -> io::Result<(UnixStream, Child)> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&self.program);
        command.arg("--oneshot").stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        let child = command.kill_on_drop(true).spawn()?;
        Ok((UnixStream::from_std(ours)?, child))
    }
}

/// How one came to its end that has not answered; none where it goes on all the same.
pub(super) async fn ended(mut child: Child) -> Option<ClientError> {
    let status = timeout(END, child.wait()).await.ok()?.ok()?;
    Some(ClientError::Ended { status })
}

/// bastiond beside our own program, where both were installed together; else the one on PATH.
pub fn daemon_program() -> PathBuf {
    let name = Path::new("bastiond");
    let ours = std::env::current_exe().ok();
    let beside = ours.and_then(|ours| Some(ours.parent()?.join(name)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| name.to_owned())
}

/// How long the end of a program takes that has closed its socket.
const END: Duration = Duration::from_secs(2);
