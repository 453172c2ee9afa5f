use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::{Answer, Daemon};
use crate::screen::{Screen, command, finish, run};

const FILE: &str = "/home/amy/.config/bastiond/config.toml";

fn good() -> Value {
    json!({
        "schema_version": 1, "path": FILE, "exists": true, "ok": true, "faults": [],
        "sites": { "prod": { "region": "ap-northeast-1", "subnets": { "name": "private-*" }, "profile": null } },
        "targets": { "prod-db": { "site": "prod", "listen": [15432, "docker"], "exposed": false },
            "cache": { "site": "prod", "port": 6379 } },
    })
}

fn faulty() -> Value {
    json!({
        "schema_version": 1, "path": FILE, "exists": true, "ok": false,
        "faults": [
            { "file": FILE, "line": 12, "key": "target.prod-db.lisen", "reason": "unknown key",
                "hint": "did you mean \"listen\"?" },
            { "file": FILE, "key": "", "reason": "is a directory" },
        ],
    })
}

/// A program that stands in for bastiond: it prints this report and keeps its arguments.
fn checker(dir: &Path, report: &str, code: i32) {
    let script = format!(
        "#!/bin/sh\necho \"$*\" > \"$0.asked\"\nprintf '%s' '{report}'\necho 'its last words' >&2\nexit {code}\n"
    );
    // Written by another process: a program that is open for writing, even by a fork of ours, cannot be run.
    let mut writer = Command::new("/bin/sh")
        .args(["-c", "cat > bastiond && chmod 755 bastiond"])
        .current_dir(dir)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
}

/// The program away from what was built beside it, with this directory beside it or as PATH.
fn alone(dir: &Path, line: &str, beside: bool) -> Screen {
    let elsewhere = house();
    let place = if beside { dir } else { elsewhere.path() };
    let program = place.join("bastionctl");
    fs::hard_link(env!("CARGO_BIN_EXE_bastionctl"), &program).unwrap();
    let usual = command(dir, line);
    let mut command = Command::new(&program);
    command.args(line.split_whitespace()).current_dir(dir).env_clear();
    command.envs(usual.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.env("PATH", if beside { "/bin".into() } else { format!("{}:/bin", dir.display()) });
    finish(line, command)
}

/// A directory on the file system of what was built, so that it can be linked there.
fn house() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

#[test]
fn a_good_file_is_checked_by_the_daemons_own_program() {
    let dir = house();
    checker(dir.path(), &good().to_string(), 0);
    alone(dir.path(), "config check --config other.toml", false).is("config_check");
    let asked = fs::read_to_string(dir.path().join("bastiond.asked")).unwrap();
    assert_eq!(asked, "--check --json --config other.toml\n");
}

#[test]
fn the_program_beside_ours_is_taken_before_any_other() {
    let dir = house();
    checker(dir.path(), &faulty().to_string(), 2);
    alone(dir.path(), "config check", true).is("config_faults");
    let asked = fs::read_to_string(dir.path().join("bastiond.asked")).unwrap();
    assert_eq!(asked, "--check --json\n");
}

#[test]
fn faults_are_json_too_and_the_exit_code_stays() {
    let dir = house();
    checker(dir.path(), &faulty().to_string(), 2);
    let screen = alone(dir.path(), "config check --json", false);
    assert_eq!(screen.json()["faults"][0]["line"], 12);
    assert_eq!(screen.code, 2);
}

#[test]
fn no_file_is_no_fault() {
    let dir = house();
    let report = json!({ "schema_version": 1, "path": FILE, "exists": false, "ok": true });
    checker(dir.path(), &report.to_string(), 0);
    alone(dir.path(), "config check", false).is("config_absent");
}

#[test]
fn a_checker_that_fails_or_is_not_there_is_told() {
    let dir = house();
    alone(dir.path(), "config check", false).is("config_no_bastiond");
    checker(dir.path(), "", 101);
    let screen = alone(dir.path(), "config check", false);
    assert_eq!(screen.code, 1);
    assert!(screen.err.contains("its last words"), "{}", screen.err);
}

#[test]
fn the_config_is_shown_as_the_daemon_means_it() {
    let daemon = Daemon::new([("GET /v1/config", Answer::json(&good()))]);
    run(&daemon, "config show").is("config_show");
    assert_eq!(run(&daemon, "config show --json").json()["targets"]["cache"]["port"], 6379);
}

#[test]
fn a_list_of_targets_is_shown_as_well_as_a_map() {
    let mut report = good();
    report["targets"] = json!([{ "name": "prod-db", "site": "prod" }]);
    let screen = run(&Daemon::new([("GET /v1/config", Answer::json(&report))]), "config show -q");
    assert!(screen.out.ends_with("[target.prod-db]\nsite = \"prod\"\n"), "{}", screen.out);
}

#[test]
fn without_a_daemon_the_file_is_shown() {
    let dir = house();
    checker(dir.path(), &good().to_string(), 0);
    alone(dir.path(), "config show", false).is("config_show_alone");
}

#[test]
fn the_path_is_the_daemons_or_else_the_usual_one() {
    let mut report = good();
    report["path"] = json!("/etc/other.toml");
    let daemon = Daemon::new([("GET /v1/config", Answer::json(&report))]);
    assert_eq!(run(&daemon, "config path").out, "/etc/other.toml\n");

    let dir = house();
    finish("config path", command(dir.path(), "config path")).is("config_path");
    let mut named = command(dir.path(), "config path --json");
    let json = finish("config path --json", {
        named.env("BASTION_CONFIG", "/x.toml");
        named
    })
    .json();
    assert_eq!((&json["path"], &json["exists"]), (&json!("/x.toml"), &json!(false)));
}
