//! The config is read again: what changes, changes; nobody else feels it. A faulty file changes nothing.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::time::Duration;

use bastion_api::client::EventsWanted;
use bastion_api::{EventKind, State};
use bastion_e2e::{House, Plan, Running, configs, until};
use rustix::process::Signal;
use tokio::net::TcpStream;

const CLIENTS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_under_two_hundred_live_connections_drops_none_of_them() {
    let house = house().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    let script = house.path("think.sql");
    fs::write(&script, "\\set n random(1, 100)\nSELECT :n;\n\\sleep 100 ms\n").unwrap();
    let mut bench = house.libpq("pgbench", "prod-db");
    bench.arg("-n").args(["-c", &CLIENTS.to_string(), "-j", "2", "-T", "12", "-f"]).arg(&script);
    let bench = Running::start(&mut bench);
    until("two hundred visits", Duration::from_secs(60), async || {
        let visits = house.target("prod-db").await.visits;
        (visits.iter().filter(|visit| !visit.waiting).count() >= CLIENTS).then_some(())
    })
    .await;

    // One target comes, one goes, and the one in use is altered.
    let more =
        format!("{}idle_timeout = \"33m\"\n{}", prod_db(&house), other(&house, "new-db", "new"));
    write(&house, &more);
    let answer = house.client().reload().await.unwrap();
    assert!(answer.ok, "{answer:#?}");
    assert_eq!(answer.added, ["new-db"]);
    assert_eq!(answer.dropped.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["old-db"]);
    assert_eq!(
        (answer.altered[0].name.as_str(), &answer.altered[0].keys[..]),
        ("prod-db", &["idle_timeout".to_owned()][..])
    );
    assert_eq!(usize::try_from(answer.altered[0].visits).unwrap(), CLIENTS);
    TcpStream::connect(("127.0.0.1", house.port("new"))).await.unwrap();
    TcpStream::connect(("127.0.0.1", house.port("old"))).await.unwrap_err();
    // And back, by the signal.
    write(&house, &config(&house));
    hang_up(&house);
    until_told(&house, EventKind::ConfigReloaded, 2).await;
    TcpStream::connect(("127.0.0.1", house.port("old"))).await.unwrap();

    let ran = bench.finish_within(Duration::from_secs(120)).await;
    let said = ran.ok().to_owned() + &ran.err;
    assert!(said.contains("number of failed transactions: 0 "), "{said}");
    assert!(!said.contains("aborted"), "{said}");
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_with_ten_faults_changes_nothing_and_lists_all_ten() {
    let house = house().await;
    let faults: String = (1..=10)
        .map(|n| format!("[target.t{n}]\nsite = \"prod\"\nrds = \"x\"\nlisten = {n}\nlisen = 1\n"))
        .collect();
    write(&house, &(config(&house) + &faults));
    let said = house.ctl(&["reload"]).await;
    assert_eq!(said.code(), Some(2), "{said}");
    let found = (1..=10).filter(|n| said.out.contains(&format!("target.t{n}."))).count();
    assert_eq!(found, 10, "{said}");
    assert_eq!(house.status().await.targets.len(), 2);
    assert_eq!(house.psql("prod-db", "SELECT 7").finish().await.ok(), "7");
    // By the signal it is an event, and the daemon goes on, too.
    hang_up(&house);
    let event = until_told(&house, EventKind::ProblemFound, 2).await;
    assert!(event.causes.len() >= 10, "{event:#?}");
    assert_eq!(house.psql("prod-db", "SELECT 8").finish().await.ok(), "8");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_visit_meets_what_the_config_says_now_and_a_dropped_target_costs_nothing_any_more() {
    let house = house().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    write(&house, &(prod_db(&house) + "idle_timeout = \"2s\"\n"));
    assert!(house.client().reload().await.unwrap().ok);
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    house.until_nothing_runs(Duration::from_secs(20)).await;

    let visit = house.psql("prod-db", "SELECT pg_sleep(602)");
    until("a visit", Duration::from_secs(60), async || {
        house.target("prod-db").await.visits.iter().any(|visit| visit.bytes_in > 1000).then_some(())
    })
    .await;
    write(&house, &config(&house).replace("[target.prod-db]", "[target.renamed]"));
    let answer = house.client().reload().await.unwrap();
    let dropped = &answer.dropped[0];
    assert_eq!((dropped.name.as_str(), dropped.visits), ("prod-db", 1));
    let ended = visit.finish().await;
    assert!(!ended.status.success(), "{ended}");
    assert!(answer.added.contains(&"renamed".to_owned()), "{answer:#?}");
    house.until_nothing_runs(Duration::from_secs(20)).await;
    // The port is the other name's by now.
    assert_eq!(house.psql("prod-db", "SELECT 9").finish().await.ok(), "9");
    house.until_state("renamed", State::Ready).await;
}

async fn house() -> House {
    Plan::new(&format!(
        "{}\n# {{port:new}}\n[target.old-db]\nsite = \"prod\"\nrds = \"neuraKnot-prod-db\"\nlisten = {{port:old}}\n",
        configs::SCRIPT_WAY
    ))
    .postgres()
    .build()
    .await
}

/// The config that the house was built with.
fn config(house: &House) -> String {
    prod_db(house) + &other(house, "old-db", "old")
}

/// Its site and its first target.
fn prod_db(house: &House) -> String {
    configs::SCRIPT_WAY
        .replace("{idle}", "1h")
        .replace("{start}", "30s")
        .replace("{port:prod-db}", &house.port("prod-db").to_string())
}

fn other(house: &House, name: &str, port: &str) -> String {
    let port = house.port(port);
    format!("[target.{name}]\nsite = \"prod\"\nrds = \"neuraKnot-prod-db\"\nlisten = {port}\n")
}

fn write(house: &House, text: &str) {
    fs::write(house.path("config.toml"), text).unwrap();
}

fn hang_up(house: &House) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(house.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
}

/// Waits until something of this kind was told so many times, and gives what was wrong the last time.
async fn until_told(house: &House, kind: EventKind, times: usize) -> bastion_api::Problem {
    until(&format!("{times} times {}", kind.word()), Duration::from_secs(20), async || {
        let mut told = Vec::new();
        let mut lines = house.client().events(&EventsWanted::default()).await.unwrap();
        while let Some(event) = lines.next().await.unwrap() {
            told.extend((event.kind == kind).then_some(event));
        }
        let none = || bastion_api::Problem::new("", bastion_api::ProblemKind::Failed, "");
        (told.len() >= times).then(|| told.pop().and_then(|it| it.problem).unwrap_or_else(none))
    })
    .await
}
