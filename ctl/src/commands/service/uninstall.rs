//! `service uninstall`: stops the service and removes what install wrote.

use std::fs;
use std::path::Path;

use bastion_api::client::Client;
use bastion_api::{Problem, ProblemKind, SCHEMA_VERSION};
use clap::Args;
use serde::Serialize;

use super::ending::Ending;
use super::environment::Captured;
use super::files::Found;
use super::manager::{Kind, Manager};
use crate::error::Failure;
use crate::ui::Ui;
use crate::words::clean;

/// Stop the service and remove its files
///
/// Config, ledger and journal stay. A file that you have altered stays, too, unless you say --force. Asks first when
/// somebody is connected.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Uninstall {
    /// Do not ask, also when somebody is connected
    #[arg(long, short)]
    yes: bool,
    /// Remove files that you have altered, too
    #[arg(long)]
    force: bool,
}

/// What is gone and what is not.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Uninstalled {
    schema_version: u32,
    manager: &'static str,
    removed: Vec<String>,
    kept: Vec<String>,
}

impl Uninstall {
    pub(super) async fn run(self, kind: Kind, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let manager = Manager::reach(kind).await?;
        let was = manager.standing().await?;
        if was.installed {
            Ending::new(self.yes).end(&was, "uninstall", client, ui).await?;
            manager.stop().await?;
            manager.disable().await?;
        }
        let (removed, kept) = self.remove(&manager)?;
        if !removed.is_empty() {
            manager.look_again().await?;
        }
        if ui.settings().json {
            let manager = kind.word();
            return ui.json(&Uninstalled {
                schema_version: SCHEMA_VERSION,
                manager,
                removed,
                kept,
            });
        }
        for path in &removed {
            ui.talk(&format!("removed {}", clean(path)));
        }
        for path in &kept {
            ui.talk(&format!("kept {}: it was altered; --force removes it, too", clean(path)));
        }
        if removed.is_empty() && kept.is_empty() {
            ui.talk("there was nothing to remove");
        }
        Ok(())
    }

    fn remove(&self, manager: &Manager) -> Result<(Vec<String>, Vec<String>), Failure> {
        // What stands in the files does not matter here, only whose they are.
        let files = manager.kind.files(&manager.places, Path::new("/"), &Captured::default());
        let (mut removed, mut kept) = (Vec::new(), Vec::new());
        for file in files {
            let path = file.path.display().to_string();
            let unusable = |error: std::io::Error| {
                let message = "a file of the service cannot be removed";
                let problem = Problem::new("C24", ProblemKind::Failed, message);
                Failure::from(problem.because(format!("{path}: {error}")))
            };
            match file.found().map_err(unusable)? {
                Found::Missing => continue,
                Found::Altered if !self.force => {
                    kept.push(path);
                    continue;
                }
                Found::Altered | Found::Ours | Found::Same => {}
            }
            fs::remove_file(&file.path).map_err(unusable)?;
            // A directory that is ours alone goes, too; any other has something in it.
            if let Some(dir) = file.path.parent().filter(|dir| dir.ends_with("bastiond.service.d"))
            {
                fs::remove_dir(dir).ok();
            }
            removed.push(path);
        }
        Ok((removed, kept))
    }
}

const EXAMPLE: &str = "Example:\n  bastionctl service uninstall";
