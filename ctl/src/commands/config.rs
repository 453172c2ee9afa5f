use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bastion_api::client::{Client, ClientError, daemon_program};
use bastion_api::paths::{self, Env};
use bastion_api::{ConfigFault, ConfigReport, Problem, ProblemKind, SCHEMA_VERSION};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::error::Failure;
use crate::ui::{Look, Ui};
use crate::words::{clean, count};

/// Check the config, show it as meant, or tell where it is
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl config check")]
pub(crate) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check the config file: every fault with its line, exit code 2 where there are any
    #[command(after_help = "Example:\n  bastionctl config check")]
    Check {
        /// This file, not the usual one
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show the config as the daemon means it, or as the file says where none runs
    #[command(after_help = "Example:\n  bastionctl config show")]
    Show,
    /// Print where the config file is, whether it exists or not
    #[command(after_help = "Example:\n  $EDITOR \"$(bastionctl config path)\"")]
    Path,
}

/// Where the config file is.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Place<'a> {
    schema_version: u32,
    path: &'a str,
    exists: bool,
}

impl Config {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        match self.what {
            What::Check { config } => check(config.as_deref(), ui).await,
            What::Show => show(client, ui).await,
            What::Path => path(client, ui).await,
        }
    }
}

async fn check(file: Option<&Path>, ui: &mut Ui) -> Result<(), Failure> {
    let report = checked(file).await?;
    if ui.settings().json {
        ui.json(&report)?;
    } else {
        faults(&report.faults, ui)?;
    }
    if !report.ok {
        return Err(Failure::Told(ProblemKind::Usage));
    }
    let file = clean(report.path.as_deref().unwrap_or("the config"));
    if report.exists {
        let (sites, targets) = (named(&report.sites).len(), named(&report.targets).len());
        let (sites, targets) = (count(sites as u64, "site"), count(targets as u64, "target"));
        ui.talk(&format!("{file}: ok, {sites}, {targets}"));
    } else {
        ui.talk(&format!("{file}: no such file, which means no targets"));
    }
    Ok(())
}

async fn show(client: &Client, ui: &mut Ui) -> Result<(), Failure> {
    let (report, whose) = match client.config().await {
        Ok(report) => (report, "as bastiond runs with it"),
        Err(ClientError::NotRunning { .. }) => {
            (checked(None).await?, "as the file says; bastiond is not running")
        }
        Err(error) => return Err(error.into()),
    };
    if ui.settings().json {
        ui.json(&report)?;
    } else {
        let file = clean(report.path.as_deref().unwrap_or("no config file"));
        ui.talk(&format!("# {file}"));
        ui.talk(&format!("# {whose}"));
        faults(&report.faults, ui)?;
        for line in shown(&report) {
            ui.data(&line)?;
        }
    }
    if report.ok { Ok(()) } else { Err(Failure::Told(ProblemKind::Usage)) }
}

async fn path(client: &Client, ui: &mut Ui) -> Result<(), Failure> {
    let told = match client.config().await {
        Ok(report) => report.path,
        Err(ClientError::NotRunning { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let path = match told {
        Some(path) => path,
        None => match paths::config_path(None, &Env::of_process()) {
            Ok(path) => path.display().to_string(),
            Err(error) => {
                let message = "the config has no place";
                let problem = Problem::new("C11", ProblemKind::NotFound, message);
                return Err(problem.because(error.to_string()).hint(error.hint()).into());
            }
        },
    };
    if ui.settings().json {
        let exists = Path::new(&path).exists();
        return ui.json(&Place { schema_version: SCHEMA_VERSION, path: &path, exists });
    }
    ui.data(&path)
}

/// What the daemon's own program says about a file, whether a daemon runs or not.
async fn checked(file: Option<&Path>) -> Result<ConfigReport, Failure> {
    let program = daemon_program();
    let mut command = tokio::process::Command::new(&program);
    command.args(["--check", "--json"]).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(file) = file {
        command.arg("--config").arg(file);
    }
    let program = program.display();
    let failed = |why: String| {
        let problem = Problem::new("C10", ProblemKind::Failed, "cannot check the config");
        Failure::from(problem.because(format!("{program}: {why}")))
    };
    let Ok(ran) = timeout(CHECK, command.output()).await else {
        return Err(failed(format!("no answer in {} s", CHECK.as_secs())));
    };
    let output = match ran {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = "cannot check the config: bastiond is not installed";
            let problem = Problem::new("C10", ProblemKind::NotFound, message)
                .because("it is neither beside bastionctl nor on PATH")
                .hint("install bastiond into the directory of bastionctl");
            return Err(problem.into());
        }
        Err(error) => return Err(failed(error.to_string())),
    };
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it said nothing");
        failed(format!("{last} ({})", output.status))
    })
}

/// Every fault with its place, and what may have been meant.
pub(super) fn faults(faults: &[ConfigFault], ui: &mut Ui) -> Result<(), Failure> {
    for fault in faults {
        ui.data(&clean(&place(fault)))?;
        if let Some(hint) = &fault.hint {
            let line = format!("  {} {}", ui.painted("hint:", Look::Help), clean(hint));
            ui.data(&line)?;
        }
    }
    if !faults.is_empty() {
        ui.talk(&count(faults.len() as u64, "fault"));
    }
    Ok(())
}

/// `config.toml:12: target.prod-db.lisen: unknown key`
fn place(fault: &ConfigFault) -> String {
    let line = fault.line.map(|line| format!(":{line}")).unwrap_or_default();
    let key = if fault.key.is_empty() { String::new() } else { format!("{}: ", fault.key) };
    format!("{}{line}: {key}{}", fault.file, fault.reason)
}

/// The config in the manner of its file.
fn shown(report: &ConfigReport) -> Vec<String> {
    let mut lines = Vec::new();
    for (table, entries) in [("site", &report.sites), ("target", &report.targets)] {
        for (name, entry) in named(entries) {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(clean(&format!("[{table}.{name}]")));
            let Value::Object(keys) = entry else { continue };
            let said = keys.iter().filter(|(key, value)| *key != "name" && !value.is_null());
            lines.extend(said.map(|(key, value)| clean(&format!("{key} = {}", inline(value)))));
        }
    }
    lines
}

/// Entries by name, whether they come as a map or as a list of things that know their names.
fn named(entries: &Value) -> Vec<(String, &Value)> {
    match entries {
        Value::Object(map) => map.iter().map(|(name, entry)| (name.clone(), entry)).collect(),
        Value::Array(list) => {
            let name = |entry: &Value| Some(entry.get("name")?.as_str()?.to_owned());
            list.iter().map(|entry| (name(entry).unwrap_or_default(), entry)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// A value on one line as TOML writes it.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let said = map.iter().filter(|(_, value)| !value.is_null());
            let items: Vec<String> =
                said.map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", items.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// How long a check may take: it reads one file.
const CHECK: Duration = Duration::from_secs(10);
