//! The service manager that started us: what it is told, and what it hands over.
//!
//! systemd is spoken to through `NOTIFY_SOCKET` and `LISTEN_FDS`. launchd wants neither: there, and where nobody set
//! the variables, all of this does nothing.

use std::io;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tracing::debug;

/// What a service manager is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Notice<'a> {
    /// The start is over; whoever waits for us may go on.
    Ready,
    /// The stop has begun.
    Stopping,
    /// How things are, in one line, for `systemctl status`.
    Status(&'a str),
}

/// Tells the service manager, where there is one. That it cannot be reached is no reason to stop.
pub fn notify(notices: &[Notice<'_>]) {
    let states: Vec<NotifyState<'_>> = notices
        .iter()
        .map(|notice| match notice {
            Notice::Ready => NotifyState::Ready,
            Notice::Stopping => NotifyState::Stopping,
            // A new line would begin another variable.
            Notice::Status(text) => NotifyState::Status(text.lines().next().unwrap_or_default()),
        })
        .collect();
    if let Err(err) = sd_notify::notify(&states) {
        debug!(%err, "service manager not told");
    }
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

/// The user that this process acts as, who alone may use the control socket.
pub fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests;
