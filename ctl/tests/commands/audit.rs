use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::screen::run;

const TASK: &str = "arn:aws:ecs:ap-northeast-1:123456789012:task/neuraKnot-prod-cluster/0a1b";

pub(crate) fn report(records: Value, rows: Value, by: Value) -> Value {
    json!({
        "schema_version": 1, "since": "2026-01-01T00:00:00Z", "until": "2026-01-03T00:00:00Z",
        "records": records, "left_off": 0, "by": by, "rows": rows,
    })
}

pub(crate) fn records() -> Value {
    let of = |record: &str, second: u32, more: Value| {
        let mut line = json!({
            "record": record, "time": format!("2026-01-02T03:04:{second:02}Z"), "target": "prod-db",
            "since": "2026-01-02T03:00:00Z", "task": TASK, "session": "amy-0a1b",
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line
    };
    json!([
        of("bastion_started", 1, json!({ "region": "ap-northeast-1" })),
        of("refused", 2, json!({ "uid": 33, "code": "D33", "why": "not let in" })),
        of("tunnel_opened", 3, json!({})),
        of(
            "visit",
            4,
            json!({
                "program": "psql", "pid": 4711, "uid": 1000, "seconds": 600.2, "bytes_in": 1024,
                "bytes_out": 2_500_000, "ended": "ended",
            })
        ),
        of("visit", 5, json!({ "program": "docker", "seconds": 1.0, "ended": "broke off" })),
        of("eclipse", 6, json!({})),
        of("tunnel_closed", 7, json!({ "seconds": 1500.0 })),
        of(
            "bastion_ended",
            8,
            json!({
                "billed_from": "2026-01-02T03:00:00Z", "seconds": 1530.0, "usd": 0.0065,
                "estimated_within": 90.0,
            })
        ),
    ])
}

#[test]
fn every_kind_of_record_has_its_line() {
    let said = Answer::json(&report(records(), json!([]), json!(null)));
    run(&Daemon::new([("GET /v1/audit", said)]), "audit").is("audit");
}

#[test]
fn sums_are_a_table() {
    let rows = json!([
        { "name": "2026-01-02", "visits": 4, "refused": 1, "seconds": 7920.0, "bytes_in": 1024,
          "bytes_out": 2_500_000, "programs": [["pgAdmin", 3], ["psql", 1]] },
        { "name": "2026-01-03", "visits": 0, "refused": 2 },
    ]);
    let said = Answer::json(&report(json!([]), rows, json!("day")));
    run(&Daemon::new([("GET /v1/audit?by=day", said)]), "audit --by day").is("audit_by_day");
}

#[test]
fn that_nobody_has_come_and_that_records_are_missing_is_talk() {
    let none = Answer::json(&report(json!([]), json!([]), json!(null)));
    run(&Daemon::new([("GET /v1/audit", none)]), "audit").is("audit_none");
    let mut many = report(records(), json!([]), json!(null));
    many["left_off"] = json!(7);
    let screen = run(&Daemon::new([("GET /v1/audit", Answer::json(&many))]), "audit");
    assert_eq!(screen.err, "7 older records left off: ask for less\n");
}

#[test]
fn a_program_that_calls_itself_something_cannot_steer_the_terminal() {
    let mut said = report(records(), json!([]), json!(null));
    said["records"][3]["program"] = json!("\u{1b}]0;owned\u{7}psql");
    let screen = run(&Daemon::new([("GET /v1/audit", Answer::json(&said))]), "audit");
    assert!(!screen.out.contains('\u{1b}') && !screen.out.contains('\u{7}'), "{:?}", screen.out);
}
