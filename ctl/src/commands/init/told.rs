//! What is said of a survey and of what was written.

use std::path::Path;

use bastion_api::paths::{self, Env};
use bastion_api::{DatabaseChoice, InitAnswer, InitTarget, SiteChoice, Survey};

use super::choosing::{made_of, words};
use crate::address::{Address, client_line_of};
use crate::table::{Cell, Table};
use crate::ui::{Look, Ui};
use crate::words::{clean, count, wrap};

/// Whose account was looked into, and what of it could not be seen.
pub(super) fn survey(survey: &Survey, ui: &mut Ui) {
    let account = survey.account.as_deref().unwrap_or("unknown");
    let region = survey.region.as_deref().unwrap_or("unknown");
    let profile = survey.profile.as_deref().map(|name| format!(", profile {name}"));
    paragraph(&format!("account {account}, {region}{}", profile.unwrap_or_default()), ui);
    if let Some(arn) = &survey.arn {
        paragraph(&format!("as {arn}"), ui);
    }
    for unknown in &survey.unknown {
        // Where nothing helps, what AWS has said may.
        let more = if unknown.hints.is_empty() { &unknown.causes } else { &unknown.hints };
        paragraph(&format!("{}: {}", unknown.message, more.join(", ")), ui);
    }
}

/// The place that was chosen.
pub(super) fn site(site: &SiteChoice, ui: &mut Ui) {
    paragraph(&format!("bastions: {} in {}", made_of(site), site.cluster), ui);
    let part = |what: &str, all: &[bastion_api::Selection]| {
        all.first().map(|one| format!("  {what} {}", words(one)))
    };
    for line in [part("subnets", &site.subnets), part("security group", &site.security_groups)]
        .into_iter()
        .flatten()
    {
        paragraph(&line, ui);
    }
    if site.public_addresses {
        paragraph("  with public addresses: no private subnets were found", ui);
    }
}

/// The databases that are in another network than bastions: whoever has named one may know a way.
pub(super) fn elsewhere(databases: &[DatabaseChoice], site: &SiteChoice, ui: &mut Ui) {
    let Some(vpc) = &site.vpc else { return };
    for database in databases {
        if let Some(own) = database.vpc.as_ref().filter(|own| *own != vpc) {
            let id = &database.id;
            let words = format!(
                "{id} is in {own}, and bastions run in {vpc}: is there a way between the two?"
            );
            paragraph(&words, ui);
        }
    }
}

/// What the config says by now.
pub(super) fn written(answer: &InitAnswer, ui: &mut Ui) {
    let file = &answer.config;
    if !answer.written {
        return paragraph(&format!("{file}: has all of it already, nothing was changed"), ui);
    }
    let mut what = Vec::new();
    if answer.site.new {
        what.push(format!("site {}", answer.site.name));
    }
    let new = answer.targets.iter().filter(|target| target.new).count();
    if new > 0 {
        what.push(count(new as u64, "target"));
    }
    let deed = if answer.existed { "added to it" } else { "written" };
    paragraph(&format!("{file}: {deed}: {}; it is good", what.join(" and ")), ui);
}

/// The targets as a table.
pub(super) fn targets(answer: &InitAnswer, ui: &Ui) -> Vec<String> {
    let mut table = Table::new(vec!["TARGET", "PORT", "ENGINE", "USER", "PASSWORD"], 3);
    for target in &answer.targets {
        let user = target.user.as_deref().map_or_else(|| "-".to_owned(), clean);
        let password = if target.password { "known" } else { "-" };
        table.row(vec![
            Cell::new(clean(&target.name), None),
            Cell::new(target.port.map_or_else(|| "-".to_owned(), |port| port.to_string()), None),
            Cell::new(target.engine.word(), None),
            Cell::new(user, None),
            Cell::new(password, None),
        ]);
    }
    let settings = ui.settings();
    table.lines(settings.table_width, |text, look| ui.painted(text, look))
}

/// What to type next.
pub(super) fn next(answer: &InitAnswer, survey: &Survey, elsewhere: bool, runs: bool, ui: &mut Ui) {
    if survey.profile.is_none() {
        paragraph(
            "The keys of this shell were used, and the config names no profile: bastiond needs the same variables, or \
             init again with --profile.",
            ui,
        );
    }
    let without: Vec<&str> = (answer.targets.iter())
        .filter(|target| target.new && !target.password)
        .map(|target| target.name.as_str())
        .collect();
    if !without.is_empty() {
        let words = "no secret is beyond doubt: name it in the config, or type the password";
        paragraph(&format!("{}: {words}", without.join(", ")), ui);
    }
    let Some(target) = answer.targets.iter().find(|one| one.new).or(answer.targets.first()) else {
        return;
    };
    ui.talk("next:");
    if !runs && elsewhere {
        ui.talk(&format!("  bastiond --config {}", clean(&answer.config)));
    } else if !runs {
        ui.talk("  bastionctl service install");
    }
    // Not wrapped: these lines are there to be copied.
    ui.talk(&format!("  bastionctl open {}", clean(&target.name)));
    if let Some(line) = client_line(target) {
        ui.talk(&format!("  {}", clean(&line)));
    }
    if target.password {
        ui.talk(&format!("  bastionctl connect {}", clean(&target.name)));
    }
}

/// Whether the file is the one that a daemon reads where nobody names another.
pub(super) fn is_usual(answer: &InitAnswer) -> bool {
    let usual = paths::config_path(None, &Env::of_process());
    usual.is_ok_and(|usual| usual == Path::new(&answer.config))
}

fn client_line(target: &InitTarget) -> Option<String> {
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: target.port? };
    let (user, database) = (target.user.as_deref(), target.database.as_deref());
    client_line_of(target.engine, &address, user, database)
}

/// The lines of TOML that would be added, under the name of the file.
pub(super) fn proposal(answer: &InitAnswer, ui: &mut Ui) {
    ui.insist(&format!("to be added to {}:", clean(&answer.config)));
    ui.insist("");
    for line in answer.text.lines() {
        let line = clean(line);
        let comment = line.starts_with('#');
        ui.insist(&if comment { ui.painted_talk(&line, Look::Help) } else { line });
    }
    ui.insist("");
}

fn paragraph(text: &str, ui: &mut Ui) {
    let indent = text.len() - text.trim_start().len();
    let width = ui.settings().width.saturating_sub(indent + 2);
    for (row, line) in wrap(clean(text).trim_start(), width).iter().enumerate() {
        let more = if row == 0 { 0 } else { 2 };
        ui.talk(&format!("{}{line}", " ".repeat(indent + more)));
    }
}
