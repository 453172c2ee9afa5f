//! One PostgreSQL and one MariaDB for each test program, started when a story first asks.

use std::sync::OnceLock;

use xtask::mariadb::MariaDb;
use xtask::postgres::Postgres;
use xtask::setup;

/// PostgreSQL's superuser, as the simulated secret `prod/neuraKnot` has him.
pub const POSTGRES: Login =
    Login { user: "postgres", password: "prod-secret-password", database: "neuraKnot" };
/// MariaDB's account, as the simulated secret `dev/mysql` has it.
pub const MARIADB: Login =
    Login { user: "admin", password: "dev-secret-password", database: "app" };

/// Who may enter a database, and which.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    /// The account.
    pub user: &'static str,
    /// Its password.
    pub password: &'static str,
    /// The database.
    pub database: &'static str,
}

/// Where PostgreSQL's programs lie.
///
/// # Panics
/// When they are not on this machine.
pub fn postgres_programs() -> setup::postgres::Programs {
    setup::postgres::Programs::find().expect("PostgreSQL is here (cargo xtask test installs it)")
}

/// Where MariaDB's programs lie.
///
/// # Panics
/// When they are not on this machine.
pub fn mariadb_programs() -> setup::mariadb::Programs {
    setup::mariadb::Programs::find().expect("MariaDB is here (cargo xtask test installs it)")
}

/// The PostgreSQL of this test program, with the database of [`POSTGRES`].
pub fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server =
            Postgres::start(&postgres_programs(), POSTGRES.user, POSTGRES.password).unwrap();
        server.sql("postgres", &format!("CREATE DATABASE \"{}\"", POSTGRES.database)).unwrap();
        server
    })
}

/// The MariaDB of this test program, with the database of [`MARIADB`].
pub fn mariadb() -> &'static MariaDb {
    static SERVER: OnceLock<MariaDb> = OnceLock::new();
    SERVER.get_or_init(|| {
        let Login { user, password, database } = MARIADB;
        MariaDb::start(&mariadb_programs(), user, password, database).unwrap()
    })
}
