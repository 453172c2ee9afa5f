//! What is said, and where: stdout is data, stderr is talk. Colour and a line that rewrites itself are for terminals only.

mod choose;
mod fit;
mod measure;
mod progress;

use std::io::{self, BufRead, IsTerminal, Write};

use bastion_api::{ErrorBody, Problem, SCHEMA_VERSION};
use serde::Serialize;

use crate::cli::Output;
use crate::error::Failure;
use crate::words::{clean, wrap};

pub(crate) use choose::Item;
use fit::{fitted, within};
pub(crate) use measure::width;
use measure::{colour_welcome, dumb, height, letters, screen};
pub(crate) use progress::Step;

/// The screen, or what stands in its place.
pub(crate) struct Ui {
    settings: Settings,
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    /// Whether the last line of stderr is one that will be rewritten.
    rewriting: bool,
    /// What was last told of a wait.
    told: Option<Step>,
    parting: Option<String>,
}

/// What the screen can do and how much is wanted on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// JSON is wanted.
    pub(crate) json: bool,
    /// Talk is not wanted.
    pub(crate) quiet: bool,
    /// More about errors is wanted.
    pub(crate) verbose: bool,
    /// The data is read by a person now.
    pub(crate) out_terminal: bool,
    /// The talk is read by a person now.
    pub(crate) err_terminal: bool,
    /// A person can answer.
    pub(crate) in_terminal: bool,
    /// The terminal can only go on: nothing that stands there is written again.
    pub(crate) dumb: bool,
    /// Colour is welcome on a terminal.
    pub(crate) colour: bool,
    /// It shows more letters than ASCII's.
    pub(crate) letters: bool,
    /// How wide a line of talk may be.
    pub(crate) width: usize,
    /// How wide a table may be; none where no screen shows it.
    pub(crate) table_width: Option<usize>,
}

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Look {
    /// As something that went wrong.
    Bad,
    /// As something in progress, or worth a second look.
    Busy,
    /// As something that is well.
    Good,
    /// As a heading.
    Title,
    /// As something that helps.
    Help,
}

/// A JSON line whose type has no version of its own.
#[derive(Serialize)]
struct Versioned<'a, T> {
    schema_version: u32,
    #[serde(flatten)]
    value: &'a T,
}

impl Ui {
    /// The screen of this process.
    pub(crate) fn of_process(output: &Output) -> Self {
        let settings = Settings {
            json: output.json,
            quiet: output.quiet,
            verbose: output.verbose,
            out_terminal: io::stdout().is_terminal(),
            err_terminal: io::stderr().is_terminal(),
            in_terminal: io::stdin().is_terminal(),
            dumb: dumb(),
            colour: colour_welcome(),
            letters: letters(),
            width: width(),
            table_width: screen(io::stdout()),
        };
        Self::new(settings, Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// A screen that writes there.
    pub(crate) fn new(settings: Settings, out: Box<dyn Write>, err: Box<dyn Write>) -> Self {
        Self { settings, out, err, rewriting: false, told: None, parting: None }
    }

    /// What the screen can do and how much is wanted on it.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A line of data.
    pub(crate) fn data(&mut self, line: &str) -> Result<(), Failure> {
        self.end_of_progress();
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(Failure::Stdout)
    }

    /// The one object that a command answers with.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value);
        self.data(&text.expect("our types have string keys only"))
    }

    /// One of several objects, on a line of its own.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value);
        self.data(&text.expect("our types have string keys only"))
    }

    /// The same, for a type without a version of its own.
    pub(crate) fn versioned_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        self.json_line(&Versioned { schema_version: SCHEMA_VERSION, value })
    }

    /// Whether what is watched is drawn in the place of what was there, for a person who looks on.
    pub(crate) fn redraws(&self) -> bool {
        self.settings.out_terminal && !self.settings.dumb
    }

    /// Draws a screen afresh: a table that is watched.
    pub(crate) fn screen(&mut self, lines: &[String]) -> Result<(), Failure> {
        if self.redraws() {
            let width = self.settings.table_width.unwrap_or(usize::MAX);
            let lines = within(lines, width, height());
            // Home, then each line with what was behind it wiped, then all below: nothing flickers.
            let body: String = lines.iter().map(|line| format!("{line}\x1b[K\n")).collect();
            let text = format!("\x1b[H{body}\x1b[J");
            return write!(self.out, "{text}")
                .and_then(|()| self.out.flush())
                .map_err(Failure::Stdout);
        }
        lines.iter().try_for_each(|line| self.data(line))
    }

    /// Measures the screen again, which may have another size by now.
    pub(crate) fn measure(&mut self) {
        self.settings.width = width();
        self.settings.table_width = screen(io::stdout());
    }

    /// Makes room for what [`Ui::screen`] draws.
    pub(crate) fn clear(&mut self) -> Result<(), Failure> {
        if !self.redraws() {
            return Ok(());
        }
        write!(self.out, "\x1b[2J").map_err(Failure::Stdout)
    }

    /// A line of talk.
    pub(crate) fn talk(&mut self, line: &str) {
        if self.settings.quiet {
            return;
        }
        self.end_of_progress();
        for line in fitted(line, self.settings.width) {
            self.say(&line);
        }
    }

    /// A line of talk that is there to be copied: however narrow the terminal, it stays one line.
    pub(crate) fn copied(&mut self, line: &str) {
        if self.settings.quiet {
            return;
        }
        self.end_of_progress();
        self.say(line);
    }

    /// A line of talk that belongs to a question, and is said also to who wants little talk.
    pub(crate) fn insist(&mut self, line: &str) {
        self.end_of_progress();
        self.say(line);
    }

    /// How far something is: on a terminal a bar on a line that is written again and again, else a line for each stage.
    pub(crate) fn step(&mut self, step: Step) {
        if self.settings.err_terminal && !self.settings.dumb {
            // It may have another size by now, and a line that wraps cannot be written again.
            self.measure();
            let line = step.line(self.settings.width, self.settings.colour);
            return self.rewrite(&line);
        }
        if !self.told.as_ref().is_some_and(|told| step.repeats(told)) {
            self.talk(&step.told());
        }
        self.told = Some(step);
    }

    /// That something is under way, of which nothing more is known: said on a terminal only.
    pub(crate) fn progress(&mut self, line: &str) {
        // A line that wraps cannot be rewritten.
        let line: String = line.chars().take(self.settings.width.saturating_sub(1)).collect();
        self.rewrite(&line);
    }

    /// Leaves the screen to another program.
    pub(crate) fn hand_over(&mut self) {
        self.end_of_progress();
    }

    /// What will be said when a signal ends us.
    pub(crate) fn on_parting(&mut self, line: Option<String>) {
        self.parting = line;
    }

    /// Says what was to be said when a signal ends us.
    pub(crate) fn part(&mut self) {
        if self.settings.err_terminal && !self.rewriting {
            // The prompt would stand behind the terminal's own `^C`.
            self.say("");
        }
        self.end_of_progress();
        if let Some(line) = self.parting.take() {
            self.talk(&line);
        }
    }

    /// Asks a question that yes or no answers; anything but a yes is a no.
    pub(crate) async fn ask(&mut self, question: &str) -> bool {
        let Ok(answer) = self.typed(&format!("{question} [y/N] ")).await else { return false };
        if answer.is_empty() {
            // The input has ended, and the cursor stands behind the question still.
            writeln!(self.err).ok();
        }
        matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }

    /// The line that is typed behind a prompt; an empty one, without an end of its own, where the input has ended.
    async fn typed(&mut self, prompt: &str) -> io::Result<String> {
        self.end_of_progress();
        write!(self.err, "{prompt}").and_then(|()| self.err.flush()).ok();
        // In a thread of its own, so that Ctrl-C is heard meanwhile.
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map(|_| line)
        });
        line.await?
    }

    /// A problem: what failed, because of what, what helps.
    pub(crate) fn problem(&mut self, problem: &Problem) {
        self.end_of_progress();
        let code = &problem.code;
        let what = if code.is_empty() {
            problem.message.clone()
        } else {
            format!("{} [{code}]", problem.message)
        };
        self.point("error:", Look::Bad, &what, true);
        for cause in &problem.causes {
            self.point("because:", Look::Title, cause, true);
        }
        for hint in &problem.hints {
            // Not wrapped: it is there to be copied.
            self.point("hint:", Look::Help, hint, false);
        }
        if self.settings.verbose
            && let Some(id) = &problem.request_id
        {
            self.point("request id:", Look::Title, id, false);
        }
        if self.settings.json {
            // Where stdout is gone, stderr has said it.
            self.json_line(&ErrorBody::from(problem.clone())).ok();
        }
    }

    /// The text as it looks on stderr.
    pub(crate) fn painted_talk(&self, text: &str, look: Look) -> String {
        painted(text, look, self.settings.colour && self.settings.err_terminal)
    }

    /// The text as it looks on stdout.
    pub(crate) fn painted(&self, text: &str, look: Look) -> String {
        painted(text, look, self.settings.colour && self.settings.out_terminal)
    }

    fn point(&mut self, label: &str, look: Look, text: &str, wrapped: bool) {
        let text = clean(text);
        let indent = label.len() + 1;
        let width = self.settings.width.saturating_sub(indent);
        let lines = if wrapped { wrap(&text, width) } else { vec![text] };
        let label = self.painted_talk(label, look);
        for (number, line) in lines.iter().enumerate() {
            let line = if number == 0 {
                format!("{label} {line}")
            } else {
                format!("{:indent$}{line}", "")
            };
            self.say(&line);
        }
    }

    fn say(&mut self, line: &str) {
        // Talk that cannot be written is no failure.
        writeln!(self.err, "{line}").ok();
    }

    fn rewrite(&mut self, line: &str) {
        if self.settings.quiet || !self.settings.err_terminal || self.settings.dumb {
            return;
        }
        self.rewriting = true;
        // Talk that cannot be written is no failure.
        write!(self.err, "\r{line}\x1b[K").and_then(|()| self.err.flush()).ok();
    }

    /// Wipes the line that was rewritten, for what follows says more.
    fn end_of_progress(&mut self) {
        if !self.rewriting {
            return;
        }
        self.rewriting = false;
        write!(self.err, "\r\x1b[K").and_then(|()| self.err.flush()).ok();
    }
}

fn painted(text: &str, look: Look, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    let code = match look {
        Look::Bad => "1;31",
        Look::Busy => "33",
        Look::Good => "32",
        Look::Title => "1",
        Look::Help => "36",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
