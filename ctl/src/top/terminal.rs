//! The terminal that the dashboard is drawn on, and how it is left as it was found: at the end, at a signal, in a panic.

use std::io::{self, Stdout, Write};
use std::panic;
use std::sync::{Mutex, PoisonError};

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};
use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The terminal while it is ours; dropped, it is as it was.
#[derive(Debug)]
pub(super) struct Taken(());

impl Taken {
    /// Takes the terminal: keys come one by one and unseen, on a screen of its own.
    pub(super) fn take() -> io::Result<Self> {
        let taken = Self(());
        taken.again()?;
        // What a panic says would be lost with the screen of our own.
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |why| {
            give_back();
            before(why);
        }));
        Ok(taken)
    }

    /// Leaves the terminal to the shell and stands still, as a program does at Ctrl-Z; when it is called back, takes it again.
    pub(super) fn lend(&self) -> io::Result<()> {
        give_back();
        kill_current_process_group(Signal::TSTP)?;
        self.again()
    }

    /// Takes a terminal that the shell has had meanwhile.
    pub(super) fn again(&self) -> io::Result<()> {
        let mut raw = {
            let mut found = found();
            let before = tcgetattr(io::stdin())?;
            found.get_or_insert(before).clone()
        };
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
        let mut out = io::stdout();
        out.write_all(ENTER)?;
        out.flush()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// Leaves the terminal as it was found; once is enough.
fn give_back() {
    let Some(before) = found().take() else { return };
    let mut out = io::stdout();
    // A terminal that is gone needs nothing.
    out.write_all(LEAVE).and_then(|()| out.flush()).ok();
    tcsetattr(io::stdin(), OptionalActions::Flush, &before).ok();
}

/// How the terminal was found, while it is ours.
fn found() -> std::sync::MutexGuard<'static, Option<Termios>> {
    static FOUND: Mutex<Option<Termios>> = Mutex::new(None);
    FOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Draws on a terminal: what has changed, in one write, so that nothing flickers.
#[derive(Debug)]
pub(super) struct Screen<W = Stdout> {
    out: W,
    text: Vec<u8>,
    /// How the cell looks that was written last.
    look: Option<(Color, Modifier)>,
    /// Where the cursor stands after it.
    at: Option<Position>,
}

impl<W: Write> Screen<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, text: Vec::new(), look: None, at: None }
    }

    fn put(&mut self, x: u16, y: u16, cell: &Cell) {
        if self.at != Some(Position { x, y }) {
            self.say(&format!("\x1b[{};{}H", y + 1, x + 1));
        }
        let look = (cell.fg, cell.modifier);
        if self.look != Some(look) {
            self.say(&sgr(cell.fg, cell.modifier));
            self.look = Some(look);
        }
        self.say(cell.symbol());
        // Where a letter is wider than a column the next one is placed anew.
        let narrow = cell.symbol().is_ascii() || cell.symbol().chars().all(is_line);
        self.at = narrow.then_some(Position { x: x + 1, y });
    }

    fn say(&mut self, text: &str) {
        self.text.extend(text.bytes());
    }
}

impl<W: Write> Backend for Screen<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.at = None;
        for (x, y, cell) in content {
            self.put(x, y, cell);
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.say("\x1b[?25l");
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.say("\x1b[?25h");
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // It is hidden, and nobody reads where it stands.
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        self.at = None;
        self.say(&format!("\x1b[{};{}H", y + 1, x + 1));
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        (self.at, self.look) = (None, None);
        self.say("\x1b[0m\x1b[2J");
        Ok(())
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        match region {
            ClearType::All => return self.clear(),
            ClearType::AfterCursor => self.say("\x1b[0J"),
            ClearType::BeforeCursor => self.say("\x1b[1J"),
            ClearType::CurrentLine => self.say("\x1b[2K"),
            ClearType::UntilNewLine => self.say("\x1b[0K"),
        }
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        let size = tcgetwinsize(io::stdout())?;
        // A terminal that does not know: serial lines, some containers.
        let known = |cells: u16, usual: u16| if cells == 0 { usual } else { cells };
        Ok(Size::new(known(size.ws_col, 80), known(size.ws_row, 24)))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::new(0, 0) })
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        self.out.write_all(&text)?;
        self.out.flush()
    }
}

/// What makes the cells that follow look so: colours of the terminal's own choice, which suit its background.
fn sgr(colour: Color, modifier: Modifier) -> String {
    let mut sgr = "\x1b[0".to_owned();
    for (is, code) in [(Modifier::BOLD, ";1"), (Modifier::DIM, ";2"), (Modifier::REVERSED, ";7")] {
        if modifier.contains(is) {
            sgr.push_str(code);
        }
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "the colours are ratatui's, not ours")]
    let code = match colour {
        Color::Red => ";31",
        Color::Green => ";32",
        Color::Yellow => ";33",
        Color::Cyan => ";36",
        _ => "",
    };
    format!("{sgr}{code}m")
}

/// What lines, sparklines and marks are made of: one column each.
fn is_line(char: char) -> bool {
    ('\u{2500}'..='\u{25ff}').contains(&char) || "…⏎↑↓".contains(char)
}

/// A screen of its own without a cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J";
/// Plain looks, a cursor, and the screen from before.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_side_by_side_is_placed_once_and_looks_change_only_where_they_do() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out);
        let (mut red, mut wide) = (Cell::new("b"), Cell::new("字"));
        red.set_fg(Color::Red);
        wide.modifier = Modifier::BOLD;
        let plain = Cell::new("a");
        let cells = [(0, 0, &plain), (1, 0, &red), (2, 0, &wide), (4, 0, &wide), (0, 3, &plain)];
        screen.draw(cells.into_iter()).unwrap();
        screen.flush().unwrap();
        let expected = "\x1b[1;1H\x1b[0ma\x1b[0;31mb\x1b[0;1m字\x1b[1;5H字\x1b[4;1H\x1b[0ma";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
