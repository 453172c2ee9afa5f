//! ministack, somebody else's AWS in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;
use xtask::postgres::bare;
use xtask::process::Process;

use crate::clients::venv;

/// ministack on a free loopback port, with a directory of its own; it ends with this.
#[derive(Debug)]
pub struct Ministack {
    /// Before the directory, which it writes to until it ends.
    _process: Process,
    dir: TempDir,
    endpoint: String,
}

impl Ministack {
    /// Starts it with these variables besides those that say who and where it is, and waits until it listens.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(more: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut ministack = bare("sh".as_ref(), None);
        ministack
            .args(["-c", "exec \"$0\" 2>&1"])
            .arg(venv().join("bin/ministack"))
            .current_dir(dir.path())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", "0")
            .env("MINISTACK_REGION", REGION)
            .env("MINISTACK_ACCOUNT_ID", "123456789012")
            .env("HOME", dir.path())
            .env("TMPDIR", dir.path())
            .envs(more.iter().copied());
        let ministack = ministack.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Process::spawn(ministack).unwrap();
        let output = BufReader::new(process.child().stdout.take().unwrap());
        let (told, heard) = mpsc::channel();
        // Reads on until the end, lest the stand-in block on a full pipe.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, url)) = line.split_once("Running on ") {
                    drop(told.send(url.split_whitespace().next().unwrap_or_default().to_owned()));
                }
            }
        });
        let endpoint = heard.recv_timeout(START).expect("the stand-in did not start");
        Self { _process: process, dir, endpoint }
    }

    /// Where it answers.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The directory that goes with it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// The region that it is.
pub const REGION: &str = "ap-northeast-1";
/// It is up within a second; this is for the worst of machines.
const START: Duration = Duration::from_secs(60);
