//! The first visit starts a bastion; whoever comes meanwhile waits for the same one.

use std::time::Duration;

use bastion_api::State;
use bastion_e2e::knock::{SSL_REQUEST, ask};
use bastion_e2e::{House, Plan, configs};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_visit_starts_a_bastion_and_is_answered() {
    let house = House::script_way().await;
    assert_eq!(house.target("prod-db").await.state, State::Cold);
    assert_eq!(house.sim().calls().len(), 0, "nothing is asked of AWS before somebody visits");

    assert_eq!(house.psql("prod-db", "SELECT 6 * 7").finish().await.ok(), "42");

    assert_eq!(house.sim().count("RunTask"), 1);
    let target = house.target("prod-db").await;
    assert_eq!(target.state, State::Ready);
    assert_eq!(target.task.as_deref(), Some(house.task().arn.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_task_is_asked_for_as_the_config_says() {
    let house = House::script_way().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();

    let task = house.task();
    assert_eq!(task.cluster, "neuraKnot-prod-cluster");
    assert!(task.definition.starts_with("neuraKnot-prod-ssm-proxy"));
    assert!(task.exec, "ECS Exec can only be switched on when a task is made");
    assert!(!task.public_address);
    assert!(task.started_by.as_ref().is_some_and(|by| by.len() <= 36));
    let asked = &house.called("RunTask")[0].parameters;
    let network = &asked["networkConfiguration"]["awsvpcConfiguration"];
    let mut subnets: Vec<_> =
        network["subnets"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    subnets.sort_unstable();
    assert_eq!(subnets, ["subnet-0a11ce0000000001a", "subnet-0a11ce0000000001c"]);
    assert_eq!(network["securityGroups"], serde_json::json!(["sg-0a11ce000000000ec"]));
    assert!(asked["clientToken"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_first_visits_at_once_start_one_task_and_are_all_answered() {
    let house = House::script_way().await;
    let port = house.port("prod-db");

    let mut visits = JoinSet::new();
    for _ in 0..50 {
        visits.spawn(async move { ask(port, &SSL_REQUEST, 1, Duration::from_secs(30)).await });
    }
    for answer in visits.join_all().await {
        assert_eq!(answer, b"S", "the database's own answer comes through");
    }

    assert_eq!(house.sim().count("RunTask"), 1);
    assert_eq!(house.sim().tasks().len(), 2, "ours, and the one that the CDK way's service keeps");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_visit_uses_the_bastion_and_the_tunnel_of_the_first() {
    let house = House::script_way().await;
    house.psql("prod-db", "SELECT 1").finish().await.ok();
    house.psql("prod-db", "SELECT 2").finish().await.ok();

    assert_eq!(house.sim().count("RunTask"), 1);
    assert_eq!(house.sim().count("StartSession"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_entry_point_is_a_shell_is_a_bastion_like_any_other() {
    let house = House::script_way().await;
    house.sim().world(|world| {
        let definition = world.task_definitions.get_mut("neuraKnot-prod-ssm-proxy:7").unwrap();
        definition.containers[0].entry_point = vec!["sh".to_owned(), "-c".to_owned()];
    });

    assert_eq!(house.psql("prod-db", "SELECT 1").finish().await.ok(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn open_starts_the_bastion_and_prints_where_to_connect() {
    // Each stage lasts longer than the daemon waits between two looks.
    let slower = |sim: &mut bastion_sim::SimConfig| {
        sim.timings.provisioning_ms = 1_500;
        sim.timings.pulling_ms = 1_500;
        sim.timings.agent_ms = 1_500;
    };
    let house = Plan::new(configs::SCRIPT_WAY).postgres().sim(slower).build().await;

    let opened = house.ctl(&["open", "prod-db"]).await;

    let port = house.port("prod-db");
    assert!(opened.ok().contains(&format!("127.0.0.1:{port}")), "{opened}");
    assert!(opened.out.contains("psql"), "a line to paste: {opened}");
    for stage in [
        "asking for a task",
        "attaching the network",
        "pulling image",
        "starting the agent",
        "connecting",
    ] {
        assert!(opened.err.contains(stage), "{stage} is told: {opened}");
    }
    assert_eq!(house.target("prod-db").await.state, State::Ready);
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_that_open_prints_can_be_pasted() {
    let house = House::script_way().await;
    let opened = house.ctl(&["open", "prod-db", "--json"]).await;
    assert!(opened.status.success(), "{opened}");
    let line = opened.json()["client"].as_str().unwrap().to_owned();
    let password = house.ctl(&["password", "prod-db"]).await;

    let mut shell = house.tool("sh");
    shell.args(["-c", &format!("{line} -Atc 'SELECT current_database()'")]);
    shell.env("PGPASSWORD", password.ok());
    let pasted = bastion_e2e::Running::start(&mut shell).finish().await;

    assert_eq!(pasted.ok(), "neuraKnot");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_ends_the_visits_only_when_told_so_and_the_next_visit_starts_again() {
    let house = House::script_way().await;
    let long = house.psql("prod-db", "SELECT pg_sleep(600)");
    house.until_state("prod-db", State::Ready).await;
    bastion_e2e::until("the visit", Duration::from_secs(10), async || {
        house.target("prod-db").await.visits.iter().any(|visit| !visit.waiting).then_some(())
    })
    .await;

    let refused = house.ctl(&["close", "prod-db"]).await;
    assert!(!refused.status.success(), "{refused}");
    assert_eq!(house.sim().count("StopTask"), 0);

    let closed = house.ctl(&["close", "prod-db", "--yes"]).await;
    assert!(closed.status.success(), "{closed}");
    assert!(!long.finish().await.status.success(), "its visit was ended");
    house.until_nothing_runs(Duration::from_secs(10)).await;

    house.psql("prod-db", "SELECT 1").finish().await.ok();
    assert_eq!(house.sim().count("RunTask"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_closed_midway_leaves_no_task() {
    let house = Plan::new(configs::SCRIPT_WAY)
        .postgres()
        .sim(|sim| sim.timings.pulling_ms = 60_000)
        .build()
        .await;
    let waiting = house.psql("prod-db", "SELECT 1");
    house.until_called("RunTask", 1, Duration::from_secs(10)).await;

    let closed = house.ctl(&["close", "prod-db", "--yes"]).await;

    assert!(closed.status.success(), "{closed}");
    assert!(!waiting.finish().await.status.success());
    house.until_nothing_runs(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_of_one_site_do_not_wait_for_each_other() {
    let two = format!(
        "{}\n[target.other]\nsite = \"prod\"\nhost = \"nowhere.internal\"\nport = 5432\nlisten = {{port:other}}\n",
        configs::SCRIPT_WAY
    );
    let house = Plan::new(&two).postgres().build().await;
    // The place has two zones: it is tried whole, and then each by itself.
    let full = bastion_sim::Fault::on("RunTask", bastion_sim::What::NoCapacity).times(3);
    house.sim().faults().add(full);

    let other = house.ctl(&["open", "other"]).await;
    assert_eq!(other.code(), Some(9), "{other}");
    assert_eq!(house.psql("prod-db", "SELECT 1").finish().await.ok(), "1");
}
