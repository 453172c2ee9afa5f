//! `man`: the manual, one page a command, generated from what the help says.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bastion_api::{Problem, ProblemKind, SCHEMA_VERSION};
use clap::builder::Resettable;
use clap::{Args, Command};
use clap_mangen::Man as Page;
use serde::Serialize;

use crate::cli;
use crate::error::Failure;
use crate::ui::Ui;
use crate::words::{clean, count, near};

/// Print a command's manual page, or write all of them
///
/// A page is roff, for man to show: bastionctl man open | man -l -
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Man {
    /// The command, such as `open` or `config check` [default: bastionctl itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write every page into this directory, which is made where it is missing
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// One page.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Manual {
    schema_version: u32,
    /// Each page by the name of its file.
    pages: Vec<Leaf>,
}

/// A page and its text; none where it was written into a file.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Leaf {
    file: String,
    roff: Option<String>,
}

impl Man {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<(), Failure> {
        let mut tree = cli::tree();
        tree.build();
        if let Some(dir) = &self.dir {
            return write(&tree, dir, ui);
        }
        let page = page(&find(&tree, &self.command)?)?;
        if ui.settings().json {
            let (file, roff) = page;
            let pages = vec![Leaf { file, roff: Some(roff) }];
            return ui.json(&Manual { schema_version: SCHEMA_VERSION, pages });
        }
        ui.data(page.1.trim_end())
    }
}

/// Writes every page.
fn write(tree: &Command, dir: &Path, ui: &mut Ui) -> Result<(), Failure> {
    let unusable = |error: io::Error| {
        let problem = Problem::new("C24", ProblemKind::Failed, "the manual cannot be written");
        Failure::from(problem.because(format!("{}: {error}", dir.display())))
    };
    fs::create_dir_all(dir).map_err(unusable)?;
    let mut pages = Vec::new();
    for command in all(tree) {
        let (file, roff) = page(command)?;
        fs::write(dir.join(&file), roff).map_err(unusable)?;
        pages.push(Leaf { file, roff: None });
    }
    if ui.settings().json {
        return ui.json(&Manual { schema_version: SCHEMA_VERSION, pages });
    }
    let dir = clean(&dir.display().to_string());
    ui.talk(&format!("{} in {dir}", count(pages.len() as u64, "page")));
    Ok(())
}

/// A command and all that it has under it, each before its own.
fn all(command: &Command) -> Vec<&Command> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    std::iter::once(command).chain(shown.flat_map(all)).collect()
}

/// The command with these names, by its own or by an alias.
fn find(tree: &Command, names: &[String]) -> Result<Command, Failure> {
    let mut found = tree;
    for name in names {
        found = found.find_subcommand(name).ok_or_else(|| {
            let message = format!("no command is called \"{}\"", names.join(" "));
            let problem = Problem::new("", ProblemKind::NotFound, message);
            let known = found.get_subcommands().map(Command::get_name);
            match near(name, known).first() {
                Some(near) => problem.hint(format!("did you mean \"{near}\"?")),
                None => problem.hint("bastionctl --help"),
            }
        })?;
    }
    Ok(found.clone())
}

/// A page's file and its text.
fn page(command: &Command) -> Result<(String, String), Failure> {
    let source = concat!("bastionctl ", env!("CARGO_PKG_VERSION"));
    let rest = command.clone().after_help(Resettable::Reset);
    let page = Page::new(rest).source(source).manual("bastiond");
    let mut roff = Vec::new();
    page.render(&mut roff).map_err(Failure::System)?;
    let mut roff = String::from_utf8_lossy(&roff).into_owned();
    if let Some(said) = command.get_after_help() {
        roff.push_str(&as_it_stands(&said.to_string()));
    }
    Ok((page.get_filename(), roff))
}

/// A section of lines that are to be copied, or stand in columns: clap's own would fill and justify them.
fn as_it_stands(text: &str) -> String {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default().trim_end_matches(':').to_uppercase();
    let mut section = format!(".SH \"{head}\"\n.nf\n");
    for line in lines {
        // A line never begins with what roff takes for a command.
        section.push_str("\\&");
        for letter in line.strip_prefix("  ").unwrap_or(line).chars() {
            match letter {
                '\\' => section.push_str("\\e"),
                // What a shell takes for a hyphen or a quote, groff does not print as such.
                '-' => section.push_str("\\-"),
                '\'' => section.push_str("\\*(Aq"),
                letter => section.push(letter),
            }
        }
        section.push('\n');
    }
    section + ".fi\n"
}

const EXAMPLE: &str = "Example:\n  bastionctl man --dir ~/.local/share/man/man1";
