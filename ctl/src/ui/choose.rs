//! Questions with a list of answers, for a person at a terminal.

use std::io::Write;

use super::{Look, Ui};
use crate::words::{clean, wrap};

/// One thing to choose.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// What it is.
    pub(crate) title: String,
    /// What is worth knowing of it; empty where nothing is.
    pub(crate) detail: String,
}

impl Item {
    /// A thing of which nothing more is to be known.
    pub(crate) fn plain(title: impl Into<String>) -> Self {
        Self { title: title.into(), detail: String::new() }
    }
}

impl Ui {
    /// Whether a person is there to answer: not where JSON is wanted, for that goes to a program.
    pub(crate) fn can_ask(&self) -> bool {
        let settings = &self.settings;
        settings.in_terminal && settings.err_terminal && !settings.json
    }

    /// Asks for one of these by its number; the first one where nothing is typed. None where the person has gone.
    pub(crate) async fn choose(&mut self, question: &str, items: &[Item]) -> Option<usize> {
        self.list(question, items);
        loop {
            let answer = self.answer("number", "1").await?;
            if answer.is_empty() {
                return Some(0);
            }
            match number(&answer, items.len()) {
                Some(place) => return Some(place),
                None => {
                    self.show_named(&answer, items, &format!("a number from 1 to {}", items.len()))
                }
            }
        }
    }

    /// Asks for some of these by their numbers; all where nothing is typed. None where the person has gone.
    pub(crate) async fn choose_some(
        &mut self,
        question: &str,
        items: &[Item],
    ) -> Option<Vec<usize>> {
        self.list(question, items);
        loop {
            let answer = self.answer("numbers", "all").await?;
            if answer.is_empty() || answer == "all" {
                return Some((0..items.len()).collect());
            }
            match numbers(&answer, items.len()) {
                Some(places) => return Some(places),
                None => {
                    let wanted = format!("numbers from 1 to {}, such as 1,3 or 2-4", items.len());
                    self.show_named(&answer, items, &wanted);
                }
            }
        }
    }

    fn list(&mut self, question: &str, items: &[Item]) {
        self.insist(&self.painted_talk(question, Look::Title));
        let all: Vec<(usize, &Item)> = items.iter().enumerate().collect();
        self.rows(&all, items.len());
    }

    /// What was typed is no number: the items that have it in their names; else what may be typed.
    fn show_named(&mut self, typed: &str, items: &[Item], wanted: &str) {
        let has = |(_, item): &(usize, &Item)| {
            typed.contains(char::is_alphabetic) && item.title.to_lowercase().contains(typed)
        };
        let named: Vec<(usize, &Item)> = items.iter().enumerate().filter(has).collect();
        if named.is_empty() {
            self.insist(wanted);
        } else {
            self.rows(&named, items.len());
        }
    }

    /// Items with their numbers; of very many the first ones, for a screen has only so many lines.
    fn rows(&mut self, items: &[(usize, &Item)], most: usize) {
        let room = most.to_string().len();
        let width = self.settings.width.saturating_sub(room + 4);
        let shown = if items.len() > MOST_ROWS + 1 { MOST_ROWS } else { items.len() };
        for (place, item) in &items[..shown] {
            let number = place + 1;
            let mut lines = wrap(&clean(&item.title), width);
            if !item.detail.is_empty() {
                lines.extend(wrap(&clean(&item.detail), width));
            }
            for (row, line) in lines.iter().enumerate() {
                if row == 0 {
                    self.insist(&format!("  {number:>room$}  {line}"));
                } else {
                    self.insist(&format!("  {:room$}  {line}", ""));
                }
            }
        }
        if shown < items.len() {
            let more = items.len() - shown;
            for line in
                wrap(&format!("and {more} more: part of a name shows those that have it"), width)
            {
                self.insist(&format!("  {:room$}  {line}", ""));
            }
        }
    }

    /// What is typed behind a prompt, without spaces around it; none at the end of the input.
    async fn answer(&mut self, what: &str, usual: &str) -> Option<String> {
        let typed = self.typed(&format!("{what} [{usual}]: ")).await;
        let Some(line) = typed.ok().filter(|line| !line.is_empty()) else {
            // The cursor stands behind the question still.
            writeln!(self.err).ok();
            return None;
        };
        Some(line.trim().to_lowercase())
    }
}

fn number(typed: &str, most: usize) -> Option<usize> {
    let number: usize = typed.parse().ok()?;
    (1..=most).contains(&number).then(|| number - 1)
}

/// Numbers and ranges with commas or spaces between them, in order; none where anything else stands there, or nothing.
fn numbers(typed: &str, most: usize) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    for word in typed.split([' ', ',']).filter(|word| !word.is_empty()) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (first, last) = (number(first, most)?, number(last, most)?);
        if last < first {
            return None;
        }
        places.extend(first..=last);
    }
    places.sort_unstable();
    places.dedup();
    (!places.is_empty()).then_some(places)
}

/// Rows: with the question and the prompt they fit on a screen of 24 lines.
const MOST_ROWS: usize = 20;

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn some_are_named_by_numbers_and_ranges_and_nothing_else_is_an_answer() {
        assert_eq!(numbers("3, 1 3", 4), Some(vec![0, 2]));
        assert_eq!(numbers("2-4,1", 4), Some(vec![0, 1, 2, 3]));
        for none in [",", " ", "x", "0", "5", "3-1", "2-5", "-2", "1-", "1-x"] {
            assert_eq!(numbers(none, 4), None, "{none}");
        }
    }
}
