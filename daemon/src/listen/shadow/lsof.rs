//! macOS tells it through lsof, which is part of the system.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Command, Stdio};

use super::{Owner, plain};

pub(super) fn strangers(port: u16) -> Vec<Owner> {
    let ours = std::process::id();
    let mut found = PLACES.iter().find_map(|lsof| ask(lsof, port)).unwrap_or_default();
    found.retain(|owner| owner.pid != Some(ours));
    found
}

fn ask(lsof: &str, port: u16) -> Option<Vec<Owner>> {
    // Without `-b` lsof could wait for a dead network file system.
    let output = Command::new(lsof)
        .args(["-b", "-w", "-nP", "-Fpcutn", "-sTCP:LISTEN"])
        .arg(format!("-iTCP:{port}"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    Some(owners(&String::from_utf8_lossy(&output.stdout), port))
}

/// Reads lsof's lines for programs: `p` begins a process, `c` and `u` belong to it; `t` and `n` are one socket's.
pub(super) fn owners(lines: &str, port: u16) -> Vec<Owner> {
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
                let Some(address) = address_in(value, six) else { continue };
                if address.port() == port {
                    let program = program.clone();
                    owners.push(Owner { address: plain(address), pid, program, uid });
                }
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
