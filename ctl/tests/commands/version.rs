use serde_json::json;

use crate::daemon::{Answer, Daemon};
use crate::screen::{command, finish, run};

fn daemon(version: &str) -> Daemon {
    let answer = json!({ "schema_version": 1, "version": version, "pid": 321 });
    Daemon::new([("GET /v1/version", Answer::json(&answer))])
}

#[test]
fn both_versions_are_told() {
    run(&daemon(env!("CARGO_PKG_VERSION")), "version").is("version");
}

#[test]
fn versions_that_differ_are_remarked_upon() {
    run(&daemon("0.0.9"), "version").is("version_differs");
}

#[test]
fn without_a_daemon_our_own_is_told_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    finish("version", command(dir.path(), "version")).is("version_alone");
    let json = finish("version --json", command(dir.path(), "version --json")).json();
    assert_eq!(json["bastiond"], json!(null));
    assert_eq!(json["bastionctl"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn json_tells_both() {
    let json = run(&daemon("0.0.9"), "version --json").json();
    assert_eq!((&json["bastiond"], &json["pid"]), (&json!("0.0.9"), &json!(321)));
}
