//! Names and texts: what may stand in one, and what may have been meant by another.

use std::fmt::Write as _;

/// `did you mean "…"?`, where one of the known words is close.
pub(super) fn did_you_mean<S: AsRef<str>>(word: &str, known: &[S]) -> Option<String> {
    let lower = word.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&lower, &known.to_lowercase());
    let near = known.iter().map(AsRef::as_ref).min_by_key(|known| distance(known))?;
    // A third of the letters may be wrong: "sunbets", "databse", "task-definition", but not "x".
    let close = distance(near) * 3 <= near.chars().count().max(word.chars().count());
    close.then(|| format!("did you mean \"{near}\"?"))
}

/// A key as TOML wants it: bare where it can be.
pub(super) fn quoted(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) {
        return key.to_owned();
    }
    string(key)
}

/// A text between quotes, in which nothing means anything to TOML.
pub(super) fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(c)).expect("a String takes everything");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a text is made of letters, digits and these others, and of at least one.
pub(super) fn made_of(text: &str, others: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

/// Whether a text can be the name of a host.
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && made_of(label, "-_")
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

/// Whether a text can be the name of a site or a target: safe in a path, in a URL, in a tag.
pub fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && made_of(text, "-_.")
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The longest name of a site or a target, in bytes: a directory of this name leaves room in a socket's path.
pub(super) const LONGEST_NAME: usize = 40;
