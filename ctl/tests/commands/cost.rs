use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::screen::run;

pub(crate) const TODAY: &str = "GET /v1/cost?by=target";

fn report(rows: Value, total: Value) -> Value {
    json!({
        "schema_version": 1, "since": "2026-01-02T00:00:00Z", "until": "2026-01-02T12:00:00Z",
        "by": "target", "rows": rows, "total": total,
        "prices": [
            { "region": "ap-northeast-1", "architecture": "x86_64", "vcpu": 0.25, "memory_gb": 0.5,
              "usd_per_hour": 0.015405, "dated": "2026-09-06" },
            { "region": "eu-west-1", "architecture": "arm64", "vcpu": 0.5, "memory_gb": 1.0,
              "usd_per_hour": 0.02 },
            { "region": "mars-north-1", "architecture": "x86_64", "vcpu": 0.25, "memory_gb": 0.5 },
        ],
    })
}

pub(crate) fn of_two() -> Value {
    report(
        json!([
            { "name": "prod-db", "bastions": 3, "running": 1, "seconds": 7920.0, "usd": 0.0339,
              "estimated_seconds": 90.0 },
            { "name": "mars-db", "bastions": 1, "seconds": 60.0, "unpriced_seconds": 60.0 },
        ]),
        json!({ "bastions": 4, "running": 1, "seconds": 7980.0, "usd": 0.0339,
                "estimated_seconds": 90.0, "unpriced_seconds": 60.0 }),
    )
}

#[test]
fn what_was_estimated_and_what_has_no_price_is_said_beside_the_sums() {
    run(&Daemon::new([(TODAY, Answer::json(&of_two()))]), "cost").is("cost");
}

#[test]
fn where_nothing_has_run_nothing_is_on_stdout() {
    let none = report(json!([]), json!({}));
    run(&Daemon::new([(TODAY, Answer::json(&none))]), "cost").is("cost_none");
}

#[test]
fn the_span_and_the_rows_are_asked_for() {
    let asked = "GET /v1/cost?since=2026-01-01T00%3A00%3A00Z&until=2026-01-03T00%3A00%3A00Z\
                 &target=prod-db&by=day";
    let daemon = Daemon::new([(asked, Answer::json(&of_two()))]);
    let screen = run(&daemon, "cost prod-db --since 2026-01-01 --until 2026-01-02 --by day");
    assert_eq!(screen.code, 0, "{} {:?}", screen.err, daemon.heard());
}

#[test]
fn as_json_it_is_what_the_daemon_said() {
    let screen = run(&Daemon::new([(TODAY, Answer::json(&of_two()))]), "cost --json");
    assert_eq!(screen.json()["rows"][0]["estimated_seconds"], 90.0);
}

#[test]
fn a_time_that_is_none_is_refused_before_anybody_is_asked() {
    let daemon = Daemon::new([]);
    let screen = run(&daemon, "cost --since yesterday");
    assert_eq!((screen.code, daemon.heard().len()), (2, 0));
    assert!(screen.err.contains("neither a duration, a date nor a time"), "{}", screen.err);
}
