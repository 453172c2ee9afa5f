//! The dashboard in a real terminal, with a real daemon behind it. Every screen is kept in `target/tmp/top`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bastion_api::State;
use bastion_e2e::terminal::Terminal;
use bastion_e2e::{House, Plan, configs};

fn album(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("top").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_opened_watched_and_closed_from_there_and_the_screen_is_given_back() {
    let house = Plan::new(configs::SCRIPT_WAY)
        .postgres()
        .sim(|sim| sim.timings.pulling_ms = 1500)
        .build()
        .await;
    let terminal = Terminal::open(&house, &album("life"));
    terminal.enter("echo what was there before; bastionctl top");
    terminal.until("prod-db cold", SOON).await;
    terminal.keep("cold");

    terminal.key("o");
    terminal.until("prod-db: starting", SOON).await;
    terminal.keep("starting");
    terminal.until("ready (", START).await;

    // Megabytes down, slowly: the agent sends no more than it does in life.
    let rows = "SELECT repeat(md5(g::text), 32) FROM generate_series(1, 20000) g";
    let long = house.psql("prod-db", rows);
    terminal.until("1 psql", SOON).await;
    terminal.until("B/s", SOON).await;
    terminal.keep("moving");
    terminal.key("e");
    terminal.until("visit 1 came", SOON).await;
    terminal.keep("events");
    terminal.key("Escape");

    terminal.key("c");
    terminal.until("close prod-db all the same? y n", SOON).await;
    assert!(terminal.shows().contains("psql (pid "), "{}", terminal.shows());
    terminal.keep("question");
    terminal.key("n");
    terminal.until("prod-db stays open", SOON).await;
    assert_eq!(house.target("prod-db").await.state, State::Ready);
    terminal.key("c");
    terminal.key("y");
    terminal.until("1 visit ended", SOON).await;
    terminal.keep("closed");
    assert!(!long.finish().await.status.success(), "its visit was ended");
    house.until_nothing_runs(START).await;

    terminal.key("q");
    terminal.until("what was there before", SOON).await;
    is_the_shells(&terminal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_a_bastion_that_nobody_visits() {
    let house = Plan::new(configs::SCRIPT_WAY).postgres().idle("2s").build().await;
    let terminal = Terminal::open(&house, &album("hold"));
    terminal.enter("bastionctl top");
    terminal.until("prod-db", SOON).await;
    terminal.key("h");
    terminal.until("prod-db: ready, held for 1 h", START).await;
    terminal.until("1 hold", SOON).await;
    terminal.keep("held");
    let target = house.target("prod-db").await;
    assert_eq!((target.state, target.holds, target.idle_stop_seconds), (State::Ready, 1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_and_one_that_comes_back_are_seen_in_any_size_of_the_screen() {
    let mut house = House::script_way().await;
    let terminal = Terminal::open(&house, &album("away"));
    terminal.enter("bastionctl top");
    terminal.until("prod-db", SOON).await;
    terminal.resize(40, 10);
    terminal.until("prod-db cold", SOON).await;
    terminal.keep("small");

    house.kill().await;
    let shown = terminal.until("bastiond is not running", SOON).await;
    assert!(shown.contains("prod-db"), "what it last said is still there: {shown}");
    terminal.keep("away");

    house.start().await;
    terminal.until("1 target, 0 visits", SOON).await;
    terminal.resize(120, 40);
    terminal.until("RESUMES", SOON).await;
    terminal.keep("back");
    terminal.key("C-c");
    // The shell's own screen is back, and listens.
    terminal.until("bastionctl top", SOON).await;
    terminal.enter("echo ended with $?");
    terminal.until("ended with 130", SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_z_leaves_the_terminal_to_the_shell_and_fg_goes_on() {
    let house = House::script_way().await;
    let terminal = Terminal::open(&house, &album("suspended"));
    terminal.enter("set -m; bastionctl top");
    terminal.until("prod-db cold", SOON).await;

    terminal.key("C-z");
    terminal.until("bastionctl top", SOON).await;
    is_the_shells(&terminal).await;
    terminal.keep("shell");

    terminal.enter("fg");
    terminal.until("prod-db cold", SOON).await;
    terminal.key("?");
    terminal.until("any key goes back", SOON).await;
    terminal.keep("back");
    terminal.key("q");
    terminal.until("the shell 42 echoes", SOON).await;
    terminal.enter("echo ended with $?");
    terminal.until("ended with 0", SOON).await;
}

/// The terminal is the shell's again: it does what is typed, shows it, and nothing of the dashboard.
async fn is_the_shells(terminal: &Terminal) {
    terminal.enter("echo the shell $((40 + 2)) echoes");
    let shown = terminal.until("the shell 42 echoes", SOON).await;
    assert!(shown.contains("echo the shell $((40 + 2)) echoes"), "what is typed is seen: {shown}");
    assert!(!shown.contains("TARGET"), "{shown}");
}

/// How long something may take that asks nobody far away; the machine may be busy.
const SOON: Duration = Duration::from_secs(20);
/// How long a simulated start, or a stop, may take.
const START: Duration = Duration::from_secs(45);
