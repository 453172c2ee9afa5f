//! Writes a file that a person has named: whole or not at all, and nothing beside it is touched.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use bastion_api::{Problem, ProblemKind};

/// Whether something may be lost by it: a file is there.
pub(crate) fn replaces(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|there| there.is_file())
}

/// Puts this into a file. What is there is replaced in one step, and keeps its mode; a link goes on leading to its file.
/// What is no file, as `/dev/stdout`, is written into.
pub(crate) fn put(file: &Path, content: &[u8]) -> io::Result<()> {
    // Of a link, the file that it leads to; where there is none yet, the name as it is.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let there = fs::metadata(&file).ok();
    if there.is_some() && !replaces(&file) {
        return OpenOptions::new().write(true).open(&file)?.write_all(content);
    }
    // Beside and renamed: whoever reads it meanwhile finds the old one or the new one, whole.
    let mut beside = file.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let mut new = OpenOptions::new().write(true).create_new(true).open(&beside)?;
    let put = || {
        if let Some(there) = there {
            new.set_permissions(there.permissions())?;
        }
        new.write_all(content)?;
        new.sync_all()?;
        fs::rename(&beside, &file)
    };
    put().inspect_err(|_| {
        // What is left of it is of no use to anybody.
        fs::remove_file(&beside).ok();
    })
}

/// A file is there that is not ours to replace, unless somebody says so.
pub(crate) fn is_there(file: &Path) -> Problem {
    let message = format!("{} is there already", file.display());
    Problem::new("C16", ProblemKind::Usage, message).hint("--force replaces it")
}

/// Why a file was not put there.
pub(crate) fn cannot_write(file: &Path, error: &io::Error) -> Problem {
    let message = format!("cannot write {}", file.display());
    Problem::new("C24", ProblemKind::Failed, message).because(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_beside_the_file_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.new"), "mine").unwrap();
        put(&dir.path().join("a"), b"text").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "text");
        assert_eq!(fs::read_to_string(dir.path().join("a.new")).unwrap(), "mine");
        assert_eq!(names(dir.path()), ["a", "a.new"]);
    }

    #[test]
    fn a_link_stays_one_and_the_file_behind_it_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink("file", &link).unwrap();
        put(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(dir.path()), ["file", "link"]);
    }

    #[test]
    fn what_is_no_file_is_written_into_and_stays_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("null");
        symlink("/dev/null", &link).unwrap();
        put(&link, b"text").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_directory_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        assert!(put(dir.path(), b"text").is_err());
        assert_eq!(names(dir.path()), [""; 0]);
    }
}
