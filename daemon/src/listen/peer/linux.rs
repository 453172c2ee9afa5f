//! Whose a TCP socket of this machine is, by its two addresses.
//!
//! sock_diag is asked for one socket and answers at once:
//!
//! ```text
//!   nlmsghdr (16)  inet_diag_req_v2 (56): family, protocol, states, addresses  ──▶ kernel
//!   nlmsghdr (16)  inet_diag_msg (72): …, user at 64, inode at 68              ◀── kernel
//! ```
//!
//! include/uapi/linux/{netlink,inet_diag}.h; all of it in the machine's own order but ports and addresses.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use super::super::shadow::{linux as proc, plain};

/// Whose a socket is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    /// Its number, as /proc/PID/fd shows it.
    pub(super) socket: u64,
}

/// Why nobody can say whose it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unknown {
    /// It was closed.
    Gone,
    /// The system does not tell.
    NotTold,
}

/// Whose the socket is that is bound to `local` and connected to `remote`.
pub(super) fn owner(local: SocketAddr, remote: SocketAddr) -> Result<Owner, Unknown> {
    let (local, remote) = (plain(local), plain(remote));
    match diag(local, remote) {
        Ok(found) => found.ok_or(Unknown::Gone),
        Err(Errno::NOENT) => Err(Unknown::Gone),
        Err(_) => in_tables(local, remote),
    }
}

/// What sock_diag says; nobody where the socket outlives its process.
pub(super) fn diag(local: SocketAddr, remote: SocketAddr) -> Result<Option<Owner>, Errno> {
    let kernel = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    send(&kernel, &request(local, remote), SendFlags::empty())?;
    let mut answer = [0; 512];
    // The kernel has answered before it takes the question as sent.
    let (length, _) = recv(&kernel, &mut answer, RecvFlags::DONTWAIT)?;
    answered(&answer[..length])
}

fn request(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let mut request = Vec::with_capacity(REQUEST);
    request.extend_from_slice(&(REQUEST as u32).to_ne_bytes());
    request.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    request.extend_from_slice(&[0; 8]); // number and sender: one question, one answer
    request.extend_from_slice(&[family.as_raw() as u8, TCP, 0, 0]);
    request.extend_from_slice(&u32::MAX.to_ne_bytes()); // in whatever state
    request.extend_from_slice(&local.port().to_be_bytes());
    request.extend_from_slice(&remote.port().to_be_bytes());
    request.extend_from_slice(&sixteen(local.ip()));
    request.extend_from_slice(&sixteen(remote.ip()));
    request.extend_from_slice(&[0; 4]); // through whatever interface
    request.extend_from_slice(&[0xff; 8]); // with whatever cookie
    request
}

fn answered(answer: &[u8]) -> Result<Option<Owner>, Errno> {
    let word = |at: usize| {
        let bytes = answer.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_ne_bytes(bytes))
    };
    let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes);
    match kind {
        Some(SOCK_DIAG_BY_FAMILY) => {
            let (uid, inode) = word(UID).zip(word(INODE)).ok_or(Errno::BADMSG)?;
            // A socket without a number has no process any more, and its user is not told.
            Ok((inode != 0).then_some(Owner { uid, socket: u64::from(inode) }))
        }
        Some(NLMSG_ERROR) => {
            let code = word(16).map_or(0, |code| (code as i32).wrapping_neg());
            Err(Errno::from_raw_os_error(code))
        }
        Some(_) | None => Err(Errno::BADMSG),
    }
}

/// What /proc/net/tcp and tcp6 say.
pub(super) fn in_tables(local: SocketAddr, remote: SocketAddr) -> Result<Owner, Unknown> {
    let mut told = false;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(text) = fs::read_to_string(table) else { continue };
        told = true;
        let mut lines = proc::sockets(&text);
        let wanted =
            |line: &proc::Line<'_>| plain(line.local) == local && plain(line.remote) == remote;
        if let Some(line) = lines.find(wanted).filter(|line| line.inode != 0) {
            return Ok(Owner { uid: line.uid, socket: line.inode });
        }
    }
    Err(if told { Unknown::Gone } else { Unknown::NotTold })
}

/// An address as sock_diag wants it: an IPv4 one in the first four bytes.
fn sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&ip.octets());
            bytes
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

const SOCK_DIAG_BY_FAMILY: u16 = 20; // linux/sock_diag.h
const NLMSG_ERROR: u16 = 2; // linux/netlink.h
const NLM_F_REQUEST: u16 = 1; // linux/netlink.h
const TCP: u8 = 6; // IPPROTO_TCP
const REQUEST: usize = 16 + 56; // bytes
/// Where the answer has the user, and where the inode: behind a header of 16 bytes and an inet_diag_sockid that ends at 52.
const UID: usize = 16 + 64;
const INODE: usize = 16 + 68;
