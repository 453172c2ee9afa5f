//! Binding a local port, so that whoever connects to it reaches us and nobody else.
//!
//! Loopback is two addresses: `localhost` is ::1 for some programs and 127.0.0.1 for others. Both are bound, or none:
//! with one of them in other hands, some clients would talk to the wrong database. Where this machine has no IPv6,
//! 127.0.0.1 is all there is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use thiserror::Error;

use super::shadow::{self, Owner};

/// Binds 127.0.0.1 and, where this machine has it, ::1. Not blocking; may look into the system's tables for a moment.
pub fn bind_loopback(port: u16) -> Result<Vec<TcpListener>, BindError> {
    let four = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let six = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
    let first = bind(four)?;
    // A port of the system's choice (tests ask for it) is one port, too.
    let six = SocketAddr::new(six.ip(), first.local_addr().map_or(port, |address| address.port()));
    match bind(six) {
        Ok(second) => Ok(vec![first, second]),
        Err(BindError::System { err, .. }) if is_no_ipv6(&err) => Ok(vec![first]),
        Err(err) => Err(err),
    }
}

/// Binds one address. Not blocking; may look into the system's tables for a moment.
///
/// The address may be bound again at once after we are gone (SO_REUSEADDR, set by the standard library), but never
/// together with a listener that stands.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(err) if err.kind() == io::ErrorKind::AddrInUse => return Err(taken(address)),
        Err(err) => return Err(BindError::System { address, err }),
    };
    // Linux has refused by now, and is spared the look at all of its sockets, which fifty targets' start would feel; macOS
    // lets 127.0.0.1:p be bound beside *:p, and the other program's users would be ours.
    if cfg!(not(target_os = "linux"))
        && address.port() != 0
        && let Some(owner) = in_the_way(address)
    {
        return Err(BindError::Shadowed { address, owner });
    }
    listener.set_nonblocking(true).map_err(|err| BindError::System { address, err })?;
    Ok(listener)
}

/// Why an address cannot be listened at.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another process, or another target, listens there.
    #[error("{address} is in use{}", by(owner.as_ref()))]
    Taken {
        /// The address that we wanted.
        address: SocketAddr,
        /// Who has it; none where the system does not tell, or where it is this process.
        owner: Option<Owner>,
    },
    /// Another process listens on every address, this one included.
    #[error("{address} is shadowed by {owner} on {}", owner.address)]
    Shadowed {
        /// The address that we wanted.
        address: SocketAddr,
        /// Who has it.
        owner: Owner,
    },
    /// The system said no: no such address here, or a port below 1024.
    #[error("binding {address}")]
    System {
        /// The address that we wanted.
        address: SocketAddr,
        /// Why not.
        #[source]
        err: io::Error,
    },
}

impl BindError {
    /// Whether the address may become free or appear by itself, so that trying again makes sense.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Taken { .. } | Self::Shadowed { .. } => true,
            Self::System { err, .. } => err.kind() == io::ErrorKind::AddrNotAvailable,
        }
    }

    /// Who stands in the way, where the system tells.
    pub fn owner(&self) -> Option<&Owner> {
        match self {
            Self::Taken { owner, .. } => owner.as_ref(),
            Self::Shadowed { owner, .. } => Some(owner),
            Self::System { .. } => None,
        }
    }
}

fn taken(address: SocketAddr) -> BindError {
    match in_the_way(address) {
        Some(owner)
            if owner.address.ip() != address.ip() && owner.address.ip().is_unspecified() =>
        {
            BindError::Shadowed { address, owner }
        }
        owner => BindError::Taken { address, owner },
    }
}

/// Whoever is in the way; the very address before a wildcard, a process that is known before one that is not.
fn in_the_way(address: SocketAddr) -> Option<Owner> {
    shadow::strangers(address.port())
        .into_iter()
        .filter(|owner| shadow::stands_in_the_way(owner.address, address))
        .min_by_key(|owner| (owner.address.ip() != address.ip(), owner.pid.is_none()))
}

fn by(owner: Option<&Owner>) -> String {
    owner.map_or_else(String::new, |owner| format!(" by {owner}"))
}

/// The address family is missing, or switched off for loopback.
fn is_no_ipv6(err: &io::Error) -> bool {
    err.kind() == io::ErrorKind::AddrNotAvailable
        || err.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// Whether an address can be reached from this machine alone.
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests;
