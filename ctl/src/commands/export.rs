use std::env;
use std::path::{Path, PathBuf};

use bastion_api::client::Client;
use bastion_api::{Problem, ProblemKind, SCHEMA_VERSION};
use clap::Args;
use serde::Serialize;

use super::about;
use super::info::remark_on_roots;
use crate::address::shell;
use crate::card::Card;
use crate::error::Failure;
use crate::export::Format;
use crate::put;
use crate::ui::Ui;
use crate::words::{clean, count};

/// Write a file that a client imports, with all targets or some
///
/// No password is in it: pgAdmin asks bastionctl for it, the others ask you. Connect timeouts are long enough for a cold
/// start. Targets are sorted by account and site; those with danger = true are red where the client knows colours.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl export pgadmin --output servers.json")]
pub(crate) struct Export {
    /// For which client
    #[arg(value_enum)]
    format: Format,
    /// Only these targets; else all that the client can speak to
    targets: Vec<String>,
    /// Into this file; - is stdout, as without it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also where there is such a file
    #[arg(long, requires = "output")]
    force: bool,
}

/// What is printed of an export.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Exported<'a> {
    schema_version: u32,
    format: &'a str,
    /// Which targets are in it.
    targets: Vec<&'a str>,
    /// Which are not, and why.
    left_out: Vec<LeftOut>,
    /// The file, where one was written.
    file: Option<String>,
    /// What would be in it, where none was written.
    content: Option<&'a str>,
}

/// A target that the client cannot speak to.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LeftOut {
    target: String,
    why: &'static str,
}

impl Export {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let file = self.output.as_deref().filter(|file| file.as_os_str() != "-");
        if let Some(file) = file {
            self.may_write(file)?;
        }
        let asked = client.info(&self.targets, true).await;
        let told = match self.targets.first() {
            // Where one of several is unknown, the daemon says which.
            Some(name) => about(client, name, asked).await?,
            None => asked?,
        };
        let (mut cards, mut left_out) = (Vec::new(), Vec::new());
        for contact in &told.targets {
            let card = Card::of(contact, &told.roots);
            let why = match &card {
                Some(card) => self.format.refuses(card),
                None => Some("it is found nowhere on this machine"),
            };
            match (card, why) {
                (Some(card), None) => cards.push(card),
                (_, why) => {
                    let target = contact.target.name.clone();
                    left_out.push(LeftOut { target, why: why.unwrap_or_default() });
                }
            }
        }
        if cards.is_empty() {
            return Err(self.nothing(&left_out));
        }
        cards.sort_by(|one, other| (&one.group, &one.name).cmp(&(&other.group, &other.name)));
        let content = self.format.write(&cards, &password_line);
        if let Some(file) = file {
            put::put(file, content.as_bytes()).map_err(|error| put::cannot_write(file, &error))?;
        }
        let file = file.map(|file| file.display().to_string());
        remark_on_roots(&told, ui);
        for card in &cards {
            if let Some(lack) = card.lack() {
                ui.talk(&clean(&format!("{}: {lack}", card.name)));
            }
        }
        if ui.settings().json {
            return ui.json(&Exported {
                schema_version: SCHEMA_VERSION,
                format: self.format.word(),
                targets: cards.iter().map(|card| &*card.name).collect(),
                left_out,
                content: file.is_none().then_some(&content),
                file,
            });
        }
        for LeftOut { target, why } in &left_out {
            ui.talk(&format!("{}: left out, {why}", clean(target)));
        }
        match &file {
            Some(file) => {
                let targets = count(cards.len() as u64, "target");
                ui.talk(&format!("{}: {targets}", clean(file)));
            }
            None => ui.data(content.trim_end())?,
        }
        let shown = file.as_deref().map(shell);
        for line in self.format.advice(shown.as_deref(), &cards) {
            ui.copied(&clean(&line));
        }
        Ok(())
    }

    /// What a person has written, or another program, is not ours to replace.
    fn may_write(&self, file: &Path) -> Result<(), Failure> {
        if self.force || !put::replaces(file) {
            return Ok(());
        }
        Err(put::is_there(file).into())
    }

    fn nothing(&self, left_out: &[LeftOut]) -> Failure {
        let message = format!("no target can be written for {}", self.format.word());
        let mut problem = Problem::new("C17", ProblemKind::NotFound, message);
        for LeftOut { target, why } in left_out {
            problem = problem.because(format!("{target}: {why}"));
        }
        problem.hint("bastionctl info").into()
    }
}

/// The line with which a program asks us for a password: it may have another PATH, and another directory.
fn password_line(card: &Card) -> String {
    let ours = env::current_exe().unwrap_or_else(|_| PathBuf::from("bastionctl"));
    let line = format!("{} password {}", shell(&ours.to_string_lossy()), shell(&card.name));
    match env::var_os("BASTION_SOCKET").filter(|socket| !socket.is_empty()) {
        Some(socket) => {
            let socket = std::path::absolute(&socket).unwrap_or_else(|_| socket.into());
            format!("BASTION_SOCKET={} {line}", shell(&socket.to_string_lossy()))
        }
        None => line,
    }
}
