//! What this machine tells of targets' ports.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use bastion_api::Problem;
use futures_util::future::join_all;

use super::super::HostFacts;
use crate::config::Target;
use crate::listen::{self, shadow};

/// Who stands in the way of each target, and which port is free where somebody does: none that another target wants, or
/// is told of.
pub(super) async fn look(
    targets: Vec<(Arc<Target>, Option<Problem>)>,
    wanted: &[u16],
) -> Vec<HostFacts> {
    // It reads tables of the system, for a moment each.
    let looks = targets
        .into_iter()
        .map(|(target, problem)| tokio::task::spawn_blocking(move || at(&target, problem)));
    let looked = join_all(looks).await;
    let found: Vec<HostFacts> = looked.into_iter().map(Result::unwrap_or_default).collect();
    let mut spoken_for: HashSet<u16> = wanted.iter().copied().collect();
    let advised = tokio::task::spawn_blocking(move || {
        let advise = |mut facts: HostFacts| {
            if facts.problem.is_some() || !facts.strangers.is_empty() {
                facts.free = facts.port.and_then(|port| free_after(port, &spoken_for));
                spoken_for.extend(facts.free);
            }
            facts
        };
        found.into_iter().map(advise).collect()
    });
    advised.await.unwrap_or_default()
}

fn at(target: &Target, problem: Option<Problem>) -> HostFacts {
    let wanted: Vec<SocketAddr> = target.listen.iter().flat_map(listen::sockets).collect();
    let mut ports: Vec<u16> = wanted.iter().map(SocketAddr::port).collect();
    let port = ports.first().copied();
    ports.sort_unstable();
    ports.dedup();
    let mut strangers: Vec<shadow::Owner> = ports.into_iter().flat_map(shadow::strangers).collect();
    strangers.retain(|owner| {
        wanted.iter().any(|address| shadow::stands_in_the_way(owner.address, *address))
    });
    let mut words: Vec<String> = wanted.iter().map(SocketAddr::to_string).collect();
    if words.is_empty() {
        words.push("its socket".to_owned());
    }
    HostFacts { wanted: words, strangers, problem, port, free: None }
}

/// The next port that nobody holds or wants.
fn free_after(port: u16, spoken_for: &HashSet<u16>) -> Option<u16> {
    let last = port.saturating_add(TRIED);
    let is_free = |port: &u16| {
        !spoken_for.contains(port)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
            && shadow::strangers(*port).is_empty()
    };
    (port.saturating_add(1)..=last).find(is_free)
}

/// How many ports are tried: one of so many is free.
const TRIED: u16 = 200;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::Arc;

    use bastion_api::{Problem, ProblemKind};

    use super::look;
    use crate::config::{Listen, Target};

    #[tokio::test]
    async fn each_target_is_told_of_a_free_port_of_its_own_and_of_none_that_another_wants() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port().min(60_000);
        let target = |name: &str| {
            let listen = vec![Listen::Loopback(port)];
            let target = Target { listen, ..Target::example(name) };
            let problem = Problem::new("D13", ProblemKind::PortConflict, "cannot listen");
            (Arc::new(target), Some(problem))
        };
        let wanted = [port, port + 1, port + 2];
        let found = look(vec![target("a"), target("b")], &wanted).await;
        let free: Vec<u16> = found.iter().filter_map(|facts| facts.free).collect();
        assert_eq!(free.len(), 2);
        assert_ne!(free[0], free[1]);
        assert!(free.iter().all(|port| !wanted.contains(port)), "{free:?}");
    }
}
