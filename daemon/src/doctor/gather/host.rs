//! What this machine tells of a target's port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use bastion_api::Problem;

use super::super::HostFacts;
use crate::config::{Listen, Target};
use crate::listen::shadow;

/// Who stands in the way, and which port is free where somebody does.
pub(super) async fn look(target: Arc<Target>, problem: Option<Problem>) -> HostFacts {
    // It reads tables of the system, for a moment.
    let looked = tokio::task::spawn_blocking(move || at(&target, problem)).await;
    looked.unwrap_or_default()
}

fn at(target: &Target, problem: Option<Problem>) -> HostFacts {
    let wanted: Vec<SocketAddr> = target.listen.iter().flat_map(addresses).collect();
    let mut strangers = Vec::new();
    for address in &wanted {
        let found = shadow::strangers(address.port()).into_iter();
        let in_the_way = |owner: &shadow::Owner| {
            shadow::stands_in_the_way(owner.address, *address) && !strangers.contains(owner)
        };
        let new: Vec<shadow::Owner> = found.filter(in_the_way).collect();
        strangers.extend(new);
    }
    let taken = problem.is_some() || !strangers.is_empty();
    let free = wanted.first().filter(|_| taken).and_then(|address| free_after(address.port()));
    let mut words: Vec<String> = wanted.iter().map(SocketAddr::to_string).collect();
    if words.is_empty() {
        words.push("its socket".to_owned());
    }
    HostFacts { wanted: words, strangers, problem, free }
}

fn addresses(listen: &Listen) -> Vec<SocketAddr> {
    match listen {
        Listen::Loopback(port) => {
            let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            both.map(|ip| SocketAddr::new(ip, *port)).to_vec()
        }
        Listen::Docker(port) => {
            let bridge = shadow::docker_gateway();
            bridge.map(|ip| SocketAddr::new(ip.into(), *port)).into_iter().collect()
        }
        Listen::Address(address) => vec![*address],
        Listen::Unix => Vec::new(),
    }
}

/// The next port that nobody holds.
fn free_after(port: u16) -> Option<u16> {
    let last = port.saturating_add(TRIED);
    let is_free = |port: &u16| {
        shadow::strangers(*port).is_empty()
            && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
    };
    (port.saturating_add(1)..=last).find(is_free)
}

/// How many ports are tried: one of so many is free.
const TRIED: u16 = 50;
