//! Every client in full count: what each shows of each scene, as a matrix, and one line at the end.

#![expect(clippy::print_stdout, reason = "the matrix and its sum are this command's data")]

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use xtask::Failure;
use xtask::process::Process;
use xtask::setup::java::Java;
use xtask::setup::node::Node;
use xtask::setup::pgadmin::PgAdmin;
use xtask::setup::venv::Venv;
use xtask::setup::{Consent, mariadb, postgres, say};

use super::super::build::{Part, build, cargo};

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
    let mut process = Process::spawn(tests.stdout(Stdio::piped()).stdin(Stdio::null()))?;
    let output = process.child().stdout.take().expect("it was asked for");
    let reader = std::thread::spawn(move || {
        let mut sum = None;
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            match verdict(&line) {
                Some(verdict) => sum = Some(verdict.to_owned()),
                None => println!("{line}"),
            }
        }
        sum
    });
    let ended = process.wait(LIMIT);
    // Whatever still held the pipe is gone with the process group.
    drop(process);
    let sum = reader.join().expect("the reader does not panic");
    let succeeded = ended?.success();
    let Some(sum) = sum else {
        return Err(Failure::unexpected("a sum at the end", "none"));
    };
    println!("{sum}");
    if succeeded { Ok(()) } else { Err(Failure::unexpected("every cell as documented", sum)) }
}

/// The last word, where a line is that.
fn verdict(line: &str) -> Option<&str> {
    let at = line.find("clients ok: ").or_else(|| line.find("clients failed: "))?;
    Some(&line[at..])
}

/// The matrix takes five minutes.
const LIMIT: Duration = Duration::from_secs(30 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_found_whatever_stands_before_it() {
        let line = "test every_client ... clients ok: 200 of 200 cells as documented";
        assert_eq!(verdict(line), Some("clients ok: 200 of 200 cells as documented"));
        assert_eq!(
            verdict("clients failed: 1 of 2 cells as documented"),
            Some("clients failed: 1 of 2 cells as documented")
        );
        assert_eq!(verdict("client      ready"), None);
    }
}
