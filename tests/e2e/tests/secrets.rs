//! No secret is in the words of a program, in a log however much is logged, in a file of ours or in what is sent to whoever
//! helps: whatever is done, and in whatever order.

use bastion_e2e::databases::POSTGRES;
use bastion_e2e::{House, Plan, Running, configs, until};

use std::time::Duration;

/// What a person may type of an evening; each is scanned while it runs and afterwards.
const EVENING: &[&[&str]] = &[
    &["init", "--task-definition", "neuraKnot-prod-ssm-proxy", "--all", "--yes"],
    &["open", "prod-db"],
    &["password", "prod-db"],
    &["password", "prod-db", "--json"],
    &["token", "prod-db"],
    &["test", "prod-db"],
    &["psql", "prod-db", "--", "-Atc", "SELECT 1"],
    &["env", "prod-db", "--with-password"],
    &["info", "prod-db", "--json"],
    &["export", "pgadmin", "--output", "servers.json"],
    &["export", "pgservice", "--output", "services.conf"],
    &["export", "dbeaver", "--output", "data-sources.json"],
    &["export", "datagrip", "--output", "datagrip.txt"],
    &["by-hand", "prod-db"],
    &["policy", "--json"],
    &["doctor", "--bundle", "support.txt", "--verbose"],
    &["events", "--json"],
    &["audit", "--json"],
    &["status", "--json"],
    &["config", "show"],
    &["reload"],
    &["close", "prod-db", "--yes"],
];

#[tokio::test(flavor = "multi_thread")]
async fn an_evening_with_every_command_leaves_no_secret_anywhere() {
    // The daemon tells all that it ever would, and the SDK beneath it.
    let mut house =
        Plan::new(configs::SCRIPT_WAY).postgres().env("BASTION_LOG", "debug").build().await;
    for words in EVENING {
        let said = Running::start(&mut house.ctl_with_psql(words)).finish().await;
        assert!(said.status.success() || words[0] == "doctor", "{said}");
        let shown = said.out.contains(POSTGRES.password);
        let asked_for = ["password", "env"].contains(&words[0]);
        assert_eq!(shown, asked_for, "{words:?} prints the password where it is asked for only");
        assert!(!said.err.contains(POSTGRES.password), "{words:?} says it on stderr");
        assert_eq!(house.leaks(&[]), [], "after {words:?}");
    }
    house.stop().await;
    assert_eq!(house.leaks(&[]), [], "after the daemon's end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_runs_has_its_password_in_no_place_that_others_can_read() {
    let house = House::script_way().await;
    let words = ["psql", "prod-db", "--", "-Atc", "SELECT 'here', pg_sleep(20)"];
    let psql = Running::start(&mut house.ctl_with_psql(&words));
    until("a visit that goes through", Duration::from_secs(30), async || {
        let target = house.target("prod-db").await;
        target.visits.iter().any(|visit| !visit.waiting).then_some(())
    })
    .await;
    assert_eq!(house.leaks(&[]), []);
    drop(psql);
}
