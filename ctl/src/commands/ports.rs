use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use bastion_api::client::Client;
use bastion_api::{SCHEMA_VERSION, Status, TargetStatus};
use clap::Args;
use serde::Serialize;

use super::status::{below, helps};
use crate::error::Failure;
use crate::table::{Cell, Table};
use crate::ui::{Look, Ui};
use crate::words::clean;

/// Show every target's addresses, and who holds one that is taken
///
/// Also the next port that is free, for one more target.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Ports {}

/// What is printed of all ports.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Listing {
    schema_version: u32,
    /// Every address, target by target.
    ports: Vec<Place>,
    /// A port that nobody listens on, above those of all targets.
    next_free: Option<u16>,
}

/// One address of a target.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Place {
    /// The target.
    target: String,
    /// `127.0.0.1:15432`, `unix:/…`; none where it is not known which one it should be.
    address: Option<String>,
    /// Whether the target is found there.
    listens: bool,
    /// Why it is not.
    why_not: Option<String>,
    /// What helps.
    hints: Vec<String>,
}

impl Ports {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let report = client.status().await?;
        let ports = report.targets.iter().flat_map(places).collect();
        let next_free = next_free(&report, is_free);
        let listing = Listing { schema_version: SCHEMA_VERSION, ports, next_free };
        if ui.settings().json {
            return ui.json(&listing);
        }
        if listing.ports.is_empty() {
            ui.talk("no targets yet");
        } else {
            for line in screen(&listing, ui) {
                ui.data(&line)?;
            }
        }
        if let Some(port) = listing.next_free {
            ui.talk(&format!("next free: {port}"));
        }
        Ok(())
    }
}

/// Where a target is found, and where it should be and is not.
fn places(target: &TargetStatus) -> Vec<Place> {
    let found = target.addresses.iter().map(|address| Place {
        target: target.name.clone(),
        address: Some(address.clone()),
        listens: true,
        why_not: None,
        hints: Vec::new(),
    });
    let taken = target.problems.iter().filter(|problem| problem.code == TAKEN).map(|problem| {
        let cause = problem.causes.first().unwrap_or(&problem.message);
        let (address, why) = address_of(cause);
        Place {
            target: target.name.clone(),
            address,
            listens: false,
            why_not: Some(why),
            hints: problem.hints.clone(),
        }
    });
    let mut places: Vec<Place> = found.chain(taken).collect();
    if places.is_empty() {
        places.push(Place {
            target: target.name.clone(),
            address: None,
            listens: false,
            why_not: None,
            hints: Vec::new(),
        });
    }
    places
}

/// `127.0.0.1:15440 is in use by psql (pid 4711)`, as the daemon says it: the address, and what is with it.
fn address_of(cause: &str) -> (Option<String>, String) {
    let of_first_word =
        cause.split_once(' ').filter(|(word, _)| word.parse::<SocketAddr>().is_ok());
    match of_first_word {
        Some((address, rest)) => {
            let rest = rest.strip_prefix("is ").unwrap_or(rest);
            (Some(address.to_owned()), rest.to_owned())
        }
        None => (None, cause.to_owned()),
    }
}

/// The table, and below it who holds what is taken, with what helps.
fn screen(listing: &Listing, ui: &Ui) -> Vec<String> {
    let mut table = Table::new(vec!["TARGET", "ADDRESS", "STATE"], 1);
    let mut before = None;
    for place in &listing.ports {
        let again = before == Some(&place.target);
        before = Some(&place.target);
        let name = if again { String::new() } else { clean(&place.target) };
        let (state, look) = match (place.listens, &place.address) {
            (true, _) => ("listens", Some(Look::Good)),
            (false, Some(_)) => ("taken", Some(Look::Bad)),
            (false, None) => ("not there", None),
        };
        table.row(vec![
            Cell::new(name, None),
            Cell::new(place.address.as_deref().map_or_else(|| "-".into(), clean), None),
            Cell::new(state, look),
        ]);
    }
    let mut lines = table.lines(ui.settings().table_width, |text, look| ui.painted(text, look));
    for place in &listing.ports {
        let Some(why) = &place.why_not else { continue };
        let address = place.address.as_ref().map(|address| format!("{address} is "));
        let text = format!("{}: {}{why}", place.target, address.unwrap_or_default());
        lines.extend(below(&clean(&text), ui));
        lines.extend(place.hints.iter().map(|hint| helps(hint, ui)));
    }
    lines
}

/// The first free port above those of all targets; where there are none, from a usual one on.
fn next_free(report: &Status, is_free: impl Fn(u16) -> bool) -> Option<u16> {
    let highest = report.targets.iter().filter_map(|target| target.port).max();
    let first = highest.map_or(Some(USUAL), |port| port.checked_add(1))?;
    (first..=u16::MAX).find(|port| is_free(*port))
}

/// Whether nobody listens there on loopback; where this machine has no IPv6, on IPv4 alone.
fn is_free(port: u16) -> bool {
    let can = |ip: IpAddr| TcpListener::bind(SocketAddr::new(ip, port));
    let taken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
    can(Ipv4Addr::LOCALHOST.into()).is_ok()
        && !can(Ipv6Addr::LOCALHOST.into()).is_err_and(|e| taken(&e))
}

/// The code of a local port that somebody else has.
const TAKEN: &str = "D13";
/// Where the ports of targets begin: PostgreSQL's own, and ten thousand.
const USUAL: u16 = 15432;
const EXAMPLE: &str = "Example:\n  bastionctl ports";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(ports: &[u16]) -> Status {
        let target =
            |port: &u16| json!({ "name": "a", "site": "s", "state": "cold", "port": port });
        let targets: Vec<_> = ports.iter().map(target).collect();
        let report = json!({
            "schema_version": 1, "version": "0", "pid": 1, "started_at": "2026-01-02T03:04:05Z",
            "targets": targets,
        });
        serde_json::from_value(report).unwrap()
    }

    #[test]
    fn the_next_free_port_is_above_all_and_held_by_nobody() {
        assert_eq!(next_free(&report(&[15432, 15440]), |port| port != 15441), Some(15442));
        assert_eq!(next_free(&report(&[]), |_| true), Some(15432));
        assert_eq!(next_free(&report(&[65535]), |_| true), None);
    }

    #[test]
    fn a_port_that_is_listened_on_is_not_free() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!is_free(held.local_addr().unwrap().port()));
    }

    #[test]
    fn the_address_is_told_from_what_is_with_it_where_it_stands_first() {
        let told = address_of("[::1]:15440 is in use by psql (pid 7)");
        assert_eq!(told, (Some("[::1]:15440".into()), "in use by psql (pid 7)".into()));
        let told = address_of("binding 10.0.0.1:80");
        assert_eq!(told, (None, "binding 10.0.0.1:80".into()));
    }
}
