//! The demo does what the README promises, and says so only when it did.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::Duration;

use bastion_e2e::Running;
use bastion_e2e::databases::postgres_programs;
use xtask::place::{program, workspace};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_with_its_one_line() {
    let shown = Running::start(&mut demo()).finish_within(Duration::from_secs(300)).await;

    let last = shown.ok().lines().last().unwrap();
    let figures = last
        .strip_prefix("demo ok: first row after ")
        .and_then(|rest| rest.strip_suffix(", tasks started 1, left running 0"))
        .and_then(|rest| rest.strip_suffix(" s"))
        .and_then(|rest| rest.split_once(" s, idle stop after "))
        .unwrap_or_else(|| panic!("{shown}"));
    let seconds = [figures.0, figures.1].map(|figure| figure.parse::<f64>().unwrap());
    assert!(seconds[0] > 5.0 && seconds[0] < 30.0, "the simulated start alone takes 6 s: {last}");
    assert!(seconds[1] >= 4.5 && seconds[1] <= 7.0, "idle_timeout is 5 s: {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_whose_query_brings_nothing_fails() {
    let dir = tempfile::tempdir().unwrap();
    let real = postgres_programs().bin;
    for entry in std::fs::read_dir(&real).unwrap() {
        let name = entry.unwrap().file_name();
        if name != "psql" {
            symlink(real.join(&name), dir.path().join(&name)).unwrap();
        }
    }
    // As psql, but for the demo's question, which it answers with no row.
    let psql = dir.path().join("psql");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *'strength > '*) echo '(0 rows)'; exit 0 ;; esac\nexec '{}' \"$@\"\n",
        real.join("psql").display()
    );
    std::fs::write(&psql, script).unwrap();
    std::fs::set_permissions(&psql, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut demo = demo();
    demo.env("BASTION_POSTGRES_BIN", dir.path());

    let shown = Running::start(&mut demo).finish_within(Duration::from_secs(300)).await;

    assert!(!shown.status.success());
    assert!(!shown.out.contains("demo ok"), "{shown}");
    assert!(shown.err.contains("figure eight"), "it says what it missed: {shown}");
}

fn demo() -> Command {
    let mut demo = Command::new(program("xtask").unwrap());
    demo.args(["demo", "--check", "--yes"]).current_dir(workspace());
    demo
}
