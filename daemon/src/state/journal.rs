//! The journal's file: append and sync, replay, compact.
//!
//! ```text
//!   append ──▶ one line each, written together, synced: only then is it answered
//!   open   ──▶ every line is understood            ──▶ replayed
//!              the last one is torn (a crash)      ──▶ forgiven, and cut off
//!              anything else, or a newer version's ──▶ set aside, and a new file begun
//!   renew  ──▶ written beside, synced, renamed
//! ```
//!
//! What a line says is not known here: whoever opens the file brings the understanding.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{PRIVATE_FILE, StateError, set_aside, sync_dir, write_private};

/// The file, open for appending.
#[derive(Debug)]
pub(super) struct JournalFile {
    path: PathBuf,
    file: File,
    /// How many lines it holds.
    lines: usize,
    /// How many bytes are known to be whole lines: what a failed write left behind them is cut off.
    whole: u64,
}

/// A file that was opened, and what it said.
#[derive(Debug)]
pub(super) struct Opened<T> {
    pub(super) file: JournalFile,
    pub(super) said: Vec<T>,
    /// Where one that could not be understood was put; then `said` is empty.
    pub(super) set_aside: Option<PathBuf>,
}

impl JournalFile {
    /// Opens the file and replays it; makes it where it does not exist.
    pub(super) fn open<T>(
        path: &Path,
        understand: impl Fn(&str) -> Option<T>,
    ) -> Result<Opened<T>, StateError> {
        let (said, whole, aside) = match fs::read(path) {
            Ok(bytes) => match replay(&bytes, understand) {
                Some((said, whole)) => (said, whole, None),
                None => (Vec::new(), 0, Some(set_aside(path)?)),
            },
            Err(err) if err.kind() == io::ErrorKind::NotFound => (Vec::new(), 0, None),
            Err(_) => (Vec::new(), 0, Some(set_aside(path)?)),
        };
        let file = open_to_append(path)?;
        let mut journal = Self { path: path.to_owned(), file, lines: said.len(), whole };
        journal.cut()?;
        Ok(Opened { file: journal, said, set_aside: aside })
    }

    /// Writes lines, none of which holds a line's end itself, and returns once they are on disk.
    pub(super) fn append(&mut self, lines: &[String]) -> Result<(), StateError> {
        let mut text = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.lines += lines.len();
                self.whole += text.len() as u64;
                Ok(())
            }
            Err(err) => {
                // Half a line would swallow the next one.
                self.cut().ok();
                Err(StateError::Io { deed: "writing", path: self.path.clone(), err })
            }
        }
    }

    /// Replaces everything by these lines.
    pub(super) fn renew(&mut self, lines: &[String]) -> Result<(), StateError> {
        let mut text = lines.join("\n");
        if !lines.is_empty() {
            text.push('\n');
        }
        write_private(&self.path, text.as_bytes())?;
        self.file = open_to_append(&self.path)?;
        self.lines = lines.len();
        self.whole = text.len() as u64;
        Ok(())
    }

    /// How many lines it holds.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// A file on a disk that is full.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn full() -> Self {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().append(true).open(&path).expect("Linux has it");
        Self { path, file, lines: 0, whole: 0 }
    }

    /// Cuts off whatever stands behind the last whole line.
    fn cut(&mut self) -> Result<(), StateError> {
        let io = |err| StateError::Io { deed: "cutting", path: self.path.clone(), err };
        if self.file.metadata().map_err(io)?.len() != self.whole {
            self.file.set_len(self.whole).and_then(|()| self.file.sync_data()).map_err(io)?;
        }
        Ok(())
    }
}

/// What the lines say and how many bytes they are; none where a line cannot be understood.
fn replay<T>(bytes: &[u8], understand: impl Fn(&str) -> Option<T>) -> Option<(Vec<T>, u64)> {
    let mut said = Vec::new();
    let mut whole = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(text) = line.strip_suffix(b"\n") else {
            // Without its end it was never answered, so nothing was done because of it. One that is whole JSON all the
            // same may be of a newer version, whose lines are another's business.
            let torn = serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err();
            return torn.then_some((said, whole));
        };
        said.push(understand(std::str::from_utf8(text).ok()?)?);
        whole += line.len() as u64;
    }
    Some((said, whole))
}

fn open_to_append(path: &Path) -> Result<File, StateError> {
    let io = |err| StateError::Io { deed: "opening", path: path.to_owned(), err };
    let file =
        OpenOptions::new().append(true).create(true).mode(PRIVATE_FILE).open(path).map_err(io)?;
    // A file that was just made is on disk only when its name is.
    sync_dir(path).map_err(io)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_replayed_in_order() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("journal");
        let mut opened = JournalFile::open(&path, number).unwrap();
        opened.file.append(&lines(&[1, 2])).unwrap();
        opened.file.append(&lines(&[3])).unwrap();
        drop(opened);
        let opened = JournalFile::open(&path, number).unwrap();
        assert_eq!((opened.said, opened.set_aside, opened.file.lines()), (vec![1, 2, 3], None, 3));
    }

    #[test]
    fn a_last_line_torn_anywhere_is_forgiven_and_the_next_one_stands_alone() {
        let whole = "{\"n\":1}\n{\"n\":2}\n";
        let third = "{\"n\":3}";
        for cut in 0..third.len() {
            let temp = tempfile::tempdir().unwrap();
            let path = temp.path().join("journal");
            fs::write(&path, format!("{whole}{}", &third[..cut])).unwrap();
            let mut opened = JournalFile::open(&path, object).unwrap();
            assert_eq!((opened.said, opened.set_aside), (vec![1, 2], None), "cut at {cut}");
            opened.file.append(&["{\"n\":4}".to_owned()]).unwrap();
            let said = JournalFile::open(&path, object).unwrap().said;
            assert_eq!(said, [1, 2, 4], "cut at {cut}");
        }
    }

    #[test]
    fn zeroes_at_the_end_are_what_a_power_cut_leaves() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("journal");
        fs::write(&path, b"{\"n\":1}\n\0\0\0\0").unwrap();
        assert_eq!(JournalFile::open(&path, object).unwrap().said, [1]);
    }

    #[test]
    fn what_cannot_be_understood_is_set_aside_and_never_overwritten() {
        let strange = [
            "{\"n\":1}\nnonsense\n{\"n\":2}\n",
            "{\"n\":1}\n{\"of a newer version\":true}\n",
            "{\"n\":1}\n{\"of a newer version\":true}",
            "\u{0}\n",
        ];
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("journal");
        for text in strange {
            fs::write(&path, text).unwrap();
            let mut opened = JournalFile::open(&path, object).unwrap();
            assert_eq!(opened.said, [0; 0], "{text}");
            assert_eq!(fs::read_to_string(opened.set_aside.unwrap()).unwrap(), text);
            opened.file.append(&["{\"n\":7}".to_owned()]).unwrap();
            assert_eq!(JournalFile::open(&path, object).unwrap().said, [7]);
        }
        let aside = fs::read_dir(temp.path()).unwrap().count() - 1;
        assert_eq!(aside, strange.len(), "each has a name of its own");
    }

    #[test]
    fn a_renewed_journal_says_what_it_was_given_and_grows_from_there() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("journal");
        let mut opened = JournalFile::open(&path, number).unwrap();
        opened.file.append(&lines(&[1, 2, 3])).unwrap();
        opened.file.renew(&lines(&[3])).unwrap();
        opened.file.append(&lines(&[4])).unwrap();
        assert_eq!(opened.file.lines(), 2);
        assert_eq!(JournalFile::open(&path, number).unwrap().said, [3, 4]);
        opened.file.renew(&[]).unwrap();
        assert_eq!(JournalFile::open(&path, number).unwrap().said, [0; 0]);
    }

    #[test]
    fn the_file_is_for_this_user_alone() {
        use std::os::unix::fs::MetadataExt;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("journal");
        drop(JournalFile::open(&path, number).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    }

    fn number(line: &str) -> Option<u32> {
        line.parse().ok()
    }

    fn object(line: &str) -> Option<u32> {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        value.get("n")?.as_u64()?.try_into().ok()
    }

    fn lines(numbers: &[u32]) -> Vec<String> {
        numbers.iter().map(u32::to_string).collect()
    }
}
