//! What was expected against what was found.

use std::collections::{BTreeMap, BTreeSet};

use crate::trial::Tried;

/// A line for each root cause that was expected, a column for each that was found; what is wrong stands below.
pub(crate) fn of(tried: &[Tried]) -> String {
    let found = |one: &Tried| one.found.first().cloned().unwrap_or_else(|| "none".to_owned());
    let columns: BTreeSet<String> = tried.iter().map(found).collect();
    let mut counts: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for one in tried {
        *counts.entry(one.expected[0]).or_default().entry(found(one)).or_default() += 1;
    }
    let mut text = format!("{:<9}", "expected");
    for column in &columns {
        text.push_str(&format!("{column:>5}"));
    }
    for (expected, row) in &counts {
        text.push_str(&format!("\n{expected:<9}"));
        for column in &columns {
            let count = row.get(column).map_or_else(|| "·".to_owned(), usize::to_string);
            text.push_str(&format!("{count:>5}"));
        }
    }
    for one in tried.iter().filter(|one| !one.is_right()) {
        let Tried { name, expected, found, wrong, shown } = one;
        text.push_str(&format!(
            "\n\n{name}: expected {expected:?}, found {found:?}; {wrong:?}\n{shown}"
        ));
    }
    text
}
