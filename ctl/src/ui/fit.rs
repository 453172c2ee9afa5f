//! What is too long or too wide for the screen.

use super::measure::USUAL_WIDTH;
use crate::words::{count, wrap};

/// As many lines as a screen of this size shows at once; the last one says how many are left off. A line that is there to
/// be copied may be wider than the screen, which breaks it.
pub(super) fn within(lines: &[String], width: usize, height: usize) -> Vec<String> {
    // The cursor stands on a line of its own.
    let mut room = height.saturating_sub(1).max(1);
    let rows = |line: &String| seen(line).div_ceil(width.max(1)).max(1);
    if lines.iter().map(rows).sum::<usize>() <= room {
        return lines.to_vec();
    }
    room -= 1;
    let fits = |line: &&String| {
        let left = room.checked_sub(rows(line));
        room = left.unwrap_or(0);
        left.is_some()
    };
    let shown = lines.iter().take_while(fits).count();
    let more = format!("and {} below", count((lines.len() - shown) as u64, "line"));
    lines[..shown].iter().cloned().chain([more]).collect()
}

/// How many columns a line takes: its paint takes none.
fn seen(line: &str) -> usize {
    let mut pieces = line.split("\x1b[");
    let plain = pieces.next().map_or(0, |first| first.chars().count());
    // A paint's end is its first letter.
    let painted =
        |piece: &str| piece.chars().skip_while(|char| !char.is_alphabetic()).skip(1).count();
    plain + pieces.map(painted).sum::<usize>()
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
        assert_eq!(within(&lines, 80, 6), lines);
        assert_eq!(within(&lines, 80, 5), ["1", "2", "3", "and 2 lines below"]);
        assert_eq!(within(&lines, 80, 0), ["and 5 lines below"]);
        assert_eq!(within(&lines, 80, usize::MAX), lines);
    }

    #[test]
    fn a_line_that_the_screen_breaks_counts_for_as_many_as_it_takes() {
        let lines = ["12345", "12345678901", "\x1b[1;31m1234567890\x1b[0m"].map(String::from);
        assert_eq!(within(&lines, 10, 5), lines);
        assert_eq!(within(&lines, 10, 4), ["12345", "and 2 lines below"]);
        assert_eq!(within(&lines, 11, 4), lines);
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
