use bastion_api::client::Client;
use bastion_api::{ByHand as Script, ByHandStep};
use clap::Args;

use super::about;
use crate::error::Failure;
use crate::ui::{Look, Ui};
use crate::words::{clean, count, wrap};

/// Print the aws commands that do by hand what the daemon does for a target
///
/// A script for bash, with every name that could be looked up: start a task, wait for its agent, open the session, connect,
/// stop the task. Nothing is started by printing it.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl by-hand prod-db > prod-db.sh")]
pub(crate) struct ByHand {
    /// The target, as the config names it
    target: String,
}

impl ByHand {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let script = about(client, &self.target, client.by_hand(&self.target).await).await?;
        if ui.settings().json {
            return ui.json(&script);
        }
        for line in head(&script).into_iter().map(|line| comment(&line)) {
            ui.data(&ui.painted(&line, Look::Title))?;
        }
        for (number, step) in (1..).zip(&script.steps) {
            ui.data("")?;
            ui.data(&ui.painted(&comment(&format!("{number}. {}", step.title)), Look::Title))?;
            comments(step, ui)?;
            // A command is printed as it is: whoever wrote it has left out what could steer a terminal.
            step.commands.iter().try_for_each(|command| ui.data(command))?;
        }
        let unknown = script.steps.iter().filter(|step| step.unknown.is_some()).count();
        if unknown > 0 {
            let steps = count(unknown as u64, "step");
            ui.talk(&format!("{steps} could not be looked up: the script does that when it runs"));
        }
        Ok(())
    }
}

/// What the script is for, and where.
fn head(script: &Script) -> Vec<String> {
    let account = script.account.as_deref().map(|account| format!("account {account}"));
    let region = script.region.clone();
    let profile = script.profile.as_deref().map(|profile| format!("profile {profile}"));
    let place: Vec<String> = [account, region, profile].into_iter().flatten().collect();
    let mut lines = vec![format!("{} by hand, in bash, with the aws command line", script.target)];
    if !place.is_empty() {
        lines.push(place.join(", "));
    }
    lines
}

fn comments(step: &ByHandStep, ui: &mut Ui) -> Result<(), Failure> {
    for said in &step.comments {
        // A command in a comment is there to be copied; everything else is read.
        let is_command = said.split_once(": ").is_some_and(|(_, rest)| rest.starts_with("aws "));
        let lines = if is_command { vec![said.clone()] } else { wrap(said, COMMENT) };
        lines.iter().try_for_each(|line| ui.data(&comment(&format!("  {line}"))))?;
    }
    let Some(why) = &step.unknown else { return Ok(()) };
    for line in wrap(&format!("not known: {why}"), COMMENT) {
        let line = comment(&format!("  {line}"));
        ui.data(&ui.painted(&line, Look::Busy))?;
    }
    Ok(())
}

/// A line that bash does not read, whatever is in it.
fn comment(line: &str) -> String {
    format!("# {}", clean(line))
}

/// How long a comment may be, so that its line fits into 80 columns.
const COMMENT: usize = 76;
