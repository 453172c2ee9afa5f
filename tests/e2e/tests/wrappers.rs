//! Clients that bastionctl starts: with the password in their environment, and nowhere else.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use bastion_api::State;
use bastion_e2e::clients::path_after;
use bastion_e2e::databases::{POSTGRES, mariadb_programs, postgres_programs};
use bastion_e2e::{House, Plan, Running, configs, until};

/// bastionctl, with PostgreSQL's and MariaDB's clients on PATH.
fn ctl(house: &House, words: &[&str]) -> Command {
    let mut command = house.program("bastionctl");
    command.env("PATH", path()).args(words);
    command
}

fn path() -> OsString {
    let mariadb = mariadb_programs().client;
    path_after(&[&postgres_programs().bin, mariadb.parent().unwrap()])
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_starts_the_bastion_and_enters_by_the_secrets_password_over_tls() {
    let house = House::script_way().await;
    let sql = "SELECT ssl, current_user, current_database() FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let mut psql = ctl(&house, &["psql", "prod-db", "--", "-qAtc", sql]);
    let asked = Running::start(&mut psql).finish().await;
    assert_eq!(asked.ok(), "t|postgres|neuraKnot");
    assert!(asked.err.contains("prod-db"), "the start is told: {asked}");
    assert_eq!(house.sim().count("RunTask"), 1);
    assert_eq!(house.target("prod-db").await.state, State::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_exit_code_is_the_wrappers() {
    let house = House::script_way().await;
    let words = ["connect", "prod-db", "--", "-v", "ON_ERROR_STOP=1", "-f", "wrong.sql"];
    fs::write(house.path("wrong.sql"), "SELECT 1 / 0;").unwrap();
    let failed = Running::start(&mut ctl(&house, &words)).finish().await;
    // 3 is psql's own for a script that failed.
    assert_eq!(failed.code(), Some(3), "{failed}");
    assert!(failed.err.contains("division by zero"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_rdss_authorities_are_here_psql_checks_the_certificate_and_its_name() {
    let house = House::script_way().await;
    let certificate = bastion_e2e::databases::postgres().certificate().unwrap();
    let bundle = house.path("rds-global-bundle.pem");
    fs::write(&bundle, &certificate).unwrap();
    let mode = ["psql", "prod-db", "--", "-qAtc", "\\echo :HOST", "-c", "SELECT 1"];
    let sure = Running::start(&mut ctl(&house, &mode)).finish().await;
    let name = "neuraknot-prod-db.cx1simulated.ap-northeast-1.rds.amazonaws.com";
    assert_eq!(sure.ok(), format!("{name}\n1"));
    // Somebody else's authority is in the file: it is the file that decides.
    let authority = fs::read_to_string(house.path("state/bastiond/authority/root.pem")).unwrap();
    fs::write(&bundle, authority).unwrap();
    let unsure = Running::start(&mut ctl(&house, &mode)).finish().await;
    assert!(unsure.err.contains("certificate verify failed"), "{unsure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_is_mariadbs_client_where_that_is_here() {
    let house = Plan::new(configs::MYSQL_BY_TASK).mariadb().build().await;
    let words = ["mysql", "shop", "--", "--batch", "--skip-column-names", "-e"];
    let sql = "SELECT 6 * 7, DATABASE(), CURRENT_USER()";
    let mut mysql = ctl(&house, &words);
    mysql.arg(sql);
    let asked = Running::start(&mut mysql).finish().await;
    assert_eq!(asked.ok(), "42\tapp\tadmin@%");
    let mut connect =
        ctl(&house, &["connect", "shop", "--", "-NBe", "SHOW STATUS LIKE 'Ssl_cipher'"]);
    let asked = Running::start(&mut connect).finish().await;
    assert!(asked.ok().contains("TLS_"), "TLS is spoken: {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_takes_the_targets_socket_wherever_the_persons_own_option_file_leads() {
    let config = configs::MYSQL_BY_TASK.replace("{port:shop}", "\"unix\"");
    let house = Plan::new(&config).mariadb().build().await;
    fs::create_dir_all(house.path("home")).unwrap();
    let other = "[client]\nhost=10.9.9.9\nport=9\nuser=bob\nconnect-timeout=1\n";
    fs::write(house.path("home/.my.cnf"), other).unwrap();
    let words = ["mysql", "shop", "--", "-NBe", "SELECT CURRENT_USER()"];
    let asked = Running::start(&mut ctl(&house, &words)).finish().await;
    assert_eq!(asked.ok(), "admin@%");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_anybodys_words_or_in_a_file_while_clients_run() {
    let house = Plan::new(&format!("{}{}", configs::SCRIPT_WAY, mysql_target()))
        .postgres()
        .mariadb()
        .build()
        .await;
    let mut psql = ctl(&house, &["psql", "prod-db", "--", "-c", "SELECT pg_sleep(600)"]);
    let mut mysql = ctl(&house, &["mysql", "shop", "--", "-e", "SELECT SLEEP(600)"]);
    let (psql, mysql) = (Running::start(&mut psql), Running::start(&mut mysql));
    for running in [&psql, &mysql] {
        let environment = format!("/proc/{}/environ", running.id().unwrap());
        until("the client with its password", Duration::from_secs(60), async || {
            let environment = fs::read(&environment).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment).into_owned();
            house.secrets().iter().any(|secret| environment.contains(secret)).then_some(())
        })
        .await;
    }
    until("both visits", Duration::from_secs(30), async || {
        let status = house.status().await;
        let visits = status.targets.iter().map(|target| target.visits.len());
        visits.into_iter().all(|visits| visits == 1).then_some(())
    })
    .await;
    assert_eq!(house.leaks(&[]), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_programs_words_or_in_a_file_would_be_seen() {
    let house = Plan::new(configs::SCRIPT_WAY).lay().await;
    assert_eq!(house.leaks(&[]), []);
    let mut sleeping = house.tool("sh");
    sleeping.args(["-c", "while :; do sleep 1; done", "sh", POSTGRES.password]);
    let sleeping = Running::start(&mut sleeping);
    let written = house.path("home/.pgpass");
    fs::write(&written, format!("*:*:*:*:{}", POSTGRES.password)).unwrap();
    let leaks = until("the words of the new process", Duration::from_secs(20), async || {
        Some(house.leaks(&[])).filter(|leaks| leaks.len() > 1)
    })
    .await;
    assert!(leaks.iter().any(|leak| leak.place.ends_with(".pgpass")), "{leaks:?}");
    let process = format!("process {}: ", sleeping.id().unwrap());
    assert!(leaks.iter().any(|leak| leak.place.starts_with(&process)), "{leaks:?}");
    assert!(house.leaks(&[&written]).iter().all(|leak| !leak.place.ends_with(".pgpass")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_with_the_exports_finds_the_target() {
    let house = House::script_way().await;
    let program = house.program("bastionctl");
    let script = format!(
        "eval \"$({} env prod-db --with-password)\" && psql -qAtc 'SELECT current_user'",
        program.get_program().to_string_lossy()
    );
    let mut shell = house.tool("sh");
    shell.env("PATH", path()).args(["-c", &script]);
    assert_eq!(Running::start(&mut shell).finish().await.ok(), "postgres");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_iam_is_entered_with_a_token_for_its_real_endpoint_over_tls() {
    let config = configs::SCRIPT_WAY.replace("{ secret = \"prod/neuraKnot\" }", "{ iam = true }");
    let house = Plan::new(&config).postgres().build().await;
    let endpoint = "neuraknot-prod-db.cx1simulated.ap-northeast-1.rds.amazonaws.com:5432/?";
    let token = house.ctl(&["token", "prod-db", "--user", "app"]).await;
    assert!(token.ok().starts_with(endpoint), "{token}");
    assert!(token.out.contains("Action=connect&DBUser=app&"), "{token}");
    assert!(token.out.contains("X-Amz-Expires=900"), "{token}");
    let password = house.ctl(&["password", "prod-db", "--json"]).await.json();
    assert!(password["password"].as_str().unwrap().contains("DBUser=postgres&"), "{password}");
    assert!(password["expires_at"].is_string(), "{password}");

    // A client that tells what it was given: this PostgreSQL knows no tokens.
    let bin = house.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("psql"), "#!/bin/sh\nprintf '%s %s' \"$PGSSLMODE\" \"$PGPASSWORD\"\n")
        .unwrap();
    fs::set_permissions(bin.join("psql"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut psql = house.program("bastionctl");
    psql.env("PATH", &bin).args(["psql", "prod-db"]);
    let told = Running::start(&mut psql).finish().await;
    assert!(told.ok().starts_with(&format!("require {endpoint}")), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_has_to_know_is_told_without_a_daemon_and_starts_none() {
    let house = Plan::new(configs::SCRIPT_WAY).lay().await;
    let alone = async |words: &[&str]| Running::start(&mut house.ctl_alone(words)).finish().await;
    let info = alone(&["info", "prod-db", "--json"]).await.json();
    let contact = &info["targets"][0];
    assert_eq!((&contact["account"], &contact["tls"]), (&"123456789012".into(), &"rds".into()));
    let env = alone(&["env", "prod-db"]).await;
    assert!(env.ok().contains(&format!("export PGPORT={}", house.port("prod-db"))), "{env}");
    let absent = alone(&["psql", "prod-db"]).await;
    assert_eq!(absent.code(), Some(3), "{absent}");
    assert_eq!(house.sim().count("RunTask"), 0);
}

/// The MySQL of [`configs::MYSQL_BY_TASK`], of the script way's site.
fn mysql_target() -> &'static str {
    let (_, target) = configs::MYSQL_BY_TASK.split_once("\n[target.").unwrap();
    Box::leak(format!("\n[target.{target}").into_boxed_str())
}
