//! Targets of one site that share: one bastion for all of them, within what its agent takes, and lone targets keep their own.

use std::time::Duration;

use bastion_api::State;
use bastion_e2e::{House, Plan, configs, databases};

/// A site that shares, with these hosts as its targets, and a second site that does not, with one more.
async fn house(hosts: &[&str], idle: &str) -> House {
    let mut config = configs::site("prod", "share = true\n") + &configs::site("lone", "");
    config += &target("lone", "lone");
    for host in hosts {
        config += &target("prod", host);
    }
    let mut plan = Plan::new(&config).postgres().idle(idle);
    for host in hosts.iter().chain(&["lone"]) {
        plan = plan.route(&format!("{host}.internal:5432"), databases::postgres().port());
    }
    plan.build().await
}

fn target(site: &str, name: &str) -> String {
    configs::target(name, site, &format!("{name}.internal"))
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_share_are_served_by_one_bastion_and_a_lone_one_by_its_own() {
    let house = house(&["a", "b"], "1h").await;
    for target in ["a", "b", "lone"] {
        assert_eq!(house.psql(target, "SELECT 6 * 7").finish().await.ok(), "42", "{target}");
    }

    assert_eq!(house.sim().count("RunTask"), 2);
    let task = async |name: &str| house.target(name).await.task.unwrap();
    assert_eq!(task("a").await, task("b").await);
    assert_ne!(task("a").await, task("lone").await);
    let sessions = house.called("StartSession");
    let hosts: Vec<_> =
        sessions.iter().map(|call| call.parameters["Parameters"]["host"][0].clone()).collect();
    assert_eq!(hosts, ["a.internal", "b.internal", "lone.internal"], "each by its own way");
}

#[tokio::test(flavor = "multi_thread")]
async fn first_visits_to_both_at_once_start_one_bastion() {
    let house = house(&["a", "b"], "1h").await;
    let both = [house.psql("a", "SELECT 1"), house.psql("b", "SELECT 1")];
    for visit in both {
        visit.finish().await.ok();
    }
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_targets_than_an_agent_takes_sessions_get_a_second_bastion_and_all_are_served() {
    let house = house(&["a", "b", "c"], "1h").await;
    let visits = ["a", "b", "c"].map(|target| house.psql(target, "SELECT pg_sleep(3), 42"));
    for visit in visits {
        assert_eq!(visit.finish().await.ok(), "|42");
    }
    assert_eq!(house.sim().count("RunTask"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_bastion_is_stopped_once_nobody_uses_any_of_its_targets_and_not_before() {
    let house = house(&["a", "b"], "2s").await;
    house.psql("a", "SELECT 1").finish().await.ok();
    let long = house.psql("b", "SELECT pg_sleep(6), 42");

    assert_eq!(long.finish().await.ok(), "|42");
    assert_eq!(house.sim().count("StopTask"), 0, "it was in use all the time");

    house.until_nothing_runs(Duration::from_secs(10)).await;
    for target in ["a", "b"] {
        house.until_state(target, State::Cold).await;
    }
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_one_target_of_a_shared_bastion_leaves_the_other_ones_visits_alone() {
    let house = house(&["a", "b"], "1h").await;
    house.psql("a", "SELECT 1").finish().await.ok();
    let long = house.psql("b", "SELECT pg_sleep(4), 42");
    bastion_e2e::until("the visit", Duration::from_secs(10), async || {
        house.target("b").await.visits.iter().any(|visit| !visit.waiting).then_some(())
    })
    .await;

    let closed = house.ctl(&["close", "a", "--yes"]).await;

    assert!(closed.status.success(), "{closed}");
    assert_eq!(long.finish().await.ok(), "|42");
    assert_eq!(house.sim().count("StopTask"), 0);
}
