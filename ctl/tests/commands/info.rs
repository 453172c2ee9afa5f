use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::{contact, info, mysql_contact, problem, unknown_target};
use crate::screen::run;

const ALL: &str = "GET /v1/info?accounts=true";

fn of(name: &str) -> String {
    format!("GET /v1/info?targets={name}&accounts=true")
}

fn daemon(call: &str, told: &Value) -> Daemon {
    Daemon::new([(call, Answer::json(told))])
}

#[test]
fn each_client_of_a_postgres_target_has_its_settings() {
    run(&daemon(&of("prod-db"), &info([contact("prod-db")])), "info prod-db").is("info_postgres");
}

#[test]
fn each_client_of_a_mysql_target_has_its_settings_and_containers_theirs() {
    let told = info([mysql_contact("dev-mysql")]);
    run(&daemon(&of("dev-mysql"), &told), "info dev-mysql").is("info_mysql");
}

#[test]
fn without_the_bundle_tls_is_asked_for_and_how_to_fetch_it_is_said() {
    let mut told = info([contact("prod-db")]);
    told["roots"]["file"] = Value::Null;
    run(&daemon(&of("prod-db"), &told), "info prod-db").is("info_without_bundle");
}

#[test]
fn what_aws_would_have_told_is_said_to_be_missing() {
    let mut target = contact("prod-db");
    target["remote_host"] = Value::Null;
    target["remote_port"] = Value::Null;
    target["account"] = Value::Null;
    target["problem"] = problem("D18", "login", "the AWS login has ended")["problem"].clone();
    let screen = run(&daemon(&of("prod-db"), &info([target])), "info prod-db");
    assert_eq!(screen.code, 0);
    assert!(screen.out.contains("host=127.0.0.1 port=15432"), "{}", screen.out);
    assert!(
        screen.err.contains("prod-db: the AWS login has ended\n  type this\n"),
        "{}",
        screen.err
    );
}

#[test]
fn another_engine_has_an_address_and_no_forms() {
    let mut other = contact("cache");
    other["target"]["engine"] = json!("other");
    other["tls"] = json!("unknown");
    let screen = run(&daemon(&of("cache"), &info([other])), "info cache");
    assert!(screen.out.starts_with("cache  other at 127.0.0.1:15432\n"), "{}", screen.out);
    assert!(!screen.out.contains("psql"), "{}", screen.out);
}

#[test]
fn without_a_target_all_are_listed() {
    let told = info([contact("prod-db"), mysql_contact("dev-mysql")]);
    run(&daemon(ALL, &told), "info").is("info");
}

#[test]
fn json_has_every_form() {
    let daemon = daemon(&of("prod-db"), &info([contact("prod-db")]));
    let screen = run(&daemon, "info prod-db --json");
    screen.is("info_json");
    let json = screen.json();
    assert_eq!(json["targets"][0]["url"], "postgresql://postgres@127.0.0.1:15432/neuraKnot");
    assert_eq!(json["targets"][0]["clients"][1]["client"], "pgAdmin");
}

#[test]
fn an_unknown_target_is_not_found() {
    let daemon = Daemon::new([(&*of("prod_db"), Answer::status(404, &unknown_target()))]);
    assert_eq!(run(&daemon, "info prod_db").code, 6);
}
