//! Databases that the config does not name, served for as long as `bastionctl forward` runs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::TcpStream;
use std::time::Duration;

use bastion_api::State;
use bastion_e2e::plan::{DEV_MYSQL, PROD_DB};
use bastion_e2e::{House, Plan, Running, configs, until};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::time::timeout;
use xtask::place::free_port;

/// `bastionctl forward` that has printed where the database is found.
struct Forward {
    running: Running,
    port: u16,
    /// Kept, so that it can go on printing.
    _out: Lines<BufReader<ChildStdout>>,
}

impl Forward {
    /// Starts it, on a port of its own, and waits until it is ready.
    async fn start(house: &House, words: &[&str]) -> Self {
        Self::start_on(house, free_port().unwrap(), words).await
    }

    async fn start_on(house: &House, port: u16, words: &[&str]) -> Self {
        let local = port.to_string();
        let words = [&["forward", "--local-port", &local], words].concat();
        let mut running = house.ctl_started(&words);
        let out = running.child().stdout.take().unwrap();
        let mut lines = BufReader::new(out).lines();
        let first = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        match first {
            Some(address) => assert_eq!(address, format!("127.0.0.1:{port}")),
            None => panic!("{}", running.finish().await),
        }
        Self { running, port, _out: lines }
    }

    fn name(&self) -> String {
        format!("forward-{}", self.port)
    }

    fn psql(&self, house: &House, sql: &str) -> Running {
        house.psql_on(self.port, sql)
    }

    fn is_open(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// Ctrl-C.
    async fn end(self) -> i32 {
        let pid = Pid::from_raw(self.running.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        self.running.finish().await.code().unwrap()
    }
}

/// The host of `host:port`.
fn host(database: &str) -> &str {
    database.split(':').next().unwrap()
}

fn through_site() -> Vec<&'static str> {
    vec!["--site", "prod", "--host", host(PROD_DB), "--remote-port", "5432"]
}

/// Waits until the CDK way's service keeps a task.
async fn service_runs(house: &House) {
    let runs = house.sim().until(Duration::from_secs(20), |sim| {
        sim.tasks().iter().any(|task| task.of_service() && task.connected)
    });
    assert!(runs.await, "the service keeps a task of its own");
}

/// Whether the status still knows of a target.
async fn knows(house: &House, name: &str) -> bool {
    house.status().await.targets.iter().any(|target| target.name == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_served_through_a_site_until_ctrl_c_and_its_bastion_stops_for_idleness() {
    let house = Plan::new(configs::SCRIPT_WAY).postgres().idle("2s").build().await;
    let forward = Forward::start(&house, &through_site()).await;
    let name = forward.name();
    assert_eq!(forward.psql(&house, "SELECT 6 * 7").finish().await.ok(), "42");
    let target = house.target(&name).await;
    assert_eq!((target.state, target.holds, target.port), (State::Ready, 1, Some(forward.port)));
    // Longer than it would be kept without anybody.
    let stopped = house.sim().until(Duration::from_secs(3), |sim| sim.count("StopTask") > 0).await;
    assert!(!stopped, "the forward holds its bastion");

    let port = forward.port;
    assert_eq!(forward.end().await, 130);
    until("the listener's end", PATIENCE, async || {
        TcpStream::connect(("127.0.0.1", port)).is_err().then_some(())
    })
    .await;
    house.until_called("StopTask", 1, Duration::from_secs(20)).await;
    until("nothing being left", PATIENCE, async || (!knows(&house, &name).await).then_some(()))
        .await;
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_leads_to_a_database_where_there_is_no_config_at_all() {
    let house = Plan::without_config().mariadb().build().await;
    service_runs(&house).await;
    let words = [
        "--service",
        "dev-cluster/bastion-service",
        "--container",
        "bastion",
        "--region",
        "ap-northeast-1",
        "--rds",
        "dev-mysql",
        "--engine",
        "mysql",
    ];
    let mut forward = Forward::start(&house, &words).await;
    let mut client = house.mariadb_on(forward.port);
    client.args(["--batch", "--skip-column-names", "--execute", "SELECT 6 * 7"]);
    assert_eq!(Running::start(&mut client).finish().await.ok(), "42");

    // Without a word, as when a terminal is closed.
    forward.running.child().kill().await.unwrap();
    until("the listener's end", PATIENCE, async || (!forward.is_open()).then_some(())).await;
    assert_eq!(house.sim().count("RunTask") + house.sim().count("StopTask"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_helpers_five_words_are_enough() {
    let house = Plan::without_config().mariadb().env("AWS_REGION", "ap-northeast-1").build().await;
    service_runs(&house).await;
    let (service, host) = ("dev-cluster/bastion-service", host(DEV_MYSQL));
    let words = ["--service", service, "--host", host, "--remote-port", "3306"];
    let forward = Forward::start(&house, &words).await;
    let mut client = house.mariadb_on(forward.port);
    client.args(["--batch", "--skip-column-names", "--execute", "SELECT 1"]);
    assert_eq!(Running::start(&mut client).finish().await.ok(), "1");
    assert_eq!(forward.end().await, 130);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_leaves_a_forward_and_its_visits_alone() {
    let house = House::script_way().await;
    let forward = Forward::start(&house, &through_site()).await;
    let asleep = forward.psql(&house, "SELECT pg_sleep(3), 'still here'");
    until("the visit", PATIENCE, async || {
        house.target(&forward.name()).await.visits.first().filter(|visit| !visit.waiting).map(drop)
    })
    .await;
    let file = house.path("config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config.replace("idle_timeout = \"1h\"", "idle_timeout = \"2h\""))
        .unwrap();
    let reloaded = house.ctl(&["reload"]).await;
    assert!(reloaded.status.success(), "{reloaded}");
    assert_eq!(asleep.finish().await.ok(), "|still here");
    assert_eq!(forward.psql(&house, "SELECT 1").finish().await.ok(), "1");
    assert_eq!(house.sim().count("RunTask"), 1);
    let shown = house.ctl(&["config", "show"]).await;
    assert!(!shown.ok().contains("forward-"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_the_config_comes_to_name_so_takes_the_forwards_place() {
    let house = House::script_way().await;
    let forward = Forward::start(&house, &through_site()).await;
    let (name, port) = (forward.name(), forward.port);
    let file = house.path("config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let target = format!(
        "\n[target.{name}]\nsite = \"prod\"\nrds = \"neuraKnot-prod-db\"\nlisten = {port}\n"
    );
    std::fs::write(&file, config + &target).unwrap();
    let reloaded = house.ctl(&["reload"]).await;
    assert!(reloaded.err.contains(&format!("added {name}")), "{reloaded}");
    assert_eq!(forward.end().await, 130);
    assert!(knows(&house, &name).await);
    assert_eq!(house.psql_on(port, "SELECT 2").finish().await.ok(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_connected_is_sent_away_at_the_end_and_the_next_forward_finds_the_bastion() {
    let house = House::script_way().await;
    let forward = Forward::start(&house, &through_site()).await;
    let (name, port) = (forward.name(), forward.port);
    let asleep = forward.psql(&house, "SELECT pg_sleep(60)");
    until("the visit", PATIENCE, async || {
        house.target(&name).await.visits.first().filter(|visit| !visit.waiting).map(drop)
    })
    .await;
    assert_eq!(forward.end().await, 130);
    let asleep = asleep.finish().await;
    assert!(!asleep.status.success(), "{asleep}");
    let told = house.ctl(&["events", &name]).await;
    assert!(told.ok().contains("no longer served"), "{told}");
    let left = house.target(&name).await;
    assert_eq!((left.state, left.holds, left.addresses.len()), (State::Ready, 0, 0));

    let again = Forward::start_on(&house, port, &through_site()).await;
    assert_eq!(again.psql(&house, "SELECT 1").finish().await.ok(), "1");
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_forwarded_is_told_with_its_exit_code_and_leaves_nothing_behind() {
    let house = House::script_way().await;
    let taken = house.port("prod-db").to_string();
    let free = free_port().unwrap().to_string();
    let stranger = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let strangers = stranger.local_addr().unwrap().port().to_string();
    let db = host(PROD_DB);
    let with_port = format!("{db}:5432");
    let cases: [(&[&str], i32, &str); 7] = [
        (
            &["--site", "prod", "--host", &with_port, "--engine", "postgres"],
            2,
            "hint: --host NAME --remote-port PORT",
        ),
        (
            &["--site", "prod", "--host", db, "--remote-port", "5432", "--local-port", &taken],
            8,
            "target prod-db listens there",
        ),
        (
            &["--site", "prod", "--host", db, "--remote-port", "5432", "--local-port", &strangers],
            8,
            "--local-port PORT",
        ),
        (
            &["--site", "prodd", "--host", db, "--remote-port", "5432", "--local-port", &free],
            2,
            "did you mean \"prod\"?",
        ),
        (&["--site", "prod", "--host", db, "--local-port", &free], 2, "--remote-port PORT"),
        (
            &["--site", "prod", "--host", "a b", "--remote-port", "5432", "--local-port", &free],
            2,
            "host: ",
        ),
        (
            &[
                "--site",
                "prod",
                "--host",
                db,
                "--remote-port",
                "1",
                "--local-port",
                &free,
                "--listen",
                "0.0.0.0:1",
            ],
            2,
            "other machines",
        ),
    ];
    for (words, code, said) in cases {
        let words = [&["forward"], words].concat();
        let refused = house.ctl(&words).await;
        assert_eq!(refused.code(), Some(code), "{refused}");
        assert!(refused.err.contains(said), "{refused}");
        assert!(!refused.err.contains(" = "), "a line of a config: {refused}");
    }
    until("nothing being left", PATIENCE, async || {
        (house.status().await.targets.len() == 1).then_some(())
    })
    .await;
    assert_eq!(house.sim().count("RunTask"), 0);

    let forward = Forward::start(&house, &through_site()).await;
    let port = forward.port.to_string();
    let second =
        house.ctl(&[&["forward", "--local-port", &port], &through_site()[..]].concat()).await;
    assert_eq!(second.code(), Some(8), "{second}");
    assert_eq!(forward.psql(&house, "SELECT 1").finish().await.ok(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemons_end_ends_a_forward_and_without_a_daemon_there_is_none() {
    let mut house = House::script_way().await;
    let forward = Forward::start(&house, &through_site()).await;
    assert!(house.stop().await.success());
    let ended = forward.running.finish().await;
    assert_eq!(ended.code(), Some(3), "{ended}");
    let alone = house.ctl(&[&["forward"], &through_site()[..]].concat()).await;
    assert_eq!(alone.code(), Some(3), "{alone}");
    house.until_nothing_runs(Duration::from_secs(10)).await;
}

/// Nothing here takes a second but a start, which takes two; a machine under load may.
const PATIENCE: Duration = Duration::from_secs(60);
