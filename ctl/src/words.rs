use bastion_api::Timestamp;

use crate::clock;

/// A duration as people say it, in its two largest units: `38 s`, `14 min`, `6 h 12 min`, `3 d 4 h`.
pub(crate) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let with = |large: u64, unit: &str, small: u64, part: &str| {
        if small == 0 {
            format!("{large} {unit}")
        } else {
            format!("{large} {unit} {small} {part}")
        }
    };
    if minutes == 0 {
        format!("{seconds} s")
    } else if hours == 0 {
        format!("{minutes} min")
    } else if days == 0 {
        with(hours, "h", minutes % 60, "min")
    } else {
        with(days, "d", hours % 24, "h")
    }
}

/// How long ago a moment is; never negative, whatever the clocks say.
pub(crate) fn since(moment: Timestamp) -> String {
    since_until(moment, clock::today())
}

/// How long it is from one moment to another; never negative, whatever the clocks say.
pub(crate) fn since_until(moment: Timestamp, until: Timestamp) -> String {
    let seconds = until.duration_since(moment).as_secs();
    duration(u64::try_from(seconds).unwrap_or(0))
}

/// A number of seconds without its fraction; what makes no sense is none at all.
pub(crate) fn whole(seconds: f64) -> u64 {
    // The cast saturates: less than nothing and not-a-number are 0.
    seconds.round() as u64
}

/// A short time as people measure it: `0.4 ms`, `31 ms`, `1.25 s`.
pub(crate) fn milliseconds(seconds: f64) -> String {
    let milliseconds = seconds.max(0.0) * 1000.0;
    if milliseconds < 10.0 {
        format!("{milliseconds:.1} ms")
    } else if milliseconds < 1000.0 {
        format!("{milliseconds:.0} ms")
    } else {
        format!("{:.2} s", milliseconds / 1000.0)
    }
}

/// A count with its noun: `1 visit`, `2 visits`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// An amount of money: `$0.010`, `$12.340`.
pub(crate) fn dollars(usd: f64) -> String {
    // Not-a-number is no money.
    format!("${:.3}", usd.max(0.0))
}

/// A number of bytes: `512 B`, `1.5 kB`, `2.0 GB`.
pub(crate) fn bytes(number: u64) -> String {
    let mut left = number as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if left < 1000.0 {
            let digits = usize::from(unit != "B");
            return format!("{left:.digits$} {unit}");
        }
        left /= 1000.0;
    }
    format!("{left:.1} TB")
}

/// Text from elsewhere without anything that could steer a terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// The names that may have been meant, the likeliest first.
pub(crate) fn near<'a>(meant: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&meant.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(likeness, name)| *likeness >= LIKE || name.contains(meant))
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
    near.into_iter().take(MOST_NEAR).map(|(_, name)| name).collect()
}

/// Text broken at spaces into lines of at most so many characters; a word longer than that stands alone, whole.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let joined = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && joined > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// A number that stands for text, against nobody: FNV-1a, which is the same in every version of this program.
pub(crate) fn digest(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// How alike two names must be for one to be meant by the other; below it, jaro_winkler finds likeness in anything.
const LIKE: f64 = 0.75;
/// How many names are offered: as many as a glance takes in.
const MOST_NEAR: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_said_in_its_two_largest_units() {
        let said = [0, 59, 60, 899, 3600, 22320, 86400, 273_600].map(duration);
        let expected = ["0 s", "59 s", "1 min", "14 min", "1 h", "6 h 12 min", "1 d", "3 d 4 h"];
        assert_eq!(said, expected);
    }

    #[test]
    fn seconds_that_make_no_sense_are_none() {
        assert_eq!([-1.0, f64::NAN, 0.4, 11.5].map(whole), [0, 0, 0, 12]);
    }

    #[test]
    fn money_has_tenths_of_a_cent_and_bytes_a_unit_of_their_size() {
        assert_eq!(
            [0.0104, 0.0, 12.3456, -1.0, f64::NAN].map(dollars),
            ["$0.010", "$0.000", "$12.346", "$0.000", "$0.000"]
        );
        let said = [0, 999, 1000, 1_500_000, 2_000_000_000, 3_000_000_000_000].map(bytes);
        assert_eq!(said, ["0 B", "999 B", "1.0 kB", "1.5 MB", "2.0 GB", "3.0 TB"]);
    }

    #[test]
    fn a_short_time_has_as_many_digits_as_are_of_use() {
        let said = [0.0004, 0.0312, 0.9994, 1.25, f64::NAN, -1.0].map(milliseconds);
        assert_eq!(said, ["0.4 ms", "31 ms", "999 ms", "1.25 s", "0.0 ms", "0.0 ms"]);
    }

    #[test]
    fn one_is_singular_and_none_is_plural() {
        assert_eq!([0, 1, 2].map(|n| count(n, "visit")), ["0 visits", "1 visit", "2 visits"]);
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\nc\u{9b}é"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}é");
    }

    #[test]
    fn the_likeliest_name_comes_first_and_the_unlike_is_left_out() {
        let names = ["stg-mysql", "prod-db", "prod-db-reader", "warehouse"];
        assert_eq!(near("prod_db", names), ["prod-db", "prod-db-reader"]);
        assert_eq!(near("zzz", names), [""; 0]);
    }

    #[test]
    fn lines_break_at_spaces_and_never_within_a_word() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a incomprehensible b", 5), ["a", "incomprehensible", "b"]);
        assert_eq!(wrap("", 5), [""]);
    }
}
