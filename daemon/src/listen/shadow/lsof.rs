//! macOS tells it through lsof, which is part of the system.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Command, Stdio};

use super::{Owner, plain};

pub(super) fn strangers(port: u16) -> Vec<Owner> {
    let ours = std::process::id();
    let mut found = owners(&ask(port, "LISTEN"), port);
    found.retain(|owner| owner.pid != Some(ours));
    found
}

/// Who holds the socket at `peer` that is connected to `local`, of the processes that lsof shows us: our own user's,
/// unless we are root.
pub(in crate::listen) fn holder(peer: SocketAddr, local: SocketAddr) -> Option<Owner> {
    let connected = format!("{peer}->{local}");
    read(&ask(peer.port(), "^LISTEN"), |name, _| (name == connected).then_some(peer)).pop()
}

/// What lsof says of a port's sockets; nothing where there is no lsof.
fn ask(port: u16, state: &str) -> String {
    let ask = |lsof: &&str| {
        // Without `-b` lsof could wait for a dead network file system.
        Command::new(lsof)
            .args(["-b", "-w", "-nP", "-Fpcutn"])
            .arg(format!("-sTCP:{state}"))
            .arg(format!("-iTCP:{port}"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()
    };
    let said = PLACES.iter().find_map(ask).map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).into_owned()
}

/// The listeners of a port in lsof's lines.
pub(super) fn owners(lines: &str, port: u16) -> Vec<Owner> {
    let listens = |name: &str, six| address_in(name, six).filter(|at| at.port() == port);
    read(lines, listens)
}

/// Reads lsof's lines for programs: `p` begins a process, `c` and `u` belong to it; `t` and `n` are one socket's. A socket
/// counts whose name is one that is looked for; its address is what that gives.
fn read(lines: &str, wanted: impl Fn(&str, bool) -> Option<SocketAddr>) -> Vec<Owner> {
    let mut owners = Vec::new();
    let (mut pid, mut program, mut uid, mut six) = (None, None, None, false);
    for line in lines.lines() {
        let Some((kind, value)) = line.split_at_checked(1) else { continue };
        match kind {
            "p" => (pid, program, uid) = (value.parse().ok(), None, None),
            "c" => program = Some(value.to_owned()),
            "u" => uid = value.parse().ok(),
            "t" => six = value == "IPv6",
            "n" => {
                let Some(address) = wanted(value, six) else { continue };
                let program = program.clone();
                owners.push(Owner { address: plain(address), pid, program, uid });
            }
            _ => {}
        }
    }
    owners
}

/// `*:15432`, `127.0.0.1:15432` or `[::1]:15432`.
fn address_in(text: &str, six: bool) -> Option<SocketAddr> {
    let Some(port) = text.strip_prefix("*:") else { return text.parse().ok() };
    let ip =
        if six { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    Some(SocketAddr::new(ip, port.parse().ok()?))
}

// A service manager's PATH may lack them.
const PLACES: [&str; 2] = ["/usr/sbin/lsof", "/usr/bin/lsof"];
