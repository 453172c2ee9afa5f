use bastion_api::client::Client;
use bastion_api::{Audit as Report, AuditRecord, GroupBy, Timestamp, Visitor};
use clap::Args;
use jiff::tz::TimeZone;

use crate::error::Failure;
use crate::span::{By, Span};
use crate::table::{Cell, Table};
use crate::ui::{Look, Ui};
use crate::words::{bytes, clean, count, dollars, duration, whole, wrap};

/// Show who went where: visits, refusals, bastions and tunnels of the last week, or since some time
///
/// Kept on this machine alone. It holds who connected, when, and how much went through; no statement and no data.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl audit --since 2h")]
pub(crate) struct Audit {
    #[command(flatten)]
    span: Span,
    /// Add up, each row for a target or a day
    #[arg(long, value_enum)]
    by: Option<By>,
}

impl Audit {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let report = client.audit(&self.span.wanted(self.by)).await?;
        if ui.settings().json {
            return ui.json(&report);
        }
        let lines = match report.by {
            Some(by) => sums(&report, by, ui),
            None => {
                report.records.iter().filter_map(|record| lines(record, ui)).flatten().collect()
            }
        };
        if lines.is_empty() {
            ui.talk("nobody has come");
        }
        if report.left_off > 0 {
            ui.talk(&format!("{} left off: ask for less", count(report.left_off, "older record")));
        }
        lines.iter().try_for_each(|line| ui.data(line))
    }
}

fn sums(report: &Report, by: GroupBy, ui: &Ui) -> Vec<String> {
    if report.rows.is_empty() {
        return Vec::new();
    }
    let what = match by {
        GroupBy::Day => "DAY",
        GroupBy::Target | GroupBy::Unknown => "TARGET",
    };
    let mut table = Table::new(vec![what, "VISITS", "REFUSED", "TIME", "IN", "OUT", "BY"], 6)
        .sparing(&[6, 5, 4, 3, 2]);
    for row in &report.rows {
        let programs: Vec<String> =
            row.programs.iter().map(|(name, visits)| format!("{visits} {}", clean(name))).collect();
        table.row(
            [
                clean(&row.name),
                row.visits.to_string(),
                row.refused.to_string(),
                duration(whole(row.seconds)),
                bytes(row.bytes_in),
                bytes(row.bytes_out),
                if programs.is_empty() { "-".into() } else { programs.join(", ") },
            ]
            .map(|text| Cell::new(text, None))
            .into(),
        );
    }
    table.lines(ui.settings().table_width, |text, look| ui.painted(text, look))
}

/// `2026-01-02 03:14:05  prod-db  visit    psql (pid 4711, uid 1000), 10 min, 1 kB in, 2 kB out: ended`; on a screen
/// that is too narrow, on several lines.
fn lines(record: &AuditRecord, ui: &Ui) -> Option<Vec<String>> {
    let (what, look, words) = match record {
        AuditRecord::Visit(visit) => {
            let words = format!(
                "{}, {}, {} in, {} out: {}",
                who(&visit.visitor),
                duration(whole(visit.seconds)),
                bytes(visit.bytes_in),
                bytes(visit.bytes_out),
                visit.ended
            );
            ("visit", None, words)
        }
        AuditRecord::Refused(refused) => {
            let code = refused.code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
            let words = format!("{}: {}{code}", who(&refused.visitor), refused.why);
            ("refused", Some(Look::Bad), words)
        }
        AuditRecord::BastionStarted(started) => {
            ("bastion", None, format!("started {}", short(&started.task)))
        }
        AuditRecord::BastionEnded(ended) => {
            let usd = ended.usd.map(|usd| format!(", {}", dollars(usd))).unwrap_or_default();
            let within = ended
                .estimated_within
                .map(|within| format!(", estimated: up to {} less", duration(whole(within))));
            let words = format!(
                "ended {}, billed {}{usd}{}",
                short(&ended.task),
                duration(whole(ended.seconds)),
                within.unwrap_or_default()
            );
            ("bastion", None, words)
        }
        AuditRecord::TunnelOpened(opened) => ("tunnel", None, format!("opened {}", opened.session)),
        AuditRecord::TunnelClosed(closed) => {
            let lasted = duration(whole(closed.seconds));
            ("tunnel", None, format!("closed {} after {lasted}", closed.session))
        }
        AuditRecord::Unknown => return None,
    };
    let (time, target) = (record.time()?, record.target()?);
    let (head, what) = (format!("{}  {}", local(time), clean(target)), format!("{what:7}"));
    let before = head.chars().count() + what.chars().count() + 2 * GAP.len();
    let width = ui.settings().table_width.map_or(usize::MAX, |width| width.saturating_sub(before));
    let what = look.map_or(what.clone(), |look| ui.painted(&what, look));
    if width < NARROWEST {
        // Not even a few words fit beside what stands before them.
        let room = ui.settings().table_width.unwrap_or(usize::MAX).saturating_sub(INDENT.len());
        let below = wrap(&clean(&words), room).into_iter().map(|line| format!("{INDENT}{line}"));
        return Some(
            std::iter::once(format!("{head}{GAP}{}", what.trim_end())).chain(below).collect(),
        );
    }
    let lines = wrap(&clean(&words), width);
    let lines = lines.iter().enumerate().map(|(number, line)| match number {
        0 => format!("{head}{GAP}{what}{GAP}{line}"),
        _ => format!("{:before$}{line}", ""),
    });
    Some(lines.collect())
}

/// `psql (pid 4711, uid 1000)`
fn who(visitor: &Visitor) -> String {
    let program = visitor.program.as_deref().map_or_else(|| "a program".into(), clean);
    let pid = visitor.pid.map(|pid| format!("pid {pid}"));
    let uid = visitor.uid.map(|uid| format!("uid {uid}"));
    let known: Vec<String> = [pid, uid].into_iter().flatten().collect();
    if known.is_empty() { program } else { format!("{program} ({})", known.join(", ")) }
}

/// The last part of a task's name is enough for people.
fn short(task: &str) -> &str {
    task.rsplit('/').next().unwrap_or(task)
}

fn local(time: Timestamp) -> String {
    time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Between two columns.
const GAP: &str = "  ";
/// How much room the last column has at least, in characters: one word of it.
const NARROWEST: usize = 16;
/// What stands before the words where they stand below.
const INDENT: &str = "    ";
