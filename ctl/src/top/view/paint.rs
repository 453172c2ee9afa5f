use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::ui::Look;

/// How looks are painted. Colour is an aid: nothing is said by it alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    /// Whether colour is welcome.
    pub(crate) colour: bool,
    /// Whether there are letters, and lines, besides ASCII's.
    pub(crate) letters: bool,
}

impl Paint {
    /// A key's name, whose sign not every screen has.
    pub(super) fn enter(self) -> &'static str {
        if self.letters { "⏎" } else { "Enter" }
    }

    /// Leaves nothing on the screen that it cannot show.
    pub(super) fn suit(self, buffer: &mut Buffer) {
        if self.letters {
            return;
        }
        for cell in buffer.content.iter_mut().filter(|cell| !cell.symbol().is_ascii()) {
            let near = NEAR.iter().find(|(letter, _)| *letter == cell.symbol());
            cell.set_symbol(near.map_or("?", |(_, ascii)| ascii));
        }
    }

    pub(super) fn line(self, text: String, look: impl Into<Option<Look>>) -> Line<'static> {
        Line::styled(text, self.style(look))
    }

    /// A line that is there to be found when it is looked for.
    pub(super) fn quiet(self, text: String) -> Line<'static> {
        Line::styled(text, Style::default().add_modifier(Modifier::DIM))
    }

    pub(super) fn span(self, text: String, look: impl Into<Option<Look>>) -> Span<'static> {
        Span::styled(text, self.style(look))
    }

    pub(super) fn style(self, look: impl Into<Option<Look>>) -> Style {
        let Some(look) = look.into() else { return Style::default() };
        let (colour, weight) = match look {
            Look::Bad => (Some(Color::Red), Modifier::BOLD),
            Look::Busy => (Some(Color::Yellow), Modifier::empty()),
            Look::Good => (Some(Color::Green), Modifier::empty()),
            Look::Title => (None, Modifier::BOLD),
            Look::Help => (Some(Color::Cyan), Modifier::empty()),
        };
        let style = Style::default().add_modifier(weight);
        match colour.filter(|_| self.colour) {
            Some(colour) => style.fg(colour),
            None => style,
        }
    }
}

/// Text of at most so many columns; where something is cut off, that is seen.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Parts with two spaces between them, as many as there is room for: those with these numbers go first.
pub(super) fn fit(
    parts: impl IntoIterator<Item = Option<String>>,
    width: usize,
    dropped: &[usize],
) -> String {
    let mut parts: Vec<Option<String>> = parts.into_iter().collect();
    let joined = |parts: &[Option<String>]| {
        parts.iter().flatten().map(String::as_str).collect::<Vec<_>>().join("  ")
    };
    for number in dropped {
        if joined(&parts).chars().count() <= width {
            break;
        }
        parts[*number] = None;
    }
    cut(&joined(&parts), width)
}

/// What stands for our lines and marks where there is ASCII alone: each takes one column.
const NEAR: [(&str, &str); 13] = [
    ("▸", ">"),
    ("─", "-"),
    ("…", "~"),
    ("↑", "^"),
    ("↓", "v"),
    ("▁", "_"),
    ("▂", "."),
    ("▃", "-"),
    ("▄", "-"),
    ("▅", "="),
    ("▆", "="),
    ("▇", "#"),
    ("█", "#"),
];
