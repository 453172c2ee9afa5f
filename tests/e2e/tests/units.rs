//! What the machine around the daemon sees of it: service managers, curl, Unix sockets.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use bastion_api::State;
use bastion_e2e::databases::POSTGRES;
use bastion_e2e::{House, Plan, Running, configs};
use tokio::task::JoinSet;
use xtask::place::workspace;

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_behind_systemds_socket_is_started_by_the_first_call_and_serves_visits() {
    let mut house = Plan::new(configs::SCRIPT_WAY).postgres().lay().await;
    std::fs::create_dir(house.path("run/bastiond")).unwrap();
    let daemon = house.bastiond();
    let mut activate = house.tool("systemd-socket-activate");
    activate.arg(format!("--listen={}", house.socket().display()));
    // It hands on only the variables that it is told to.
    for (name, value) in daemon.get_envs() {
        if let Some(value) = value {
            activate.arg(format!("--setenv={}={}", name.display(), value.display()));
        }
    }
    activate.arg(daemon.get_program()).args(daemon.get_args());

    house.start_as(&mut activate).await;

    assert_eq!(house.psql("prod-db", "SELECT 6 * 7").finish().await.ok(), "42");
    assert!(house.stop().await.success());
    house.until_nothing_runs(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_is_told_of_readiness_and_of_the_stop() {
    let mut house = Plan::new(configs::SCRIPT_WAY).lay().await;
    let manager = UnixDatagram::bind(house.path("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut daemon = house.bastiond();
    daemon.env("NOTIFY_SOCKET", house.path("notify"));

    house.start_as(&mut daemon).await;

    let ready = heard(&manager, "READY=1");
    assert!(
        ready.contains("STATUS=serving 1 target") || ready.contains("STATUS=1 target"),
        "{ready}"
    );
    assert!(house.stop().await.success());
    heard(&manager, "STOPPING=1");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn both_units_hold_before_systemds_own_judge() {
    let house = Plan::without_config().lay().await;
    // ExecStart must name a program that is there: the unit looks for it in the user's home.
    let bin = house.path("home/.cargo/bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(xtask::place::program("bastiond").unwrap(), bin.join("bastiond"))
        .unwrap();
    let units = workspace().join("systemd");
    let mut verify = house.tool("systemd-analyze");
    verify.args(["verify", "--user", "--man=no"]);
    verify.args([units.join("bastiond.service"), units.join("bastiond.socket")]);
    let judged = Running::start(&mut verify).finish().await;
    assert!(judged.status.success(), "{judged}");
    let about_ours = judged.err.lines().find(|line| line.contains("bastiond."));
    assert_eq!(about_ours, None, "{judged}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Python environment that cargo xtask test makes"]
async fn the_agent_of_launchd_is_read_as_macos_reads_it() {
    let house = Plan::without_config().lay().await;
    let plist = workspace().join("launchd/com.bastiond.plist");
    let read = house.python("read_plist.py", [plist.as_os_str()]).finish().await;
    assert!(read.status.success(), "{read}");
    let agent = read.json();
    assert_eq!(agent["Label"], "com.bastiond");
    let started = agent["ProgramArguments"].as_array().unwrap();
    assert!(started.iter().any(|word| word.as_str().unwrap().contains("bastiond")), "{agent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_on_the_control_socket_is_pleasant() {
    let house = House::script_way().await;
    let curl = async |words: &[&str]| {
        let mut curl = house.tool("curl");
        curl.args(["--silent", "--show-error", "--max-time", "30", "--unix-socket"]);
        curl.arg(house.socket()).args(words);
        Running::start(&mut curl).finish().await
    };

    for path in ["status", "targets", "health", "version", "config"] {
        let asked = curl(&["--fail", &format!("http://bastiond/v1/{path}")]).await;
        assert!(asked.status.success(), "{asked}");
        assert_eq!(asked.json()["schema_version"], 1, "{path}");
    }

    let opened =
        curl(&["--fail", "--no-buffer", "-X", "POST", "http://bastiond/v1/targets/prod-db/open"])
            .await;
    let lines: Vec<serde_json::Value> =
        opened.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.first().unwrap()["event"], "stage", "{opened}");
    assert_eq!(lines.last().unwrap()["event"], "ready", "{opened}");
    assert_eq!(lines.iter().filter(|line| line["event"] == "ready").count(), 1);

    let events = curl(&["--fail", "http://bastiond/v1/events"]).await;
    assert!(events.ok().lines().count() > 3, "{events}");

    let wrong = curl(&["--write-out", "\\n%{http_code}", "http://bastiond/v1/nonsense"]).await;
    let (body, code) = wrong.ok().rsplit_once('\n').unwrap();
    assert_eq!(code, "404");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(body["problem"]["hints"].as_array().is_some_and(|hints| !hints.is_empty()), "{body}");

    let closed = curl(&["--fail", "-X", "POST", "http://bastiond/v1/targets/prod-db/close"]).await;
    assert_eq!(closed.json()["was"], "ready", "{closed}");
    house.until_nothing_runs(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_socket_is_for_its_user_alone() {
    let house = House::script_way().await;
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(house.path("run/bastiond")), 0o700);
    assert_eq!(mode(house.socket()), 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_finds_a_unix_listener_by_its_directory() {
    let config = configs::SCRIPT_WAY.replace("listen = {port:prod-db}", "listen = \"unix\"");
    let house = Plan::new(&config).postgres().build().await;
    let target = house.target("prod-db").await;
    let address =
        target.addresses.iter().find_map(|address| address.strip_prefix("unix:")).unwrap();
    let dir = PathBuf::from(address);
    let dir = if dir.is_dir() { dir } else { dir.parent().unwrap().to_owned() };

    let mut psql = house.inside(&bastion_e2e::databases::postgres_programs().program("psql"));
    psql.arg("-h").arg(&dir);
    psql.args(["-U", POSTGRES.user, "-d", POSTGRES.database, "-qAtc", "SELECT 6 * 7"]);
    psql.env("PGPASSWORD", POSTGRES.password);
    assert_eq!(Running::start(&mut psql).finish().await.ok(), "42");
    assert_eq!(house.target("prod-db").await.state, State::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_as_they_happen_and_never_hold_an_address_or_a_secret() {
    let house = House::script_way().await;
    let mut following = house.ctl_started(&["events", "--follow", "--json"]);
    let out = following.child().stdout.take().unwrap();
    let mut reader = JoinSet::new();
    reader.spawn(async move {
        use tokio::io::{AsyncBufReadExt, BufReader};
        let mut lines = BufReader::new(out).lines();
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            let ended = line.contains("visit_closed");
            seen.push(line);
            if ended {
                return seen;
            }
        }
        panic!("the events ended early: {seen:?}");
    });

    house.psql("prod-db", "SELECT 'a query that nobody may log'").finish().await.ok();

    let seen =
        tokio::time::timeout(Duration::from_secs(20), reader.join_all()).await.unwrap().concat();
    let seen = seen.join("\n");
    for kind in
        ["visit_opened", "bastion_starting", "bastion_stage", "bastion_ready", "tunnel_opened"]
    {
        assert!(seen.contains(kind), "{kind} is missing in {seen}");
    }
    let log = house.log();
    for secret in
        ["a query that nobody may log", POSTGRES.password, "rds.amazonaws.com", "simulated/secret"]
    {
        assert!(
            !seen.contains(secret) && !log.contains(secret),
            "{secret} was told\n{seen}\n{log}"
        );
    }
}

/// Reads what the manager is told until this is in it.
fn heard(manager: &UnixDatagram, wanted: &str) -> String {
    let mut told = String::new();
    let mut buffer = [0; 4096];
    while !told.contains(wanted) {
        let read = manager.recv(&mut buffer).unwrap();
        told.push_str(&String::from_utf8_lossy(&buffer[..read]));
        told.push('\n');
    }
    told
}
