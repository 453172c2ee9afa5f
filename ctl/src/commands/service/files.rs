//! The files of a service: what is to stand in them, and whether what stands there is still ours to replace.
//!
//! A file that we write says so in a line of its own, with a checksum of the rest. A file without that line, or with a
//! checksum that does not fit, is somebody's work: it stays, unless it says the same as ours.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::words::digest;

/// A file as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wanted {
    /// Where.
    pub(super) path: PathBuf,
    /// What stands in it, with the line that says that it is ours.
    pub(super) text: String,
    /// What a person who knows nothing of us would have put there: the file as it is delivered.
    pub(super) delivered: Option<&'static str>,
    /// Who may read it.
    pub(super) mode: u32,
}

/// What stands in a file's place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// Nothing.
    Missing,
    /// What is wanted.
    Same,
    /// What we, or an earlier version of us, wrote.
    Ours,
    /// What somebody has altered or written.
    Altered,
}

impl Wanted {
    /// What stands in its place now.
    pub(super) fn found(&self) -> io::Result<Found> {
        let text = match fs::read(&self.path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
            Err(error) => return Err(error),
        };
        if text == self.text {
            return Ok(Found::Same);
        }
        let ours = is_ours(&text) || self.delivered == Some(text.as_str());
        Ok(if ours { Found::Ours } else { Found::Altered })
    }

    /// Writes it: beside its place, then renamed into it.
    pub(super) fn write(&self) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(dir)?;
        let beside = beside(&self.path, "new");
        // One that an interrupted run has left.
        if let Err(error) = fs::remove_file(&beside)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(self.mode).open(&beside)?;
        file.write_all(self.text.as_bytes())?;
        // Whatever the umask.
        file.set_permissions(Permissions::from_mode(self.mode))?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)
    }

    /// Moves what stands in its place out of the way; says where to.
    pub(super) fn put_aside(&self) -> io::Result<PathBuf> {
        let mut aside = beside(&self.path, "before");
        let mut number = 1;
        while aside.try_exists()? {
            number += 1;
            aside = beside(&self.path, &format!("before{number}"));
        }
        fs::rename(&self.path, &aside)?;
        Ok(aside)
    }
}

/// Text with a line that says that it is ours, put before the first line that `after` is true of no more.
pub(super) fn marked(text: &str, wrap: impl Fn(&str) -> String, head: usize) -> String {
    let line = wrap(&format!("{MARK}{:016x}", digest(text.bytes())));
    let mut lines: Vec<&str> = text.lines().collect();
    lines.insert(head.min(lines.len()), &line);
    lines.join("\n") + "\n"
}

/// Whether text says that it is ours and nobody has altered it.
fn is_ours(text: &str) -> bool {
    let Some(line) = text.lines().find(|line| line.contains(MARK)) else { return false };
    let said = line.split(MARK).nth(1).and_then(|rest| rest.get(..16));
    let said = said.and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let rest: String =
        text.lines().filter(|other| *other != line).flat_map(|line| [line, "\n"]).collect();
    said == Some(digest(rest.bytes()))
}

/// `dir/bastiond.service.new`
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(end);
    path.with_file_name(name)
}

/// What stands before the checksum.
const MARK: &str =
    "Written by bastionctl service install, which leaves it alone once it is altered: ";

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[Unit]\nDescription=x\n";

    fn wanted(dir: &Path) -> Wanted {
        let text = marked(TEXT, |line| format!("# {line}"), 0);
        Wanted { path: dir.join("a/x.service"), text, delivered: Some(TEXT), mode: 0o600 }
    }

    #[test]
    fn what_we_wrote_is_ours_until_somebody_alters_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = wanted(dir.path());
        assert_eq!(file.found().unwrap(), Found::Missing);
        file.write().unwrap();
        assert_eq!(file.found().unwrap(), Found::Same);
        let newer =
            Wanted { text: marked("[Unit]\n", |line| format!("# {line}"), 0), ..file.clone() };
        assert_eq!(newer.found().unwrap(), Found::Ours);
        fs::write(&file.path, file.text.replace("=x", "=y")).unwrap();
        assert_eq!(file.found().unwrap(), Found::Altered);
        assert_eq!(newer.found().unwrap(), Found::Altered);
    }

    #[test]
    fn the_file_as_it_is_delivered_is_nobodys_work() {
        let dir = tempfile::tempdir().unwrap();
        let file = wanted(dir.path());
        fs::create_dir_all(file.path.parent().unwrap()).unwrap();
        fs::write(&file.path, TEXT).unwrap();
        assert_eq!(file.found().unwrap(), Found::Ours);
    }

    #[test]
    fn a_file_has_its_mode_whatever_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = wanted(dir.path());
        file.write().unwrap();
        fs::set_permissions(&file.path, Permissions::from_mode(0o644)).unwrap();
        fs::write(beside(&file.path, "new"), "left by an interrupted run").unwrap();
        file.write().unwrap();
        let mode = fs::metadata(&file.path).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, file.found().unwrap()), (0o600, Found::Same));
    }

    #[test]
    fn what_is_put_aside_never_takes_the_place_of_what_was_before() {
        let dir = tempfile::tempdir().unwrap();
        let file = wanted(dir.path());
        for end in ["before", "before2"] {
            file.write().unwrap();
            assert_eq!(file.put_aside().unwrap(), beside(&file.path, end));
        }
        assert_eq!(file.found().unwrap(), Found::Missing);
    }

    #[test]
    fn the_line_stands_where_it_was_wanted() {
        let text = marked("one\ntwo\n", |line| format!("<!-- {line} -->"), 1);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[2], lines.len()), ("one", "two", 3));
        assert!(is_ours(&text) && text.ends_with('\n'), "{text}");
    }
}
