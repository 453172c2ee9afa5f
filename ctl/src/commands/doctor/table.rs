//! The report as a table: what came of a check, its name, what was seen, and the code of what is wrong.
//!
//! ```text
//!   FAIL  database reach  sg-0db allows 5432 only from sg-0app; …  D10
//!         fix: aws ec2 authorize-security-group-ingress …
//! ```
//!
//! On a screen the words are wrapped; without one they are as long as they are. A fix is never wrapped: it is there to
//! be copied.

use bastion_api::{Check, CheckStatus, DoctorReport};

use crate::ui::{Look, Ui};
use crate::words::{clean, wrap};

/// Every line but the last, which counts.
pub(super) fn lines(report: &DoctorReport, ui: &Ui) -> Vec<String> {
    let rows = rows(&report.checks, ui.settings().verbose);
    let table = Table::new(&rows, ui.settings().table_width);
    let mut lines = Vec::new();
    let mut heading = None;
    for row in &rows {
        // Of one target, all checks are its own.
        if report.targets.len() != 1 && heading != Some(&row.about) {
            lines.push(ui.painted(&row.about, Look::Title));
            heading = Some(&row.about);
        }
        lines.extend(table.row(row, ui));
    }
    lines
}

/// What stands in one row.
struct Row {
    /// What it is about: `target prod-db`.
    about: String,
    status: CheckStatus,
    name: String,
    words: String,
    code: Option<String>,
    details: Vec<String>,
    fix: Option<String>,
}

/// A row for each check; those that are skipped for one and the same reason share one, unless all is wanted.
fn rows(checks: &[Check], all: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut left = checks;
    while let [first, rest @ ..] = left {
        let alike = |other: &&Check| {
            other.status == CheckStatus::Skip
                && other.because.is_some()
                && other.because == first.because
                && about(other) == about(first)
        };
        let more = if first.status == CheckStatus::Skip && first.because.is_some() && !all {
            rest.iter().take_while(alike).count()
        } else {
            0
        };
        let mut row = row(first);
        if more > 0 {
            row.name = format!("{} checks", more + 1);
        }
        rows.push(row);
        left = &rest[more..];
    }
    rows
}

fn row(check: &Check) -> Row {
    Row {
        about: about(check),
        status: check.status,
        name: clean(&check.name),
        words: clean(&check.words),
        code: check.code.as_deref().map(clean),
        details: check.details.iter().map(|line| clean(line)).collect(),
        fix: check.fix.as_deref().map(clean),
    }
}

fn about(check: &Check) -> String {
    match (&check.target, &check.site) {
        (Some(target), _) => clean(&format!("target {target}")),
        (None, Some(site)) => clean(&format!("site {site}")),
        (None, None) => "this machine".into(),
    }
}

/// The widths of the columns; where the words have none, they have no limit.
struct Table {
    name: usize,
    words: Option<usize>,
    /// Where the codes begin.
    code: usize,
    /// Whether the names stand on lines of their own, for want of room.
    narrow: bool,
}

impl Table {
    fn new(rows: &[Row], screen: Option<usize>) -> Self {
        let longest = |text: fn(&Row) -> &str| {
            rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0)
        };
        let (name, words) = (longest(|row| &row.name), longest(|row| &row.words));
        let code = match longest(|row| row.code.as_deref().unwrap_or_default()) {
            0 => 0,
            wide => wide + GAP,
        };
        let left = LABEL + name + GAP;
        let Some(screen) = screen else {
            return Self { name, words: None, code: left + words + GAP, narrow: false };
        };
        let room = screen.saturating_sub(left + code);
        if room < LEAST {
            let words = screen.saturating_sub(LABEL);
            return Self { name, words: Some(words), code: 0, narrow: true };
        }
        let words = room.min(words);
        Self { name, words: Some(words), code: left + words + GAP, narrow: false }
    }

    fn row(&self, row: &Row, ui: &Ui) -> Vec<String> {
        let label = ui.painted(word(row.status), look(row.status));
        let gap = " ".repeat(LABEL - word(row.status).len());
        let code = row.code.as_deref().unwrap_or_default();
        let painted = ui.painted(code, Look::Bad);
        let words = match self.words {
            Some(width) => wrap(&row.words, width),
            None => vec![row.words.clone()],
        };
        let mut lines = Vec::new();
        if self.narrow {
            let head = format!("{label}{gap}{}", row.name);
            lines.push(if code.is_empty() { head } else { format!("{head}  {painted}") });
            lines.extend(words.iter().map(|line| format!("{INDENT}{line}")));
        } else {
            let left = LABEL + self.name + GAP;
            for (number, line) in words.iter().enumerate() {
                if number > 0 {
                    lines.push(format!("{:left$}{line}", ""));
                    continue;
                }
                let name = format!("{:<width$}", row.name, width = self.name + GAP);
                let mut text = format!("{label}{gap}{name}{line}");
                if !code.is_empty() {
                    let so_far = left + line.chars().count();
                    text.push_str(&" ".repeat(self.code.saturating_sub(so_far).max(GAP)));
                    text.push_str(&painted);
                }
                lines.push(text);
            }
        }
        let screen = ui.settings().table_width;
        for detail in &row.details {
            let wrapped = match screen {
                Some(screen) => wrap(detail, screen.saturating_sub(LABEL)),
                None => vec![detail.clone()],
            };
            lines.extend(wrapped.into_iter().map(|line| format!("{INDENT}{line}")));
        }
        if let Some(fix) = &row.fix {
            lines.push(format!("{INDENT}{} {fix}", ui.painted("fix:", Look::Help)));
        }
        lines
    }
}

/// What cannot be known is told in words, and is as little a failure as what was skipped.
fn word(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Ok => "ok",
        CheckStatus::Fail => "FAIL",
        CheckStatus::Unknown | CheckStatus::Skip => "skip",
    }
}

fn look(status: CheckStatus) -> Look {
    match status {
        CheckStatus::Ok => Look::Good,
        CheckStatus::Fail => Look::Bad,
        CheckStatus::Unknown | CheckStatus::Skip => Look::Busy,
    }
}

/// The column of `FAIL`, with its gap.
const LABEL: usize = 6;
/// As wide as that.
const INDENT: &str = "      ";
/// Spaces between two columns.
const GAP: usize = 2;
/// Fewer characters than these are no column of words.
const LEAST: usize = 24;
