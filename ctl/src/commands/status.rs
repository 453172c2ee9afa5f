use std::collections::BTreeMap;
use std::time::Duration;

use bastion_api::client::{Client, ClientError};
use bastion_api::paths::{self, Env};
use bastion_api::{State, Status as Report, TargetStatus, VisitStatus};
use clap::Args;
use tokio::time::{MissedTickBehavior, interval};

use super::unknown;
use crate::error::{self, Failure};
use crate::table::{Cell, Table};
use crate::ui::{Look, Ui};
use crate::words::{clean, count, dollars, duration, whole, wrap};

/// Show every target: its state, who is connected, when it stops, what is wrong
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl status --watch")]
pub(crate) struct Status {
    /// Only this target
    target: Option<String>,
    /// Go on showing it, every second
    #[arg(long, short)]
    watch: bool,
}

impl Status {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        if !self.watch {
            let report = self.report(client).await?;
            return self.show(&report, ui);
        }
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        if !ui.settings().json {
            ui.clear()?;
        }
        let mut first = true;
        loop {
            tick.tick().await;
            let report = match self.report(client).await {
                // Whoever looks at a screen wants to see it come back; a script is to hear of it.
                Err(Failure::Client(error)) if !first && lasts(ui) && is_away(&error) => {
                    ui.screen(&away(error))?;
                    continue;
                }
                report => report?,
            };
            let apart = !first && !ui.settings().json && !ui.redraws();
            if apart {
                ui.data("")?;
            }
            first = false;
            if ui.settings().json {
                ui.json_line(&report)?;
            } else {
                ui.measure();
                let lines = screen(&report, ui);
                ui.screen(&lines)?;
            }
        }
    }

    async fn report(&self, client: &Client) -> Result<Report, Failure> {
        let mut report = client.status().await?;
        let Some(name) = &self.target else { return Ok(report) };
        if !report.targets.iter().any(|target| target.name == *name) {
            let names = report.targets.iter().map(|target| target.name.as_str());
            return Err(unknown(name, names).into());
        }
        report.targets.retain(|target| target.name == *name);
        Ok(report)
    }

    fn show(&self, report: &Report, ui: &mut Ui) -> Result<(), Failure> {
        if ui.settings().json {
            return ui.json(report);
        }
        if report.targets.is_empty() {
            ui.talk(&no_targets(report));
            return Ok(());
        }
        screen(report, ui).iter().try_for_each(|line| ui.data(line))
    }
}

/// Whether what is watched stays on a screen that somebody looks at.
fn lasts(ui: &Ui) -> bool {
    ui.redraws() && !ui.settings().json
}

/// Whether a daemon that is stopped, or started anew, answers so.
fn is_away(error: &ClientError) -> bool {
    matches!(error, ClientError::NotRunning { .. } | ClientError::Lost { .. })
}

/// In place of the table while no daemon answers.
fn away(error: ClientError) -> Vec<String> {
    let problem = error::explain(error);
    let hints = problem.hints.iter().map(|hint| format!("  {}", clean(hint)));
    std::iter::once(format!("{}; waiting for it", clean(&problem.message))).chain(hints).collect()
}

/// The table, and below it what is wrong with each target, with what helps.
fn screen(report: &Report, ui: &Ui) -> Vec<String> {
    if report.targets.is_empty() {
        return vec![no_targets(report)];
    }
    let titles = vec!["TARGET", "PORT", "STATE", "VISITS", "IDLE STOP", "TODAY"];
    let mut table = Table::new(titles, 3).sparing(&[5, 4, 3, 1]);
    for target in &report.targets {
        table.row(vec![
            Cell::new(clean(&target.name), None),
            Cell::new(port(target), None),
            Cell::new(state(target), look(target)),
            Cell::new(visits(target), None),
            Cell::new(idle_stop(target), None),
            Cell::new(target.today_usd.map_or_else(|| "-".into(), dollars), None),
        ]);
    }
    let mut lines = table.lines(ui.settings().table_width, |text, look| ui.painted(text, look));
    for target in &report.targets {
        for remark in remarks(target) {
            lines.extend(below(&format!("{}: {remark}", clean(&target.name)), ui));
        }
        lines.extend(problems(target, ui));
    }
    lines
}

/// What is not wrong, and worth a line: `kept up by pgAdmin (silent 47 min)`.
pub(crate) fn remarks(target: &TargetStatus) -> Vec<String> {
    let paused = target
        .paused
        .as_ref()
        .map(|paused| format!("stands still for {}: {}", duration(paused.seconds), paused.why));
    let remain = target.ends_in_seconds.map(|left| {
        let here = programs(target.visits.iter().filter(|visit| visit.retiring));
        let here = if here.is_empty() { "no visit".into() } else { here.join(", ") };
        format!("{here} on a bastion that ends in {}", duration(left))
    });
    let kept = target.kept_up.as_ref().map(|kept| {
        let program = kept.program.as_deref().unwrap_or("a program");
        let silent = duration(kept.silent_seconds);
        match kept.counts_for_seconds {
            Some(0) => format!("{program} has been silent for {silent} and no longer keeps it up"),
            Some(_) | None => format!("kept up by {program} (silent {silent})"),
        }
    });
    [paused, remain, kept].into_iter().flatten().map(|remark| clean(&remark)).collect()
}

/// What stands below the table, broken where it is too long.
pub(super) fn below(text: &str, ui: &Ui) -> Vec<String> {
    let lines = wrap(text, ui.settings().width.saturating_sub(PROBLEM.len()));
    let indent = |number| if number == 0 { PROBLEM } else { HINT };
    lines.iter().enumerate().map(|(number, line)| format!("{}{line}", indent(number))).collect()
}

/// `prod-db: the AWS login of profile "prod" ended 2 h ago`, and the hint on a line of its own, to be copied.
fn problems(target: &TargetStatus, ui: &Ui) -> Vec<String> {
    let mut lines = Vec::new();
    for problem in &target.problems {
        let because = match problem.causes.first() {
            Some(cause) => format!("{}: {cause}", problem.message),
            None => problem.message.clone(),
        };
        lines.extend(below(&clean(&format!("{}: {because}", target.name)), ui));
        for hint in &problem.hints {
            lines.push(helps(hint, ui));
        }
    }
    lines
}

/// What helps, on a line of its own below that.
pub(super) fn helps(hint: &str, ui: &Ui) -> String {
    format!("{HINT}{} {}", ui.painted("hint:", Look::Help), clean(hint))
}

/// The port that people type; where there is only a Unix socket, that word.
fn port(target: &TargetStatus) -> String {
    match target.port {
        Some(port) => port.to_string(),
        None if target.addresses.iter().any(|address| address.starts_with("unix:")) => {
            "unix".into()
        }
        None => "-".into(),
    }
}

/// How it is, in a word or two.
pub(crate) fn state(target: &TargetStatus) -> String {
    match target.state {
        State::Cold => "cold".into(),
        State::Starting => starting(target),
        State::Ready if target.paused.is_some() => "paused".into(),
        State::Ready => format!("ready ({})", duration(target.state_seconds)),
        State::Stopping => "stopping".into(),
        State::Problem => {
            let code = target.problems.first().map(|problem| clean(&problem.code));
            format!("problem {}", code.unwrap_or_default()).trim_end().to_owned()
        }
        State::Unknown => "unknown".into(),
    }
}

/// How that looks.
pub(crate) fn look(target: &TargetStatus) -> Option<Look> {
    match target.state {
        State::Cold | State::Unknown => None,
        State::Starting | State::Stopping => Some(Look::Busy),
        State::Ready if target.paused.is_some() => Some(Look::Busy),
        State::Ready => Some(Look::Good),
        State::Problem => Some(Look::Bad),
    }
}

/// `starting 11/~24 s`: how long so far, and how long it takes.
fn starting(target: &TargetStatus) -> String {
    let elapsed = target.elapsed_seconds.map_or(target.state_seconds, whole);
    match target.estimate_seconds {
        Some(estimate) => format!("starting {elapsed}/~{} s", whole(estimate)),
        None => format!("starting {}", duration(elapsed)),
    }
}

/// `3 pgAdmin, 1 psql`, and the holds.
pub(crate) fn visits(target: &TargetStatus) -> String {
    let mut parts = programs(&target.visits);
    if target.holds > 0 {
        parts.push(count(u64::from(target.holds), "hold"));
    }
    if parts.is_empty() { "-".into() } else { parts.join(", ") }
}

/// `3 pgAdmin`, `1 psql`, the most first; those who wait apart.
fn programs<'a>(visits: impl IntoIterator<Item = &'a VisitStatus>) -> Vec<String> {
    let mut programs: BTreeMap<(bool, String), u64> = BTreeMap::new();
    for visit in visits {
        *programs.entry((visit.waiting, program(visit))).or_default() += 1;
    }
    let mut programs: Vec<((bool, String), u64)> = programs.into_iter().collect();
    programs.sort_by_key(|((waiting, _), number)| (*waiting, std::cmp::Reverse(*number)));
    let part = |((waiting, program), number): ((bool, String), u64)| {
        format!("{number} {program}{}", if waiting { " waiting" } else { "" })
    };
    programs.into_iter().map(part).collect()
}

/// Who is connected; a container or a program that has gone has no name.
pub(crate) fn program(visit: &VisitStatus) -> String {
    visit.program.as_deref().map_or_else(|| "unknown".into(), clean)
}

fn idle_stop(target: &TargetStatus) -> String {
    match target.idle_stop_seconds {
        Some(seconds) => format!("in {}", duration(seconds)),
        None => "-".into(),
    }
}

fn no_targets(report: &Report) -> String {
    let usual = || paths::config_path(None, &Env::of_process()).ok();
    let file = report.config.clone().or_else(|| Some(usual()?.display().to_string()));
    match file {
        Some(file) => format!("no targets yet: write them into {}", clean(&file)),
        None => "no targets yet".into(),
    }
}

/// How often a watched status is shown anew: its durations change no faster.
const EVERY: Duration = Duration::from_secs(1);
/// What stands before a problem.
const PROBLEM: &str = "  ";
/// What stands before its hint, and before its further lines.
const HINT: &str = "    ";
