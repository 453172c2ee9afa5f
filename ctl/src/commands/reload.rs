use bastion_api::client::Client;
use bastion_api::{ProblemKind, ReloadAnswer};
use clap::Args;

use super::config;
use crate::error::Failure;
use crate::ui::Ui;
use crate::words::{clean, count};

/// Have bastiond read its config again
///
/// Who is connected stays connected, but for targets that the file no longer names. A faulty file changes nothing, and all of its faults are told.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl reload")]
pub(crate) struct Reload {}

impl Reload {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let answer = client.reload().await?;
        if ui.settings().json {
            ui.json(&answer)?;
        } else if answer.ok {
            for line in said(&answer) {
                ui.talk(&line);
            }
        } else {
            config::faults(&answer.faults, ui)?;
            ui.talk("nothing has changed: bastiond goes on with the config before");
        }
        if answer.ok { Ok(()) } else { Err(Failure::Told(ProblemKind::Usage)) }
    }
}

fn said(answer: &ReloadAnswer) -> Vec<String> {
    let mut lines = Vec::new();
    for name in &answer.added {
        lines.push(format!("added {}", clean(name)));
    }
    for dropped in &answer.dropped {
        let ended = match dropped.visits {
            0 => String::new(),
            some => format!("; {} ended", count(u64::from(some), "visit")),
        };
        lines.push(format!("dropped {}{ended}", clean(&dropped.name)));
    }
    for altered in &answer.altered {
        let keys = clean(&altered.keys.join(", "));
        lines.push(format!("altered {}: {keys}{}", clean(&altered.name), visits(altered.visits)));
    }
    lines.push(match (lines.is_empty(), answer.unchanged.len()) {
        (true, 0) => "no targets".into(),
        (true, some) => format!("{}, all as before", count(some as u64, "target")),
        (false, some) => format!("{} as before", count(some as u64, "target")),
    });
    if !answer.needs_restart.is_empty() {
        let keys = clean(&answer.needs_restart.join(", "));
        lines.push(format!("needs a restart of bastiond: {keys}"));
    }
    lines
}

fn visits(number: u32) -> String {
    match number {
        0 => String::new(),
        1 => "; 1 visit goes on until it ends".into(),
        many => format!("; {many} visits go on until they end"),
    }
}
