//! A real MariaDB server in a temporary directory, on a free port of this machine, gone when dropped.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::Failure;
use crate::failure::run;
use crate::place::{free_port, servant};
use crate::postgres::{CERTIFICATE, KEY, bare, certificate, give, scratch};
use crate::process::{Process, within};
use crate::setup::mariadb::Programs;

/// A running server with one account that may do everything and needs its password.
#[derive(Debug)]
pub struct MariaDb {
    process: Process,
    port: u16,
    dir: TempDir,
}

impl MariaDb {
    /// Makes a data directory and starts a server on it; TLS is on where openssl can make a certificate.
    ///
    /// # Errors
    /// When a program fails, or the server does not come up.
    pub fn start(
        programs: &Programs,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<Self, Failure> {
        let servant = servant()?;
        let dir = scratch("maria", servant)?;
        let data = dir.path().join("data");
        run(bare(&programs.install_db, servant)
            .current_dir(dir.path())
            .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
            .arg(format!("--datadir={}", data.display())))?;
        let first = dir.path().join("first.sql");
        let account = format!(
            "CREATE DATABASE `{database}`;\n\
             CREATE USER '{user}'@'%' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON *.* TO '{user}'@'%' WITH GRANT OPTION;\n"
        );
        fs::write(&first, account).map_err(Failure::io("writing the first account"))?;
        give(&first, servant)?;
        let tls = certificate(dir.path(), servant)?;
        let file = |option: &str, name: &str| {
            format!("--ssl-{option}={}", dir.path().join(name).display())
        };
        let tls = tls.then(|| [file("cert", CERTIFICATE), file("key", KEY)]);
        let port = free_port()?;
        let log = fs::File::create(dir.path().join("log")).map_err(Failure::io("making a log"))?;
        let process = Process::spawn(
            bare(&programs.server, servant)
                .current_dir(dir.path())
                .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"])
                .arg(format!("--port={port}"))
                .arg(format!("--datadir={}", data.display()))
                .arg(format!("--socket={}", dir.path().join("sock").display()))
                .arg(format!("--pid-file={}", dir.path().join("pid").display()))
                .arg(format!("--init-file={}", first.display()))
                .args(tls.into_iter().flatten())
                .args(["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
        )?;
        let mut server = Self { process, port, dir };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate that it shows, where it has one: a client that trusts it believes that this is `localhost`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn certificate(&self) -> Result<String, Failure> {
        let path = self.dir.path().join(CERTIFICATE);
        fs::read_to_string(&path).map_err(Failure::io(format!("reading {}", path.display())))
    }

    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let (port, process) = (self.port, &mut self.process);
        let outcome = within(START, "MariaDB greeting its visitors", || {
            let ended = matches!(process.ended(), Ok(Some(_)) | Err(_));
            (ended || greets(port)).then_some(ended)
        });
        match outcome {
            Ok(false) => Ok(()),
            Ok(true) => {
                let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
                Err(Failure::unexpected("MariaDB to run", log))
            }
            Err(failure) => Err(failure),
        }
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        drop(self.process.stop(Signal::TERM, STOP));
    }
}

/// In MySQL's protocol the server speaks first.
fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let patient = stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok();
    patient && stream.read(&mut [0; 8]).is_ok_and(|read| read > 0)
}

/// A busy machine with two cores takes a second or two; this is for the worst of them.
const START: Duration = Duration::from_secs(60);
/// With nothing to write it takes half a second.
const STOP: Duration = Duration::from_secs(15);
