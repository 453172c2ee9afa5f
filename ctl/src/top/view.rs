//! Draws what the model knows. From above: who answers, the targets, one of them from near, the keys.

mod details;
mod list;
mod paint;

use bastion_api::Event as Happening;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Clear;

use super::model::{Mode, Model, sums};
use crate::ui::Look;
use crate::words::{clean, count, dollars, duration, since_until, wrap};

pub(crate) use paint::Paint;
use paint::{cut, fit};

/// Draws the whole screen.
pub(crate) fn draw(model: &Model, paint: Paint, frame: &mut Frame<'_>) {
    draw_all(model, paint, frame);
    paint.suit(frame.buffer_mut());
}

fn draw_all(model: &Model, paint: Paint, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < NARROWEST || area.height < LOWEST {
        return frame.render_widget(Line::from("too small"), area);
    }
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)])
            .areas(area);
    draw_head(model, paint, frame, head);
    match &model.mode {
        Mode::Events => draw_events(model, paint, frame, body),
        Mode::Help => draw_lines(help(paint), frame, body),
        Mode::Details => details::draw(model, paint, frame, body),
        Mode::List | Mode::Filter | Mode::Confirm { .. } => draw_list(model, paint, frame, body),
    }
    draw_foot(model, paint, frame, foot);
    if let Mode::Confirm { target, visits } = &model.mode {
        let lines = details::question(target, visits, model.today, usize::from(body.height), paint);
        draw_above_foot(lines, frame, body);
    }
}

/// `bastiond 0.1.0  up 3 h 12 min  3 targets, 5 visits  today $0.015`
fn draw_head(model: &Model, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    if let Some(away) = &model.away {
        let for_so_long = duration(model.now.saturating_sub(away.since).as_secs());
        let cause = away.problem.causes.first().map(|cause| format!(": {cause}"));
        let message = &away.problem.message;
        let words = format!("{message} (for {for_so_long}){}", cause.unwrap_or_default());
        return frame.render_widget(paint.line(cut(&clean(&words), width), Look::Bad), area);
    }
    let Some(status) = &model.status else {
        return frame.render_widget(Line::from("asking bastiond …"), area);
    };
    let up = model.today.map(|today| format!("up {}", since_until(status.started_at, today)));
    let today = status.today_usd.map(|usd| format!("today {}", dollars(usd)));
    let parts =
        [Some(format!("bastiond {}", clean(&status.version))), up, Some(sums(status)), today];
    // What costs money is said also where there is little room.
    let line = fit(parts, width, &[1, 0, 2]);
    frame.render_widget(paint.line(line, Look::Title), area);
}

fn draw_list(model: &Model, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let rows = u16::try_from(model.shown().len()).unwrap_or(u16::MAX).max(1).saturating_add(1);
    if area.height < ROOM_FOR_BOTH {
        list::draw(model, paint, frame, area);
        return;
    }
    // The list has what it needs, and leaves what one target from near mostly needs.
    let most = (area.height / 2).max(area.height.saturating_sub(ROOM_FOR_ONE));
    let [above, rule, below] = Layout::vertical([
        Constraint::Length(rows.min(most)),
        Constraint::Length(1),
        Constraint::Fill(1),
    ])
    .areas(area);
    let seen = list::draw(model, paint, frame, above);
    let all = model.shown().len();
    let part = if seen.len() < all {
        format!("─ {} to {} of {all} ", seen.start + 1, seen.end)
    } else {
        String::new()
    };
    let line = format!("{part}{}", "─".repeat(usize::from(rule.width)));
    frame.render_widget(paint.quiet(line), rule);
    details::draw(model, paint, frame, below);
}

fn draw_events(model: &Model, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let kept = model.heard();
    if kept.is_empty() {
        let words = match model.filter.as_str() {
            "" => "nothing has happened yet".to_owned(),
            filter => {
                format!("nothing has happened yet to targets with \"{filter}\" in their names")
            }
        };
        return draw_lines(vec![Line::from(clean(&words))], frame, area);
    }
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let end = kept.len().saturating_sub(model.back).max(1);
    // As many whole events as there is room for, the last one at the bottom.
    let mut lines: Vec<Line<'_>> = Vec::new();
    for happening in kept[..end].iter().rev() {
        let of_it = event(happening, model, width, paint);
        if lines.len() + of_it.len() > height && !lines.is_empty() {
            break;
        }
        lines.splice(0..0, of_it);
    }
    lines.truncate(height);
    draw_lines(lines, frame, area);
}

/// `03:04:05  prod-db  ready after 24 s`, and what helps where something is wrong.
fn event(happening: &Happening, model: &Model, width: usize, paint: Paint) -> Vec<Line<'static>> {
    let time = happening.time.to_zoned_datetime(model.zone()).strftime("%H:%M:%S");
    let target = happening.target.as_deref().map(|name| format!("{}  ", clean(name)));
    let words = format!("{time}  {}{}", target.unwrap_or_default(), clean(&happening.message));
    let look = happening.problem.as_ref().map(|_| Look::Bad);
    let mut lines: Vec<Line<'static>> = vec![paint.line(cut(&words, width), look)];
    let helps = happening.problem.iter().flat_map(|problem| &problem.hints);
    lines.extend(
        helps.map(|hint| paint.line(cut(&format!("  hint: {}", clean(hint)), width), Look::Help)),
    );
    lines
}

fn draw_foot(model: &Model, paint: Paint, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    let line = match (&model.mode, model.said()) {
        (Mode::Filter, _) => {
            paint.line(cut(&format!("/{}_", clean(&model.filter)), width), Look::Title)
        }
        (Mode::Confirm { target, .. }, _) => {
            let question = format!("close {} all the same? y n", clean(target));
            paint.line(cut(&question, width), Look::Title)
        }
        (_, Some(said)) => {
            let look = if said.bad { Look::Bad } else { Look::Good };
            paint.line(cut(&said.words, width), look)
        }
        (Mode::List | Mode::Details, None) if !model.filter.is_empty() => {
            let words = format!("filter: {}  Esc shows all", clean(&model.filter));
            paint.line(cut(&words, width), Look::Help)
        }
        (mode, None) => paint.quiet(keys(mode, width, paint)),
    };
    frame.render_widget(line, area);
}

/// The keys of what is shown; where there is little room, those that lead to the others.
fn keys(mode: &Mode, width: usize, paint: Paint) -> String {
    let enter = paint.enter();
    let (details, back) = (format!("{enter} details"), format!("{enter} back"));
    let all: &[&str] = match mode {
        Mode::List | Mode::Filter | Mode::Confirm { .. } => &[
            "o open",
            "c close",
            "h hold 1 h",
            "e events",
            "/ filter",
            &details,
            "? help",
            "q quit",
        ],
        Mode::Details => &["o open", "c close", "h hold 1 h", &back, "? help", "q quit"],
        Mode::Events => &["↑ ↓ scroll", "e back", "? help", "q quit"],
        Mode::Help => &["any key goes back", "q quit"],
    };
    let dropped: Vec<usize> = (0..all.len().saturating_sub(2)).rev().collect();
    fit(all.iter().map(|key| Some((*key).to_owned())), width, &dropped)
}

fn help(paint: Paint) -> Vec<Line<'static>> {
    let mut lines = vec![paint.line("keys".into(), Look::Title)];
    let known = [
        ("↑ ↓ j k", "choose a target; g G: the first, the last"),
        ("o", "open: start its bastion"),
        ("c", "close: asks when somebody is connected"),
        ("h", "hold: keep it up for 1 h, whether anybody visits or not"),
        (paint.enter(), "this target alone, and back"),
        ("e", "what has happened, and back"),
        ("/", "only targets with this in their names"),
        ("Esc", "all targets again"),
        ("Ctrl-Z", "back to the shell for a while; fg goes on"),
        ("q Ctrl-C", "quit; bastions and visits go on"),
    ];
    lines.extend(known.map(|(key, deed)| Line::from(format!("{key:9} {deed}"))));
    lines
}

fn draw_lines(lines: Vec<Line<'_>>, frame: &mut Frame<'_>, area: Rect) {
    for (line, row) in lines.into_iter().zip(area.rows()) {
        frame.render_widget(line, row);
    }
}

/// Draws lines at the bottom of an area, over what is there.
fn draw_above_foot(lines: Vec<Line<'_>>, frame: &mut Frame<'_>, area: Rect) {
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height);
    let place = Rect { y: area.bottom() - height, height, ..area };
    frame.render_widget(Clear, place);
    draw_lines(lines, frame, place);
}

/// Below this nothing can be laid out.
const NARROWEST: u16 = 20;
const LOWEST: u16 = 4;
/// From this height on the list and one target from near have room together.
const ROOM_FOR_BOTH: u16 = 14;
/// What one target from near mostly needs, with the line above it.
const ROOM_FOR_ONE: u16 = 9;

#[cfg(test)]
mod tests;
