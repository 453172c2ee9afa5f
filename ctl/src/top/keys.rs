//! What a terminal sends for a key.

/// A key that means something here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Key {
    /// One that writes.
    Char(char),
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first line.
    Home,
    /// To the last line.
    End,
    /// Return.
    Enter,
    /// Escape.
    Escape,
    /// Takes the last letter back.
    Backspace,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
}

/// The keys in what was read at once. A terminal sends a key's bytes together, so that an escape by itself is one.
pub(super) fn keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((&first, rest)) = bytes.split_first() {
        let (key, rest) = match first {
            0x1b => escaped(rest),
            0x03 => (Some(Key::Interrupt), rest),
            0x1a => (Some(Key::Suspend), rest),
            b'\r' | b'\n' => (Some(Key::Enter), rest),
            0x7f | 0x08 => (Some(Key::Backspace), rest),
            0x10 => (Some(Key::Up), rest),
            0x0e => (Some(Key::Down), rest),
            0..0x20 => (None, rest),
            _ => letter(bytes),
        };
        keys.extend(key);
        bytes = rest;
    }
    keys
}

/// What follows an escape: a key with a name, or nothing, or something that means nothing here.
fn escaped(rest: &[u8]) -> (Option<Key>, &[u8]) {
    let Some((b'[' | b'O', sequence)) = rest.split_first() else {
        return (Some(Key::Escape), rest);
    };
    // Parameters, then one letter or `~` that ends it.
    let end = sequence.iter().position(|byte| (0x40..=0x7e).contains(byte));
    let Some(end) = end else { return (None, &[]) };
    let key = match &sequence[..=end] {
        b"A" => Some(Key::Up),
        b"B" => Some(Key::Down),
        b"H" | b"1~" | b"7~" => Some(Key::Home),
        b"F" | b"4~" | b"8~" => Some(Key::End),
        b"5~" => Some(Key::PageUp),
        b"6~" => Some(Key::PageDown),
        _ => None,
    };
    (key, &sequence[end + 1..])
}

/// A letter in UTF-8.
fn letter(bytes: &[u8]) -> (Option<Key>, &[u8]) {
    let length = (1..=bytes.len().min(4)).find(|length| str::from_utf8(&bytes[..*length]).is_ok());
    let Some(length) = length else { return (None, &bytes[1..]) };
    let char = String::from_utf8_lossy(&bytes[..length]).chars().next();
    (char.map(Key::Char), &bytes[length..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_terminals_way_to_send_a_key_is_known() {
        assert_eq!(keys(b"\x1b[A\x1bOB"), [Key::Up, Key::Down]);
        assert_eq!(keys(b"\x1b[5~\x1b[6~"), [Key::PageUp, Key::PageDown]);
        assert_eq!(keys(b"\x1b[H\x1b[1~\x1bOF\x1b[4~"), [Key::Home, Key::Home, Key::End, Key::End]);
        assert_eq!(
            keys(b"q\r\x7f\x1a\x03"),
            [Key::Char('q'), Key::Enter, Key::Backspace, Key::Suspend, Key::Interrupt]
        );
        assert_eq!(keys("é€".as_bytes()), [Key::Char('é'), Key::Char('€')]);
    }

    #[test]
    fn an_escape_by_itself_is_the_key_and_what_means_nothing_is_nothing() {
        assert_eq!(keys(b"\x1b"), [Key::Escape]);
        assert_eq!(keys(b"\x1bq"), [Key::Escape, Key::Char('q')]);
        assert_eq!(keys(b"\x1b[1;5C\x1b[20~\x1b[200"), []);
        assert_eq!(keys(&[0xff, 0x01, b'a']), [Key::Char('a')]);
    }
}
