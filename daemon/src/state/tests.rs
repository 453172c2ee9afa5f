use std::collections::BTreeSet;
use std::os::unix::fs::chown;

use super::*;

#[test]
fn the_directory_is_made_for_this_user_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("local/state/bastiond");
    let state = StateDir::open(&path).unwrap();
    assert_eq!(state.path(), path);
    assert_eq!(mode(&path), 0o700);
    for file in [LOCK, INSTALLATION] {
        assert_eq!(mode(&path.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_directory_that_others_may_enter_is_closed() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("bastiond");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let _state = StateDir::open(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
}

#[test]
fn a_directory_of_another_user_is_refused_and_left_as_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let root = rustix::process::geteuid().is_root();
    let path = if root { temp.path().join("theirs") } else { PathBuf::from("/usr") };
    if root {
        fs::create_dir(&path).unwrap();
        chown(&path, Some(65534), None).unwrap();
    }
    let before = mode(&path);
    let err = private_dir(&path).unwrap_err();
    assert!(matches!(err, StateError::Foreign { .. }), "{err}");
    assert_eq!(mode(&path), before);
}

#[test]
fn a_second_daemon_is_told_the_pid_of_the_first() {
    let temp = tempfile::tempdir().unwrap();
    let first = StateDir::open(temp.path()).unwrap();
    let err = StateDir::open(temp.path()).unwrap_err();
    let StateError::Locked { pid, dir } = &err else { panic!("{err}") };
    assert_eq!((*pid, dir.as_path()), (Some(std::process::id()), temp.path()));
    assert_eq!(
        err.to_string(),
        format!(
            "another bastiond (pid {}) runs with the state directory {}",
            std::process::id(),
            temp.path().display()
        )
    );
    drop(first);
    StateDir::open(temp.path()).unwrap();
}

#[test]
fn what_a_killed_daemon_left_in_the_lock_keeps_nobody_out() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join(LOCK), "4194304000\n").unwrap();
    let state = StateDir::open(temp.path()).unwrap();
    let written = fs::read_to_string(temp.path().join(LOCK)).unwrap();
    assert_eq!(written, format!("{}\n", std::process::id()));
    drop(state);
    assert_eq!(fs::read(temp.path().join(LOCK)).unwrap(), b"", "no pid stays behind");
}

#[test]
fn an_installation_keeps_its_name() {
    let temp = tempfile::tempdir().unwrap();
    let names: BTreeSet<String> =
        (0..3).map(|_| StateDir::open(temp.path()).unwrap().installation().to_owned()).collect();
    assert_eq!(names.len(), 1);
    let other = tempfile::tempdir().unwrap();
    assert!(!names.contains(StateDir::open(other.path()).unwrap().installation()));
}

#[test]
fn a_mark_is_what_ecs_takes() {
    let temp = tempfile::tempdir().unwrap();
    let mark = StateDir::open(temp.path()).unwrap().started_by();
    assert_eq!(mark.len(), 29);
    assert!(mark.strip_prefix("bastiond/").is_some_and(|name| name.len() == 20), "{mark}");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-/_".contains(c);
    assert!(mark.chars().all(allowed), "{mark}");
}

#[test]
fn a_name_that_cannot_be_read_is_set_aside_and_never_overwritten() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join(INSTALLATION);
    let mut seen = BTreeSet::new();
    for torn in
        [&b""[..], b"short\n", b"ABCDEFGHIJKLMNOPQRST\n", b"\xff\xfe", b"a line\nand another\n"]
    {
        fs::write(&file, torn).unwrap();
        let state = StateDir::open(temp.path()).unwrap();
        let aside = state.set_aside().unwrap().to_owned();
        assert_eq!(fs::read(&aside).unwrap(), torn);
        assert!(seen.insert(aside), "an earlier one was overwritten");
        assert!(seen.insert(PathBuf::from(state.installation())), "a name came twice");
    }
    assert_eq!(StateDir::open(temp.path()).unwrap().set_aside(), None);
}

#[test]
fn a_file_is_written_whole_and_for_this_user_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("journal");
    // As a crash in the middle of an earlier write would leave it.
    fs::write(temp.path().join("journal.new"), "torn").unwrap();
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    write_private(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(mode(&path), 0o600);
    assert!(!temp.path().join("journal.new").exists());
}

#[test]
fn an_error_keeps_its_cause() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    let err = StateDir::open(&file.join("state")).unwrap_err();
    assert_eq!(err.to_string(), format!("making {}", file.join("state").display()));
    let cause = std::error::Error::source(&err).unwrap().to_string();
    assert!(cause.contains("Not a directory"), "{cause}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}
