//! Files that other programs import as they are: what is written, and how each takes it. No password is in any.

mod datagrip;
mod dbeaver;
mod mycnf;
mod pgadmin;
mod pgservice;

use bastion_api::Engine;

use crate::card::Card;

/// A program's own form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Format {
    /// pgAdmin's servers.json
    Pgadmin,
    /// libpq's pg_service.conf, for psql and all that is built on libpq
    Pgservice,
    /// An option file of MySQL's and MariaDB's programs
    Mycnf,
    /// DBeaver's data-sources.json
    Dbeaver,
    /// DataGrip's data sources, to be pasted
    Datagrip,
}

/// How a client asks for a password: a line for its shell.
pub(crate) type PasswordLine<'a> = &'a dyn Fn(&Card) -> String;

impl Format {
    /// The word for it on the command line and in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pgadmin => "pgadmin",
            Self::Pgservice => "pgservice",
            Self::Mycnf => "mycnf",
            Self::Dbeaver => "dbeaver",
            Self::Datagrip => "datagrip",
        }
    }

    /// Why this target cannot be in such a file; none where it can.
    pub(crate) fn refuses(self, card: &Card) -> Option<&'static str> {
        let speaks_postgres = card.engine == Engine::Postgres;
        match self {
            Self::Pgadmin | Self::Pgservice if speaks_postgres => None,
            Self::Pgadmin | Self::Pgservice => Some("it does not speak PostgreSQL"),
            Self::Mycnf if card.engine == Engine::Mysql => None,
            Self::Mycnf => Some("it does not speak MySQL"),
            Self::Dbeaver | Self::Datagrip => match (card.engine, card.jdbc()) {
                (Engine::Other, _) => Some("it speaks neither PostgreSQL nor MySQL"),
                (_, None) => {
                    Some("it listens on a Unix socket only, which Java's drivers do not know")
                }
                (_, Some(_)) => None,
            },
        }
    }

    /// The file.
    pub(crate) fn write(self, cards: &[Card], password: PasswordLine<'_>) -> String {
        match self {
            Self::Pgadmin => pgadmin::write(cards, password),
            Self::Pgservice => pgservice::write(cards),
            Self::Mycnf => mycnf::write(cards),
            Self::Dbeaver => dbeaver::write(cards),
            Self::Datagrip => datagrip::write(cards),
        }
    }

    /// How the program takes the file.
    pub(crate) fn advice(self, file: Option<&str>, cards: &[Card]) -> Vec<String> {
        let first = cards.first().map_or("prod-db", |card| card.name.as_str());
        let at = |usual: &str| file.unwrap_or(usual).to_owned();
        match self {
            Self::Pgadmin => vec![format!(
                "pgAdmin: Tools > Import/Export Servers > {}, or setup.py load-servers",
                at("FILE")
            )],
            Self::Pgservice => vec![
                format!("psql: PGSERVICEFILE={} psql service={first}", at("FILE")),
                "or append it to ~/.pg_service.conf, and say service=… only".to_owned(),
            ],
            // Not as an extra file: a person's own ~/.my.cnf is read after that, and would win.
            Self::Mycnf => vec![format!(
                "mysql: mysql --defaults-file={} --defaults-group-suffix=_{first} -p",
                at("FILE")
            )],
            Self::Dbeaver => vec![
                "DBeaver: close it, and put the file beside its own, into General/.dbeaver of"
                    .to_owned(),
                "its workspace, as data-sources-bastion.json".to_owned(),
            ],
            Self::Datagrip => datagrip::advice(file, cards),
        }
    }
}

/// The colour of what is dangerous, in 24 bits.
const RED: [u8; 3] = [0xb3, 0x26, 0x1e];
