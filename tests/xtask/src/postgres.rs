//! A real PostgreSQL server in a temporary directory, on a free port of this machine, gone when dropped.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::Failure;
use crate::failure::run;
use crate::leash;
use crate::place::{Account, free_port, servant};
use crate::process::{Process, within};
use crate::setup::postgres::Programs;

/// A running server with one superuser, who needs his password over TCP.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
    user: String,
    password: String,
    programs: Programs,
    dir: TempDir,
}

impl Postgres {
    /// Makes a data directory and starts a server on it; TLS is on, as RDS has it, where openssl can make a certificate.
    ///
    /// # Errors
    /// When a program fails, or the server does not come up.
    pub fn start(programs: &Programs, user: &str, password: &str) -> Result<Self, Failure> {
        let servant = servant()?;
        let dir = scratch("pg", servant)?;
        let data = dir.path().join("data");
        let secret = dir.path().join("password");
        fs::write(&secret, password).map_err(Failure::io("writing the password for initdb"))?;
        give(&secret, servant)?;
        run(bare(&programs.program("initdb"), servant)
            .current_dir(dir.path())
            .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8"])
            .args(["--no-locale", "--no-sync", "--username", user])
            .arg("--pwfile")
            .arg(&secret)
            .arg("--pgdata")
            .arg(&data))?;
        let tls = certificate(&data, servant)?;
        let port = free_port()?;
        let log = fs::File::create(dir.path().join("log")).map_err(Failure::io("making a log"))?;
        let process = Process::spawn(
            bare(&programs.program("postgres"), servant)
                .current_dir(dir.path())
                .arg("-D")
                .arg(&data)
                .args(["-p", &port.to_string(), "-h", "127.0.0.1"])
                .arg("-k")
                .arg(dir.path())
                .args(["-c", if tls { "ssl=on" } else { "ssl=off" }])
                // Nothing here outlives a crash of the machine, nor should it.
                .args(["-c", "fsync=off", "-c", "full_page_writes=off"])
                .args(["-c", "max_connections=300", "-c", "log_connections=on"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
        )?;
        let mut server = Self {
            process,
            port,
            user: user.to_owned(),
            password: password.to_owned(),
            programs: programs.clone(),
            dir,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate that it shows, where it has one: a client that trusts it believes that this is `localhost`, and
    /// any database of the simulated VPC.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn certificate(&self) -> Result<String, Failure> {
        let path = self.dir.path().join("data").join(CERTIFICATE);
        fs::read_to_string(&path).map_err(Failure::io(format!("reading {}", path.display())))
    }

    /// What it wrote about itself and its visitors.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Runs SQL as the superuser, straight and not through any tunnel; gives the rows unaligned, without headings.
    ///
    /// # Errors
    /// When psql fails.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, Failure> {
        let mut psql = bare(&self.programs.program("psql"), None);
        let port = self.port.to_string();
        run(psql
            .args(["-h", "127.0.0.1", "-p", &port, "-U", &self.user, "-d", database])
            .args(["--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .env("PGPASSWORD", &self.password))
    }

    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let ready = self.programs.program("pg_isready");
        let port = self.port.to_string();
        let process = &mut self.process;
        let outcome = within(START, "PostgreSQL accepting connections", || {
            let ended = matches!(process.ended(), Ok(Some(_)) | Err(_));
            let mut asked = bare(&ready, None);
            let answer = asked.args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
            (ended || answer.is_ok_and(|status| status.success())).then_some(ended)
        });
        match outcome {
            Ok(false) => Ok(()),
            Ok(true) => Err(Failure::unexpected("PostgreSQL to run", self.log())),
            Err(failure) => Err(failure),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // INT is PostgreSQL's "fast": it ends its visitors; TERM would wait for them.
        drop(self.process.stop(Signal::INT, STOP));
    }
}

/// A directory for a server, which the account that runs it owns.
pub(crate) fn scratch(name: &str, servant: Option<Account>) -> Result<TempDir, Failure> {
    let dir = tempfile::Builder::new()
        .prefix(&format!("bastion-{name}-"))
        .tempdir()
        .map_err(Failure::io("making a temporary directory"))?;
    leash::remove(dir.path());
    give(dir.path(), servant)?;
    Ok(dir)
}

/// Hands a file to the account that will use it.
pub(crate) fn give(path: &Path, servant: Option<Account>) -> Result<(), Failure> {
    let Some(Account { uid, gid }) = servant else { return Ok(()) };
    std::os::unix::fs::chown(path, Some(uid), Some(gid))
        .map_err(Failure::io(format!("handing over {}", path.display())))
}

/// A program with nothing of our environment but where programs are, run by the given account.
pub fn bare(program: &Path, servant: Option<Account>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").current_dir("/");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    if let Some(Account { uid, gid }) = servant {
        command.uid(uid).gid(gid);
    }
    command
}

/// A certificate of the server's own in its folder; `false` where there is no openssl to make one.
pub(crate) fn certificate(data: &Path, servant: Option<Account>) -> Result<bool, Failure> {
    let Some(openssl) = crate::place::on_path("openssl", &[]) else { return Ok(false) };
    run(bare(&openssl, servant)
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", NAMES, "-out"])
        .arg(data.join(CERTIFICATE))
        .arg("-keyout")
        .arg(data.join(KEY)))?;
    Ok(true)
}

/// Who it is to those that trust it: this machine, and any database of the simulated VPC, as RDS's own certificates say.
const NAMES: &str =
    "subjectAltName=DNS:localhost,DNS:*.cx1simulated.ap-northeast-1.rds.amazonaws.com";

/// Where PostgreSQL looks for them in its data directory.
pub(crate) const CERTIFICATE: &str = "server.crt";
pub(crate) const KEY: &str = "server.key";

/// A busy machine with two cores takes a second or two; this is for the worst of them.
const START: Duration = Duration::from_secs(60);
/// "Fast" takes a tenth of a second.
const STOP: Duration = Duration::from_secs(10);
