//! Who else listens on a port.
//!
//! A port may be taken outright, or half: somebody's `0.0.0.0:15432` or `[::1]:15432` beside our `127.0.0.1:15432`
//! lets clients talk to the wrong database without an error. Whoever it is should be named: the system tells by
//!
//! ```text
//!   Linux   /proc/net/tcp{,6}: address, user, inode ──▶ /proc/PID/fd/*: socket:[inode] ──▶ pid, program
//!   macOS   lsof -nP -iTCP:PORT -sTCP:LISTEN
//! ```
//!
//! Neither tells a user about another user's process; then the address, and on Linux the user, is all there is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A listening socket of another process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process, where the system tells.
    pub pid: Option<u32>,
    /// The program's name, where the system tells.
    pub program: Option<String>,
    /// The user, where the system tells.
    pub uid: Option<u32>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = in_words(self.program.as_deref(), self.pid, self.uid);
        f.write_str(told.as_deref().unwrap_or("another process"))
    }
}

/// `psql (pid 4711)`, `docker`, `a process of user 33`: somebody, as far as the system tells.
pub(super) fn in_words(
    program: Option<&str>,
    pid: Option<u32>,
    uid: Option<u32>,
) -> Option<String> {
    Some(match (program, pid, uid) {
        (Some(program), Some(pid), _) => format!("{program} (pid {pid})"),
        (Some(program), None, _) => program.to_owned(),
        (None, Some(pid), _) => format!("pid {pid}"),
        (None, None, Some(uid)) => format!("a process of user {uid}"),
        (None, None, None) => return None,
    })
}

/// Whether a client of `wanted` could end up at this listener, or keeps us from listening there.
pub fn stands_in_the_way(owner: SocketAddr, wanted: SocketAddr) -> bool {
    owner.port() == wanted.port()
        && (owner.ip() == wanted.ip()
            || owner.ip().is_unspecified()
            || wanted.ip().is_unspecified())
}

/// Every listener on this port that is not this process's. Blocks for a moment; what cannot be seen is left out.
pub fn strangers(port: u16) -> Vec<Owner> {
    #[cfg(target_os = "linux")]
    return linux::strangers(port);
    #[cfg(not(target_os = "linux"))]
    return lsof::strangers(port);
}

/// The address of Docker's bridge on this machine, which containers reach; none while there is no bridge.
///
/// Docker Desktop on macOS has no bridge here and needs none: it lets containers reach loopback.
pub fn docker_gateway() -> Option<Ipv4Addr> {
    #[cfg(target_os = "linux")]
    return linux::docker_gateway();
    #[cfg(not(target_os = "linux"))]
    return None;
}

/// An IPv4 address in IPv6's clothes is the IPv4 address.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => SocketAddr::new(ip.into(), address.port()),
            None => address,
        },
        IpAddr::V4(_) => address,
    }
}

#[cfg(target_os = "linux")]
pub(super) mod linux;
#[cfg(any(test, not(target_os = "linux")))]
pub(super) mod lsof;

#[cfg(test)]
pub(super) mod tests;
