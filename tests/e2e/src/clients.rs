//! Real clients, started as a person would start them, always with a deadline.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command as Starting};

use crate::databases::{self, Login};
use crate::house::House;

/// A program that runs; dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    words: String,
}

/// A program that ran to its end.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed as data.
    pub out: String,
    /// What it said besides.
    pub err: String,
    words: String,
}

impl Running {
    /// Starts a program with both streams kept.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let words = xtask::failure::words(command);
        let mut starting = Starting::from(std::mem::replace(command, Command::new("true")));
        let child = starting
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|err| panic!("starting {words}: {err}"));
        Self { child, words }
    }

    /// Its process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its process id, until it has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When that takes longer than a minute.
    pub async fn finish(self) -> Finished {
        self.finish_within(Duration::from_secs(60)).await
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When that takes longer than the limit.
    pub async fn finish_within(self, limit: Duration) -> Finished {
        let Self { child, words } = self;
        let output = tokio::time::timeout(limit, child.wait_with_output()).await;
        let output =
            output.unwrap_or_else(|_| panic!("{words} ran longer than {limit:?}")).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Finished {
            status: output.status,
            out: text(output.stdout),
            err: text(output.stderr),
            words,
        }
    }
}

impl Finished {
    /// What it printed, given that it succeeded.
    ///
    /// # Panics
    /// When it did not.
    pub fn ok(&self) -> &str {
        assert!(self.status.success(), "{self}");
        self.out.trim_end()
    }

    /// Its exit code; none when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// What it printed, as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|err| panic!("{err} in {self}"))
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, out, err, words } = self;
        write!(f, "{words} ended with {status}\n--- out\n{out}\n--- err\n{err}")
    }
}

impl House {
    /// psql on a target's port: rows unaligned, without headings.
    pub fn psql(&self, target: &str, sql: &str) -> Running {
        self.psql_on(self.port(target), sql)
    }

    /// psql on a port: rows unaligned, without headings.
    pub fn psql_on(&self, port: u16, sql: &str) -> Running {
        let mut psql = self.libpq_on("psql", port);
        psql.args(["--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        Running::start(&mut psql)
    }

    /// A program of PostgreSQL's that finds the target by the usual variables.
    pub fn libpq(&self, program: &str, target: &str) -> Command {
        self.libpq_on(program, self.port(target))
    }

    /// A program of PostgreSQL's that finds a port by the usual variables.
    pub fn libpq_on(&self, program: &str, port: u16) -> Command {
        let mut command = self.inside(&databases::postgres_programs().program(program));
        let Login { user, password, database } = databases::POSTGRES;
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", user)
            .env("PGPASSWORD", password)
            .env("PGDATABASE", database)
            .env("PGCONNECT_TIMEOUT", "30");
        command
    }

    /// MariaDB's client on a target's port: rows with tabs, without headings.
    pub fn mariadb(&self, target: &str, sql: &str) -> Running {
        let mut client = self.mariadb_client(target);
        client.args(["--batch", "--skip-column-names", "--execute", sql]);
        Running::start(&mut client)
    }

    /// MariaDB's client that finds the target.
    pub fn mariadb_client(&self, target: &str) -> Command {
        self.mariadb_on(self.port(target))
    }

    /// MariaDB's client on a port.
    pub fn mariadb_on(&self, port: u16) -> Command {
        let mut client = self.inside(&databases::mariadb_programs().client);
        let Login { user, password, database } = databases::MARIADB;
        client
            .args(["--no-defaults", "--protocol=TCP", "--host=127.0.0.1", "--user", user])
            .arg(format!("--port={port}"))
            .arg(format!("--database={database}"))
            .env("MYSQL_PWD", password);
        client
    }

    /// Starts a script of `tests/peers/python`; see [`House::script`].
    pub fn python<S: AsRef<OsStr>>(
        &self,
        script: &str,
        words: impl IntoIterator<Item = S>,
    ) -> Running {
        Running::start(self.script(script).args(words))
    }

    /// A script of `tests/peers/python`, run by the Python that has the stand-ins and clients.
    pub fn script(&self, name: &str) -> Command {
        let mut command = self.inside(&python());
        command.arg(xtask::place::workspace().join("tests/peers/python").join(name));
        command
    }

    /// [`House::ctl_alone`] with PostgreSQL's clients on PATH.
    pub fn ctl_with_psql(&self, words: &[&str]) -> Command {
        let mut command = self.ctl_alone(words);
        command.env("PATH", path_after(&[&databases::postgres_programs().bin]));
        command
    }

    /// A program from PATH, in the house's environment.
    ///
    /// # Panics
    /// When there is none.
    pub fn tool(&self, name: &str) -> Command {
        let path = xtask::place::on_path(name, &[]);
        self.inside(
            &path.unwrap_or_else(|| panic!("{name} is on PATH (cargo xtask test installs it)")),
        )
    }
}

/// PATH, with these folders before all others.
pub fn path_after(first: &[&Path]) -> OsString {
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let first = first.iter().map(|dir| dir.to_path_buf());
    std::env::join_paths(first.chain(std::env::split_paths(&usual))).unwrap()
}

/// The Python environment that holds the stand-ins and AWS's own tools.
///
/// # Panics
/// When nobody says where it is.
pub fn venv() -> PathBuf {
    let venv = std::env::var_os("BASTION_TEST_VENV").map(PathBuf::from);
    venv.expect("BASTION_TEST_VENV names no folder: run `cargo xtask test`, which makes one")
}

/// The Python with psycopg and the stand-ins.
fn python() -> PathBuf {
    let python = std::env::var_os("BASTION_TEST_PYTHON").map(PathBuf::from);
    python.expect("BASTION_TEST_PYTHON is set (cargo xtask test makes the environment)")
}
