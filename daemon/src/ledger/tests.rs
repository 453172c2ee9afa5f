use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bastion_api::{AuditRecord, GroupBy, RefusedRecord, Timestamp, VisitRecord, Visitor};
use bastion_cloud::{Architecture, TaskId, TaskSize};
use jiff::ToSpan;

use super::cost::{self, Billed, End};
use super::{BastionEnd, BastionNote, Ledger, Wanted};
use crate::clock::Clock;

#[tokio::test]
async fn a_visit_is_one_line_in_the_file_of_its_month_that_only_we_may_read() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    ledger.visit(visit("2026-10-31T23:59:59Z", "a"));
    ledger.visit(visit("2026-11-01T00:00:00Z", "b"));
    ledger.synced().await;
    let october = month(state.path(), "2026-10");
    let text = fs::read_to_string(&october).unwrap();
    assert!(text.starts_with("{\"v\":1,\"record\":\"visit\","), "{text}");
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    assert!(fs::read_to_string(month(state.path(), "2026-11")).unwrap().contains("\"b\""));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&october), mode(&state.path().join("ledger"))), (0o600, 0o700));
}

#[tokio::test]
async fn a_torn_last_line_is_forgiven_and_the_next_one_begins_anew() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    let now = Timestamp::now();
    ledger.visit(visit(&now.to_string(), "whole"));
    ledger.synced().await;
    let file = month(state.path(), &now.to_string()[..7]);
    let mut text = fs::read(&file).unwrap();
    text.extend_from_slice(b"{\"v\":1,\"record\":\"visit\",\"ti");
    fs::write(&file, text).unwrap();
    let ledger = open(state.path());
    ledger.visit(visit(&now.to_string(), "after"));
    let audit = ledger.audit(Wanted::default()).await.unwrap();
    let targets: Vec<_> = audit.records.iter().filter_map(AuditRecord::target).collect();
    assert_eq!(targets, ["whole", "after"]);
}

#[tokio::test]
async fn a_month_that_cannot_be_written_is_set_aside_and_not_overwritten() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    let now = Timestamp::now();
    let file = month(state.path(), &now.to_string()[..7]);
    fs::create_dir(&file).unwrap();
    ledger.visit(visit(&now.to_string(), "a"));
    assert_eq!(ledger.audit(Wanted::default()).await.unwrap().records.len(), 1);
    let aside = file.with_file_name(format!("{}.jsonl.unreadable-1", &now.to_string()[..7]));
    assert!(aside.is_dir(), "{}", aside.display());
}

#[test]
fn an_hour_of_the_smallest_bastion_in_tokyo_costs_what_aws_says() {
    let usd = cost::usd_per_hour(&tokyo()).unwrap();
    assert!((usd - 0.015_405).abs() < 1e-9, "{usd}");
    let arm = bastion_api::Size { architecture: Architecture::Arm.to_string(), ..tokyo() };
    assert!(cost::usd_per_hour(&arm).unwrap() < usd);
}

#[test]
fn the_configs_price_stands_above_the_table_and_a_region_without_one_is_said_to_have_none() {
    let named = bastion_api::Size { price_per_hour: Some(0.5), ..tokyo() };
    assert_eq!(cost::usd_per_hour(&named), Some(0.5));
    let mars = bastion_api::Size { region: "mars-north-1".into(), ..tokyo() };
    assert_eq!(cost::usd_per_hour(&mars), None);
    let (from, to) = (time("2026-11-02T10:00:00Z"), time("2026-11-02T11:00:00Z"));
    let bastion = Billed { size: mars, ..ran(from, to) };
    let sum = cost::sum(&[&bastion], from, to, to);
    assert_eq!((sum.usd, sum.unpriced_seconds), (0.0, 3600.0));
}

#[test]
fn a_minute_is_billed_at_least_and_nothing_where_no_image_was_pulled() {
    let at = time("2026-11-02T10:00:30Z");
    assert_eq!(cost::billed_seconds(Some(time("2026-11-02T10:00:00Z")), at), 60.0);
    assert_eq!(cost::billed_seconds(Some(time("2026-11-02T09:58:59.5Z")), at), 91.0);
    assert_eq!(cost::billed_seconds(None, at), 0.0);
}

#[test]
fn the_days_of_a_night_add_up_to_the_whole() {
    let now = time("2026-11-05T00:00:00Z");
    let (since, until) = (time("2026-11-01T00:00:00Z"), now);
    let bastions = [
        ran(time("2026-11-01T10:00:00Z"), time("2026-11-03T10:00:00Z")),
        ran(time("2026-11-02T23:59:50Z"), time("2026-11-02T23:59:55Z")),
        Billed { end: None, ..ran(time("2026-11-04T12:00:00Z"), now) },
    ];
    let cost = cost::report(&bastions, since, until, GroupBy::Day, now);
    let seconds: f64 = cost.rows.iter().map(|row| row.sum.seconds).sum();
    let usd: f64 = cost.rows.iter().map(|row| row.sum.usd).sum();
    let whole = 2.0 * 86400.0 + 60.0 + 43200.0;
    assert!((cost.total.seconds - whole).abs() < 1e-6, "{cost:#?}");
    assert!((seconds - whole).abs() < 1e-6 && (usd - cost.total.usd).abs() < 1e-9, "{cost:#?}");
    assert_eq!((cost.total.bastions, cost.total.running), (3, 1));
    assert!(cost.rows.len() >= 3, "{cost:#?}");
}

#[test]
fn what_was_billed_beyond_what_it_ran_falls_to_its_last_day() {
    let (from, to) = (time("2026-11-02T23:59:50Z"), time("2026-11-03T00:00:10Z"));
    let bastion = ran(from, to);
    let midnight = time("2026-11-03T00:00:00Z");
    let now = time("2026-11-04T00:00:00Z");
    assert_eq!(cost::sum(&[&bastion], time("2026-11-02T00:00:00Z"), midnight, now).seconds, 10.0);
    assert_eq!(cost::sum(&[&bastion], midnight, now, now).seconds, 50.0);
}

#[tokio::test]
async fn what_is_told_twice_counts_once_also_after_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    let now = Timestamp::now();
    let asked = now - 100.seconds();
    for _ in 0..2 {
        ledger.bastion_started(&note("one"), asked);
    }
    ledger.synced().await;
    let ledger = open(state.path());
    assert_eq!(ledger.running(), [TaskId::new("one")]);
    ledger.bastion_started(&note("one"), asked);
    for _ in 0..2 {
        ledger.bastion_ended(&note("one"), end(asked, now, None));
    }
    assert!(ledger.running().is_empty());
    ledger.synced().await;
    let ledger = open(state.path());
    ledger.bastion_ended(&note("one"), end(asked, now, None));
    let cost = ledger.cost(week()).await.unwrap();
    assert_eq!((cost.total.bastions, cost.total.seconds), (1, 100.0), "{cost:#?}");
    assert_eq!(ledger.audit(Wanted::default()).await.unwrap().records.len(), 2);
}

#[tokio::test]
async fn a_bastion_counts_from_its_pull_once_that_is_known_and_is_part_of_today_while_it_runs() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    let now = Timestamp::now();
    ledger.bastion_started(&note("one"), now - 300.seconds());
    ledger.bastion_pulled(&TaskId::new("one"), now - 100.seconds());
    let cost = ledger.cost(week()).await.unwrap();
    assert!((100.0..110.0).contains(&cost.total.seconds), "{cost:#?}");
    let today = ledger.today(Some("db"));
    assert_eq!((today.bastions, today.running), (1, 1));
    assert!(today.usd > 0.0);
    assert_eq!(ledger.today(Some("other")).bastions, 0);
}

#[tokio::test]
async fn an_end_that_aws_no_longer_tells_is_entered_as_estimated_with_its_bound() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    let now = Timestamp::now();
    let within = Some(Duration::from_secs(90));
    ledger.bastion_started(&note("one"), now - 600.seconds());
    ledger.bastion_ended(&note("one"), end(now - 600.seconds(), now, within));
    let cost = ledger.cost(week()).await.unwrap();
    assert_eq!(cost.total.estimated_seconds, 90.0, "{cost:#?}");
    let audit = ledger.audit(Wanted::default()).await.unwrap();
    assert!(
        matches!(audit.records.last(), Some(AuditRecord::BastionEnded(b)) if b.estimated_within == Some(90.0)),
        "{audit:#?}"
    );
}

#[tokio::test]
async fn the_audit_is_found_by_time_and_target_and_added_up_by_target_and_day() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    for (at, target) in [
        ("2026-11-02T10:00:00Z", "a"),
        ("2026-11-02T11:00:00Z", "a"),
        ("2026-11-02T12:00:00Z", "b"),
        ("2026-11-20T12:00:00Z", "a"),
    ] {
        ledger.visit(visit(at, target));
    }
    ledger.refused(RefusedRecord {
        time: time("2026-11-02T12:00:00Z"),
        target: "a".into(),
        visitor: Visitor::default(),
        code: None,
        why: "not let in".into(),
    });
    let wanted = Wanted {
        since: Some(time("2026-11-02T10:30:00Z")),
        until: Some(time("2026-11-03T00:00:00Z")),
        ..Wanted::default()
    };
    let found = ledger.audit(wanted.clone()).await.unwrap();
    assert_eq!(found.records.len(), 3, "{found:#?}");
    let of_a = Wanted { target: Some("a".into()), ..wanted.clone() };
    assert_eq!(ledger.audit(of_a).await.unwrap().records.len(), 2);
    let by_target = Wanted { by: Some(GroupBy::Target), ..wanted };
    let sums = ledger.audit(by_target).await.unwrap();
    let rows: Vec<_> = sums.rows.iter().map(|r| (r.name.as_str(), r.visits, r.refused)).collect();
    assert_eq!(rows, [("a", 1, 1), ("b", 1, 0)]);
    assert_eq!(sums.rows[0].programs, [("psql".to_owned(), 1)]);
    let by_day = Wanted {
        since: Some(time("2026-11-01T00:00:00Z")),
        by: Some(GroupBy::Day),
        ..Wanted::default()
    };
    let days = ledger.audit(by_day).await.unwrap();
    assert_eq!(days.rows.iter().map(|row| row.visits).sum::<u64>(), 4);
    assert_eq!(days.rows.len(), 2, "{days:#?}");
}

#[tokio::test]
async fn a_tunnels_beginning_and_end_both_name_its_session() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    ledger.tunnel_opened("db", &TaskId::new("one"), "amy-1");
    ledger.tunnel_closed("amy-1", Some("nobody used it".into()));
    ledger.tunnel_closed("amy-2", None);
    let audit = ledger.audit(Wanted::default()).await.unwrap();
    let sessions: Vec<_> = audit
        .records
        .iter()
        .filter_map(|record| match record {
            AuditRecord::TunnelOpened(opened) => Some(opened.session.as_str()),
            AuditRecord::TunnelClosed(closed) => Some(closed.session.as_str()),
            AuditRecord::Visit(_)
            | AuditRecord::Refused(_)
            | AuditRecord::BastionStarted(_)
            | AuditRecord::BastionEnded(_)
            | AuditRecord::Unknown => None,
        })
        .collect();
    assert_eq!(sessions, ["amy-1", "amy-1"]);
}

fn open(state: &Path) -> Ledger {
    Ledger::open(state, Clock::machine()).unwrap()
}

fn month(state: &Path, month: &str) -> PathBuf {
    state.join("ledger").join(format!("{month}.jsonl"))
}

fn week() -> Wanted {
    Wanted { since: Some(Timestamp::now() - 168.hours()), ..Wanted::default() }
}

fn visit(at: &str, target: &str) -> VisitRecord {
    VisitRecord {
        time: time(at),
        target: target.to_owned(),
        visitor: Visitor { program: Some("psql".into()), pid: Some(1), uid: Some(1000) },
        since: time(at),
        seconds: 1.5,
        bytes_in: 1,
        bytes_out: 2,
        task: None,
        ended: "ended".into(),
    }
}

fn note(task: &str) -> BastionNote {
    BastionNote {
        task: TaskId::new(task),
        target: "db".into(),
        site: "s".into(),
        size: TaskSize {
            cpu: Some(256),
            memory: Some(512),
            region: "ap-northeast-1".into(),
            ..TaskSize::default()
        },
        price_per_hour: None,
    }
}

fn end(pulled: Timestamp, at: Timestamp, estimated: Option<Duration>) -> BastionEnd {
    BastionEnd { pull_started: Some(pulled), at, estimated, why: None }
}

fn ran(from: Timestamp, to: Timestamp) -> Billed {
    let seconds = cost::billed_seconds(Some(from), to);
    let end = Some(End { at: to, seconds, estimated: 0.0 });
    Billed { target: "db".into(), size: tokyo(), from, end }
}

fn tokyo() -> bastion_api::Size {
    bastion_api::Size {
        region: "ap-northeast-1".into(),
        architecture: Architecture::X86.to_string(),
        cpu: 256,
        memory: 512,
        price_per_hour: None,
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
