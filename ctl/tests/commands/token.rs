use serde_json::json;

use crate::daemon::{Answer, Daemon};
use crate::samples::problem;
use crate::screen::run;

fn answer() -> Answer {
    Answer::json(&json!({
        "schema_version": 1, "user": "app", "password": "db.x:5432/?Action=connect&DBUser=app",
        "expires_at": "2026-01-02T03:19:05Z",
    }))
}

#[test]
fn the_token_alone_is_on_stdout() {
    let daemon = Daemon::new([("GET /v1/targets/prod-db/token", answer())]);
    run(&daemon, "token prod-db").is("token");
}

#[test]
fn json_says_for_whom_it_is_and_until_when_it_is_good() {
    let daemon = Daemon::new([("GET /v1/targets/prod-db/token?user=app", answer())]);
    run(&daemon, "token prod-db --user app --json").is("token_json");
}

#[test]
fn why_there_is_none_is_told() {
    let problem = problem("D32", "usage", "nothing says who connects to prod-db");
    let daemon = Daemon::new([("GET /v1/targets/prod-db/token", Answer::status(400, &problem))]);
    run(&daemon, "token prod-db").is("token_no_user");
}

#[test]
fn nobody_is_no_user() {
    let daemon = Daemon::new([]);
    let screen = run(&daemon, "token prod-db --user=");
    assert_eq!((screen.code, screen.out.as_str()), (2, ""), "{}", screen.err);
    assert!(daemon.heard().is_empty());
}
