//! Who visits: the user, the process and the program at the other end of a local connection.
//!
//! ```text
//!   Linux, TCP    sock_diag: our two addresses ──▶ user, socket     at once, 20 µs, before anything else is done
//!                 /proc/*/fd: socket ──▶ process, program           meanwhile, half a millisecond (finder.rs)
//!   macOS, TCP    lsof: our two addresses ──▶ user, process, program
//!   Unix socket   the kernel hands all of it over
//! ```
//!
//! /proc/net/tcp would tell the same as sock_diag and costs milliseconds where there are a few hundred sockets, because
//! it tells of all of them; it is read where the kernel has no sock_diag. On macOS lsof shows a user nobody else's
//! processes: whoever it does not show is another user. It has to be started for each visit there; the crate around
//! libproc, which need not, wants libclang to be built.

mod finder;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpStream, UnixStream};

use crate::config::{Allow, Listen};

pub(super) use finder::Found;
pub use finder::{Finder, Process, Searching};

/// Who is at the other end of one connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Peer {
    /// Where they are.
    pub place: Place,
    /// Their user, where the system tells.
    pub uid: Option<u32>,
    /// What leads to the process.
    pub(super) trace: Trace,
}

/// Where a visitor is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Place {
    /// On this machine.
    #[default]
    Here,
    /// In a container on this machine.
    Container,
    /// On another machine, by way of an address that the config has exposed.
    Elsewhere,
}

/// What leads to a visitor's process.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Trace {
    /// Nothing.
    #[default]
    None,
    /// The number of their socket.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "Linux alone numbers sockets"))]
    Socket(u64),
    /// The process's number.
    Pid(u32),
    /// The process itself.
    #[cfg_attr(
        target_os = "linux",
        expect(dead_code, reason = "lsof tells it at once, and is not asked here")
    )]
    Process(Process),
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unwelcome {
    /// Of another user of this machine; of which, where the system tells.
    OtherUser(Option<u32>),
    /// In a container, which the config does not let in.
    Container,
}

/// Who came through a TCP listener; none where they have gone already.
pub(super) async fn of_tcp(stream: &TcpStream, listen: Listen) -> Option<Peer> {
    let (peer, local) = (stream.peer_addr().ok()?, stream.local_addr().ok()?);
    match place(peer.ip(), local.ip(), listen) {
        Place::Here => here(peer, local).await,
        place @ (Place::Container | Place::Elsewhere) => Some(Peer { place, ..Peer::default() }),
    }
}

/// Who came through a Unix socket.
pub(super) fn of_unix(stream: &UnixStream) -> Peer {
    let Ok(told) = stream.peer_cred() else { return Peer::default() };
    let pid = told.pid().and_then(|pid| u32::try_from(pid).ok());
    Peer { place: Place::Here, uid: Some(told.uid()), trace: pid.map_or(Trace::None, Trace::Pid) }
}

impl Peer {
    /// Whether they are let in.
    pub(super) fn admit(&self, allow: Allow, ours: u32) -> Result<(), Unwelcome> {
        match self.place {
            Place::Here if !allow.same_user_only || self.uid == Some(ours) => Ok(()),
            Place::Here => Err(Unwelcome::OtherUser(self.uid)),
            Place::Container if allow.docker => Ok(()),
            Place::Container => Err(Unwelcome::Container),
            // Whoever exposes a target wants others to reach it.
            Place::Elsewhere => Ok(()),
        }
    }
}

/// Whoever reaches one of our own addresses from that very address, or from loopback, is on this machine.
fn place(peer: IpAddr, local: IpAddr, listen: Listen) -> Place {
    let (peer, local) = (peer.to_canonical(), local.to_canonical());
    if peer.is_loopback() || peer == local {
        return Place::Here;
    }
    match listen {
        Listen::Docker(_) => Place::Container,
        Listen::Loopback(_) | Listen::Address(_) | Listen::Unix => Place::Elsewhere,
    }
}

#[cfg(target_os = "linux")]
#[expect(clippy::unused_async, reason = "elsewhere the answer takes its time")]
async fn here(peer: SocketAddr, local: SocketAddr) -> Option<Peer> {
    match linux::owner(peer, local) {
        Ok(owner) => Some(Peer {
            place: Place::Here,
            uid: Some(owner.uid),
            trace: Trace::Socket(owner.socket),
        }),
        Err(linux::Unknown::Gone) => None,
        Err(linux::Unknown::NotTold) => Some(Peer::default()),
    }
}

#[cfg(not(target_os = "linux"))]
async fn here(peer: SocketAddr, local: SocketAddr) -> Option<Peer> {
    let ask = move || super::shadow::lsof::holder(peer, local);
    let owner = tokio::task::spawn_blocking(ask).await.ok().flatten();
    Some(owner.map_or_else(Peer::default, |owner| Peer {
        place: Place::Here,
        uid: owner.uid,
        trace: match owner.pid {
            Some(pid) => Trace::Process(Process { pid, program: owner.program }),
            None => Trace::None,
        },
    }))
}
