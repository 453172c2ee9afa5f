//! Where a target is found on this machine, and the line to paste that calls its engine's client.

use std::path::Path;

use bastion_api::{Engine, TargetStatus};

/// Where a target is found: a port, or a Unix socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Address {
    /// A host and port.
    Tcp {
        /// `127.0.0.1`; an IPv6 address stands without its brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket's path.
    Unix(String),
}

impl Address {
    /// The address to prefer of a target's: loopback first, for every client takes it; then whatever comes first.
    pub(crate) fn of(target: &TargetStatus) -> Option<Self> {
        Self::preferred(&target.addresses)
    }

    /// The same of addresses as the daemon writes them.
    pub(crate) fn preferred(addresses: &[String]) -> Option<Self> {
        let all: Vec<Self> = addresses.iter().filter_map(|text| Self::parse(text)).collect();
        let loopback = all.iter().find(|address| match address {
            Self::Tcp { host, .. } => host == "127.0.0.1",
            Self::Unix(_) => false,
        });
        loopback.or(all.first()).cloned()
    }

    /// As people write it, and as the daemon does.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port } => format!("{host}:{port}"),
            Self::Unix(path) => path.clone(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Some(Self::Unix(path.to_owned()));
        }
        let (host, port) = text.rsplit_once(':')?;
        let host = match host.trim_start_matches('[').trim_end_matches(']') {
            // All of this machine's addresses are no address to go to: its own is one of them.
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            one => one,
        };
        Some(Self::Tcp { host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// The shell line that connects, where the engine has a client of its own.
pub(crate) fn client_line(target: &TargetStatus, address: &Address) -> Option<String> {
    client_line_of(target.engine, address, target.user.as_deref(), target.database.as_deref())
}

/// The same, for whom nothing but these is known.
pub(crate) fn client_line_of(
    engine: Engine,
    address: &Address,
    user: Option<&str>,
    database: Option<&str>,
) -> Option<String> {
    match engine {
        Engine::Postgres => Some(psql(address, user, database)),
        Engine::Mysql => Some(mysql(address, user, database)),
        Engine::Other => None,
    }
}

/// The URL that most drivers take, where the engine has one.
pub(crate) fn url(target: &TargetStatus, address: &Address) -> Option<String> {
    url_of(target.engine, address, target.user.as_deref(), target.database.as_deref())
}

/// The same, for whom nothing but these is known.
pub(crate) fn url_of(
    engine: Engine,
    address: &Address,
    user: Option<&str>,
    database: Option<&str>,
) -> Option<String> {
    let scheme = match engine {
        Engine::Postgres => "postgresql",
        Engine::Mysql => "mysql",
        Engine::Other => return None,
    };
    let Address::Tcp { .. } = address else { return None };
    let user = user.map(|user| format!("{}@", escaped(user))).unwrap_or_default();
    let database = database.map(escaped).unwrap_or_default();
    Some(format!("{scheme}://{user}{}/{database}", address.text()))
}

fn psql(address: &Address, user: Option<&str>, database: Option<&str>) -> String {
    let (host, port) = match address {
        Address::Tcp { host, port } => (host.clone(), Some(port.to_string())),
        Address::Unix(path) => postgres_socket(path),
    };
    let parts = [
        ("host", Some(host)),
        ("port", port),
        ("dbname", database.map(str::to_owned)),
        ("user", user.map(str::to_owned)),
    ];
    let words: Vec<String> = parts
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", conninfo(&value?))))
        .collect();
    format!("psql {}", quoted(&words.join(" ")))
}

/// libpq takes a directory and a port for a socket: `/dir` and 5432 mean `/dir/.s.PGSQL.5432`.
pub(crate) fn postgres_socket(path: &str) -> (String, Option<String>) {
    let file = Path::new(path).file_name().and_then(|name| name.to_str());
    let port = file.and_then(|name| name.strip_prefix(".s.PGSQL.")).map(str::to_owned);
    let dir = Path::new(path).parent().and_then(Path::to_str).unwrap_or(path);
    (dir.to_owned(), port)
}

/// Without `--protocol` MySQL's client takes a host of this machine for its own socket (D15), and goes to the host that
/// a person's own option file names in place of a socket.
fn mysql(address: &Address, user: Option<&str>, database: Option<&str>) -> String {
    let mut line = match address {
        Address::Tcp { host, port } => format!("mysql --protocol=TCP -h {host} -P {port}"),
        Address::Unix(path) => {
            format!("mysql --protocol=SOCKET -h localhost --socket={}", shell(path))
        }
    };
    if let Some(user) = user {
        line.push_str(&format!(" -u {} -p", shell(user)));
    }
    if let Some(database) = database {
        line.push_str(&format!(" {}", shell(database)));
    }
    line
}

/// A value of libpq's key=value string: quoted where it is empty or has a space, a quote or a backslash.
pub(crate) fn conninfo(value: &str) -> String {
    let odd = |char: char| char.is_whitespace() || char == '\'' || char == '\\';
    if !value.is_empty() && !value.contains(odd) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A word of a shell line, quoted only where it must be.
pub(crate) fn shell(word: &str) -> String {
    let safe = |char: char| char.is_ascii_alphanumeric() || "-_./:@%+=,".contains(char);
    if !word.is_empty() && word.chars().all(safe) {
        return word.to_owned();
    }
    quoted(word)
}

/// A word of a shell line, quoted so that the shell changes nothing in it.
pub(crate) fn quoted(word: &str) -> String {
    if word.contains(['"', '$', '`', '\\', '!']) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    format!("\"{word}\"")
}

/// A part of a URL: all but the unreserved is escaped (RFC 3986).
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(engine: &str, addresses: &[&str], database: &str, user: &str) -> TargetStatus {
        let target = json!({
            "name": "a", "site": "s", "state": "ready", "engine": engine, "addresses": addresses,
            "database": database, "user": user,
        });
        serde_json::from_value(target).unwrap()
    }

    fn line(target: &TargetStatus) -> Option<String> {
        client_line(target, &Address::of(target).unwrap())
    }

    #[test]
    fn a_postgres_target_is_called_by_psql() {
        let target = target("postgres", &["[::1]:15432", "127.0.0.1:15432"], "shop", "amy");
        let expected = r#"psql "host=127.0.0.1 port=15432 dbname=shop user=amy""#;
        assert_eq!(line(&target).unwrap(), expected);
        let address = Address::of(&target).unwrap();
        assert_eq!(url(&target, &address).unwrap(), "postgresql://amy@127.0.0.1:15432/shop");
    }

    #[test]
    fn a_postgres_socket_is_its_directory_and_port() {
        let target = target("postgres", &["unix:/run/x/.s.PGSQL.5432"], "shop", "amy");
        let expected = r#"psql "host=/run/x port=5432 dbname=shop user=amy""#;
        assert_eq!(line(&target).unwrap(), expected);
    }

    #[test]
    fn a_mysql_target_is_called_over_tcp() {
        let target = target("mysql", &["127.0.0.1:13306"], "shop", "amy");
        let expected = "mysql --protocol=TCP -h 127.0.0.1 -P 13306 -u amy -p shop";
        assert_eq!(line(&target).unwrap(), expected);
        let address = Address::Unix("/run/x/mysql.sock".to_owned());
        let expected =
            "mysql --protocol=SOCKET -h localhost --socket=/run/x/mysql.sock -u amy -p shop";
        assert_eq!(client_line(&target, &address).unwrap(), expected);
    }

    #[test]
    fn odd_names_reach_the_client_as_they_are() {
        let target = target("postgres", &["127.0.0.1:1"], "my $db", "o'hara");
        let expected =
            r"psql 'host=127.0.0.1 port=1 dbname='\''my $db'\'' user='\''o\'\''hara'\'''";
        assert_eq!(line(&target).unwrap(), expected);
        let address = Address::of(&target).unwrap();
        assert_eq!(url(&target, &address).unwrap(), "postgresql://o%27hara@127.0.0.1:1/my%20%24db");
    }

    #[test]
    fn a_target_on_all_addresses_is_found_on_this_machines_own() {
        let at = |address: &str| Address::preferred(&[address.to_owned()]).unwrap().text();
        assert_eq!(at("0.0.0.0:15432"), "127.0.0.1:15432");
        assert_eq!(at("[::]:15432"), "[::1]:15432");
        assert_eq!(at("10.0.0.7:15432"), "10.0.0.7:15432");
    }

    #[test]
    fn any_other_target_has_an_address_only() {
        let target = target("other", &["[::1]:16379"], "", "");
        assert_eq!(line(&target), None);
        assert_eq!(Address::of(&target).unwrap().text(), "[::1]:16379");
    }
}
