//! `service install`: shows what it will write, writes it, and starts the service.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};

use bastion_api::client::Client;
use bastion_api::{Problem, ProblemKind, SCHEMA_VERSION};
use clap::Args;
use serde::Serialize;

use super::environment::{self, Captured, LeftOut, Shell};
use super::files::{Found, Wanted};
use super::manager::{Kind, Manager};
use super::places::Places;
use super::standing::Standing;
use super::{begun, did_not_start, program};
use crate::error::Failure;
use crate::ui::Ui;
use crate::words::{clean, wrap};

/// Write the service's files, start it, and have it started at every login
///
/// Takes along PATH, where credential helpers are found, and what of AWS_CONFIG_FILE, AWS_PROFILE, AWS_REGION,
/// HTTPS_PROXY, NO_PROXY, BASTION_CONFIG and their like this shell has; never a key, a token or a password. Runs again
/// safely: a file that you have altered is kept as it is.
#[derive(Args, Debug, Default)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Install {
    /// Show what would be written and run, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write over files that you have altered; yours are kept beside
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not start it now
    #[arg(long)]
    pub(crate) no_start: bool,
    /// Run this bastiond [default: the one beside bastionctl, else the one on PATH]
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Take along this variable of the shell, too
    #[arg(long, value_name = "NAME", value_parser = variable)]
    pub(crate) env: Vec<String>,
}

/// What was or would be installed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Installed<'a> {
    schema_version: u32,
    manager: &'static str,
    program: String,
    dry_run: bool,
    files: Vec<Written>,
    environment: BTreeMap<&'a str, &'a str>,
    left_out: &'a [LeftOut],
    commands: Vec<String>,
    remarks: Vec<String>,
    running: bool,
}

/// What becomes of one file.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Written {
    path: String,
    action: Action,
    /// Where what somebody had altered is kept.
    kept_at: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Action {
    /// It is not there yet.
    Create,
    /// It is one of ours, and says something else.
    Replace,
    /// It says what it should.
    Unchanged,
    /// Somebody has altered it.
    Keep,
}

/// All that is to be done, before any of it is.
struct Plan {
    program: PathBuf,
    captured: Captured,
    files: Vec<(Wanted, Found)>,
}

impl Install {
    pub(crate) async fn run(self, kind: Kind, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        // Who would keep it comes first: without anybody, nothing is written.
        let manager = Manager::reach(kind).await?;
        let was = manager.standing().await?;
        let plan = self.plan(kind, &manager.places)?;
        let stranger = if was.running { None } else { stranger(&was, client).await };
        let now = !self.no_start && !was.running && stranger.is_none();
        let calls = manager.calls_of_install(now);
        let mut remarks = plan.remarks(self.force, kind, &manager.places);
        if let Some(pid) = stranger {
            let pid = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
            remarks.push(format!("bastiond runs already, outside the service{pid}"));
            remarks.push("end it, and then: bastionctl service start".to_owned());
        }
        if manager.lingers().await == Some(false) {
            let words = "the service ends with your last session; to keep it:";
            remarks.push(format!("{words} loginctl enable-linger"));
        }
        let changes = plan.files.iter().any(|(_, found)| self.action(*found).changes());
        if changes && was.running {
            let words = "bastiond runs on as it was started; to take what is new:";
            remarks.push(format!("{words} bastionctl service restart"));
        }
        // Shown before it is done, so that a failure halfway finds a reader who knows what was meant.
        let mut written = self.intended(&plan);
        if !ui.settings().json {
            let lines = plan.lines(&written);
            let calls = calls.iter().map(|call| format!("run      {call}"));
            let lines: Vec<String> =
                lines.into_iter().chain(calls.filter(|_| self.dry_run)).collect();
            for line in lines {
                if self.dry_run {
                    ui.data(&line)?;
                } else {
                    ui.talk(&line);
                }
            }
        }
        if !self.dry_run {
            self.write(&plan, &mut written)?;
            for call in &calls {
                call.run().await.map_err(did_not_start)?;
            }
        }
        if ui.settings().json {
            ui.json(&Installed {
                schema_version: SCHEMA_VERSION,
                manager: kind.word(),
                program: plan.program.display().to_string(),
                dry_run: self.dry_run,
                files: written,
                environment: plan.captured.kept.iter().map(|(k, v)| (&**k, &**v)).collect(),
                left_out: &plan.captured.left_out,
                commands: calls.iter().map(ToString::to_string).collect(),
                running: manager.standing().await?.running,
                remarks,
            })?;
            return Ok(());
        }
        for remark in remarks {
            for line in wrap(&remark, ui.settings().width) {
                ui.talk(&line);
            }
        }
        if self.dry_run {
            ui.talk("nothing was written");
        } else if now {
            begun(&manager, "install", client, ui).await?;
        }
        Ok(())
    }

    fn plan(&self, kind: Kind, places: &Places) -> Result<Plan, Failure> {
        let program = program::find(self.program.as_deref())?;
        let here = env::current_dir().unwrap_or_default();
        let shell = Shell {
            var: &|name| env::var_os(name),
            is_dir: &Path::is_dir,
            here: &here,
            usual_path: kind.usual_path(),
        };
        let captured = Captured::of(&shell, &self.env);
        let mut files = Vec::new();
        for file in kind.files(places, &program, &captured) {
            let found = file.found().map_err(|error| unusable(&file.path, &error))?;
            files.push((file, found));
        }
        Ok(Plan { program, captured, files })
    }

    fn action(&self, found: Found) -> Action {
        match found {
            Found::Missing => Action::Create,
            Found::Same => Action::Unchanged,
            Found::Ours => Action::Replace,
            Found::Altered if self.force => Action::Replace,
            Found::Altered => Action::Keep,
        }
    }

    fn intended(&self, plan: &Plan) -> Vec<Written> {
        let of = |(file, found): &(Wanted, Found)| Written {
            path: file.path.display().to_string(),
            action: self.action(*found),
            kept_at: None,
        };
        plan.files.iter().map(of).collect()
    }

    fn write(&self, plan: &Plan, written: &mut [Written]) -> Result<(), Failure> {
        for ((file, found), written) in plan.files.iter().zip(written) {
            if !written.action.changes() {
                continue;
            }
            let unusable = |error: io::Error| unusable(&file.path, &error);
            if *found == Found::Altered {
                let aside = file.put_aside().map_err(unusable)?;
                written.kept_at = Some(aside.display().to_string());
            }
            file.write().map_err(unusable)?;
        }
        Ok(())
    }
}

impl Action {
    fn changes(self) -> bool {
        match self {
            Self::Create | Self::Replace => true,
            Self::Unchanged | Self::Keep => false,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Create | Self::Replace => "write",
            Self::Unchanged => "as it is",
            Self::Keep => "keep",
        }
    }
}

impl Plan {
    /// What will stand where.
    fn lines(&self, written: &[Written]) -> Vec<String> {
        let mut lines = vec![format!("program  {}", clean(&self.program.display().to_string()))];
        for file in written {
            lines.push(format!("{:<8} {}", file.action.word(), clean(&file.path)));
        }
        for (name, value) in &self.captured.kept {
            lines.push(format!("with     {name}={}", clean(value)));
        }
        for left in &self.captured.left_out {
            lines.push(format!("without  {}: it {}", left.name, left.why));
        }
        lines
    }

    /// What is good to know besides.
    fn remarks(&self, force: bool, kind: Kind, places: &Places) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(why) = environment::moves(&self.program) {
            remarks.push(format!("this bastiond may soon be gone or another: {why}"));
        }
        if self.files.iter().any(|(_, found)| *found == Found::Altered) {
            remarks.push(if force {
                "what was altered is kept beside what is new".to_owned()
            } else {
                "what was altered is kept; --force writes over it and keeps yours beside".to_owned()
            });
        }
        if !self.captured.left_out.is_empty() {
            match kind {
                Kind::Systemd => {
                    remarks
                        .push("what must be set all the same, as NAME=value and mode 0600:".into());
                    remarks.push(clean(&places.own_environment.display().to_string()));
                }
                Kind::Launchd => {
                    remarks
                        .push("what must be set all the same: launchctl setenv NAME VALUE".into());
                }
            }
        }
        remarks
    }
}

/// A daemon that runs without the service: the two cannot run at once. Some, with its process where it tells.
async fn stranger(was: &Standing, client: &Client) -> Option<Option<u32>> {
    if was.socket {
        // Whoever knocks there starts the service.
        return None;
    }
    client.version().await.ok().map(|version| version.pid)
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    let problem =
        Problem::new("C24", ProblemKind::Failed, "a file of the service cannot be written");
    problem.because(format!("{}: {error}", path.display())).into()
}

/// A variable's name that may be written down.
fn variable(name: &str) -> Result<String, String> {
    if !environment::is_name(name) {
        return Err("a variable's name has letters, digits and \"_\" only".to_owned());
    }
    if environment::is_secret(name) {
        return Err("that is a secret's name, and no secret is written down".to_owned());
    }
    Ok(name.to_owned())
}

const EXAMPLE: &str = "Example:\n  bastionctl service install --dry-run";
