//! A file for whoever helps: versions, config, report, status, events, log.
//!
//! It is one plain text and no archive, because its owner is to read it before giving it away.

use std::fmt::{Display, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use bastion_api::client::{Client, ClientError, EventsWanted};
use bastion_api::{DoctorReport, Problem, ProblemKind};
use serde::Serialize;
use tokio::time::timeout;

use super::super::service::logs;
use super::redact::redacted;
use crate::clock;
use crate::error::{Failure, explain};

/// Writes it; a file that is there already stays as it is.
pub(super) async fn write(
    path: &Path,
    client: &Client,
    report: Option<&DoctorReport>,
) -> Result<(), Failure> {
    let text = text(client, report).await;
    let home = std::env::var("HOME").ok();
    let text = redacted(&text, home.as_deref());
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(PRIVATE).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| not_written(path, &error).into())
}

async fn text(client: &Client, report: Option<&DoctorReport>) -> String {
    let mut text = String::from(
        "bastiond support bundle\n\nKeys, tokens, passwords, people and the home directory are left out; names of \
         accounts, databases and secrets are not.\nRead it before you give it away.\n",
    );
    section(&mut text, "versions", &versions(client).await);
    section(&mut text, "environment", &environment());
    section(&mut text, "config", &told(client.config().await));
    let report = report.map_or_else(|| "there is none: see what bastionctl said".into(), json);
    section(&mut text, "doctor", &report);
    section(&mut text, "status", &told(client.status().await));
    section(&mut text, "events", &events(client).await);
    section(&mut text, "log", &log().await);
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    // A string takes all that is written.
    write!(text, "\n== {title} ==\n{}\n", body.trim_end()).ok();
}

async fn versions(client: &Client) -> String {
    let system = rustix::system::uname();
    let daemon = match client.version().await {
        Ok(version) => version.version,
        Err(error) => said(error),
    };
    [
        format!("bastionctl {}", env!("CARGO_PKG_VERSION")),
        format!("bastiond   {daemon}"),
        format!(
            "system     {} {} {}",
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy(),
            system.machine().to_string_lossy()
        ),
        format!("release    {}", release()),
        format!("time       {}", clock::today()),
    ]
    .join("\n")
}

/// What the system calls itself.
fn release() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let named = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    named.map_or_else(|| "unknown".into(), |name| name.trim_matches('"').to_owned())
}

/// Which variables are set that change how AWS is asked. Their values may be secret; those of the region are not.
fn environment() -> String {
    let mut names: Vec<String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| matters(name))
        .map(|(name, value)| match name.as_str() {
            "AWS_REGION" | "AWS_DEFAULT_REGION" | "AWS_PROFILE" => format!("{name}={value}"),
            _ => format!("{name} is set"),
        })
        .collect();
    names.sort_unstable();
    if names.is_empty() { "nothing that matters".into() } else { names.join("\n") }
}

fn matters(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    upper.starts_with("AWS_") || upper.starts_with("BASTION_") || upper.ends_with("_PROXY")
}

async fn events(client: &Client) -> String {
    let mut lines = match client.events(&EventsWanted::default()).await {
        Ok(lines) => lines,
        Err(error) => return said(error),
    };
    let mut all = Vec::new();
    loop {
        match lines.next().await {
            Ok(Some(event)) => all.push(serde_json::to_string(&event).unwrap_or_default()),
            Ok(None) => break,
            Err(error) => {
                all.push(said(error));
                break;
            }
        }
    }
    last(&all)
}

/// What the service manager has kept of the daemon's log.
async fn log() -> String {
    match timeout(LOG, logs::last(LINES)).await {
        Ok(Ok(text)) => text,
        Ok(Err(why)) => why,
        Err(_) => "the service manager does not answer".into(),
    }
}

fn last(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(LINES as usize)..].join("\n")
}

fn told<T: Serialize>(answer: Result<T, ClientError>) -> String {
    match answer {
        Ok(value) => json(&value),
        Err(error) => said(error),
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("our types have string keys only")
}

fn said(error: ClientError) -> String {
    explain(error).message
}

fn not_written(path: &Path, error: &io::Error) -> Problem {
    let problem = |kind, why: &dyn Display| {
        Problem::new("C12", kind, "cannot write the bundle")
            .because(format!("{}: {why}", path.display()))
    };
    if error.kind() == io::ErrorKind::AlreadyExists {
        problem(ProblemKind::Usage, &"it is there already, and nothing is overwritten")
            .hint("name a file that does not exist: --bundle support.txt")
    } else {
        problem(ProblemKind::Failed, error)
    }
}

/// Nobody else may read it.
const PRIVATE: u32 = 0o600;
/// How many lines of events and log are of use; more hide the ones that are.
const LINES: u32 = 200;
/// How long a service manager may take to find its lines.
const LOG: Duration = Duration::from_secs(5);
