//! The service manager that started us: what it is told, what it hands over, and the signals by which it speaks.
//!
//! systemd is spoken to through `NOTIFY_SOCKET` and `LISTEN_FDS`. launchd wants neither: there, and where nobody set
//! the variables, all of this does nothing.
//!
//! | signal | means |
//! |---|---|
//! | SIGTERM, SIGINT | stop; a second one: at once |
//! | SIGHUP | read the config again; where it comes because our terminal has gone, stop |

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// What a service manager is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Notice<'a> {
    /// The start, or a reload, is over; whoever waits for us may go on.
    Ready,
    /// The config is being read again; [`Notice::Ready`] follows.
    Reloading,
    /// The stop has begun.
    Stopping,
    /// We live.
    Alive,
    /// How things are, in one line, for `systemctl status`.
    Status(&'a str),
}

/// Tells the service manager, where there is one. That it cannot be reached is no reason to stop.
pub fn notify(notices: &[Notice<'_>]) {
    let states: Vec<NotifyState<'_>> = notices
        .iter()
        .flat_map(|notice| match notice {
            Notice::Ready => vec![NotifyState::Ready],
            // systemd wants to know since when, for a `Type=notify-reload`.
            Notice::Reloading => {
                let since = NotifyState::monotonic_usec_now().ok();
                std::iter::once(NotifyState::Reloading).chain(since).collect()
            }
            Notice::Stopping => vec![NotifyState::Stopping],
            Notice::Alive => vec![NotifyState::Watchdog],
            // A new line would begin another variable.
            Notice::Status(text) => {
                vec![NotifyState::Status(text.lines().next().unwrap_or_default())]
            }
        })
        .collect();
    if let Err(err) = sd_notify::notify(&states) {
        debug!(%err, "service manager not told");
    }
}

/// Tells the service manager that we live as often as it wants to hear it, as long as `answers` does answer; without an
/// answer it is told nothing, and starts us anew. Ends where it does not want to hear it.
pub async fn watchdog<F: Future>(answers: impl Fn() -> F) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    // Half of it, as sd_watchdog_enabled(3) advises.
    let pause = limit / 2;
    loop {
        match timeout(pause, answers()).await {
            Ok(_) => notify(&[Notice::Alive]),
            Err(_) => {
                warn!("the keeper does not answer: the service manager is not told that we live")
            }
        }
        sleep(pause.max(LEAST_PAUSE)).await;
    }
}

/// The signals that ask us for something.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
    /// Whether we were started in a terminal.
    in_terminal: bool,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// The end; by the signal of this name.
    Stop(&'static str),
    /// Another look at the config.
    Reload,
}

impl Signals {
    /// Listens from here on.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            in_terminal: has_terminal(),
        })
    }

    /// What the next one asks for.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.term.recv() => Asked::Stop("SIGTERM"),
            _ = self.int.recv() => Asked::Stop("SIGINT"),
            _ = self.hup.recv() => self.hung_up(),
        }
    }

    /// The name of the next one that asks for the end.
    pub async fn stop(&mut self) -> &'static str {
        loop {
            if let Asked::Stop(name) = self.next().await {
                return name;
            }
        }
    }

    fn hung_up(&self) -> Asked {
        // Whoever closes the terminal that we run in expects us to go with it; under a service manager there was none.
        if self.in_terminal && !has_terminal() { Asked::Stop("SIGHUP") } else { Asked::Reload }
    }
}

/// Whether this process has a terminal, wherever its streams lead.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// The control socket that the service manager has bound for us, where it has.
///
/// To be called once, before other threads run: it takes `LISTEN_FDS` out of the environment, so that no child of ours
/// takes the socket for its own.
pub fn inherited_control_socket() -> io::Result<Option<UnixListener>> {
    let mut inherited = ListenFd::from_env();
    if inherited.len() > 1 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{} sockets were handed over, only the control socket is known",
                inherited.len()
            ),
        ));
    }
    let Some(socket) = inherited.take_unix_listener(0)? else { return Ok(None) };
    socket.set_nonblocking(true)?;
    Ok(Some(socket))
}

/// The socket that `bastionctl` has started us with, as standard input: it stands for one caller.
pub fn inherited_caller() -> io::Result<UnixStream> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    match socket.peer_addr() {
        Ok(_) => Ok(socket),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "standard input is no socket of a caller: bastionctl starts --oneshot by itself",
        )),
    }
}

/// The user that this process acts as, who alone may use the control socket.
pub fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// However often somebody wants to hear from us, we do nothing else besides.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
