//! What needs no bastion is answered without a daemon: bastionctl starts `bastiond --oneshot` for that one call.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use bastion_e2e::clients::{Finished, Running};
use bastion_e2e::{House, Plan, configs};

async fn ask(house: &House, words: &[&str]) -> Finished {
    Running::start(&mut house.ctl_alone(words)).finish().await
}

async fn without_daemon() -> House {
    Plan::new(configs::SCRIPT_WAY).lay().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_had_without_a_daemon_and_nothing_is_started_or_left() {
    let house = without_daemon().await;
    let told = ask(&house, &["password", "prod-db"]).await;
    assert_eq!(told.status.code(), Some(0), "{}", told.err);
    assert_eq!(told.out.trim_end(), secret(&house));
    assert_eq!(house.sim().count("RunTask"), 0);
    assert!(!house.socket().exists(), "no daemon has begun to listen");
    assert!(!house.path("state/bastiond").exists(), "one call leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_bastions_needs_the_daemon_and_says_so() {
    let house = without_daemon().await;
    let told = ask(&house, &["status"]).await;
    assert_eq!(told.status.code(), Some(3), "{}", told.err);
    assert!(told.err.contains("bastiond is not running"), "{}", told.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_config_is_told_with_its_line_and_exit_code_2() {
    let house = without_daemon().await;
    fs::write(house.path("config.toml"), "[target.db]\nlisen = 1\n").unwrap();
    let told = ask(&house, &["password", "db"]).await;
    assert_eq!(told.status.code(), Some(2), "{}", told.err);
    assert!(told.err.contains("line 2"), "{}", told.err);
}

/// The password that the simulated account keeps for the database.
fn secret(house: &House) -> String {
    house.sim().world(|world| {
        let text = world.secrets["prod/neuraKnot"].value.clone();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["password"].as_str().unwrap().to_owned()
    })
}
