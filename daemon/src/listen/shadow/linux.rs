//! Linux tells it all in /proc.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Owner, plain};

pub(super) fn strangers(port: u16) -> Vec<Owner> {
    let mut listeners = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        // Without IPv6 there is no tcp6.
        let text = fs::read_to_string(table).unwrap_or_default();
        listeners.extend(listening(&text).filter(|found| found.address.port() == port));
    }
    if listeners.is_empty() {
        return Vec::new();
    }
    let ours = inodes_of("self");
    listeners.retain(|found| !ours.contains(&found.inode));
    if listeners.is_empty() {
        // Every process would be looked at for nothing.
        return Vec::new();
    }
    let holders = holders(&listeners);
    listeners
        .into_iter()
        .map(|found| {
            let holder = holders.get(&found.inode);
            Owner {
                address: plain(found.address),
                pid: holder.map(|(pid, _)| *pid),
                program: holder.and_then(|(_, program)| program.clone()),
                uid: Some(found.uid),
            }
        })
        .collect()
}

pub(super) fn docker_gateway() -> Option<Ipv4Addr> {
    let routes = fs::read_to_string("/proc/net/route").ok()?;
    let trie = fs::read_to_string("/proc/net/fib_trie").ok()?;
    gateway(&routes, &trie)
}

/// A line of /proc/net/tcp that listens.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    pub(super) uid: u32,
    pub(super) inode: u64,
}

pub(super) fn listening(table: &str) -> impl Iterator<Item = Listening> {
    sockets(table).filter(|socket| socket.state == LISTEN).map(|socket| Listening {
        address: socket.local,
        uid: socket.uid,
        inode: socket.inode,
    })
}

/// A line of /proc/net/tcp.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::listen) struct Line<'a> {
    pub(in crate::listen) local: SocketAddr,
    pub(in crate::listen) remote: SocketAddr,
    state: &'a str,
    pub(in crate::listen) uid: u32,
    pub(in crate::listen) inode: u64,
}

pub(in crate::listen) fn sockets(table: &str) -> impl Iterator<Item = Line<'_>> {
    table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let local = address_in(columns.next()?)?;
        let remote = address_in(columns.next()?)?;
        let state = columns.next()?;
        let uid = columns.nth(3)?.parse().ok()?;
        let inode = columns.nth(1)?.parse().ok()?;
        Some(Line { local, remote, state, uid, inode })
    })
}

/// `0100007F:3C50` is 127.0.0.1:15440: the address in words of 32 bits as this machine keeps them, the port not.
fn address_in(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let word = u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Which process holds each of these sockets, as far as we may look.
fn holders(listeners: &[Listening]) -> HashMap<u64, (u32, Option<String>)> {
    let mut holders = HashMap::new();
    for pid in processes() {
        if holders.len() == listeners.len() {
            break;
        }
        let inodes = inodes_of(&pid.to_string());
        for found in listeners.iter().filter(|found| inodes.contains(&found.inode)) {
            holders.entry(found.inode).or_insert_with(|| (pid, program(pid)));
        }
    }
    holders
}

/// Every process that /proc shows.
pub(in crate::listen) fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The sockets that a process has open, as far as we may look.
pub(in crate::listen) fn inodes_of(process: &str) -> Vec<u64> {
    // Another user's process shows us nothing.
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return Vec::new() };
    let inode = |file: fs::DirEntry| {
        let link = fs::read_link(file.path()).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    files.flatten().filter_map(inode).collect()
}

/// A process's name, as its kernel keeps it.
pub(in crate::listen) fn program(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned()).filter(|name| !name.is_empty())
}

/// Docker's bridge: the one of this machine's own addresses (fib_trie) that lies in a network reached through the
/// interface docker0 (route). Neither table alone tells which address is whose.
pub(super) fn gateway(routes: &str, trie: &str) -> Option<Ipv4Addr> {
    let networks: Vec<(u32, u32)> = routes.lines().filter_map(docker_network).collect();
    own_addresses(trie).find(|ip| {
        let ip = u32::from(*ip);
        networks.iter().any(|(network, mask)| ip & mask == *network)
    })
}

/// The network and mask in a line of /proc/net/route that is about docker0.
fn docker_network(line: &str) -> Option<(u32, u32)> {
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    let &[BRIDGE, network, "00000000", _, _, _, _, mask, ..] = &columns[..] else { return None };
    let word = |text| {
        u32::from_str_radix(text, 16).ok().map(|word| u32::from_be_bytes(word.to_ne_bytes()))
    };
    let (network, mask) = (word(network)?, word(mask)?);
    // A default route through the bridge would take in every address.
    (mask != 0).then_some((network, mask))
}

/// The addresses of /proc/net/fib_trie that are this machine's: each is a line before its `/32 host LOCAL`.
fn own_addresses(trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    trie.lines().zip(trie.lines().skip(1)).filter_map(|(address, kind)| {
        if !kind.contains("/32 host LOCAL") {
            return None;
        }
        address.trim_start().strip_prefix("|-- ")?.trim_end().parse().ok()
    })
}

const LISTEN: &str = "0A"; // TCP_LISTEN, include/net/tcp_states.h
const BRIDGE: &str = "docker0";
