use bastion_api::{Problem, TargetStatus, Timestamp, VisitStatus};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::super::model::Model;
use super::list::{rate, state};
use super::paint::{Paint, cut, fit};
use super::{count, draw_lines, since_until, wrap};
use crate::address::Address;
use crate::commands::{close, status};
use crate::ui::Look;
use crate::words::{bytes, clean, dollars, duration};

/// The chosen target from near: where, how, who, and what is wrong.
pub(super) fn draw(model: &Model, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let Some((_, target)) = model.selected() else { return };
    let width = usize::from(area.width);
    let mut lines = vec![paint.line(title(target, width), Look::Title)];
    let facts = facts(model, target, width).into_iter().filter(|fact| !fact.is_empty());
    lines.extend(facts.map(Line::from));
    // What is wrong comes before who is there: a list of visits may be long.
    let room = usize::from(area.height).saturating_sub(lines.len());
    lines.extend(troubles(&target.problems, room, width, paint));
    let remarks = status::remarks(target);
    lines.extend(remarks.iter().map(|text| paint.line(cut(text, width), Look::Busy)));
    let room = usize::from(area.height).saturating_sub(lines.len());
    lines.extend(visits(&target.visits, model.today, room, width, paint));
    draw_lines(lines, frame, area);
}

/// Who is connected to a target that is to be closed, above the question.
pub(super) fn question(
    target: &str,
    visits: &[VisitStatus],
    today: Option<Timestamp>,
    room: usize,
    paint: Paint,
) -> Vec<Line<'static>> {
    let head = format!("{} is in use by {}:", clean(target), count(visits.len() as u64, "visit"));
    let mut lines = vec![paint.line(head, Look::Busy)];
    let listed = visits.len().min(room.saturating_sub(2).max(1));
    for visit in &visits[..listed] {
        let user = close::user(visit, today.unwrap_or(visit.since));
        lines.push(Line::from(format!("  {user}")));
    }
    if visits.len() > listed {
        lines.push(Line::from(format!("  and {} more", visits.len() - listed)));
    }
    lines
}

/// `prod-db  127.0.0.1:15432  postgres  neuraKnot as postgres`
fn title(target: &TargetStatus, width: usize) -> String {
    let whereto = match (&target.database, &target.user) {
        (Some(database), Some(user)) => Some(format!("{database} as {user}")),
        (Some(database), None) => Some(database.clone()),
        (None, Some(user)) => Some(format!("as {user}")),
        (None, None) => None,
    };
    let parts = [
        Some(target.name.clone()),
        Address::of(target).map(|address| address.text()),
        Some(target.engine.word().to_owned()),
        whereto,
        Some(format!("site {}", target.site)),
    ];
    fit(parts.map(|part| part.map(|part| clean(&part))), width, &[4, 3, 2, 1])
}

/// `ready (38 min)  1 bastion, 2 tunnels, 3 resumes  1.2 MB/s` and `4.1 kB in, 8.2 MB out  stops in 14 min  today $0.010`
fn facts(model: &Model, target: &TargetStatus, width: usize) -> [String; 2] {
    let of = |number: u32, noun: &str| (number > 0).then(|| count(u64::from(number), noun));
    let resumes = (target.resumes > 0).then(|| count(target.resumes, "resume"));
    let ways: Vec<String> = [of(target.bastions, "bastion"), of(target.tunnels, "tunnel"), resumes]
        .into_iter()
        .flatten()
        .collect();
    let ways = (!ways.is_empty()).then(|| ways.join(", "));
    let moving = Some(rate(model, target)).filter(|rate| rate != "-");
    let moved = (target.bytes_in > 0 || target.bytes_out > 0)
        .then(|| format!("{} in, {} out", bytes(target.bytes_in), bytes(target.bytes_out)));
    let holds = of(target.holds, "hold");
    let stops = target.idle_stop_seconds.map(|left| format!("stops in {}", duration(left)));
    let today = target.today_usd.map(|usd| format!("today {}", dollars(usd)));
    [
        fit([Some(state(target)), ways, moving], width, &[2, 1]),
        fit([moved, holds, stops, today], width, &[0, 1]),
    ]
}

/// What is wrong and what helps; where there is room, with the cause.
fn troubles(problems: &[Problem], room: usize, width: usize, paint: Paint) -> Vec<Line<'static>> {
    let told = |because| -> Vec<Line<'static>> {
        problems.iter().flat_map(|problem| wrong(problem, because, width, paint)).collect()
    };
    let whole = told(true);
    if whole.len() <= room { whole } else { told(false) }
}

/// What is wrong, its nearest cause, and what helps.
fn wrong(problem: &Problem, because: bool, width: usize, paint: Paint) -> Vec<Line<'static>> {
    let cause = problem.causes.first().filter(|_| because).map(|cause| format!(": {cause}"));
    let code = Some(&problem.code).filter(|code| !code.is_empty());
    let code = code.map(|code| format!(" [{code}]"));
    let words =
        format!("{}{}{}", problem.message, code.unwrap_or_default(), cause.unwrap_or_default());
    let mut lines: Vec<Line<'static>> = wrap(&clean(&words), width)
        .into_iter()
        .map(|line| paint.line(cut(&line, width), Look::Bad))
        .collect();
    for hint in &problem.hints {
        let hint = wrap(&format!("hint: {}", clean(hint)), width);
        lines.extend(hint.iter().map(|line| paint.line(cut(line, width), Look::Help)));
    }
    lines
}

fn visits(
    visits: &[VisitStatus],
    today: Option<Timestamp>,
    room: usize,
    width: usize,
    paint: Paint,
) -> Vec<Line<'static>> {
    if visits.is_empty() || room < 2 {
        return Vec::new();
    }
    let row = |cells: [String; 6]| {
        let [program, pid, since, silent, inward, outward] = cells;
        let parts = [
            format!("{:16}", cut(&program, 16)),
            format!("{pid:>7}"),
            format!("{since:>10}"),
            format!("{silent:>10}"),
            format!("{inward:>9}"),
            format!("{outward:>9}"),
        ];
        fit(parts.map(Some), width, &[3, 4, 5, 2])
    };
    let titles = ["PROGRAM", "PID", "FOR", "SILENT", "IN", "OUT"].map(str::to_owned);
    let mut lines = vec![paint.line(row(titles), Look::Title)];
    // The last line says how many more there are.
    let listed = if visits.len() < room { visits.len() } else { room - 2 };
    for visit in &visits[..listed] {
        let silent = match (visit.waiting, visit.silent_seconds) {
            (true, _) => "waiting".into(),
            (false, Some(silent)) => duration(silent),
            (false, None) => "-".into(),
        };
        lines.push(Line::from(row([
            status::program(visit),
            visit.pid.map_or_else(|| "-".into(), |pid| pid.to_string()),
            today.map_or_else(|| "-".into(), |today| since_until(visit.since, today)),
            silent,
            bytes(visit.bytes_in),
            bytes(visit.bytes_out),
        ])));
    }
    if visits.len() > listed {
        lines.push(Line::from(format!("and {} more", visits.len() - listed)));
    }
    lines
}
