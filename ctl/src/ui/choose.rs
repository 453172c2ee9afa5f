//! Questions with a list of answers, for a person at a terminal.

use std::io::{self, BufRead, Write};

use super::{Look, Ui, painted};
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
            match answer.as_str() {
                "" => return Some(0),
                typed => match number(typed, items.len()) {
                    Some(place) => return Some(place),
                    None => self.insist(&format!("a number from 1 to {}", items.len())),
                },
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
            let typed = answer.split([' ', ',']).filter(|word| !word.is_empty());
            let places: Option<Vec<usize>> = typed.map(|word| number(word, items.len())).collect();
            match places {
                Some(mut places) => {
                    places.sort_unstable();
                    places.dedup();
                    return Some(places);
                }
                None => self.insist(&format!("numbers from 1 to {}, such as 1,3", items.len())),
            }
        }
    }

    fn list(&mut self, question: &str, items: &[Item]) {
        let colour = self.settings.colour && self.settings.err_terminal;
        self.insist(&painted(question, Look::Title, colour));
        let room = items.len().to_string().len();
        let width = self.settings.width.saturating_sub(room + 4);
        for (place, item) in items.iter().enumerate() {
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
    }

    /// What is typed behind a prompt, without spaces around it; none at the end of the input.
    async fn answer(&mut self, what: &str, usual: &str) -> Option<String> {
        self.end_of_progress();
        write!(self.err, "{what} [{usual}]: ").and_then(|()| self.err.flush()).ok();
        // In a thread of its own, so that Ctrl-C is heard meanwhile.
        let typed = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map(|read| (read > 0).then_some(line))
        });
        let Ok(Ok(Some(line))) = typed.await else { return None };
        Some(line.trim().to_lowercase())
    }
}

fn number(typed: &str, most: usize) -> Option<usize> {
    let number: usize = typed.parse().ok()?;
    (1..=most).contains(&number).then(|| number - 1)
}
