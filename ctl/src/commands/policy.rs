use bastion_api::client::{Client, PolicyWanted};
use bastion_api::{Policy as Answer, PolicyFor, PolicyReason};
use clap::Args;

use crate::error::Failure;
use crate::ui::{Look, Ui};
use crate::words::{clean, wrap};

/// Print the least IAM policy for this config
///
/// The document goes to stdout, as aws iam create-policy takes it; what each statement is for goes to stderr, and with
/// --json into the same object. What AWS does not tell (no login, no permission) is a pattern, with a note.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Policy {
    /// For the user or role that bastiond runs with; this is the default
    #[arg(long, conflicts_with = "task_role")]
    user: bool,
    /// For the role of the task, with which its agent connects
    #[arg(long)]
    task_role: bool,
    /// Only for this site; may be given more than once
    #[arg(long, value_name = "SITE")]
    site: Vec<String>,
    /// With what only the doctor asks
    #[arg(long, conflicts_with = "task_role")]
    doctor: bool,
}

impl Policy {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let whose = if self.task_role { PolicyFor::TaskRole } else { PolicyFor::User };
        let wanted = PolicyWanted { whose, sites: self.site, doctor: self.doctor };
        ui.progress("asking AWS for what the policy names …");
        let answer = client.policy(&wanted).await?;
        if ui.settings().json {
            return ui.json(&answer);
        }
        if answer.document.statement.is_empty() {
            ui.talk("the config names no sites: bastionctl config path");
            return Ok(());
        }
        ui.json(&answer.document)?;
        explain(&answer, ui);
        Ok(())
    }
}

fn explain(answer: &Answer, ui: &mut Ui) {
    for reason in &answer.statements {
        let title = ui.painted(&clean(&reason.sid), Look::Title);
        ui.talk(&format!("{title}{}", about(reason, answer)));
        said(&reason.why, ui);
        said(&format!("without it: {}", reason.without), ui);
        for note in &reason.notes {
            said(&format!("note: {note}"), ui);
        }
    }
    for note in &answer.notes {
        ui.talk(&clean(note));
    }
    if answer.trust.is_some() {
        ui.talk("its trust policy: bastionctl policy --task-role --json | jq .trust");
    }
}

/// Which sites a statement is about, where not all of them, and whether it can be left out.
fn about(reason: &PolicyReason, answer: &Answer) -> String {
    let sites = (reason.sites.len() < answer.sites.len())
        .then(|| format!("site {}", clean(&reason.sites.join(", "))));
    let optional = reason.optional.then(|| "can be left out".to_owned());
    let said: Vec<String> = [sites, optional].into_iter().flatten().collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join("; ")) }
}

fn said(text: &str, ui: &mut Ui) {
    let width = ui.settings().width.saturating_sub(INDENT.len());
    for line in wrap(&clean(text), width) {
        ui.talk(&format!("{INDENT}{line}"));
    }
}

const INDENT: &str = "  ";

const EXAMPLE: &str = "\
Example:
  bastionctl policy --site prod > policy.json
  aws iam create-policy --policy-name bastiond \\
      --policy-document file://policy.json";
