//! A task's container is a real process group, in a PID namespace where the system allows one, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bastion_sim::container::{Container, ContainerSpec, isolation};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(20);

async fn start(command: &[&str], environment: &[(&str, &str)]) -> Container {
    Container::start(spec(command, environment)).await.unwrap()
}

fn spec(command: &[&str], environment: &[(&str, &str)]) -> ContainerSpec {
    let owned = |word: &&str| (*word).to_owned();
    ContainerSpec {
        name: "proxy".to_owned(),
        command: command.iter().map(owned).collect(),
        environment: environment
            .iter()
            .map(|(name, value)| (owned(name), owned(value)))
            .collect::<BTreeMap<_, _>>(),
        // A worker that only stays: `sleep`-like, whatever its arguments.
        worker_exe: PathBuf::from(STAYS),
    }
}

/// A program that lives until its standard input ends, and takes any argument for a file's name that it waits behind.
const STAYS: &str = "/usr/bin/tee";

fn group_exists(group: i32) -> bool {
    let group = rustix::process::Pid::from_raw(group).unwrap();
    rustix::process::test_kill_process_group(group).is_ok()
}

/// Waits for what another process does.
async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, wait).await.unwrap();
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn the_command_s_own_exit_code_is_the_container_s() {
    let container = start(&["sh", "-c", "exit $CODE"], &[("CODE", "7")]).await;
    assert_eq!(container.wait().await, 7);
    assert_eq!(container.exit_code(), Some(7));
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_told_or_ends_with_127() {
    match Container::start(spec(&["/no/such/program"], &[])).await {
        Ok(container) => assert_eq!(container.wait().await, 127),
        Err(error) => assert!(error.to_string().contains("/no/such/program"), "{error}"),
    }
}

#[tokio::test]
async fn a_container_without_a_command_is_refused() {
    assert!(Container::start(spec(&[], &[])).await.is_err());
}

#[tokio::test]
async fn nothing_of_our_environment_reaches_the_container_but_the_path() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("env");
    let script = format!("env > {}", out.display());
    start(&["sh", "-c", &script], &[("STAGE", "prod")]).await.wait().await;
    let seen = read(&out);
    let mut names: Vec<_> = seen.lines().filter_map(|line| line.split('=').next()).collect();
    names.retain(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name)); // the shell's own
    names.sort_unstable();
    assert_eq!(names, ["PATH", "STAGE"]);
}

#[tokio::test]
async fn the_command_is_process_1_and_sees_no_other_container() {
    if !isolation::available().is_namespace() {
        return; // said by Container::isolation
    }
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("processes");
    let script = format!("echo $$ > {0}.pid; ls -d /proc/[0-9]* > {0}", out.display());
    let other = start(&["sleep", "1000"], &[]).await;
    let container = start(&["sh", "-c", &script], &[]).await;
    assert!(container.isolated());
    assert_eq!(container.wait().await, 0);
    assert_eq!(read(&out.with_extension("pid")).trim(), "1");
    assert!(read(&out).lines().count() <= 2, "sh and ls: {}", read(&out));
    other.kill().await;
}

#[tokio::test]
async fn term_lets_the_command_end_by_itself() {
    let folder = TempDir::new().unwrap();
    let ready = folder.path().join("ready");
    let script =
        format!("trap 'exit 3' TERM; touch {}; while :; do sleep 0.01; done", ready.display());
    let container = start(&["sh", "-c", &script], &[]).await;
    until(|| ready.exists()).await;
    assert_eq!(container.stop(LONG).await, 3);
}

#[tokio::test]
async fn kill_follows_term_when_the_grace_is_over_and_the_whole_group_is_gone() {
    let folder = TempDir::new().unwrap();
    let ready = folder.path().join("ready");
    let script = format!("trap '' TERM; sleep 1000 & touch {}; wait; wait", ready.display());
    let container = start(&["sh", "-c", &script], &[]).await;
    until(|| ready.exists()).await;
    assert_eq!(container.stop(Duration::from_millis(50)).await, 137);
    let group = container.process_group();
    until(|| !group_exists(group)).await;
}

#[tokio::test]
async fn a_process_that_fled_its_group_ends_with_the_container() {
    if !isolation::available().is_namespace() {
        return; // nothing holds it there
    }
    let folder = TempDir::new().unwrap();
    let alive = folder.path().join("alive");
    std::fs::write(&alive, "").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.path().join("pipe"), 0o600.into()).unwrap();
    // Whoever holds the pipe's other end open is alive: its reader sees the end of it.
    let pipe = folder.path().join("pipe");
    let script = format!("setsid sh -c 'exec sleep 1000 > {}' & wait", pipe.display());
    let container = start(&["sh", "-c", &script], &[]).await;
    let mut reader = tokio::task::spawn_blocking(move || std::fs::read(pipe));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut reader).await.is_err());
    container.kill().await;
    assert_eq!(tokio::time::timeout(LONG, reader).await.unwrap().unwrap().unwrap(), b"");
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_container() {
    let container = start(&["sleep", "1000"], &[]).await;
    let group = container.process_group();
    let other = container.clone();
    drop(container);
    assert!(group_exists(group) && other.exit_code().is_none());
    drop(other);
    until(|| !group_exists(group)).await;
}

#[tokio::test]
async fn a_worker_is_seen_in_the_container_s_proc_under_the_real_one_s_name() {
    let folder = TempDir::new().unwrap();
    let session = folder.path().join("dev-0123456789abcdef0");
    let out = folder.path().join("seen");
    // A watchdog, as the tasks of this product run one.
    let script = format!(
        "while ! grep -l '[s]sm-session-worker' /proc/[0-9]*/cmdline > {0}.new 2>/dev/null; do :; done; \
         tr '\\0' ' ' < $(head -n 1 {0}.new) > {0}; sleep 1000",
        out.display()
    );
    let container = start(&["sh", "-c", &script], &[]).await;
    let mut worker = container.worker(session.to_str().unwrap(), &[]).unwrap();
    until(|| read(&out).contains("dev-0123456789abcdef0")).await;
    if container.isolated() {
        let seen = read(&out);
        let words: Vec<_> = seen.split_whitespace().collect();
        assert!(words[0].ends_with("/ssm-session-worker"), "{seen}");
        assert_eq!(words[1..], [session.to_str().unwrap()], "{seen}");
    }
    worker.end();
    assert!(tokio::time::timeout(LONG, worker.wait()).await.unwrap().unwrap().success());
    container.kill().await;
}

#[tokio::test]
async fn a_worker_ends_with_its_container() {
    let folder = TempDir::new().unwrap();
    let container = start(&["sleep", "1000"], &[]).await;
    let session = folder.path().join("session");
    let mut worker = container.worker(session.to_str().unwrap(), &[]).unwrap();
    until(|| session.exists()).await;
    container.kill().await;
    tokio::time::timeout(LONG, worker.wait()).await.unwrap().unwrap();
    assert!(container.worker("another", &[]).is_err());
}

#[tokio::test]
async fn a_simulator_that_is_killed_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let told = folder.path().join("group");
    let mut simulator = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_container_for_another_test", "--ignored"])
        .env(TELL, &told)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    until(|| read(&told).ends_with('\n')).await;
    let group = read(&told).trim().parse().unwrap();
    assert!(group_exists(group));
    simulator.kill().await.unwrap(); // as kill -9 does: no destructor runs
    until(|| !group_exists(group)).await;
}

#[tokio::test]
#[ignore = "a part of a_simulator_that_is_killed_leaves_nothing_behind"]
async fn a_container_for_another_test() {
    let Some(told) = std::env::var_os(TELL) else { return };
    let container = start(&["sleep", "1000"], &[]).await;
    std::fs::write(told, format!("{}\n", container.process_group())).unwrap();
    container.wait().await;
}

/// Where the other process writes its container's process group.
const TELL: &str = "CONTAINER_TEST_TELL";
