//! pgAdmin in a browser: its dialog says what is wrong, and a cold start does not show where it has the time for it.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bastion_e2e::databases::POSTGRES;
use bastion_e2e::{Finished, House, Plan, Running, configs, until};
use tokio::io::AsyncReadExt;

use super::scene::{Scene, told};

/// A pgAdmin with one server, which is a target of this house.
struct PgAdmin<'a> {
    house: &'a House,
    port: u16,
    _serving: Running,
}

impl<'a> PgAdmin<'a> {
    /// Whether this machine has one, and a browser to see it with.
    fn is_here() -> bool {
        [PYTHON, PLAYWRIGHT].into_iter().all(|name| std::env::var_os(name).is_some())
    }

    /// `connect_timeout` is what its person has set.
    async fn open(house: &'a House, connect_timeout: u32) -> Self {
        let python = PathBuf::from(env(PYTHON));
        let servers = house.path("servers.json");
        let server = serde_json::json!({ "Servers": { "1": {
            "Name": "prod-db", "Group": "Servers", "Host": "localhost",
            "Port": house.port("prod-db"), "MaintenanceDB": POSTGRES.database, "Username": POSTGRES.user,
            "ConnectionParameters": { "sslmode": "prefer", "connect_timeout": connect_timeout },
        } } });
        fs::write(&servers, server.to_string()).unwrap();
        let script = xtask::place::workspace().join("tests/peers/python/pgadmin.py");
        let mut setup = house.inside(&python);
        setup.arg(&script).arg("setup").arg(servers);
        let set_up = Running::start(&mut setup).finish_within(Duration::from_secs(180)).await;
        assert!(set_up.status.success(), "{set_up}");

        let port = xtask::place::free_port().unwrap();
        let mut serve = house.inside(&python);
        serve.arg(&script).args(["serve", &port.to_string()]);
        let mut serving = Running::start(&mut serve);
        // What it says of each request is read, so that it never waits for a reader.
        let mut errors = serving.child().stderr.take().unwrap();
        drop(tokio::spawn(async move { errors.read_to_end(&mut Vec::new()).await }));
        until("pgAdmin's first answer", Duration::from_secs(120), async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Self { house, port, _serving: serving }
    }

    /// What a person sees who opens the server; the screenshot is kept.
    async fn connect(&self, screenshot: &str) -> Finished {
        let shots = xtask::place::workspace().join("target/screenshots");
        fs::create_dir_all(&shots).unwrap();
        let mut node = self.house.tool("node");
        node.env("NODE_PLAYWRIGHT", env(PLAYWRIGHT))
            .env("CHROMIUM", env("BASTION_TEST_BROWSER"))
            .arg(xtask::place::workspace().join("tests/peers/node/pgadmin.js"))
            .arg(format!("http://127.0.0.1:{}/", self.port))
            .args(["prod-db", POSTGRES.password])
            .arg(shots.join(screenshot))
            .stdin(Stdio::null());
        Running::start(&mut node).finish_within(Duration::from_secs(240)).await
    }
}

fn env(name: &str) -> std::ffi::OsString {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is set"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pgAdmin and a browser, which cargo xtask test --long clients installs"]
async fn pgadmins_dialog_says_what_is_wrong_and_what_to_type() {
    if !PgAdmin::is_here() {
        return;
    }
    let house = Scene::Login.house(true).await;
    let pgadmin = PgAdmin::open(&house, 10).await;
    let shown = pgadmin.connect("pgadmin-told.png").await;
    let reason = &told(&house, "D18").await[0];
    for words in [&format!("FATAL: D18 {}", reason.message), &reason.hints[0], "HINT: "] {
        assert!(shown.ok().contains(words), "{words}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pgAdmin and a browser, which cargo xtask test --long clients installs"]
async fn pgadmin_with_time_enough_connects_through_a_cold_start_of_30_s() {
    if !PgAdmin::is_here() {
        return;
    }
    let config = format!("{}patience = \"2m\"\n", configs::SCRIPT_WAY);
    let plan = Plan::new(&config).start_timeout("2m").postgres();
    let house = plan.sim(|sim| sim.timings.pulling_ms = 30_000).build().await;
    let pgadmin = PgAdmin::open(&house, 120).await;
    let shown = pgadmin.connect("pgadmin-connected.png").await;
    assert_eq!(shown.ok(), "connected");
    assert_eq!(house.sim().count("RunTask"), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pgAdmin, which cargo xtask test --long clients installs"]
async fn pgadmin_imports_what_bastionctl_exports_and_keeps_all_of_it() {
    if std::env::var_os(PYTHON).is_none() {
        return;
    }
    let config =
        configs::SCRIPT_WAY.replace("[target.prod-db]\n", "[target.prod-db]\ndanger = true\n");
    let house =
        Plan::new(&(config + &configs::target("plain", "prod", "db.internal"))).build().await;
    let certificate = bastion_e2e::databases::postgres().certificate().unwrap();
    fs::write(house.path("rds-global-bundle.pem"), certificate).unwrap();
    let (exported, kept) = (house.path("servers.json"), house.path("kept.json"));
    let written = house.ctl(&["export", "pgadmin", "-o", exported.to_str().unwrap()]).await;
    assert!(written.status.success(), "{written}");

    let script = xtask::place::workspace().join("tests/peers/python/pgadmin.py");
    let run = async |words: [&std::ffi::OsStr; 2]| {
        let mut setup = house.inside(&PathBuf::from(env(PYTHON)));
        setup.arg(&script).args(words);
        Running::start(&mut setup).finish_within(Duration::from_secs(180)).await
    };
    let loaded = run(["setup".as_ref(), exported.as_os_str()]).await;
    assert!(loaded.status.success(), "{loaded}");
    assert!(loaded.out.contains("Added 1 Server Group(s) and 2 Server(s)"), "{loaded}");
    let dumped = run(["dump".as_ref(), kept.as_os_str()]).await;
    assert!(dumped.status.success(), "{dumped}");

    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        let servers = file["Servers"].as_object().unwrap().values().cloned();
        servers
            .map(|server| (server["Name"].to_string(), server))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let (ours, theirs) = (read(&exported), read(&kept));
    assert_eq!(ours.len(), theirs.len());
    for (name, server) in &ours {
        for (key, value) in server.as_object().unwrap() {
            assert_eq!(&theirs[name][key], value, "{name}: {key}");
        }
    }
    let red = &theirs["\"prod-db\""];
    assert_eq!(red["ConnectionParameters"]["sslmode"], "verify-full", "{red}");
    assert_eq!(house.leaks(&[]), []);
}

/// Where `cargo xtask test --long clients` says that they are.
const PYTHON: &str = "BASTION_TEST_PGADMIN";
const PLAYWRIGHT: &str = "BASTION_TEST_PLAYWRIGHT";
