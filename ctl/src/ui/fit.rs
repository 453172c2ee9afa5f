//! What is too long or too wide for the screen.

use super::measure::USUAL_WIDTH;
use crate::words::{count, wrap};

/// As many lines as a screen of this height shows at once; the last one says how many are left off.
pub(super) fn within(lines: &[String], height: usize) -> Vec<String> {
    // The cursor stands on a line of its own.
    let room = height.saturating_sub(1).max(1);
    if lines.len() <= room {
        return lines.to_vec();
    }
    let (shown, left) = lines.split_at(room - 1);
    let more = format!("and {} below", count(left.len() as u64, "line"));
    shown.iter().cloned().chain([more]).collect()
}

/// A line of talk broken where it is too long; one with a command in it is there to be copied, and stays whole.
pub(super) fn fitted(line: &str, width: usize) -> Vec<String> {
    // What is longer than a usual screen is there to be copied, wherever it is read.
    let copied = width >= USUAL_WIDTH || line.contains("hint:") || line.contains("bastionctl ");
    if copied || line.chars().count() <= width {
        return vec![line.to_owned()];
    }
    let text = line.trim_start();
    let indent = line.len() - text.len();
    let lines = wrap(text, width.saturating_sub(indent + FURTHER));
    let moved = |(number, line): (usize, &String)| {
        let indent = if number == 0 { indent } else { indent + FURTHER };
        format!("{:indent$}{line}", "")
    };
    lines.iter().enumerate().map(moved).collect()
}

/// How far the further lines of what is broken are moved in.
const FURTHER: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_that_is_too_low_says_how_much_is_below() {
        let lines: Vec<String> = (1..=5).map(|number| number.to_string()).collect();
        assert_eq!(within(&lines, 6), lines);
        assert_eq!(within(&lines, 5), ["1", "2", "3", "and 2 lines below"]);
        assert_eq!(within(&lines, 0), ["and 5 lines below"]);
        assert_eq!(within(&lines, usize::MAX), lines);
    }

    #[test]
    fn talk_is_broken_on_a_narrow_screen_only_and_never_what_is_there_to_be_copied() {
        let long = "  altered prod-db: listen, idle_timeout; 1 visit goes on until it ends";
        assert_eq!(fitted(long, 80), [long]);
        let broken = [
            "  altered prod-db: listen,",
            "    idle_timeout; 1 visit goes",
            "    on until it ends",
        ];
        assert_eq!(fitted(long, 31), broken);
        let command = "password: bastionctl password a-target-with-a-name";
        assert_eq!(fitted(command, 20), [command]);
    }
}
