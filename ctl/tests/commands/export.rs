use std::fs;

use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::samples::{contact, info, mysql_contact, unknown_target};
use crate::screen::run;

const ALL: &str = "GET /v1/info?accounts=true";

fn daemon() -> Daemon {
    Daemon::new([(ALL, Answer::json(&both()))])
}

fn both() -> Value {
    info([mysql_contact("dev-mysql"), contact("prod-db")])
}

#[test]
fn pgadmin_asks_us_for_the_password_by_our_whole_path() {
    let screen = run(&daemon(), "export pgadmin");
    assert_eq!(screen.code, 0, "{}", screen.err);
    let file: Value = serde_json::from_str(&screen.out).unwrap();
    let server = &file["Servers"]["1"];
    assert_eq!(
        (&server["Name"], &server["Group"]),
        (&json!("prod-db"), &json!("123456789012 prod"))
    );
    let line = server["PasswordExecCommand"].as_str().unwrap();
    assert!(line.ends_with("/bastionctl password prod-db"), "{line}");
    let ours = line.split(' ').find(|word| word.ends_with("/bastionctl")).unwrap();
    assert!(ours.starts_with('/'), "{line}");
    // The socket that this daemon was found at, wherever pgAdmin runs.
    assert!(line.starts_with("BASTION_SOCKET=/"), "{line}");
    assert!(
        screen.err.contains("dev-mysql: left out, it does not speak PostgreSQL\n"),
        "{}",
        screen.err
    );
}

#[test]
fn pgservice_is_printed_and_how_it_is_used() {
    run(&daemon(), "export pgservice").is("export_pgservice");
}

#[test]
fn mycnf_is_printed_and_how_it_is_used() {
    run(&daemon(), "export mycnf").is("export_mycnf");
}

#[test]
fn dbeaver_has_both() {
    run(&daemon(), "export dbeaver").is("export_dbeaver");
}

#[test]
fn datagrip_has_both_and_no_colours() {
    let screen = run(&daemon(), "export datagrip");
    assert_eq!(screen.out.matches("#END#").count(), 2);
    assert!(screen.err.contains("give red by hand to prod-db"), "{}", screen.err);
}

#[test]
fn json_tells_what_was_left_out() {
    let screen = run(&daemon(), "export mycnf --json");
    screen.is("export_json");
    let json = screen.json();
    assert_eq!(json["targets"], json!(["dev-mysql"]));
    assert_eq!(json["left_out"][0]["target"], "prod-db");
}

#[test]
fn a_file_is_written_once_and_replaced_only_by_force() {
    let daemon = daemon();
    let file = daemon.dir().join("service.conf");
    run(&daemon, "export pgservice --output service.conf").is("export_output");
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains("[prod-db]"), "{written}");
    fs::write(&file, "mine").unwrap();
    run(&daemon, "export pgservice --output service.conf").is("export_there");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let forced = run(&daemon, "export pgservice --output service.conf --force --json");
    assert_eq!(forced.json()["file"], "service.conf");
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
}

#[test]
fn what_lies_beside_the_file_is_left_alone_and_a_dash_is_stdout() {
    let daemon = daemon();
    fs::write(daemon.dir().join("service.conf.new"), "mine").unwrap();
    run(&daemon, "export pgservice --output service.conf");
    assert_eq!(fs::read_to_string(daemon.dir().join("service.conf.new")).unwrap(), "mine");
    let printed = run(&daemon, "export pgservice --output -");
    assert!(printed.out.contains("[prod-db]"), "{}", printed.err);
    assert!(!daemon.dir().join("-").exists());
}

#[test]
fn only_the_targets_that_were_named_are_asked_about() {
    let call = "GET /v1/info?targets=prod-db,stg&accounts=true";
    let daemon = Daemon::new([(call, Answer::json(&info([contact("prod-db"), contact("stg")])))]);
    let screen = run(&daemon, "export pgservice prod-db stg");
    assert!(screen.out.contains("[prod-db]") && screen.out.contains("[stg]"), "{}", screen.out);
}

#[test]
fn a_client_that_can_speak_to_none_gets_no_file() {
    let call = "GET /v1/info?targets=dev-mysql&accounts=true";
    let daemon = Daemon::new([(call, Answer::json(&info([mysql_contact("dev-mysql")])))]);
    run(&daemon, "export pgadmin dev-mysql -o x.json").is("export_none");
    assert!(!daemon.dir().join("x.json").exists());
}

#[test]
fn an_unknown_target_is_not_found() {
    let call = "GET /v1/info?targets=prod_db&accounts=true";
    let daemon = Daemon::new([(call, Answer::status(404, &unknown_target()))]);
    assert_eq!(run(&daemon, "export pgadmin prod_db").code, 6);
}
