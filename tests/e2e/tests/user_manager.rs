//! The service under a real user manager of systemd's: what no stand-in refuses.

#![cfg(target_os = "linux")]

use std::process::Command;

use bastion_e2e::Running;
use xtask::place::{program, workspace};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_any_rights_installs_runs_and_removes_the_service_in_a_home_with_an_odd_name()
 {
    let bastiond = program("bastiond").unwrap();
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"]);
    unshare.arg(workspace().join("tests/e2e/tests/user_manager/life.sh"));
    unshare.arg(bastiond.parent().unwrap());
    let life = Running::start(&mut unshare).finish().await;
    // Who is not root makes no such namespaces, and not every machine has systemd.
    if life.status.code() == Some(77) || life.err.contains("Operation not permitted") {
        return;
    }
    assert!(life.status.success(), "{life}");
    let said = [
        "value kept: 1",
        "service  running for ",
        "starts   at login, by systemd",
        "prod-db  unix  cold",
        "mode of the socket: 600",
        "bastiond is stopped",
        "error: bastiond is not running [C01]",
        "service  not installed",
        "left: ./bastiond/config.toml \n",
    ];
    for words in said {
        assert!(life.out.contains(words), "no {words:?} in {life}");
    }
    assert_eq!(life.out.matches(" runs (pid ").count(), 3, "{life}");
    assert_eq!(life.out.matches("\nexit 3\n").count(), 2, "{life}");
}
