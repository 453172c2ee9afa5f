//! Where a target listens, and whether another target does too.

use std::net::{IpAddr, SocketAddr};

use super::Listen;
use super::fault::Faults;
use super::file::{At, Place};
use super::words;

/// Which ports are taken by which target.
#[derive(Default)]
pub(super) struct Claims(Vec<Claim>);

struct Claim {
    listen: Listen,
    target: String,
    line: usize,
}

/// What one target's `listen` means.
pub(super) fn check(
    written: At<Vec<At<Place>>>,
    target: &str,
    exposed: bool,
    key: &str,
    claims: &mut Claims,
    faults: &mut Faults,
) -> Vec<Listen> {
    if written.value.is_empty() {
        faults.add(written.line, key, "names no place", "write listen = 15432");
    }
    let ports: Vec<u16> = written
        .value
        .iter()
        .filter_map(|item| match item.value {
            Place::Port(port) => to_port(port),
            Place::Word(_) => None,
        })
        .collect();
    let mut places = Vec::new();
    for item in written.value {
        let line = item.line;
        let meant = match item.value {
            Place::Port(port) => match to_port(port) {
                Some(port) => vec![Listen::Loopback(port)],
                None => {
                    let reason = format!("{port} is no port");
                    faults.add(line, key, reason, "a port is between 1 and 65535");
                    Vec::new()
                }
            },
            Place::Word(word) => match meaning(&word, &ports, exposed) {
                Ok(listens) => listens,
                Err((reason, hint)) => {
                    faults.add(line, key, reason, hint);
                    Vec::new()
                }
            },
        };
        for listen in meant {
            if claims.claim(listen, target, line, key, faults) {
                places.push(listen);
            }
        }
    }
    places
}

/// What a word means, or what is wrong with it and what to do.
fn meaning(word: &str, ports: &[u16], exposed: bool) -> Result<Vec<Listen>, (String, String)> {
    match word {
        "unix" => return Ok(vec![Listen::Unix]),
        "docker" if ports.is_empty() => {
            let hint = "name the port beside it: listen = [15432, \"docker\"]";
            return Err(("\"docker\" needs a port".to_owned(), hint.to_owned()));
        }
        "docker" => return Ok(ports.iter().copied().map(Listen::Docker).collect()),
        _ => {}
    }
    let Ok(address) = word.parse::<SocketAddr>() else {
        return Err((format!("there is no {word:?}"), suggestion(word)));
    };
    if address.port() == 0 {
        return Err(("0 is no port".to_owned(), "a port is between 1 and 65535".to_owned()));
    }
    if !exposed && !address.ip().is_loopback() {
        let reason = format!("{address} can be reached from other machines");
        let hint = match address.ip().is_unspecified() {
            true => format!(
                "add exposed = true if that is meant; containers need only [{}, \"docker\"]",
                address.port()
            ),
            false => "add exposed = true if that is meant".to_owned(),
        };
        return Err((reason, hint));
    }
    Ok(vec![Listen::Address(address)])
}

fn suggestion(word: &str) -> String {
    if word.parse().ok().and_then(to_port).is_some() {
        return format!("write the port without quotes: {word}");
    }
    if let Some((host, port)) = word.rsplit_once(':')
        && port.parse().ok().and_then(to_port).is_some()
    {
        return match host {
            "localhost" | "" | "*" => format!("write the port alone: {port}"),
            _ => "write an address in place of the name; IPv6 in brackets: \"[::1]:15432\""
                .to_owned(),
        };
    }
    if let Ok(ip) = word.parse::<IpAddr>() {
        return format!("add the port: {:?}", SocketAddr::new(ip, 15432).to_string());
    }
    words::did_you_mean(word, &["docker", "unix"])
        .unwrap_or_else(|| "write a port, \"docker\", \"unix\", or \"ADDRESS:PORT\"".to_owned())
}

fn to_port(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port != 0)
}

impl Claims {
    /// Whether this target may have it; if not, says who has it.
    fn claim(
        &mut self,
        listen: Listen,
        target: &str,
        line: usize,
        key: &str,
        faults: &mut Faults,
    ) -> bool {
        let taken = self.0.iter().find(|claim| match listen {
            // Its path holds the target's name.
            Listen::Unix => claim.listen == listen && claim.target == target,
            Listen::Loopback(_) | Listen::Docker(_) | Listen::Address(_) => {
                meet(claim.listen, listen)
            }
        });
        if let Some(claim) = taken {
            let (reason, hint) = if claim.target == target {
                (format!("{} is named twice", named(listen)), "remove one")
            } else {
                (
                    format!(
                        "{} is taken by target {:?} (line {})",
                        named(listen),
                        claim.target,
                        claim.line
                    ),
                    "give each target a port of its own",
                )
            };
            faults.add(line, key, reason, hint);
            return false;
        }
        self.0.push(Claim { listen, target: target.to_owned(), line });
        true
    }
}

fn named(listen: Listen) -> String {
    match listen {
        Listen::Loopback(port) => format!("port {port}"),
        Listen::Docker(port) => format!("port {port} on docker"),
        Listen::Unix => "\"unix\"".to_owned(),
        Listen::Address(address) => address.to_string(),
    }
}

impl Listen {
    /// The port, where it has one.
    pub fn port(self) -> Option<u16> {
        match self {
            Self::Loopback(port) | Self::Docker(port) => Some(port),
            Self::Address(address) => Some(address.port()),
            Self::Unix => None,
        }
    }
}

/// Whether both would bind the same port of the same address.
pub(super) fn meet(one: Listen, other: Listen) -> bool {
    match (one, other) {
        (Listen::Loopback(one), Listen::Loopback(other)) => one == other,
        (Listen::Docker(one), Listen::Docker(other)) => one == other,
        (Listen::Loopback(_), Listen::Docker(_)) | (Listen::Docker(_), Listen::Loopback(_)) => {
            false
        }
        (Listen::Loopback(port), Listen::Address(at))
        | (Listen::Address(at), Listen::Loopback(port)) => {
            let ours = ["127.0.0.1", "::1"].map(|ip| ip.parse().expect("an address"));
            at.port() == port && (at.ip().is_unspecified() || ours.contains(&at.ip()))
        }
        (Listen::Docker(port), Listen::Address(at))
        | (Listen::Address(at), Listen::Docker(port)) => {
            at.port() == port && at.ip().is_unspecified()
        }
        (Listen::Address(one), Listen::Address(other)) => {
            let wide = one.ip().is_unspecified() || other.ip().is_unspecified();
            one.port() == other.port() && (one.ip() == other.ip() || wide)
        }
        (Listen::Unix, _) | (_, Listen::Unix) => false,
    }
}
