mod bundle;
mod redact;
mod table;

use std::path::PathBuf;

use bastion_api::client::Client;
use bastion_api::{CheckStatus, DoctorReport, ProblemKind};
use clap::Args;

use super::about;
use crate::error::Failure;
use crate::ui::Ui;

/// Find out what is wrong, and what to do about it
///
/// The first check that fails is the root cause; what depends on it is skipped. "Cannot know" is neither: a permission is
/// missing. All that is asked of AWS is read, and nothing is started. Exits with 11 where something is wrong.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Doctor {
    /// Only this target [default: all of them]
    target: Option<String>,
    /// Also write a file for support: versions, config, this report, status, events, log; without secrets
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

impl Doctor {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        ui.progress("looking at this machine and at AWS …");
        let answer = client.doctor(self.target.as_deref()).await;
        let came = match &self.target {
            Some(name) => about(client, name, answer).await,
            None => answer.map_err(Failure::from),
        };
        if let Some(path) = &self.bundle {
            bundle::write(path, client, came.as_ref().ok()).await?;
        }
        let report = came?;
        show(&report, ui)?;
        if let Some(path) = &self.bundle {
            ui.talk(&format!("wrote {}: read it before you give it away", path.display()));
        }
        if report.problems > 0 {
            return Err(Failure::Told(ProblemKind::DoctorFound));
        }
        Ok(())
    }
}

fn show(report: &DoctorReport, ui: &mut Ui) -> Result<(), Failure> {
    if ui.settings().json {
        return ui.json(report);
    }
    if report.checks.is_empty() {
        ui.talk("no targets to look at: bastionctl config path");
    }
    table::lines(report, ui).iter().try_for_each(|line| ui.data(line))?;
    let problems = crate::words::count(u64::from(report.problems), "problem");
    ui.data(&format!("{problems}, {} unknown.", report.unknown))?;
    if !report.live && report.checks.iter().any(|check| check.status == CheckStatus::Ok) {
        ui.talk("bastiond is not running: what it has seen lately is not in this");
    }
    Ok(())
}

const EXAMPLE: &str = "\
Example:
  bastionctl doctor prod-db
  bastionctl doctor --bundle support.txt";
