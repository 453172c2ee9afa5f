use std::process::Command;

use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::{contact, info, mysql_contact, problem};
use crate::screen::run;

fn daemon(name: &str, told: Value) -> Daemon {
    let password = json!({ "schema_version": 1, "user": "postgres", "password": "it's $hunter2" });
    Daemon::new([
        (&*format!("GET /v1/info?targets={name}"), Answer::json(&told)),
        (&*format!("GET /v1/targets/{name}/password"), Answer::json(&password)),
    ])
}

#[test]
fn a_shell_is_told_where_to_knock_and_no_password() {
    let daemon = daemon("prod-db", info([contact("prod-db")]));
    run(&daemon, "env prod-db").is("env");
    assert_eq!(daemon.heard(), ["GET /v1/info?targets=prod-db"], "nobody asked for the password");
}

#[test]
fn the_password_is_there_where_it_is_asked_for_and_a_shell_reads_it_as_it_is() {
    let daemon = daemon("prod-db", info([contact("prod-db")]));
    let screen = run(&daemon, "env prod-db --with-password --verify-full");
    screen.is("env_password");
    let script = format!("{}printf %s \"$PGPASSWORD $PGHOSTADDR\"", screen.out);
    let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "it's $hunter2 127.0.0.1");
}

#[test]
fn a_user_that_only_the_secret_names_is_set_with_the_password_and_else_said_to_be_missing() {
    let mut told = contact("prod-db");
    told["target"]["user"] = Value::Null;
    let daemon = daemon("prod-db", info([told]));
    let with = run(&daemon, "env prod-db --with-password");
    assert!(with.out.contains("export PGUSER=postgres\n"), "{}", with.out);
    assert_eq!(with.err, "");
    let without = run(&daemon, "env prod-db");
    assert!(without.out.contains("unset PGUSER\n"), "{}", without.out);
    assert!(without.err.contains("prod-db: nothing says who connects"), "{}", without.err);
}

#[test]
fn fish_has_words_of_its_own() {
    run(&daemon("prod-db", info([contact("prod-db")])), "env prod-db --shell fish").is("env_fish");
}

#[test]
fn mysql_has_variables_of_its_own() {
    run(&daemon("dev-mysql", info([mysql_contact("dev-mysql")])), "env dev-mysql").is("env_mysql");
}

#[test]
fn json_has_the_same_variables() {
    let screen = run(&daemon("prod-db", info([contact("prod-db")])), "env prod-db --json");
    screen.is("env_json");
    assert_eq!(screen.json()["variables"]["PGPORT"], "15432");
}

#[test]
fn what_goes_wrong_is_told_and_nothing_is_exported() {
    let problem = problem("D18", "login", "the AWS login has ended");
    let daemon = Daemon::new([
        ("GET /v1/info?targets=prod-db", Answer::json(&info([contact("prod-db")]))),
        ("GET /v1/targets/prod-db/password", Answer::status(403, &problem)),
    ]);
    let screen = run(&daemon, "env prod-db --with-password");
    assert_eq!((screen.out.as_str(), screen.code), ("", 4));
}
