//! `psql`, `mysql` and `connect`, with clients that tell how they were called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::{
    cold, contact, info, mysql_contact, problem, ready, starting, status, targets,
};
use crate::screen::{Screen, command, finish, run};
use crate::terminal::Terminal;

/// A client that tells what it was given, and ends with a code of its own.
const TELLS: &str = "#!/bin/sh\n\
    for name in PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGSSLMODE PGSSLROOTCERT PGSERVICE MYSQL_PWD; do\n\
    eval \"[ -n \\\"\\${$name+set}\\\" ] && echo $name=\\$$name\"\n\
    done\n\
    for word; do echo \"[$word]\"; done\n\
    exit 42\n";

fn daemon(target: &Value, told: Value) -> Daemon {
    let name = target["name"].as_str().unwrap();
    let password = json!({ "schema_version": 1, "user": "amy", "password": "hunter2" });
    let opened = json!({ "event": "ready", "target": target, "elapsed_seconds": 0.2 });
    Daemon::new([
        ("GET /v1/status", Answer::json(&status([target.clone()]))),
        (&*format!("POST /v1/targets/{name}/open"), Answer::lines([opened])),
        (&*format!("GET /v1/info?targets={name}"), Answer::json(&told)),
        (&*format!("GET /v1/targets/{name}/password"), Answer::json(&password)),
    ])
}

fn postgres() -> Daemon {
    daemon(&ready("prod-db"), info([contact("prod-db")]))
}

fn mysql() -> Daemon {
    let mut target = starting("dev-mysql");
    target["state"] = json!("ready");
    daemon(&target, info([mysql_contact("dev-mysql")]))
}

/// Puts a client on PATH.
fn install(daemon: &Daemon, name: &str, script: &str) {
    let bin = daemon.dir().join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join(name), script).unwrap();
    fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_path(daemon: &Daemon, line: &str, words: &[&str]) -> Command {
    let mut command = command(daemon.dir(), line);
    let path = format!("{}:/usr/bin:/bin", daemon.dir().join("bin").display());
    command.env("PATH", path).args(words);
    command
}

fn called(daemon: &Daemon, line: &str, words: &[&str]) -> Screen {
    finish(line, with_path(daemon, line, words))
}

#[test]
fn psql_has_the_password_in_its_environment_and_its_exit_code_is_ours() {
    let daemon = postgres();
    install(&daemon, "psql", TELLS);
    let mut command = with_path(&daemon, "psql prod-db", &["--", "-c", "select 1"]);
    // What would lead it elsewhere.
    command.env("PGSERVICE", "other").env("PGHOST", "other");
    finish("psql prod-db -- -c 'select 1'", command).is("psql");
}

#[test]
fn mysql_is_told_by_arguments_all_but_the_password() {
    let daemon = mysql();
    install(&daemon, "mysql", TELLS);
    called(&daemon, "mysql dev-mysql", &["--", "-e", "select 1"]).is("mysql");
}

#[test]
fn mariadb_stands_in_for_mysql() {
    let daemon = mysql();
    install(&daemon, "mariadb", TELLS);
    // Nothing but what was put there: this machine may have a mysql of its own.
    let mut command = command(daemon.dir(), "mysql dev-mysql");
    command.env("PATH", daemon.dir().join("bin"));
    let screen = finish("mysql dev-mysql", command);
    assert!(screen.out.contains("[--host=127.0.0.1]"), "{}{}", screen.out, screen.err);
}

#[test]
fn an_option_file_with_a_password_is_left_out() {
    let daemon = mysql();
    install(&daemon, "mysql", TELLS);
    fs::write(daemon.dir().join(".my.cnf"), "[client]\npassword = other\n").unwrap();
    let mut command = with_path(&daemon, "mysql dev-mysql", &[]);
    command.env("HOME", daemon.dir());
    let screen = finish("mysql dev-mysql", command);
    assert!(screen.out.contains("MYSQL_PWD=hunter2\n[--no-defaults]\n"), "{}", screen.out);
    assert!(screen.err.contains(".my.cnf holds a password, and is left out\n"), "{}", screen.err);
}

#[test]
fn connect_chooses_by_the_engine() {
    for (daemon, name, program) in
        [(postgres(), "prod-db", "psql"), (mysql(), "dev-mysql", "mysql")]
    {
        install(&daemon, program, "#!/bin/sh\necho \"$0\"\n");
        let screen = called(&daemon, &format!("connect {name}"), &[]);
        assert!(screen.out.trim_end().ends_with(program), "{}{}", screen.out, screen.err);
    }
}

#[test]
fn a_target_without_a_password_leaves_it_to_the_client() {
    let mut told = contact("prod-db");
    told["proof"] = json!("unsaid");
    let daemon = daemon(&ready("prod-db"), info([told]));
    install(&daemon, "psql", TELLS);
    let screen = called(&daemon, "psql prod-db", &[]);
    assert!(!screen.out.contains("PGPASSWORD"), "{}", screen.out);
    assert!(!daemon.heard().iter().any(|call| call.ends_with("/password")), "{:?}", daemon.heard());
}

#[test]
fn nothing_is_started_for_a_client_that_is_not_installed() {
    let daemon = postgres();
    run(&daemon, "psql prod-db").is("psql_missing");
    assert_eq!(daemon.heard(), ["GET /v1/status"]);
}

#[test]
fn nothing_is_started_for_a_client_of_another_engine() {
    let daemon = mysql();
    install(&daemon, "psql", TELLS);
    called(&daemon, "psql dev-mysql", &[]).is("psql_other");
    assert_eq!(daemon.heard(), ["GET /v1/status"]);
}

#[test]
fn an_engine_without_a_client_is_opened_by_hand() {
    let mut told = contact("cache");
    told["target"]["engine"] = json!("other");
    let daemon = daemon(&cold("cache"), info([told]));
    run(&daemon, "connect cache").is("connect_other");
    assert_eq!(
        daemon.heard(),
        ["GET /v1/status", "GET /v1/info?targets=cache"],
        "nothing is opened"
    );
}

#[test]
fn nothing_is_started_for_a_password_that_is_not_there() {
    let gone = problem("D32", "not_found", "no such secret for prod-db");
    let daemon = Daemon::new([
        ("GET /v1/status", Answer::json(&status([cold_postgres()]))),
        ("GET /v1/info?targets=prod-db", Answer::json(&info([contact("prod-db")]))),
        ("GET /v1/targets/prod-db/password", Answer::status(404, &gone)),
        ("GET /v1/targets", Answer::json(&targets(["prod-db"]))),
    ]);
    install(&daemon, "psql", TELLS);
    let screen = called(&daemon, "psql prod-db", &[]);
    assert_eq!((screen.code, screen.out.as_str()), (6, ""), "{}", screen.err);
    assert!(!daemon.heard().iter().any(|call| call.starts_with("POST")), "{:?}", daemon.heard());
}

fn cold_postgres() -> Value {
    let mut target = cold("prod-db");
    target["engine"] = json!("postgres");
    target
}

#[test]
fn mysql_goes_to_the_socket_and_not_to_the_host_of_an_option_file() {
    let mut target = starting("dev-mysql");
    (target["state"], target["addresses"]) = (json!("ready"), json!(["unix:/run/x/mysql.sock"]));
    let mut told = mysql_contact("dev-mysql");
    told["target"]["addresses"] = target["addresses"].clone();
    let daemon = daemon(&target, info([told]));
    install(&daemon, "mysql", TELLS);
    let screen = called(&daemon, "mysql dev-mysql", &[]);
    let words = "[--protocol=SOCKET]\n[--host=localhost]\n[--socket=/run/x/mysql.sock]\n";
    assert!(screen.out.contains(words), "{}{}", screen.out, screen.err);
}

#[test]
fn an_unknown_target_is_not_found() {
    run(&postgres(), "connect prod_db").is("connect_unknown");
}

#[test]
fn a_signal_is_the_clients_own_once_it_runs() {
    let daemon = postgres();
    let script =
        "#!/bin/sh\ntrap 'echo caught; exit 7' INT\necho here\nwhile :; do sleep 0.05; done\n";
    install(&daemon, "psql", script);
    let path = format!("{}:/usr/bin:/bin", daemon.dir().join("bin").display());
    let mut terminal = Terminal::run(&daemon, "psql prod-db", &[("PATH", &path)]);
    terminal.until("here").signal("INT").until("caught");
    assert_eq!(terminal.end().1, 7);
}
