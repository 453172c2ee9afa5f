use bastion_api::client::{Client, EventsWanted};
use bastion_api::{Event, Problem, ProblemKind};
use clap::Args;
use jiff::tz::TimeZone;

use super::about;
use crate::error::Failure;
use crate::ui::{Look, Ui};
use crate::words::{clean, wrap};

/// Print what has happened, and with --follow what happens next
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl events --follow")]
pub(crate) struct Events {
    /// Only what concerns this target
    target: Option<String>,
    /// Go on printing, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

impl Events {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let follow = self.follow;
        let wanted = EventsWanted { follow, since: None, target: self.target };
        let asked = client.events(&wanted).await;
        let mut lines = match &wanted.target {
            Some(name) => about(client, name, asked).await?,
            None => asked?,
        };
        let mut any = false;
        while let Some(event) = lines.next().await? {
            any = true;
            if ui.settings().json {
                ui.versioned_line(&event)?;
                continue;
            }
            for line in words(&event, ui) {
                ui.data(&line)?;
            }
        }
        if follow {
            let kind = ProblemKind::NotRunning;
            return Err(Problem::new("C04", kind, "bastiond has stopped").into());
        }
        if !any {
            ui.talk("nothing has happened yet");
        }
        Ok(())
    }
}

/// `2026-01-02 03:04:05  prod-db  ready after 24 s`, and what is wrong on lines of its own.
fn words(event: &Event, ui: &Ui) -> Vec<String> {
    let time = event.time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S");
    let target = event.target.as_deref().map(|name| format!("{}  ", clean(name)));
    let (target, message) = (target.unwrap_or_default(), clean(&event.message));
    let width = ui.settings().table_width.unwrap_or(usize::MAX);
    let mut lines = broken(&format!("{time}  {target}{message}"), width);
    let Some(problem) = &event.problem else { return lines };
    let mut point = |label: &str, look, text: &str| {
        // A hint is there to be copied.
        let room = if look == Look::Help { usize::MAX } else { width.saturating_sub(INDENT.len()) };
        let text = broken(&format!("{label} {}", clean(text)), room);
        let painted = ui.painted(label, look);
        lines.extend(
            text.iter().map(|line| format!("{INDENT}{}", line.replacen(label, &painted, 1))),
        );
    };
    if problem.message != event.message {
        point("error:", Look::Bad, &problem.message);
    }
    for cause in &problem.causes {
        point("because:", Look::Title, cause);
    }
    for hint in &problem.hints {
        point("hint:", Look::Help, hint);
    }
    lines
}

/// A line broken where it is too long, its further lines moved in.
fn broken(line: &str, width: usize) -> Vec<String> {
    if line.chars().count() <= width {
        return vec![line.to_owned()];
    }
    let lines = wrap(line, width.saturating_sub(INDENT.len()));
    let indent = |number| if number == 0 { "" } else { INDENT };
    let moved = |(number, line): (usize, &String)| format!("{}{}", indent(number), line.trim_end());
    lines.iter().enumerate().map(moved).collect()
}

/// What stands before the lines that say more.
const INDENT: &str = "    ";
