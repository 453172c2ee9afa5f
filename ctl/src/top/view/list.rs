use std::ops::Range;

use bastion_api::{State, TargetStatus};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Sparkline;

use super::super::model::Model;
use super::paint::{Paint, cut};
use crate::commands::status;
use crate::ui::Look;
use crate::words::{bytes, clean, dollars, duration, whole};

/// One line a target, the chosen one marked. Tells which of them there was room for.
pub(super) fn draw(model: &Model, paint: Paint, frame: &mut Frame<'_>, area: Rect) -> Range<usize> {
    let shown = model.shown();
    let columns = Columns::of(&shown, usize::from(area.width));
    let mut rows = area.rows();
    if let Some(row) = rows.next() {
        let titles = cells(&columns, |column| column.title().to_owned());
        frame.render_widget(paint.line(titles, Look::Title), row);
    }
    if shown.is_empty() {
        let words = match &model.status {
            Some(status) if status.targets.is_empty() => "no targets yet: bastionctl init",
            Some(_) => "no target here: Esc shows all",
            None => "",
        };
        if let Some(row) = rows.next() {
            frame.render_widget(Line::from(words), row);
        }
        return 0..0;
    }
    let chosen = model.selected().map_or(0, |(at, _)| at);
    let room = usize::from(area.height.saturating_sub(1)).max(1);
    // The chosen one is always to be seen, and one more where there is one.
    let below = usize::from(room > 2 && chosen + 1 < shown.len());
    let first = (chosen + 1 + below).saturating_sub(room);
    let seen = first..shown.len().min(first + room);
    for ((at, target), row) in shown.iter().enumerate().skip(first).zip(rows) {
        let mark = match at {
            at if at == chosen => Mark::Chosen,
            at if at == first && first > 0 => Mark::Above,
            at if at + 1 == seen.end && at + 1 < shown.len() => Mark::Below,
            _ => Mark::None,
        };
        draw_row(model, target, &columns, mark, paint, frame, row);
    }
    seen
}

/// What stands before a target's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mark {
    None,
    Chosen,
    /// There are more above it.
    Above,
    /// There are more below it.
    Below,
}

impl Mark {
    fn sign(self) -> &'static str {
        match self {
            Self::None => " ",
            Self::Chosen => "▸",
            Self::Above => "↑",
            Self::Below => "↓",
        }
    }
}

fn draw_row(
    model: &Model,
    target: &TargetStatus,
    columns: &Columns,
    mark: Mark,
    paint: Paint,
    frame: &mut Frame<'_>,
    row: Rect,
) {
    let mut spans = vec![Span::from(mark.sign())];
    let mut sparkline = None;
    let mut x = row.x + 1;
    for (column, width) in &columns.0 {
        if *column == Column::Throughput {
            let across = u16::try_from(*width).unwrap_or(u16::MAX);
            sparkline = Some(Rect { x, width: across, ..row }.intersection(row));
        }
        let text = if *column == Column::State {
            state_within(target, *width)
        } else {
            column.text(target, model)
        };
        let text = cut(&text, *width);
        let look = if *column == Column::State { status::look(target) } else { None };
        spans.push(paint.span(format!("{text:width$}"), look));
        spans.push(Span::from(GAP));
        x = x.saturating_add(u16::try_from(width + GAP.len()).unwrap_or(u16::MAX));
    }
    let mut line = Line::from(spans);
    if mark == Mark::Chosen {
        line = line.patch_style(Modifier::BOLD);
    }
    frame.render_widget(line, row);
    let history = model.histories.get(&target.name);
    if let (Some(place), Some(history)) = (sparkline, history) {
        let rates = history.latest(usize::from(place.width));
        // What is newest stands at the right.
        let unknown = usize::from(place.width) - rates.len();
        let data: Vec<u64> = std::iter::repeat_n(0, unknown).chain(rates).collect();
        let scale = history.most().max(LEAST_SCALE);
        let sparkline = Sparkline::default().data(data).max(scale).style(paint.style(Look::Help));
        frame.render_widget(sparkline, place);
    }
}

/// A column of the list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Column {
    Target,
    State,
    Visits,
    Throughput,
    Rate,
    Resumes,
    Idle,
    Today,
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Target => "TARGET",
            Self::State => "STATE",
            Self::Visits => "VISITS",
            Self::Throughput => "THROUGHPUT",
            Self::Rate => "",
            Self::Resumes => "RESUMES",
            Self::Idle => "STOP IN",
            Self::Today => "TODAY",
        }
    }

    fn text(self, target: &TargetStatus, model: &Model) -> String {
        match self {
            Self::Target => clean(&target.name),
            Self::State => state(target),
            Self::Visits => status::visits(target),
            // Drawn over it.
            Self::Throughput => String::new(),
            Self::Rate => rate(model, target),
            Self::Resumes => match target.resumes {
                0 => "-".into(),
                some => some.to_string(),
            },
            Self::Idle => target.idle_stop_seconds.map_or_else(|| "-".into(), duration),
            Self::Today => target.today_usd.map_or_else(|| "-".into(), dollars),
        }
    }
}

/// The columns that there is room for, each with its width.
#[derive(Debug)]
struct Columns(Vec<(Column, usize)>);

impl Columns {
    fn of(shown: &[&TargetStatus], width: usize) -> Self {
        let widest = |least: usize, text: &dyn Fn(&TargetStatus) -> String| {
            let widths = shown.iter().map(|target| text(target).chars().count());
            widths.max().unwrap_or(0).max(least)
        };
        let name = widest(6, &|target| clean(&target.name));
        let state = widest(5, &state).min(WIDEST_STATE);
        let visits = widest(6, &status::visits);
        // In the order of their worth: what comes first has its room first.
        let wishes: [(Column, usize, usize); 7] = [
            (Column::Target, name.min(LEAST_NAME), name),
            (Column::State, state.min(LEAST_STATE), state),
            (Column::Visits, 6, visits),
            (Column::Idle, 7, 7),
            (Column::Today, 7, 7),
            (Column::Throughput, LEAST_SPARKLINE, LEAST_SPARKLINE),
            (Column::Rate, 10, 10),
        ];
        let mut left = width.saturating_sub(1);
        let mut granted: Vec<(Column, usize, usize)> = Vec::new();
        for (column, least, wanted) in wishes {
            let cost = least + if granted.is_empty() { 0 } else { GAP.len() };
            if cost > left {
                break;
            }
            left -= cost;
            granted.push((column, least, wanted));
        }
        // What is left goes to those that would like more, a sparkline last of all.
        let order = [Column::Visits, Column::Target, Column::State, Column::Throughput];
        for wish in order {
            for (column, has, wanted) in &mut granted {
                if *column == wish {
                    let more = wanted.saturating_sub(*has).min(left);
                    *has += more;
                    left -= more;
                }
            }
        }
        // Told from near, too: it takes room from nothing else.
        let resumes = Column::Resumes.title().len();
        if granted.len() == wishes.len() && left >= resumes + GAP.len() {
            left -= resumes + GAP.len();
            granted.push((Column::Resumes, resumes, resumes));
        }
        for (column, has, _) in &mut granted {
            if *column == Column::Throughput {
                *has += left.min(WIDEST_SPARKLINE - LEAST_SPARKLINE);
            }
        }
        granted.sort_by_key(|(column, ..)| *column as usize);
        Self(granted.into_iter().map(|(column, has, _)| (column, has)).collect())
    }
}

fn cells(columns: &Columns, text: impl Fn(Column) -> String) -> String {
    let mut line = " ".to_owned();
    for (column, width) in &columns.0 {
        line.push_str(&format!("{:width$}{GAP}", cut(&text(*column), *width)));
    }
    line
}

/// `pulling image 11/~24 s`; else as `status` says it.
pub(super) fn state(target: &TargetStatus) -> String {
    let (State::Starting, Some(stage)) = (target.state, target.stage) else {
        return status::state(target);
    };
    let elapsed = whole(target.elapsed_seconds.unwrap_or(0.0));
    match target.estimate_seconds {
        Some(estimate) => format!("{} {elapsed}/~{} s", stage.words(), whole(estimate)),
        None => format!("{} {}", stage.words(), duration(elapsed)),
    }
}

/// The same where there is room for it, else without the stage.
fn state_within(target: &TargetStatus, width: usize) -> String {
    let whole = state(target);
    if whole.chars().count() <= width { whole } else { status::state(target) }
}

/// `1.2 MB/s`
pub(super) fn rate(model: &Model, target: &TargetStatus) -> String {
    match model.histories.get(&target.name).map_or(0, |history| history.now()) {
        0 => "-".into(),
        some => format!("{}/s", bytes(some)),
    }
}

const GAP: &str = " ";
/// A name of this length is never cut.
const LEAST_NAME: usize = 10;
/// `starting 11/~24 s`
const LEAST_STATE: usize = 17;
/// `attaching the network 11/~24 s`
const WIDEST_STATE: usize = 30;
const LEAST_SPARKLINE: usize = 10;
const WIDEST_SPARKLINE: usize = 40;
/// What fills a sparkline at least, in bytes a second: below it, small talk would look like a flood.
const LEAST_SCALE: u64 = 1000;
