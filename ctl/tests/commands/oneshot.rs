use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

/// bastionctl alone in a directory, but for this in bastiond's place.
fn asked_beside(bastiond: Option<(&str, &str)>) -> (Output, TempDir) {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = dir.path().join("bastionctl");
    fs::hard_link(env!("CARGO_BIN_EXE_bastionctl"), &program).unwrap();
    if let Some((script, mode)) = bastiond {
        let beside = dir.path().join("bastiond");
        // Not written by this process: another thread's child would hold it open, and nobody could run it.
        let write = "printf '%s' \"$1\" > \"$2\" && chmod \"$3\" \"$2\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", write, "sh", script]).arg(&beside).arg(mode);
        assert!(shell.status().unwrap().success());
    }
    let output = Command::new(program)
        .args(["password", "prod-db"])
        .env_clear()
        .env("HOME", dir.path())
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    (output, dir)
}

#[test]
fn where_bastiond_is_nowhere_that_is_what_is_told() {
    let (output, _dir) = asked_beside(None);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("no bastiond beside bastionctl"), "{said}");
    assert!(!said.contains("service install"), "{said}");
}

#[test]
fn a_bastiond_that_cannot_be_run_is_told_with_its_path() {
    let (output, dir) = asked_beside(Some(("#!/bin/sh\n", "644")));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let path = dir.path().join("bastiond: Permission denied");
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(path.to_str().unwrap()), "{said}");
}

#[test]
fn one_that_ends_before_its_answer_is_told_with_its_end_and_a_panic_is_a_bug() {
    for (end, code, told) in
        [("kill -9 $$", 1, "signal: 9"), ("exit 101", 70, "exit status: 101"), ("exit 2", 1, "2")]
    {
        let (output, _dir) = asked_beside(Some((&format!("#!/bin/sh\n{end}\n"), "755")));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{end}: {said}");
        assert!(said.contains("bastiond ended before it had answered"), "{end}: {said}");
        assert!(said.contains(told), "{end}: {said}");
    }
}
