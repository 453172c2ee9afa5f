use serde_json::json;

use crate::daemon::{Answer, Daemon};
use crate::screen::run;

fn daemon(password: &str) -> Daemon {
    let answer = json!({ "schema_version": 1, "user": "postgres", "password": password });
    Daemon::new([("GET /v1/targets/prod-db/password", Answer::json(&answer))])
}

#[test]
fn the_password_alone_is_on_stdout() {
    let screen = run(&daemon("p %\u{e9}\u{1b}x"), "password prod-db");
    assert_eq!(screen.out, "p %\u{e9}\u{1b}x\n");
    assert_eq!((screen.err.as_str(), screen.code), ("", 0));
}

#[test]
fn json_names_the_user_too() {
    let json = run(&daemon("hunter2"), "password prod-db --json").json();
    assert_eq!(json["user"], "postgres");
    assert_eq!(json["password"], "hunter2");
}
