//! What is told to a client of whatever engine.

/// A problem, as a database's error carries it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal<'a> {
    /// What is wrong, our code first.
    pub message: &'a str,
    /// Because of what; empty where there is no more to say.
    pub detail: &'a str,
    /// What to type; empty where nothing helps.
    pub hint: &'a str,
}

/// As much of a text as fits into `most` bytes, cut between two characters.
pub(crate) fn fitting(text: &str, most: usize) -> &str {
    let end = text.floor_char_boundary(most);
    &text[..end]
}
