use bastion_api::client::{Client, ClientError};
use bastion_api::{SCHEMA_VERSION, Version as Daemon};
use clap::Args;
use serde::Serialize;

use crate::error::Failure;
use crate::ui::Ui;
use crate::words::clean;

/// Print the versions of bastionctl and of the daemon that answers
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl version")]
pub(crate) struct Version {}

/// Who is who.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Versions<'a> {
    schema_version: u32,
    bastionctl: &'static str,
    bastiond: Option<&'a str>,
    pid: Option<u32>,
}

impl Version {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let daemon = match client.version().await {
            Ok(daemon) => Some(daemon),
            Err(ClientError::NotRunning { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let bastiond = daemon.as_ref().map(|daemon| daemon.version.as_str());
        if ui.settings().json {
            return ui.json(&Versions {
                schema_version: SCHEMA_VERSION,
                bastionctl: OURS,
                bastiond,
                pid: daemon.as_ref().and_then(|daemon| daemon.pid),
            });
        }
        ui.data(&format!("bastionctl {OURS}"))?;
        match &daemon {
            Some(daemon) => ui.data(&said(daemon))?,
            None => ui.data("bastiond is not running")?,
        }
        if bastiond.is_some_and(|theirs| theirs != OURS) {
            ui.talk("they differ: restart bastiond after an upgrade");
        }
        Ok(())
    }
}

fn said(daemon: &Daemon) -> String {
    let pid = daemon.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    format!("bastiond {}{pid}", clean(&daemon.version))
}

const OURS: &str = env!("CARGO_PKG_VERSION");
