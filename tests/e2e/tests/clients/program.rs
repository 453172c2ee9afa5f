//! The clients: each started as its people start it, and left to show what it shows.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bastion_e2e::House;
use bastion_e2e::databases::{self, Login};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command as Starting};
use tokio::time::timeout;

/// A client that people use.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Program {
    /// PostgreSQL's own.
    Psql,
    /// psycopg 3 with the libpq of its wheel.
    Psycopg,
    /// node-postgres.
    Node,
    /// pgjdbc.
    Java,
    /// MariaDB's own.
    MariaDb,
    /// PyMySQL.
    PyMySql,
    /// MySQL's Connector/Python on its C library.
    Connector,
    /// MySQL's Connector/Python in Python alone.
    ConnectorPure,
}

/// What it is told about TLS.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyFull,
}

/// Where a client goes, and whom it trusts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    pub(crate) port: u16,
    /// Our own authority and the database's, in one file.
    pub(crate) roots: &'a Path,
}

/// A client that runs; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Client {
    child: Child,
    out: BufReader<ChildStdout>,
    seen: String,
}

/// What a client has shown by its end.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// What it printed as data.
    pub(crate) rows: String,
    /// Everything that a person sees.
    pub(crate) text: String,
    pub(crate) succeeded: bool,
}

impl Program {
    pub(crate) const ALL: [Self; 8] = [
        Self::Psql,
        Self::Psycopg,
        Self::Node,
        Self::Java,
        Self::MariaDb,
        Self::PyMySql,
        Self::Connector,
        Self::ConnectorPure,
    ];

    /// As README's table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Psql => "psql",
            Self::Psycopg => "psycopg",
            Self::Node => "node-postgres",
            Self::Java => "pgjdbc",
            Self::MariaDb => "mariadb",
            Self::PyMySql => "PyMySQL",
            Self::Connector => "Connector/Python",
            Self::ConnectorPure => "Connector/Python (pure)",
        }
    }

    pub(crate) fn is_postgres(self) -> bool {
        match self {
            Self::Psql | Self::Psycopg | Self::Node | Self::Java => true,
            Self::MariaDb | Self::PyMySql | Self::Connector | Self::ConnectorPure => false,
        }
    }

    /// Whether this machine has it; the tools for the others are installed by every test run.
    pub(crate) fn is_here(self) -> bool {
        match self {
            Self::Node => told("BASTION_TEST_NODE_PG").is_some(),
            Self::Java => told("BASTION_TEST_JAVA_CLASSES").is_some(),
            Self::Psql | Self::Psycopg | Self::MariaDb | Self::PyMySql => true,
            Self::Connector | Self::ConnectorPure => true,
        }
    }

    /// MySQL's clients have no word of their own for "encrypted by whomever".
    pub(crate) fn modes(self) -> &'static [Mode] {
        if self.is_postgres() {
            &[Mode::Disable, Mode::Prefer, Mode::Require, Mode::VerifyFull]
        } else {
            &[Mode::Disable, Mode::Prefer, Mode::VerifyFull]
        }
    }

    /// What is asked: something that the database alone knows, and that is the same each time.
    fn sql(self) -> &'static str {
        if self.is_postgres() {
            "SELECT current_database(), current_user, 6 * 7, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())"
        } else {
            "SELECT database(), current_user(), 6 * 7"
        }
    }

    /// Starts it; it asks once, and again for each line that it is sent.
    pub(crate) async fn start(self, house: &House, way: Way<'_>, mode: Mode) -> Client {
        let mut command = match self {
            Self::Psql => psql(house, way, mode),
            Self::Psycopg => {
                let mut python = house.script("psycopg_ask.py");
                libpq(&mut python, way, mode);
                python.arg(self.sql());
                python
            }
            Self::Node => node(house, way, mode, self.sql()),
            Self::Java => java(house, way, mode, self.sql()),
            Self::MariaDb => mariadb(house, way, mode),
            Self::PyMySql => mysql(house, way, mode, "pymysql", self.sql()),
            Self::Connector => mysql(house, way, mode, "connector", self.sql()),
            Self::ConnectorPure => mysql(house, way, mode, "connector-pure", self.sql()),
        };
        let first = match self {
            // These two read what to ask from the same lines.
            Self::Psql | Self::MariaDb => format!("{};\n", self.sql()),
            Self::Psycopg | Self::Node | Self::Java => String::new(),
            Self::PyMySql | Self::Connector | Self::ConnectorPure => String::new(),
        };
        Client::start(&mut command, &first).await
    }

    /// What a client is sent to ask again.
    pub(crate) fn again(self) -> String {
        match self {
            Self::Psql | Self::MariaDb => format!("{};\n", self.sql()),
            Self::Psycopg | Self::Node | Self::Java => "again\n".to_owned(),
            Self::PyMySql | Self::Connector | Self::ConnectorPure => "again\n".to_owned(),
        }
    }
}

impl Mode {
    /// As libpq calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl Client {
    async fn start(command: &mut Command, first: &str) -> Self {
        let mut starting = Starting::from(std::mem::replace(command, Command::new("true")));
        let child = starting
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut client = Self { child, out, seen: String::new() };
        client.ask(first).await;
        client
    }

    /// Waits for its next row; none where it ends before.
    pub(crate) async fn row(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.out.read_line(&mut line)).await;
        let read = read.expect("a client that has nothing to show ends").unwrap();
        self.seen.push_str(&line);
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// Has it ask again; one that has ended is not.
    pub(crate) async fn ask(&mut self, words: &str) {
        if let Some(stdin) = &mut self.child.stdin {
            // A client that has ended shows that by itself.
            drop(stdin.write_all(words.as_bytes()).await);
            drop(stdin.flush().await);
        }
    }

    /// Has nothing more to ask; gives what it has shown.
    pub(crate) async fn finish(mut self) -> Shown {
        drop(self.child.stdin.take());
        let mut err = String::new();
        let mut errors = self.child.stderr.take().unwrap();
        let rest = async {
            tokio::join!(self.out.read_to_string(&mut self.seen), errors.read_to_string(&mut err))
        };
        let (out, errors) = timeout(PATIENCE, rest).await.expect("a client ends");
        out.unwrap();
        errors.unwrap();
        let status = self.child.wait().await.unwrap();
        Shown {
            text: format!("{}{err}", self.seen),
            rows: self.seen.trim_end().to_owned(),
            succeeded: status.success(),
        }
    }
}

fn psql(house: &House, way: Way<'_>, mode: Mode) -> Command {
    let mut psql = house.inside(&databases::postgres_programs().program("psql"));
    psql.args(["--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1"]);
    libpq(&mut psql, way, mode);
    psql
}

fn libpq(command: &mut Command, way: Way<'_>, mode: Mode) {
    let Login { user, password, database } = databases::POSTGRES;
    command
        .env("PGHOST", "localhost")
        .env("PGHOSTADDR", "127.0.0.1")
        .env("PGPORT", way.port.to_string())
        .env("PGUSER", user)
        .env("PGPASSWORD", password)
        .env("PGDATABASE", database)
        .env("PGCONNECT_TIMEOUT", "60")
        .env("PGSSLMODE", mode.word());
    if mode == Mode::VerifyFull {
        command.env("PGSSLROOTCERT", way.roots);
    }
}

fn node(house: &House, way: Way<'_>, mode: Mode, sql: &str) -> Command {
    let script = xtask::place::workspace().join("tests/peers/node/ask.js");
    let Login { user, password, database } = databases::POSTGRES;
    let mut url = format!(
        "postgres://{user}:{password}@localhost:{}/{database}?sslmode={}&uselibpqcompat=true",
        way.port,
        mode.word()
    );
    if mode == Mode::VerifyFull {
        url.push_str(&format!("&sslrootcert={}", way.roots.display()));
    }
    let mut node = house.tool("node");
    node.env("NODE_PG", told("BASTION_TEST_NODE_PG").expect("it is here"));
    node.arg(script).args([&url, sql]);
    node
}

fn java(house: &House, way: Way<'_>, mode: Mode, sql: &str) -> Command {
    let Login { user, password, database } = databases::POSTGRES;
    let mut url = format!(
        "jdbc:postgresql://localhost:{}/{database}?user={user}&password={password}&sslmode={}",
        way.port,
        mode.word()
    );
    if mode == Mode::VerifyFull {
        url.push_str(&format!("&sslrootcert={}", way.roots.display()));
    }
    let mut java = house.tool("java");
    // Many short lives on few processors: no second compiler, no second collector.
    java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    // In a house without a language of its own it would print a question mark for each letter beyond ASCII.
    java.args(["-Dsun.stdout.encoding=UTF-8", "-Dsun.stderr.encoding=UTF-8", "-cp"]);
    java.arg(told("BASTION_TEST_JAVA_CLASSES").expect("it is here")).args(["Ask", &url, sql]);
    java
}

fn mariadb(house: &House, way: Way<'_>, mode: Mode) -> Command {
    let Login { user, password, database } = databases::MARIADB;
    let mut client = house.inside(&databases::mariadb_programs().client);
    client
        .args(["--no-defaults", "--protocol=TCP", "--host=localhost", "--user", user])
        .args(["--batch", "--skip-column-names", "--unbuffered"])
        .arg(format!("--port={}", way.port))
        .arg(format!("--database={database}"))
        .env("MYSQL_PWD", password);
    match mode {
        Mode::Disable => drop(client.arg("--skip-ssl")),
        Mode::Prefer => {}
        Mode::Require => drop(client.arg("--ssl")),
        Mode::VerifyFull => {
            client.arg("--ssl-verify-server-cert").arg(format!("--ssl-ca={}", way.roots.display()));
        }
    }
    client
}

fn mysql(house: &House, way: Way<'_>, mode: Mode, library: &str, sql: &str) -> Command {
    let Login { user, password, database } = databases::MARIADB;
    let mut python = house.script("mysql_ask.py");
    python
        .args([library, mode.word()])
        .arg(way.roots)
        .arg(sql)
        .env("PORT", way.port.to_string())
        .env("ACCOUNT", user)
        .env("PASSWORD", password)
        .env("DATABASE", database);
    python
}

/// What the setting up has told.
fn told(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// How long a client may take to show something: a bastion's start, and a Java that starts beside three others.
const PATIENCE: Duration = Duration::from_secs(60);
