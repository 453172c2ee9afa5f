//! Every client in full count: what each shows of each scene, as a matrix, and one line at the end.

use std::time::Duration;

use xtask::Failure;
use xtask::setup::java::Java;
use xtask::setup::node::Node;
use xtask::setup::pgadmin::PgAdmin;
use xtask::setup::venv::Venv;
use xtask::setup::{Consent, mariadb, postgres, say};

use super::super::build::{Part, build, cargo};
use super::super::suite;

/// Sets every client up, builds, runs, and ends with the sum.
pub(super) fn run(consent: Consent) -> Result<(), Failure> {
    let postgres = postgres::Programs::ensure(consent)?;
    let mariadb = mariadb::Programs::ensure(consent)?;
    let venv = Venv::ensure(consent)?;
    let built = build(Part::Programs)?;
    let mut tests = cargo();
    tests.args(["test", "--package=bastion-e2e", "--test=clients"]);
    // The matrix has the machine to itself: a Java that starts takes all of it.
    tests.args(["--", "--nocapture", "--include-ignored", "--test-threads=1"]);
    tests
        .env("BASTION_BIN_DIR", &built.bin)
        .env("BASTION_POSTGRES_BIN", &postgres.bin)
        .env("BASTION_MARIADB_BIN", mariadb.server.parent().expect("a program lies in a folder"))
        .env("BASTION_TEST_PYTHON", venv.python())
        .env("BASTION_TEST_LONG", "1");
    // A machine without one of these tries the others.
    match Node::ensure(consent) {
        Ok(node) => {
            tests.env("BASTION_TEST_NODE_PG", node.pg);
            tests.env("BASTION_TEST_PLAYWRIGHT", node.playwright);
        }
        Err(failure) => say(&format!("without node-postgres: {failure}")),
    }
    match PgAdmin::ensure(consent) {
        Ok(pgadmin) => {
            tests.env("BASTION_TEST_PGADMIN", pgadmin.python);
            tests.env("BASTION_TEST_BROWSER", pgadmin.browser);
        }
        Err(failure) => say(&format!("without pgAdmin: {failure}")),
    }
    match Java::ensure(consent) {
        Ok(java) => drop(tests.env("BASTION_TEST_JAVA_CLASSES", java.classes)),
        Err(failure) => say(&format!("without pgjdbc: {failure}")),
    }
    suite::judge(&mut tests, LIMIT, "clients", "every cell as documented")
}

/// The matrix takes five minutes.
const LIMIT: Duration = Duration::from_secs(30 * 60);
