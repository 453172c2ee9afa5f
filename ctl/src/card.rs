//! What a client of a target is told, whatever client it is: where to knock, as whom, and how to be sure whom it meets.
//!
//! ```text
//!   the daemon's Contact ──► Card ─┬─► psql, mysql, connect, env     a client started here
//!                                  ├─► info                          a person who fills in a form
//!                                  └─► export                        a file that a client reads
//! ```

use bastion_api::{Contact, Engine, ProofKind, Roots, TlsKnown};

use crate::address::{Address, escaped, postgres_socket};

/// Everything that a client of one target is told.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    /// The target.
    pub(crate) name: String,
    /// Its site, with the account where that is known: what it is sorted by.
    pub(crate) group: String,
    /// What it speaks.
    pub(crate) engine: Engine,
    /// Where it is found on this machine.
    pub(crate) address: Address,
    /// The database inside the server.
    pub(crate) database: Option<String>,
    /// Whom to connect as.
    pub(crate) user: Option<String>,
    /// How that user proves who he is.
    pub(crate) proof: ProofKind,
    /// How sure a client can be whom it meets.
    pub(crate) trust: Trust,
    /// Whether its people want to be warned of it.
    pub(crate) danger: bool,
}

/// How sure a client can be whom it meets behind the tunnel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Trust {
    /// Nothing is known: TLS where the database speaks it.
    Prefer,
    /// It speaks TLS; whose certificate it shows cannot be checked here.
    Require,
    /// It shows a certificate of this name, by one of these authorities.
    Verify {
        /// The database's own name.
        host: String,
        /// The file of the authorities.
        roots: String,
    },
}

impl Card {
    /// What the daemon tells of a target; none of one that is found nowhere.
    pub(crate) fn of(contact: &Contact, roots: &Roots) -> Option<Self> {
        let target = &contact.target;
        let trust = match (contact.tls, &contact.remote_host, &roots.file) {
            (TlsKnown::Rds, Some(host), Some(roots)) => {
                Trust::Verify { host: host.clone(), roots: roots.clone() }
            }
            (TlsKnown::Rds | TlsKnown::Spoken, _, _) => Trust::Require,
            (TlsKnown::Unknown, _, _) => Trust::Prefer,
        };
        let group = match &contact.account {
            Some(account) => format!("{account} {}", target.site),
            None => target.site.clone(),
        };
        Some(Self {
            name: target.name.clone(),
            group,
            engine: target.engine,
            address: Address::preferred(&target.addresses)?,
            database: target.database.clone(),
            user: target.user.clone(),
            proof: contact.proof,
            trust,
            danger: target.danger,
        })
    }

    /// The same for this user, where the config names none: the secret may.
    pub(crate) fn or_user(&self, user: Option<&str>) -> Self {
        let user = self.user.clone().or_else(|| user.map(str::to_owned));
        Self { user, ..self.clone() }
    }

    /// What is missing, and perhaps is in the target's secret.
    pub(crate) fn lack(&self) -> Option<String> {
        let lacks = self.user.is_none() && self.proof == ProofKind::Secret;
        let name = &self.name;
        lacks.then(|| {
            format!(
                "nothing says who connects: user = \"…\" under [target.{name}]; its secret may know"
            )
        })
    }

    /// What libpq is told, in the words of its connection strings. It checks the certificate's name, too: it takes the
    /// database's own name, and beside it the address at which to knock instead.
    pub(crate) fn libpq(&self) -> Vec<(&'static str, String)> {
        let mut said = Vec::new();
        let mut say = |key, value: Option<String>| said.extend(value.map(|value| (key, value)));
        match &self.address {
            Address::Tcp { host, port } => {
                match &self.trust {
                    Trust::Verify { host: name, .. } => {
                        say("host", Some(name.clone()));
                        say("hostaddr", Some(host.clone()));
                    }
                    Trust::Prefer | Trust::Require => say("host", Some(host.clone())),
                }
                say("port", Some(port.to_string()));
            }
            Address::Unix(path) => {
                let (dir, port) = postgres_socket(path);
                say("host", Some(dir));
                say("port", port);
            }
        }
        say("dbname", self.database.clone());
        say("user", self.user.clone());
        // On a Unix socket libpq knows no TLS.
        if let Address::Tcp { .. } = &self.address {
            let (mode, roots) = match &self.trust {
                Trust::Prefer => ("prefer", None),
                Trust::Require => ("require", None),
                Trust::Verify { roots, .. } => ("verify-full", Some(roots.clone())),
            };
            say("sslmode", Some(mode.to_owned()));
            say("sslrootcert", roots);
        }
        say("connect_timeout", Some(PATIENCE_SECONDS.to_string()));
        said
    }

    /// The same for programs that know no other address than the host's: the certificate's authority is checked, its
    /// name is not.
    pub(crate) fn libpq_by_address(&self) -> Vec<(&'static str, String)> {
        let Address::Tcp { host: address, .. } = &self.address else { return self.libpq() };
        let said = self.libpq().into_iter().filter(|(key, _)| *key != "hostaddr");
        said.map(|(key, value)| match (key, value.as_str()) {
            ("host", _) => (key, address.clone()),
            ("sslmode", "verify-full") => (key, "verify-ca".to_owned()),
            (_, _) => (key, value),
        })
        .collect()
    }

    /// What MySQL's and MariaDB's programs are told, in the words of their option files; a name without a value stands
    /// alone. They check the certificate's authority where they are given one, and never its name: they know no other
    /// address than the host's.
    pub(crate) fn mysql(&self) -> Vec<(&'static str, String)> {
        let mut said = match &self.address {
            // Without it they take a host of this machine for their own socket (D15).
            Address::Tcp { host, port } => vec![
                ("protocol", "TCP".to_owned()),
                ("host", host.clone()),
                ("port", port.to_string()),
            ],
            // Where a person's own option file names another host, the password would go there: MariaDB's programs look
            // at a socket only where the host is this one.
            Address::Unix(path) => vec![
                ("protocol", "SOCKET".to_owned()),
                ("host", "localhost".to_owned()),
                ("socket", path.clone()),
            ],
        };
        said.extend(self.user.clone().map(|user| ("user", user)));
        if let (Address::Tcp { .. }, Trust::Verify { roots, .. }) = (&self.address, &self.trust) {
            said.push(("ssl-ca", roots.clone()));
        }
        said
    }

    /// The address that Java's drivers take, and what they are told besides; none where they cannot come: they know no
    /// Unix sockets. They, too, know no other address than the host's.
    pub(crate) fn jdbc(&self) -> Option<Jdbc> {
        let Address::Tcp { host, port } = &self.address else { return None };
        let (scheme, properties) = match self.engine {
            Engine::Postgres => ("postgresql", self.pgjdbc()),
            Engine::Mysql => ("mysql", self.connector_j()),
            Engine::Other => return None,
        };
        let database = self.database.clone().unwrap_or_default();
        let place = self.address.text();
        let url = format!("jdbc:{scheme}://{place}/{}", escaped(&database));
        Some(Jdbc { host: host.clone(), port: *port, database, url, properties })
    }

    fn pgjdbc(&self) -> Vec<(&'static str, String)> {
        let (mode, roots) = match &self.trust {
            Trust::Prefer => ("prefer", None),
            Trust::Require => ("require", None),
            Trust::Verify { roots, .. } => ("verify-ca", Some(roots.clone())),
        };
        let mut said = vec![("sslmode", mode.to_owned())];
        said.extend(roots.map(|roots| ("sslrootcert", roots)));
        said.push(("connectTimeout", PATIENCE_SECONDS.to_string()));
        // In milliseconds: without it pgjdbc gives up 5 s after its wish for TLS, whatever else it is told (F12).
        said.push(("sslResponseTimeout", (PATIENCE_SECONDS * 1000).to_string()));
        said
    }

    /// Connector/J takes authorities in Java's own key stores only.
    fn connector_j(&self) -> Vec<(&'static str, String)> {
        let mut said = match &self.trust {
            // Without TLS a password of MySQL 8 goes encrypted with a key that has to be asked for.
            Trust::Prefer => vec![
                ("sslMode", "PREFERRED".to_owned()),
                ("allowPublicKeyRetrieval", "true".to_owned()),
            ],
            Trust::Require | Trust::Verify { .. } => vec![("sslMode", "REQUIRED".to_owned())],
        };
        said.push(("connectTimeout", (PATIENCE_SECONDS * 1000).to_string()));
        said
    }
}

/// What Java's drivers are told.
#[derive(Clone, Debug)]
pub(crate) struct Jdbc {
    /// Where to knock.
    pub(crate) host: String,
    /// The port there.
    pub(crate) port: u16,
    /// The database; empty where none is named.
    pub(crate) database: String,
    /// All that in one, without the properties.
    pub(crate) url: String,
    /// What else they are told.
    pub(crate) properties: Vec<(&'static str, String)>,
}

impl Jdbc {
    /// The address with what else they are told.
    pub(crate) fn whole(&self) -> String {
        let said: Vec<String> = self
            .properties
            .iter()
            .map(|(key, value)| format!("{key}={}", escaped(value)))
            .collect();
        format!("{}?{}", self.url, said.join("&"))
    }
}

/// How long a client is told to wait for a connection: longer than a bastion takes to start.
pub(crate) const PATIENCE_SECONDS: u32 = 120;

/// Cards for tests.
#[cfg(test)]
pub(crate) mod examples {
    use super::{Card, Trust};
    use crate::address::Address;
    use bastion_api::{Engine, ProofKind};

    /// A PostgreSQL whose certificate can be verified.
    pub(crate) fn postgres() -> Card {
        Card {
            name: "prod-db".to_owned(),
            group: "123456789012 prod".to_owned(),
            engine: Engine::Postgres,
            address: Address::Tcp { host: "127.0.0.1".to_owned(), port: 15432 },
            database: Some("neuraKnot".to_owned()),
            user: Some("postgres".to_owned()),
            proof: ProofKind::Secret,
            trust: Trust::Verify {
                host: "prod-db.cx1.ap-northeast-1.rds.amazonaws.com".to_owned(),
                roots: "/home/amy/roots.pem".to_owned(),
            },
            danger: true,
        }
    }

    /// A MySQL of which nothing is known but where it is.
    pub(crate) fn mysql() -> Card {
        Card {
            name: "dev-mysql".to_owned(),
            group: "dev".to_owned(),
            engine: Engine::Mysql,
            address: Address::Tcp { host: "127.0.0.1".to_owned(), port: 13306 },
            database: Some("app".to_owned()),
            user: Some("admin".to_owned()),
            proof: ProofKind::Unsaid,
            trust: Trust::Prefer,
            danger: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::examples::{mysql, postgres};
    use super::*;

    fn said(pairs: Vec<(&'static str, String)>) -> String {
        let pairs: Vec<String> =
            pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(" ")
    }

    fn contact(more: serde_json::Value) -> Contact {
        let mut contact = json!({
            "target": { "name": "a", "site": "s", "engine": "postgres", "addresses": ["127.0.0.1:1"] },
            "remote_host": "a.x.rds.amazonaws.com", "tls": "rds",
        });
        contact.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(contact).unwrap()
    }

    fn roots(file: Option<&str>) -> Roots {
        Roots { bundle: "/b".to_owned(), file: file.map(str::to_owned), problem: None }
    }

    #[test]
    fn a_certificate_is_verified_only_where_name_authority_and_file_are_known() {
        let trust = |more, file| Card::of(&contact(more), &roots(file)).unwrap().trust;
        let known =
            Trust::Verify { host: "a.x.rds.amazonaws.com".to_owned(), roots: "/r".to_owned() };
        assert_eq!(trust(json!({}), Some("/r")), known);
        assert_eq!(trust(json!({}), None), Trust::Require);
        assert_eq!(trust(json!({ "remote_host": null }), Some("/r")), Trust::Require);
        assert_eq!(trust(json!({ "tls": "spoken" }), Some("/r")), Trust::Require);
        assert_eq!(trust(json!({ "tls": "unknown" }), Some("/r")), Trust::Prefer);
    }

    #[test]
    fn a_target_that_is_found_nowhere_has_no_card() {
        let nowhere = contact(json!({ "target": { "name": "a", "site": "s" } }));
        assert!(Card::of(&nowhere, &roots(None)).is_none());
    }

    #[test]
    fn libpq_is_told_the_databases_name_and_knocks_here() {
        let told = "host=prod-db.cx1.ap-northeast-1.rds.amazonaws.com hostaddr=127.0.0.1 port=15432 dbname=neuraKnot \
                    user=postgres sslmode=verify-full sslrootcert=/home/amy/roots.pem connect_timeout=120";
        assert_eq!(said(postgres().libpq()), told);
        let by_address = "host=127.0.0.1 port=15432 dbname=neuraKnot user=postgres sslmode=verify-ca \
                          sslrootcert=/home/amy/roots.pem connect_timeout=120";
        assert_eq!(said(postgres().libpq_by_address()), by_address);
        let unsure = Card { trust: Trust::Require, database: None, user: None, ..postgres() };
        assert_eq!(
            said(unsure.libpq()),
            "host=127.0.0.1 port=15432 sslmode=require connect_timeout=120"
        );
        let socket = Card { address: Address::Unix("/run/x/.s.PGSQL.5432".to_owned()), ..unsure };
        assert_eq!(said(socket.libpq()), "host=/run/x port=5432 connect_timeout=120");
    }

    #[test]
    fn a_user_that_only_the_secret_names_is_lacked_until_it_is_asked() {
        let card = Card { user: None, ..postgres() };
        let lack =
            "nothing says who connects: user = \"…\" under [target.prod-db]; its secret may know";
        assert_eq!(card.lack().as_deref(), Some(lack));
        assert_eq!(card.or_user(Some("amy")).lack(), None);
        assert_eq!(Card { proof: ProofKind::Unsaid, ..card }.lack(), None);
        assert_eq!(postgres().or_user(Some("amy")).user.as_deref(), Some("postgres"));
    }

    #[test]
    fn mysqls_programs_are_kept_from_their_own_socket() {
        assert_eq!(said(mysql().mysql()), "protocol=TCP host=127.0.0.1 port=13306 user=admin");
        let sure = Card { trust: postgres().trust, ..mysql() };
        assert!(said(sure.mysql()).ends_with("ssl-ca=/home/amy/roots.pem"));
        let socket = Card { address: Address::Unix("/run/mysql.sock".to_owned()), ..sure };
        assert_eq!(
            said(socket.mysql()),
            "protocol=SOCKET host=localhost socket=/run/mysql.sock user=admin"
        );
    }

    #[test]
    fn javas_drivers_are_given_the_time_that_a_cold_start_takes() {
        let expected = "jdbc:postgresql://127.0.0.1:15432/neuraKnot?sslmode=verify-ca&sslrootcert=%2Fhome%2Famy%2Froots.pem\
                        &connectTimeout=120&sslResponseTimeout=120000";
        assert_eq!(postgres().jdbc().unwrap().whole(), expected);
        let expected = "jdbc:mysql://127.0.0.1:13306/app?sslMode=PREFERRED&allowPublicKeyRetrieval=true&connectTimeout=120000";
        assert_eq!(mysql().jdbc().unwrap().whole(), expected);
        let socket = Card { address: Address::Unix("/run/mysql.sock".to_owned()), ..mysql() };
        assert!(socket.jdbc().is_none());
    }
}
