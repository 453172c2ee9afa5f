//! What programs read from their environment: for a client that we start, and for a shell.

use bastion_api::Engine;

use crate::address::Address;
use crate::card::Card;

/// A variable, and what it shall be; none where it must not be set, for it would mean another target.
pub(crate) type Variable = (&'static str, Option<String>);

/// What libpq reads. The words are those of its connection strings.
pub(crate) fn of_libpq(said: &[(&'static str, String)]) -> Vec<Variable> {
    let value = |wanted: &str| {
        said.iter().find(|(word, _)| *word == wanted).map(|(_, value)| value.clone())
    };
    let known = LIBPQ.iter().map(|(variable, word)| (*variable, value(word)));
    // A service's settings would win over all of these.
    known.chain([("PGSERVICE", None)]).collect()
}

/// What a shell is told, so that programs find a target by it.
pub(crate) fn of_shell(card: &Card, verify_full: bool) -> Vec<Variable> {
    match card.engine {
        Engine::Postgres if verify_full => of_libpq(&card.libpq()),
        Engine::Postgres => of_libpq(&card.libpq_by_address()),
        Engine::Mysql => {
            let (host, port, socket) = place(card);
            vec![
                ("MYSQL_HOST", host),
                ("MYSQL_TCP_PORT", port),
                ("MYSQL_UNIX_PORT", socket),
                ("MYSQL_USER", card.user.clone()),
                ("MYSQL_DATABASE", card.database.clone()),
            ]
        }
        Engine::Other => {
            let (host, port, socket) = place(card);
            vec![("TARGET_HOST", host), ("TARGET_PORT", port), ("TARGET_SOCKET", socket)]
        }
    }
}

/// The variable that holds a password; none where no program reads one.
pub(crate) fn of_password(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "PGPASSWORD",
        Engine::Mysql => "MYSQL_PWD",
        Engine::Other => "TARGET_PASSWORD",
    }
}

/// Host, port and socket: either the first two, or the last.
fn place(card: &Card) -> (Option<String>, Option<String>, Option<String>) {
    match &card.address {
        Address::Tcp { host, port } => (Some(host.clone()), Some(port.to_string()), None),
        Address::Unix(path) => (None, None, Some(path.clone())),
    }
}

/// Each variable of libpq that leads somewhere, and the word for it in a connection string.
const LIBPQ: [(&str, &str); 8] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::examples::{mysql, postgres};

    fn said(variables: Vec<Variable>) -> Vec<String> {
        let one = |(name, value): Variable| match value {
            Some(value) => format!("{name}={value}"),
            None => format!("-{name}"),
        };
        variables.into_iter().map(one).collect()
    }

    #[test]
    fn what_would_lead_elsewhere_is_not_left_set() {
        let expected = [
            "PGHOST=127.0.0.1",
            "-PGHOSTADDR",
            "PGPORT=15432",
            "PGDATABASE=neuraKnot",
            "PGUSER=postgres",
            "PGSSLMODE=verify-ca",
            "PGSSLROOTCERT=/home/amy/roots.pem",
            "PGCONNECT_TIMEOUT=120",
            "-PGSERVICE",
        ];
        assert_eq!(said(of_shell(&postgres(), false)), expected);
        let by_name = said(of_shell(&postgres(), true));
        assert_eq!(by_name[1], "PGHOSTADDR=127.0.0.1");
        assert_eq!(by_name[5], "PGSSLMODE=verify-full");
    }

    #[test]
    fn mysqls_programs_and_other_programs_find_host_and_port() {
        let expected = [
            "MYSQL_HOST=127.0.0.1",
            "MYSQL_TCP_PORT=13306",
            "-MYSQL_UNIX_PORT",
            "MYSQL_USER=admin",
            "MYSQL_DATABASE=app",
        ];
        assert_eq!(said(of_shell(&mysql(), false)), expected);
        let other = Card { engine: Engine::Other, ..mysql() };
        let expected = ["TARGET_HOST=127.0.0.1", "TARGET_PORT=13306", "-TARGET_SOCKET"];
        assert_eq!(said(of_shell(&other, false)), expected);
    }
}
