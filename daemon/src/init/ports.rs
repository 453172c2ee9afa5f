//! Local ports: stable, for people keep them in their tools, and never one that somebody else has.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Config;
use crate::state::{StateError, private_dir, write_private};

/// The ports that targets have been given, by the targets' names.
#[derive(Clone, Debug)]
pub struct Ports {
    given: BTreeMap<String, u16>,
    used: fn(u16) -> bool,
    note: PathBuf,
}

impl Ports {
    /// The ports of before. A note that cannot be read is no loss: the config says what stands in it.
    pub fn remembered(state_dir: &Path) -> Self {
        Self::remembered_where(state_dir, is_used)
    }

    pub(super) fn remembered_where(state_dir: &Path, used: fn(u16) -> bool) -> Self {
        let note = state_dir.join("ports");
        let written = std::fs::read_to_string(&note).unwrap_or_default();
        let read = written.lines().filter_map(|line| line.split_once(' '));
        let given = read.filter_map(|(port, name)| Some((name.to_owned(), port.parse().ok()?)));
        Self { given: given.collect(), used, note }
    }

    /// A port for a target of this name: the one that it had, else the first free one from `base` on.
    pub(super) fn take(&mut self, name: &str, base: u16, config: &Config) -> Option<u16> {
        let listens = config.targets.iter().flat_map(|target| &target.listen);
        let taken: Vec<u16> = listens.filter_map(|listen| listen.port()).collect();
        let free = |port: &u16| !taken.contains(port) && !(self.used)(*port);
        let before = self.given.get(name).copied().filter(free);
        let others: Vec<u16> =
            self.given.iter().filter(|(other, _)| *other != name).map(|(_, port)| *port).collect();
        let port = before
            .or_else(|| (base..=u16::MAX).find(|port| !others.contains(port) && free(port)))?;
        self.given.insert(name.to_owned(), port);
        Some(port)
    }

    /// Keeps them for the next time.
    pub fn remember(&self) -> Result<(), StateError> {
        let lines: String =
            self.given.iter().map(|(name, port)| format!("{port} {name}\n")).collect();
        if let Some(dir) = self.note.parent() {
            private_dir(dir)?;
        }
        write_private(&self.note, lines.as_bytes())
    }
}

/// Whether somebody has a port on this machine: it cannot be bound, or somebody answers at it all the same, as a Mac lets
/// one listen beside a wildcard.
fn is_used(port: u16) -> bool {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let free = bound.is_ok() && !is_taken(TcpListener::bind((Ipv6Addr::LOCALHOST, port)).err());
    drop(bound);
    let answers = |address: SocketAddr| TcpStream::connect_timeout(&address, ANSWER).is_ok();
    !free
        || answers((Ipv4Addr::LOCALHOST, port).into())
        || answers((Ipv6Addr::LOCALHOST, port).into())
}

/// A machine without IPv6 has no conflict there.
fn is_taken(err: Option<std::io::Error>) -> bool {
    err.is_some_and(|err| err.kind() == std::io::ErrorKind::AddrInUse)
}

/// How long a program on this machine may take to answer: the kernel does it for it.
const ANSWER: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{Ports, is_used};
    use crate::config::Config;

    fn nobody(_: u16) -> bool {
        false
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_used_by_whatever_address() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue; // a machine without IPv6
            };
            let port = listener.local_addr().unwrap().port();
            assert!(is_used(port), "{address}");
            drop(listener);
            assert!(!is_used(port), "{address}");
        }
    }

    #[test]
    fn a_target_gets_the_port_that_it_had_before_and_another_one_never_does() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let mut ports = Ports::remembered_where(&state, nobody);
        let config = Config::default();
        let given = ["a", "b"].map(|name| ports.take(name, 15432, &config).unwrap());
        assert_eq!(given, [15432, 15433]);
        ports.remember().unwrap();
        let mut ports = Ports::remembered_where(&state, nobody);
        assert_eq!(ports.take("c", 15432, &config), Some(15434));
        assert_eq!(ports.take("b", 15432, &config), Some(15433));
    }

    #[test]
    fn a_port_of_before_that_somebody_else_has_by_now_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let mut ports = Ports::remembered_where(dir.path(), nobody);
        ports.take("a", 15432, &Config::default());
        ports.remember().unwrap();
        let mut ports = Ports::remembered_where(dir.path(), |port| port < 15435);
        assert_eq!(ports.take("a", 15432, &Config::default()), Some(15435));
        let mut none = Ports::remembered_where(dir.path(), |_| true);
        assert_eq!(none.take("a", 15432, &Config::default()), None);
    }
}
