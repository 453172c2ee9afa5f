//! How far something is that is waited for: a bar with its stage, its time and an estimate where a person looks on, and a
//! line a stage where nobody does.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::{Look, painted};
use crate::words::{clean, duration, whole};

/// One moment of a wait.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    name: String,
    deed: String,
    time: String,
    /// The time where there is little room.
    short: String,
    /// How much of it is done, from 0 to 1, where that is known.
    share: Option<f64>,
    /// What is told only once where nobody looks on.
    news: String,
    /// Whether the time is told there, too: where it is that of what goes on, and not of the wait for it.
    timed: bool,
}

impl Step {
    /// A start that has come to this stage: `prod-db  pulling image  11 s of about 24 s`.
    pub(crate) fn start(name: &str, stage: &str, elapsed: f64, estimate: Option<f64>) -> Self {
        let so_far = duration(whole(elapsed));
        let (time, short) = match estimate {
            Some(estimate) => (
                format!("{so_far} of about {}", duration(whole(estimate))),
                format!("{}/~{} s", whole(elapsed), whole(estimate)),
            ),
            None => (so_far.clone(), so_far),
        };
        let share = estimate.filter(|estimate| *estimate > 0.0).map(|estimate| elapsed / estimate);
        Self::new(name, stage, time, short, share, stage.to_owned())
    }

    /// A wait of so long at most: `prod-db  starting  waited 3 s of 60 s`.
    pub(crate) fn wait(name: &str, state: &str, waited: Duration, most: Duration) -> Self {
        let (so_far, limit) = (duration(waited.as_secs()), duration(most.as_secs()));
        let time = format!("waited {so_far} of {limit}");
        let share = (!most.is_zero()).then(|| waited.as_secs_f64() / most.as_secs_f64());
        let step = Self::new(name, state, time, so_far, share, state.to_owned());
        Self { timed: false, ..step }
    }

    /// So many of so many: `prod-db  opening tunnels  3 of 8`.
    pub(crate) fn count(name: &str, deed: &str, done: u32, wanted: u32) -> Self {
        let time = format!("{done} of {wanted}");
        let share = (wanted > 0).then(|| f64::from(done) / f64::from(wanted));
        Self::new(name, deed, time.clone(), format!("{done}/{wanted}"), share, time)
    }

    /// Something of which nobody knows how long it takes: `prod-db  asking the database  2 s`.
    pub(crate) fn open_ended(name: &str, deed: &str, waited: Duration) -> Self {
        let time = duration(waited.as_secs());
        let step = Self::new(name, deed, time.clone(), time, None, deed.to_owned());
        Self { timed: false, ..step }
    }

    fn new(
        name: &str,
        deed: &str,
        time: String,
        short: String,
        share: Option<f64>,
        news: String,
    ) -> Self {
        let (name, deed) = (clean(name), clean(deed));
        Self { name, deed, time, short, share, news, timed: true }
    }

    /// Whether it says nothing that the one before has not said, but for the time.
    pub(super) fn repeats(&self, before: &Self) -> bool {
        (&self.name, &self.deed, &self.news) == (&before.name, &before.deed, &before.news)
    }

    /// The line where nobody looks on.
    pub(super) fn told(&self) -> String {
        if self.timed { self.words() } else { format!("{}  {}", self.name, self.deed) }
    }

    fn words(&self) -> String {
        let Self { name, deed, time, .. } = self;
        format!("{name}  {deed}  {time}")
    }

    /// The line for a screen so wide: as much of it as there is room for.
    pub(super) fn line(&self, width: usize, colour: bool) -> String {
        let Self { name, deed, short, .. } = self;
        // A line that fills the last column may wrap, and could not be written again.
        let most = width.saturating_sub(1);
        let words = self.words();
        let left = most.saturating_sub(long(&words) + FRAME);
        if let Some(share) = self.share
            && left >= SHORTEST
        {
            return self.with_bar(share, left.min(LONGEST), most, colour);
        }
        let shorter = [words, format!("{name}  {deed}  {short}"), format!("{deed}  {short}")];
        let fits = |line: &String| long(line) <= most;
        let line = shorter.into_iter().find(fits).unwrap_or_else(|| short.clone());
        line.chars().take(most).collect()
    }

    fn with_bar(&self, share: f64, cells: usize, most: usize, colour: bool) -> String {
        let canvas =
            Canvas { width: u16::try_from(most).unwrap_or(u16::MAX), line: Arc::default() };
        let target = ProgressDrawTarget::term_like(Box::new(canvas.clone()));
        let bar = painted(&format!("{{bar:{cells}}}"), Look::Busy, colour);
        let style = ProgressStyle::with_template(&format!("{{prefix}}  [{bar}]  {{msg}}"));
        let style = style.expect("the template has keys that there are").progress_chars("=> ");
        // The cast saturates, and an estimate that is over is a full bar.
        let done = (share.clamp(0.0, 1.0) * WHOLE as f64) as u64;
        let drawn = ProgressBar::with_draw_target(Some(WHOLE), target).with_style(style);
        let drawn = drawn.with_prefix(format!("{}  {}", self.name, self.deed));
        let drawn = drawn.with_message(self.time.clone());
        drawn.set_position(done);
        drawn.tick();
        canvas.taken()
    }
}

/// One line that a bar is drawn on.
#[derive(Clone, Debug)]
struct Canvas {
    width: u16,
    line: Arc<Mutex<String>>,
}

impl Canvas {
    fn taken(&self) -> String {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.trim_end().to_owned()
    }
}

impl TermLike for Canvas {
    fn width(&self) -> u16 {
        self.width
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        match text {
            "\r" => line.clear(),
            text => line.push_str(text),
        }
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write_str("\r")
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn long(text: &str) -> usize {
    text.chars().count()
}

/// What a bar is a part of: fine enough for any screen.
const WHOLE: u64 = 1000;
/// What stands around a bar: two spaces and two brackets.
const FRAME: usize = 4;
/// Below this a bar says nothing.
const SHORTEST: usize = 6;
/// Above this it says no more.
const LONGEST: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn pulling() -> Step {
        Step::start("prod-db", "pulling image", 11.2, Some(24.0))
    }

    #[test]
    fn a_wide_screen_has_a_bar_between_the_stage_and_its_time() {
        let expected = "prod-db  pulling image  [===========>            ]  11 s of about 24 s";
        assert_eq!(pulling().line(80, false), expected);
    }

    #[test]
    fn a_narrow_screen_has_as_much_as_fits_and_the_time_always() {
        for (width, expected) in [
            (54, "prod-db  pulling image  [===>   ]  11 s of about 24 s"),
            (53, "prod-db  pulling image  [==>   ]  11 s of about 24 s"),
            (52, "prod-db  pulling image  11 s of about 24 s"),
            (40, "prod-db  pulling image  11/~24 s"),
            (30, "pulling image  11/~24 s"),
            (20, "11/~24 s"),
        ] {
            let line = pulling().line(width, false);
            assert_eq!(line, expected, "at {width}");
            assert!(long(&line) < width);
        }
    }

    #[test]
    fn colour_takes_no_room_and_says_nothing_of_its_own() {
        let (plain, painted) = (pulling().line(80, false), pulling().line(80, true));
        assert_ne!(plain, painted);
        assert_eq!(painted.replace("\x1b[33m", "").replace("\x1b[0m", ""), plain);
    }

    #[test]
    fn an_estimate_that_is_over_is_a_full_bar_and_none_is_no_bar() {
        let over = Step::start("a", "connecting", 90.0, Some(24.0)).line(64, false);
        assert_eq!(over, "a  connecting  [========================]  1 min of about 24 s");
        assert_eq!(Step::start("a", "connecting", 9.0, None).line(80, false), "a  connecting  9 s");
    }

    #[test]
    fn only_what_is_new_is_news() {
        let later = Step::start("prod-db", "pulling image", 12.0, Some(24.0));
        assert!(later.repeats(&pulling()));
        assert!(!Step::start("prod-db", "connecting", 12.0, Some(24.0)).repeats(&pulling()));
        let (one, two) = (Step::count("a", "opening", 1, 8), Step::count("a", "opening", 2, 8));
        assert!(!two.repeats(&one));
        let wait = Step::wait("a", "cold", Duration::from_secs(3), Duration::from_secs(60));
        assert_eq!(wait.told(), "a  cold");
        assert!(wait.line(80, false).ends_with("waited 3 s of 1 min"));
    }
}
