use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use super::Home;
use crate::terminal::signal;

const LOG: &str = "Library/Logs/bastiond.log";

#[test]
fn the_journal_is_asked_for_the_services_last_lines() {
    let home = Home::new([]);
    let journal = [("JOURNAL", "Jan 02 03:04:05 amy bastiond[321]: serving 2 targets\u{1b}[2J\n")];
    home.run_with("service logs --manager systemd -n 20", &journal).is("service_logs");
    assert_eq!(home.deeds(), ["journalctl --user -u bastiond --no-pager -n 20"]);
    home.run("service logs --manager systemd --follow");
    assert_eq!(home.deeds(), ["journalctl --user -u bastiond --no-pager -n 100 -f"]);
}

#[test]
fn the_journal_is_json_lines_too() {
    let home = Home::new([]);
    let entry = r#"{"__REALTIME_TIMESTAMP":"1767323045000000","PRIORITY":"6","MESSAGE":"serving 2 targets","_PID":"321"}"#;
    let screen = home
        .run_with("service logs --manager systemd --json", &[("JOURNAL", &format!("{entry}\n"))]);
    let line = &screen.json_lines()[0];
    assert_eq!(
        (&line["message"], &line["time"]),
        (&"serving 2 targets".into(), &"2026-01-02T03:04:05Z".into())
    );
    assert_eq!(home.deeds(), ["journalctl --user -u bastiond --no-pager -n 100 -o json"]);
}

#[test]
fn a_journal_that_cannot_be_read_is_a_failure() {
    let home = Home::new([]);
    home.program("journalctl", "echo 'No journal files were opened.' >&2; exit 1");
    let screen = home.run("service logs --manager systemd");
    assert_eq!((screen.code, screen.err.as_str()), (1, "No journal files were opened.\n"));
    fs::remove_file(home.at("bin/journalctl")).unwrap();
    let missing = home.run("service logs --manager systemd");
    assert!(
        missing.code == 1 && missing.err.contains("journalctl is not on PATH"),
        "{}",
        missing.err
    );
}

#[cfg(target_os = "linux")]
#[test]
fn logs_is_short_for_the_services_logs() {
    let home = Home::new([]);
    assert_eq!(home.run("logs -n 3").code, 0);
    assert_eq!(home.deeds(), ["journalctl --user -u bastiond --no-pager -n 3"]);
}

fn write(home: &Home, text: &str) {
    fs::create_dir_all(home.at(LOG).parent().unwrap()).unwrap();
    fs::write(home.at(LOG), text).unwrap();
}

#[test]
fn launchds_file_is_read_from_its_end() {
    let home = Home::new([]);
    write(&home, "one\ntwo\n2026-01-02T03:04:05Z  WARN three\nfour");
    assert_eq!(
        home.run("service logs --manager launchd -n 2").out,
        "2026-01-02T03:04:05Z  WARN three\nfour\n"
    );
    let lines = home.run("service logs --manager launchd -n 2 --json").json_lines();
    assert_eq!((&lines[0]["priority"], &lines[0]["message"]), (&4.into(), &"three".into()));
    fs::remove_file(home.at(LOG)).unwrap();
    let missing = home.run("service logs --manager launchd");
    assert!(missing.code == 6 && missing.err.contains("[C25]"), "{}", missing.err);
}

#[test]
fn launchds_file_is_followed_also_when_another_takes_its_place() {
    let home = Home::new([]);
    write(&home, "one\n");
    let mut command = home.command("service logs --manager launchd --follow");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert_eq!(next(), "one");
    let mut file = fs::File::options().append(true).open(home.at(LOG)).unwrap();
    writeln!(file, "two").unwrap();
    assert_eq!(next(), "two");
    fs::rename(home.at(LOG), home.at("old.log")).unwrap();
    write(&home, "three\n");
    assert_eq!(next(), "three");
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
