//! What holds for every command, whatever it does: nobody answers, a daemon of another version answers, no terminal, a
//! narrow one.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

use crate::daemon::Daemon;
use crate::screen::{Screen, command, finish, run};

/// What a command needs, to do what it is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Needs {
    /// A daemon that runs.
    Daemon,
    /// The daemon's program, where none runs.
    Program,
    /// Neither.
    Nothing,
}

/// Every verb, with words that it takes.
const COMMANDS: &[(&str, Needs)] = &[
    ("audit", Needs::Daemon),
    ("by-hand a", Needs::Program),
    ("close a", Needs::Daemon),
    ("completions bash", Needs::Nothing),
    ("config path", Needs::Nothing),
    ("connect a", Needs::Daemon),
    ("cost", Needs::Daemon),
    ("doctor a", Needs::Program),
    ("env a", Needs::Program),
    ("events", Needs::Daemon),
    ("export pgservice", Needs::Program),
    ("forward --site s --host h --remote-port 5432 --local-port 15999", Needs::Daemon),
    ("info a", Needs::Program),
    ("init --yes", Needs::Program),
    ("logs", Needs::Nothing),
    ("man", Needs::Nothing),
    ("mysql a", Needs::Daemon),
    ("open a", Needs::Daemon),
    ("password a", Needs::Program),
    ("policy", Needs::Program),
    ("ports", Needs::Daemon),
    ("psql a", Needs::Daemon),
    ("reload", Needs::Daemon),
    ("service status", Needs::Nothing),
    ("status", Needs::Daemon),
    ("test a", Needs::Daemon),
    ("token a", Needs::Program),
    ("top", Needs::Nothing),
    ("version", Needs::Nothing),
    ("wait a", Needs::Daemon),
];

#[test]
fn every_verb_of_the_help_is_tried_here() {
    let help = run(&Daemon::new([]), "--help").out;
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let verbs = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let verbs: BTreeSet<&str> = verbs.filter_map(|line| line.split_whitespace().next()).collect();
    let tried = COMMANDS.iter().filter_map(|(line, _)| line.split(' ').next());
    assert_eq!(verbs, tried.collect());
}

#[test]
fn where_nobody_answers_each_command_says_so_and_how_to_start_it() {
    for (line, needs) in COMMANDS {
        let screen = nobody(line);
        if *needs == Needs::Nothing {
            assert_ne!(screen.code, 3, "{line} needs no daemon:\n{}", screen.err);
            continue;
        }
        assert_eq!(screen.code, 3, "{line}:\n{}", screen.err);
        let words = ["error: bastiond is not running [C01]", "hint: "];
        assert!(words.iter().all(|words| screen.err.contains(words)), "{line}:\n{}", screen.err);
        assert_eq!(screen.out, "", "{line}");
    }
}

#[test]
fn where_nobody_answers_json_says_so_too() {
    for (line, _) in COMMANDS.iter().filter(|(_, needs)| *needs != Needs::Nothing) {
        let screen = nobody(&format!("{line} --json"));
        assert_eq!(screen.json()["problem"]["code"], "C01", "{line}:\n{}", screen.out);
    }
}

#[test]
fn a_daemon_of_another_version_is_told_from_one_that_is_broken() {
    // It knows none of our calls, as one that is older knows none of the new ones.
    for (line, _) in COMMANDS.iter().filter(|(_, needs)| *needs != Needs::Nothing) {
        let daemon = Daemon::new([]);
        let screen = alone(daemon.dir(), line);
        assert_eq!(screen.code, 1, "{line}:\n{}", screen.err);
        let words = ["error: this bastiond cannot do that [C05]", "hint: bastionctl version"];
        assert!(words.iter().all(|words| screen.err.contains(words)), "{line}:\n{}", screen.err);
    }
}

#[test]
fn no_line_of_a_complaint_is_wider_than_a_narrow_terminal() {
    for (line, _) in COMMANDS {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut command = without_program(dir.path(), line);
        command.env("COLUMNS", "40");
        let screen = finish(line, command);
        let told = screen.err.lines().filter(|line| !line.contains("hint:"));
        for words in told.filter(|line| line.starts_with("error:") || line.starts_with("because:"))
        {
            assert!(words.chars().count() <= 40, "{line}: {words}");
        }
    }
}

/// A command where there is neither a daemon nor its program.
fn nobody(line: &str) -> Screen {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    alone(dir.path(), line)
}

fn alone(dir: &std::path::Path, line: &str) -> Screen {
    finish(line, without_program(dir, line))
}

/// The program away from what was built beside it, so that it finds no bastiond.
fn without_program(dir: &std::path::Path, line: &str) -> std::process::Command {
    let house = dir.join("house");
    fs::create_dir_all(&house).unwrap();
    let program = house.join("bastionctl");
    if !program.exists() && fs::hard_link(env!("CARGO_BIN_EXE_bastionctl"), &program).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_bastionctl"), &program).unwrap();
    }
    let usual = command(dir, line);
    let mut command = std::process::Command::new(program);
    command.args(line.split_whitespace()).current_dir(dir).env_clear().stdin(Stdio::null());
    command.envs(usual.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.env("HOME", dir);
    command
}
