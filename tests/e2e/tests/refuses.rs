//! Nothing starts without a real visitor, and nothing starts that should not.

use std::net::TcpListener;
use std::time::Duration;

use bastion_api::State;
use bastion_e2e::knock::{CANCEL_REQUEST, SSL_REQUEST, answer, ask, connect};
use bastion_e2e::{House, Plan, Running, configs};
use tokio::io::AsyncWriteExt;

/// Longer than any of the daemon's own waits for a first byte that these stories meet.
const WHILE: Duration = Duration::from_secs(2);

/// A house with one target of each kind.
async fn all_engines() -> House {
    let more = r#"
[target.shop]
site = "prod"
rds = "dev-mysql"
engine = "mysql"
listen = {port:shop}

[target.cache]
site = "prod"
host = "cache.internal"
port = 6379
engine = "other"
listen = {port:cache}
"#;
    Plan::new(&format!("{}{more}", configs::SCRIPT_WAY)).build().await
}

/// Nothing was started, and the listeners still take visits.
async fn nothing_started(house: &House) {
    let started = house.sim().until(WHILE, |sim| sim.count("RunTask") > 0).await;
    assert!(!started, "a task was started\n{}", house.log());
    let status = house.status().await;
    assert!(status.targets.iter().all(|target| target.state == State::Cold), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_whether_the_port_is_open_starts_nothing() {
    let house = all_engines().await;
    for target in ["prod-db", "shop", "cache"] {
        let mut nc = house.tool("nc");
        nc.args(["-z", "-w", "2", "127.0.0.1", &house.port(target).to_string()]);
        let looked = Running::start(&mut nc).finish().await;
        assert!(looked.status.success(), "the port is open: {looked}");
    }
    nothing_started(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_request_starts_nothing_and_is_closed() {
    let house = all_engines().await;
    for target in ["prod-db", "shop"] {
        let mut curl = house.tool("curl");
        curl.args(["--silent", "--max-time", "10"]);
        curl.arg(format!("http://127.0.0.1:{}/", house.port(target)));
        let asked = Running::start(&mut curl).finish().await;
        // 52: an empty answer; 56: a reset. 28 would be our time that was up.
        assert!(matches!(asked.code(), Some(52 | 56)), "{target}: {asked}");
    }
    nothing_started(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_scan_starts_nothing() {
    let house = all_engines().await;
    // What scanners do: connect and close, connect and reset, connect and send a probe.
    for target in ["prod-db", "shop", "cache"] {
        let port = house.port(target);
        for _ in 0..20 {
            drop(connect(port).await);
            let stream = connect(port).await;
            stream.set_zero_linger().unwrap();
            drop(stream);
        }
    }
    for target in ["prod-db", "shop"] {
        let port = house.port(target);
        for probe in [
            &b"\r\n\r\n"[..],
            b"HELP\r\n",
            b"\x16\x03\x01\x00\x00",
            b"\0\0\0\0",
            &[0xff; 64],
            b"SSH-2.0-x\r\n",
        ] {
            let mut stream = connect(port).await;
            stream.write_all(probe).await.unwrap();
            stream.shutdown().await.unwrap();
            assert_eq!(
                answer(&mut stream, 1, Duration::from_secs(10)).await,
                b"",
                "{target} {probe:?}"
            );
        }
    }
    nothing_started(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_request_starts_nothing() {
    let house = all_engines().await;
    let port = house.port("prod-db");
    assert_eq!(ask(port, &CANCEL_REQUEST, 1, Duration::from_secs(10)).await, b"");
    nothing_started(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_visitor_of_postgres_starts_nothing_and_one_that_speaks_late_is_served() {
    let house = House::script_way().await;
    let mut late = connect(house.port("prod-db")).await;
    nothing_started(&house).await;

    late.write_all(&SSL_REQUEST[..3]).await.unwrap();
    nothing_started(&house).await;

    late.write_all(&SSL_REQUEST[3..]).await.unwrap();
    assert_eq!(answer(&mut late, 1, Duration::from_secs(30)).await, b"S");
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pg_isready_gets_its_answer() {
    let house = House::script_way().await;
    let mut ready = house.libpq("pg_isready", "prod-db");
    ready.args(["-t", "30"]);
    let answered = Running::start(&mut ready).finish().await;
    assert!(answered.ok().contains("accepting connections"), "{answered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_is_refused_with_clear_words_and_harms_nobody() {
    let house = House::script_way().await;

    let second = Running::start(&mut house.bastiond()).finish().await;

    assert!(!second.status.success());
    let words = format!("{}{}", second.out, second.err);
    assert!(words.contains("another bastiond"), "{second}");
    assert!(words.contains(&house.pid().to_string()), "it says which one runs: {second}");
    house.psql("prod-db", "SELECT 1").finish().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_faults_of_a_config_are_told_at_once_and_nothing_starts() {
    let house = Plan::new(
        r#"
[site.prod]
region = "ap-northeast-1"
cluster = "c"
task_definiton = "t"
subnets = ["subnet-1"]
security_groups = ["sg-1"]
idle_timeout = "15 parsecs"

[target.a]
site = "prod"
host = "a.internal"
port = 5432
listen = 15432

[target.b]
site = "pord"
host = "b.internal"
port = 5432
listen = 15432
"#,
    )
    .lay()
    .await;

    let refused = Running::start(&mut house.bastiond()).finish().await;

    assert_eq!(refused.code(), Some(2), "{refused}");
    let words = format!("{}{}", refused.out, refused.err);
    for told in
        ["task_definiton", "task_definition", "idle_timeout", "pord", "15432", "config.toml"]
    {
        assert!(words.contains(told), "{told} is not told: {refused}");
    }
    for line in [5, 8, 17] {
        assert!(
            words.contains(&format!(":{line}")) || words.contains(&format!("line {line}")),
            "line {line}: {refused}"
        );
    }
    assert!(!house.socket().exists());
    assert_eq!(house.sim().calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_tells_the_same_faults_as_json() {
    let house = Plan::new("[site.prod]\nregion = 5\n").lay().await;
    let mut check = house.bastiond();
    check.args(["--check", "--json"]);
    let checked = Running::start(&mut check).finish().await;
    assert_eq!(checked.code(), Some(2), "{checked}");
    let report = checked.json();
    assert_eq!(report["ok"], false);
    let faults = report["faults"].as_array().unwrap();
    let about_region = |fault: &&serde_json::Value| fault["key"] == "site.prod.region";
    let fault = faults.iter().find(about_region).unwrap_or_else(|| panic!("{checked}"));
    assert!(fault["file"].as_str().unwrap().ends_with("config.toml"), "{fault}");
    assert_eq!(fault["line"], 2);
    assert!(fault["reason"].is_string(), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_config_the_daemon_runs_with_no_targets_and_says_so() {
    let house = Plan::without_config().build().await;
    assert_eq!(house.status().await.targets, []);
    assert!(house.log().contains("no targets"), "{}", house.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_the_trouble_of_that_target_alone() {
    let two = format!(
        "{}\n[target.other]\nsite = \"prod\"\nhost = \"other.internal\"\nport = 5432\nlisten = {{port:other}}\n",
        configs::SCRIPT_WAY
    );
    let mut house = Plan::new(&two).postgres().lay().await;
    let holder = TcpListener::bind(("127.0.0.1", house.port("other"))).unwrap();

    house.start().await;

    let other = house.target("other").await;
    assert_eq!(other.state, State::Problem, "{other:?}");
    let problem = &other.problems[0];
    assert_eq!(problem.code, "D13");
    let words = format!("{problem:?}");
    assert!(words.contains(&std::process::id().to_string()), "it names the owner: {words}");
    assert_eq!(house.psql("prod-db", "SELECT 1").finish().await.ok(), "1");
    drop(holder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_shadowed_by_a_wildcard_listener_is_the_trouble_of_that_target_alone() {
    let two = format!(
        "{}\n[target.other]\nsite = \"prod\"\nhost = \"other.internal\"\nport = 5432\nlisten = {{port:other}}\n",
        configs::SCRIPT_WAY
    );
    let mut house = Plan::new(&two).postgres().lay().await;
    let holder = TcpListener::bind(("0.0.0.0", house.port("other"))).unwrap();

    house.start().await;

    let other = house.target("other").await;
    assert_eq!(
        other.problems.first().map(|problem| problem.code.as_str()),
        Some("D13"),
        "{other:?}"
    );
    assert_eq!(house.psql("prod-db", "SELECT 1").finish().await.ok(), "1");
    drop(holder);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_target_is_refused_with_a_guess() {
    let house = House::script_way().await;
    let refused = house.ctl(&["open", "prod-bd"]).await;
    assert_eq!(refused.code(), Some(6), "{refused}");
    assert!(refused.err.contains("prod-db"), "{refused}");
}
