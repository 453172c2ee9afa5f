use std::time::Duration;

use bastion_api::Timestamp;
use serde_json::{Value, json};

/// A daemon with these targets.
pub(crate) fn status<const N: usize>(targets: [Value; N]) -> Value {
    json!({
        "schema_version": 1, "version": "0.1.0", "pid": 321,
        "started_at": "2026-01-02T03:04:05Z", "config": "/home/amy/.config/bastiond/config.toml",
        "targets": targets.to_vec(),
    })
}

/// The targets of product.md's sketch.
pub(crate) fn sketch() -> Value {
    status([ready("prod-db"), starting("stg-mysql"), expired("old-db")])
}

/// A PostgreSQL target that is in use.
pub(crate) fn ready(name: &str) -> Value {
    json!({
        "name": name, "site": "prod", "engine": "postgres", "state": "ready",
        "addresses": ["[::1]:15432", "127.0.0.1:15432"], "port": 15432,
        "database": "neuraKnot", "user": "postgres", "state_seconds": 2280,
        "task": "arn:aws:ecs:ap-northeast-1:123456789012:task/neuraKnot-prod-cluster/0a1b",
        "visits": [
            visit(1, "pgAdmin", false), visit(2, "psql", false), visit(3, "pgAdmin", false),
            visit(4, "pgAdmin", false),
        ],
        "idle_stop_seconds": 840, "today_usd": 0.0104,
    })
}

/// A MySQL target on its way, with somebody waiting.
pub(crate) fn starting(name: &str) -> Value {
    json!({
        "name": name, "site": "stg", "engine": "mysql", "state": "starting", "stage": "pulling",
        "addresses": ["127.0.0.1:13306"], "port": 13306, "user": "admin", "database": "shop",
        "elapsed_seconds": 11.2, "estimate_seconds": 24.0, "today_usd": 0.0,
        "visits": [visit(5, "DBeaver", true)],
    })
}

/// A target that nobody uses.
pub(crate) fn cold(name: &str) -> Value {
    json!({
        "name": name, "site": "prod", "engine": "other", "state": "cold",
        "addresses": ["127.0.0.1:16379"], "port": 16379,
    })
}

/// A target whose login has expired.
pub(crate) fn expired(name: &str) -> Value {
    json!({
        "name": name, "site": "legacy", "engine": "postgres", "state": "problem", "port": 15440,
        "addresses": ["127.0.0.1:15440"],
        "problems": [{
            "code": "D18", "kind": "login",
            "message": "the AWS SSO login of profile \"legacy\" expired 2 h ago",
            "hints": ["aws sso login --profile legacy"],
        }],
    })
}

/// A connection made by that program, some 12 minutes ago.
pub(crate) fn visit(id: u64, program: &str, waiting: bool) -> Value {
    let since = Timestamp::now() - Duration::from_secs(12 * 60 + 20);
    json!({ "id": id, "program": program, "pid": 4710 + id, "since": since.to_string(), "waiting": waiting })
}

/// An answer that is a problem.
pub(crate) fn problem(code: &str, kind: &str, message: &str) -> Value {
    json!({
        "schema_version": 1,
        "problem": {
            "code": code, "kind": kind, "message": message,
            "causes": ["the first cause", "the cause of that"], "hints": ["type this"],
            "request_id": "8c2a1b7e-0001",
        },
    })
}

/// All targets, as far as their names go.
pub(crate) fn targets<const N: usize>(names: [&str; N]) -> Value {
    let targets = names.map(|name| json!({ "name": name, "site": "prod" }));
    json!({ "schema_version": 1, "targets": targets.to_vec() })
}

/// What a daemon says of a target that it does not know.
pub(crate) fn unknown_target() -> Value {
    json!({
        "schema_version": 1,
        "problem": { "code": "D32", "kind": "not_found", "message": "no target is called \"prod_db\"" },
    })
}

/// What clients are told about these targets.
pub(crate) fn info<const N: usize>(targets: [Value; N]) -> Value {
    json!({
        "schema_version": 1,
        "roots": {
            "bundle": "/home/amy/.config/bastiond/rds-global-bundle.pem",
            "file": "/home/amy/roots.pem",
        },
        "targets": targets.to_vec(),
    })
}

/// A PostgreSQL of RDS that is dangerous.
pub(crate) fn contact(name: &str) -> Value {
    json!({
        "target": {
            "name": name, "site": "prod", "engine": "postgres", "port": 15432, "danger": true,
            "addresses": ["[::1]:15432", "127.0.0.1:15432"], "database": "neuraKnot", "user": "postgres",
        },
        "account": "123456789012", "region": "eu-west-1", "proof": "secret", "tls": "rds",
        "remote_host": "prod-db.cx1.eu-west-1.rds.amazonaws.com", "remote_port": 5432,
    })
}

/// A MySQL of one's own that containers find.
pub(crate) fn mysql_contact(name: &str) -> Value {
    json!({
        "target": {
            "name": name, "site": "dev", "engine": "mysql", "port": 13306,
            "addresses": ["127.0.0.1:13306", "172.17.0.1:13306"], "database": "app", "user": "admin",
        },
        "account": "123456789012", "proof": "secret", "tls": "spoken",
        "remote_host": "db.internal", "remote_port": 3306,
        "docker_port": 13306, "docker_host": "172.17.0.1",
    })
}
