//! What the dashboard knows, and what becomes of it: `update` takes an event and says what is to be done. It opens nothing
//! and asks nobody what time it is.
//!
//! ```text
//!            /                     o c h          c, and somebody is connected
//!   Filter ◀──── List ◀── any key ─ Help     List ────────────────────────────▶ Confirm
//!     │ ⏎ Esc ──▶  │ e, ⏎ ▶ Events, Details    ▲ ──────────── y n Esc ─────────────┘
//!                  └ q ▶ the end
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bastion_api::{
    CloseRequest, Event as Happening, OpenRequest, Problem, Status, TargetStatus, Timestamp,
    VisitStatus,
};

use jiff::tz::TimeZone;

use super::history::{History, moved};
use super::keys::Key;
use crate::words::{clean, count};

/// What the dashboard knows.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// The daemon and its targets, as last seen.
    pub(super) status: Option<Status>,
    /// The time of day of that.
    pub(super) today: Option<Timestamp>,
    /// Since when the daemon gives no answer, and why.
    pub(super) away: Option<Away>,
    /// How long the dashboard has been there.
    pub(super) now: Duration,
    /// How much each target moved a second.
    pub(super) histories: BTreeMap<String, History>,
    /// What has happened, the newest last.
    pub(super) happenings: VecDeque<Happening>,
    /// What is shown.
    pub(super) mode: Mode,
    /// Only targets with this in their names.
    pub(super) filter: String,
    /// The outcome of what was last asked for.
    pub(super) said: Option<Said>,
    /// How far back the events are scrolled.
    pub(super) back: usize,
    /// The target that keys are about.
    selected: Option<String>,
    /// Where we are, for the times of events; in UTC where nobody says.
    zone: Option<TimeZone>,
}

/// Something that happens to the dashboard.
#[derive(Debug)]
pub(crate) enum Event {
    /// The daemon has told how it is.
    Seen {
        /// How it is.
        status: Box<Status>,
        /// The time of day.
        today: Timestamp,
    },
    /// The daemon gives no answer.
    Away(Problem),
    /// Something has happened to a target, or to the daemon.
    Happened(Box<Happening>),
    /// What was asked for is done, or on its way.
    Done(String),
    /// What was asked for failed.
    Failed(Problem),
    /// Somebody is connected to what was to be closed.
    InUse {
        /// The target.
        target: String,
        /// Who.
        visits: Vec<VisitStatus>,
    },
    /// A key was pressed.
    Pressed(Key),
}

/// Something that the dashboard wants done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Wish {
    /// Start a target's bastion, or keep it.
    Open(String, OpenRequest),
    /// Stop it.
    Close(String, CloseRequest),
    /// End the dashboard.
    Quit,
    /// End it as Ctrl-C ends a program.
    Interrupt,
    /// Stand still and leave the terminal to the shell, until it is called back.
    Suspend,
}

/// What is shown beside the list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Mode {
    /// The targets, and one of them from near where there is room.
    #[default]
    List,
    /// One target alone.
    Details,
    /// What has happened.
    Events,
    /// The keys.
    Help,
    /// The filter is being typed.
    Filter,
    /// Whether to close a target that is in use.
    Confirm {
        /// The target.
        target: String,
        /// Who is connected.
        visits: Vec<VisitStatus>,
    },
}

/// A daemon that gives no answer.
#[derive(Debug)]
pub(super) struct Away {
    pub(super) since: Duration,
    pub(super) problem: Problem,
}

/// The outcome of a deed.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) words: String,
    pub(super) bad: bool,
    at: Duration,
}

impl Model {
    /// Nothing is known yet but where we are.
    pub(crate) fn here(zone: TimeZone) -> Self {
        Self { zone: Some(zone), ..Self::default() }
    }

    /// Takes in what has happened; `now` is how long the dashboard has been there.
    pub(crate) fn update(&mut self, event: Event, now: Duration) -> Option<Wish> {
        self.now = now;
        match event {
            Event::Seen { status, today } => self.seen(*status, today),
            Event::Away(problem) => {
                let since = self.away.as_ref().map_or(now, |away| away.since);
                self.away = Some(Away { since, problem });
            }
            Event::Happened(happening) => self.happened(*happening),
            Event::Done(words) => self.say(words, false),
            Event::Failed(problem) => self.say(in_a_line(&problem), true),
            Event::InUse { target, visits } => self.mode = Mode::Confirm { target, visits },
            Event::Pressed(key) => return self.pressed(key),
        }
        None
    }

    /// The targets that the filter leaves, in the daemon's order.
    pub(super) fn shown(&self) -> Vec<&TargetStatus> {
        let wanted = self.filter.to_lowercase();
        let all = self.status.iter().flat_map(|status| &status.targets);
        all.filter(|target| target.name.to_lowercase().contains(&wanted)).collect()
    }

    /// What has happened to targets that the filter leaves, the newest last.
    pub(super) fn heard(&self) -> Vec<&Happening> {
        self.happenings.iter().filter(|happening| self.lets(happening)).collect()
    }

    /// The target that keys are about, and its place among those that are shown.
    pub(super) fn selected(&self) -> Option<(usize, &TargetStatus)> {
        let shown = self.shown();
        let selected = self.selected.as_deref();
        let at = shown.iter().position(|target| Some(target.name.as_str()) == selected);
        let at = at.unwrap_or(0);
        shown.get(at).map(|target| (at, *target))
    }

    /// Where we are.
    pub(super) fn zone(&self) -> TimeZone {
        self.zone.clone().unwrap_or(TimeZone::UTC)
    }

    /// What was last said, for as long as a person takes to read it.
    pub(super) fn said(&self) -> Option<&Said> {
        self.said.as_ref().filter(|said| self.now.saturating_sub(said.at) < READ_WITHIN)
    }

    fn lets(&self, happening: &Happening) -> bool {
        let name = happening.target.as_deref().unwrap_or_default();
        name.to_lowercase().contains(&self.filter.to_lowercase())
    }

    fn happened(&mut self, happening: Happening) {
        if self.back > 0 && self.lets(&happening) {
            // Who reads what was before goes on reading it.
            self.back += 1;
        }
        self.happenings.push_back(happening);
        if self.happenings.len() > MOST_HAPPENINGS {
            self.happenings.pop_front();
        }
        self.back = self.back.min(self.heard().len().saturating_sub(1));
    }

    fn seen(&mut self, status: Status, today: Timestamp) {
        let restarted = self.status.as_ref().is_some_and(|old| old.started_at != status.started_at);
        if restarted {
            // Its sums begin again at nothing.
            self.histories.clear();
        }
        for target in &status.targets {
            let history = self.histories.entry(target.name.clone()).or_default();
            history.note(moved(target), self.now);
        }
        self.histories.retain(|name, _| status.targets.iter().any(|target| target.name == *name));
        self.away = None;
        self.status = Some(status);
        self.today = Some(today);
    }

    fn pressed(&mut self, key: Key) -> Option<Wish> {
        let always = [(Key::Interrupt, Wish::Interrupt), (Key::Suspend, Wish::Suspend)];
        if let Some((_, wish)) = always.into_iter().find(|(of, _)| *of == key) {
            return Some(wish);
        }
        match std::mem::take(&mut self.mode) {
            Mode::List => self.pressed_in_list(key),
            Mode::Details if matches!(key, Key::Enter | Key::Escape) => None,
            Mode::Details => {
                self.mode = Mode::Details;
                self.pressed_in_list(key)
            }
            Mode::Events => self.pressed_in_events(key),
            // Whoever reads the keys presses one to go on.
            Mode::Help => (key == Key::Char('q')).then_some(Wish::Quit),
            Mode::Filter => {
                self.typed(key);
                None
            }
            Mode::Confirm { target, visits } => match key {
                Key::Char('y' | 'Y') => Some(Wish::Close(target, CloseRequest { force: true })),
                Key::Char('n' | 'N' | 'q') | Key::Escape => {
                    self.say(format!("{} stays open", clean(&target)), false);
                    None
                }
                Key::Char(_)
                | Key::Up
                | Key::Down
                | Key::PageUp
                | Key::PageDown
                | Key::Home
                | Key::End
                | Key::Enter
                | Key::Backspace
                | Key::Interrupt
                | Key::Suspend => {
                    self.mode = Mode::Confirm { target, visits };
                    None
                }
            },
        }
    }

    fn pressed_in_list(&mut self, key: Key) -> Option<Wish> {
        match key {
            Key::Up | Key::Char('k') => self.select(|at, _| at.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.select(|at, last| (at + 1).min(last)),
            Key::PageUp => self.select(|at, _| at.saturating_sub(PAGE)),
            Key::PageDown => self.select(|at, last| (at + PAGE).min(last)),
            Key::Home | Key::Char('g') => self.select(|_, _| 0),
            Key::End | Key::Char('G') => self.select(|_, last| last),
            Key::Enter => self.mode = Mode::Details,
            Key::Char('e') => (self.mode, self.back) = (Mode::Events, 0),
            Key::Char('/') => self.mode = Mode::Filter,
            Key::Char('?') => self.mode = Mode::Help,
            Key::Escape => self.filter.clear(),
            Key::Char('q') => return Some(Wish::Quit),
            Key::Char('o') => return self.open(None),
            Key::Char('h') => return self.open(Some(HOLD)),
            Key::Char('c') => return self.close(),
            Key::Char(_) | Key::Backspace | Key::Interrupt | Key::Suspend => {}
        }
        None
    }

    fn pressed_in_events(&mut self, key: Key) -> Option<Wish> {
        self.mode = Mode::Events;
        let last = self.heard().len().saturating_sub(1);
        match key {
            Key::Up | Key::Char('k') => self.back = (self.back + 1).min(last),
            Key::Down | Key::Char('j') => self.back = self.back.saturating_sub(1),
            Key::PageUp => self.back = (self.back + PAGE).min(last),
            Key::PageDown => self.back = self.back.saturating_sub(PAGE),
            Key::Home | Key::Char('g') => self.back = last,
            Key::End | Key::Char('G') => self.back = 0,
            Key::Escape | Key::Enter | Key::Char('e') => self.mode = Mode::List,
            Key::Char('q') => return Some(Wish::Quit),
            Key::Char('?') => self.mode = Mode::Help,
            Key::Char(_) | Key::Backspace | Key::Interrupt | Key::Suspend => {}
        }
        None
    }

    fn typed(&mut self, key: Key) {
        match key {
            Key::Char(char) => self.filter.push(char),
            Key::Backspace => drop(self.filter.pop()),
            Key::Enter => return,
            Key::Escape => return self.filter.clear(),
            Key::Up => self.select(|at, _| at.saturating_sub(1)),
            Key::Down => self.select(|at, last| (at + 1).min(last)),
            Key::PageUp | Key::PageDown | Key::Home | Key::End => {}
            Key::Interrupt | Key::Suspend => {}
        }
        self.mode = Mode::Filter;
    }

    fn select(&mut self, to: impl Fn(usize, usize) -> usize) {
        let shown = self.shown();
        let at = self.selected().map_or(0, |(at, _)| at);
        let to = to(at, shown.len().saturating_sub(1));
        self.selected = shown.get(to).map(|target| target.name.clone());
    }

    fn open(&mut self, hold: Option<Duration>) -> Option<Wish> {
        let name = self.selected()?.1.name.clone();
        let request = OpenRequest { hold_seconds: hold.map(|hold| hold.as_secs()), tunnels: None };
        self.say(format!("{}: asked for", clean(&name)), false);
        Some(Wish::Open(name, request))
    }

    fn close(&mut self) -> Option<Wish> {
        let target = self.selected()?.1;
        let (name, visits) = (target.name.clone(), target.visits.clone());
        if visits.is_empty() {
            // Who has come meanwhile is found by the daemon, and asked about then.
            return Some(Wish::Close(name, CloseRequest { force: false }));
        }
        self.mode = Mode::Confirm { target: name, visits };
        None
    }

    fn say(&mut self, words: String, bad: bool) {
        self.said = Some(Said { words, bad, at: self.now });
    }
}

/// A problem in one line: what failed, and what helps.
fn in_a_line(problem: &Problem) -> String {
    let hint = problem.hints.first().map(|hint| format!("  hint: {hint}"));
    clean(&format!("{}{}", problem.message, hint.unwrap_or_default()))
}

/// What stands in the head: how many targets, how many visits.
pub(super) fn sums(status: &Status) -> String {
    let visits: usize = status.targets.iter().map(|target| target.visits.len()).sum();
    let targets = count(status.targets.len() as u64, "target");
    format!("{targets}, {}", count(visits as u64, "visit"))
}

/// How long `h` holds a bastion: a meeting.
const HOLD: Duration = Duration::from_secs(3600);
/// How many lines a page is.
const PAGE: usize = 10;
/// How many events are kept: an afternoon's.
const MOST_HAPPENINGS: usize = 500;
/// How long what was said stands there.
const READ_WITHIN: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests;
