//! One sample of each shape, each field with a value of its own.

use std::collections::BTreeMap;

use bastion_api::*;
use serde_json::{Value, json};

use super::time;

pub(crate) fn audit() -> Audit {
    Audit {
        schema_version: 1,
        since: time("2026-01-01T00:00:00Z"),
        until: time("2026-01-03T00:00:00Z"),
        records: vec![
            AuditRecord::BastionStarted(BastionStartedRecord {
                time: time("2026-01-02T03:03:54Z"),
                task: TASK.into(),
                target: "prod-db".into(),
                site: "prod".into(),
                size: size(),
            }),
            AuditRecord::Refused(RefusedRecord {
                time: time("2026-01-02T03:04:00Z"),
                target: "prod-db".into(),
                visitor: Visitor { uid: Some(33), ..visitor() },
                code: Some("D33".into()),
                why: "it belongs to another user".into(),
            }),
            AuditRecord::Visit(VisitRecord {
                time: time("2026-01-02T03:14:05Z"),
                target: "prod-db".into(),
                visitor: visitor(),
                since: time("2026-01-02T03:04:05Z"),
                seconds: 600.25,
                bytes_in: 1024,
                bytes_out: 2048,
                task: Some(TASK.into()),
                ended: "the database's side ended".into(),
            }),
            AuditRecord::TunnelOpened(TunnelOpenedRecord {
                time: time("2026-01-02T03:04:05Z"),
                target: "prod-db".into(),
                session: "amy-0a1b2c3d4e5f6a7b8".into(),
                task: Some(TASK.into()),
            }),
            AuditRecord::TunnelClosed(TunnelClosedRecord {
                time: time("2026-01-02T03:29:05Z"),
                target: "prod-db".into(),
                session: "amy-0a1b2c3d4e5f6a7b8".into(),
                task: Some(TASK.into()),
                since: time("2026-01-02T03:04:05Z"),
                seconds: 1500.5,
                why: Some("nobody used it".into()),
            }),
            AuditRecord::BastionEnded(BastionEndedRecord {
                time: time("2026-01-02T03:29:30Z"),
                task: TASK.into(),
                target: "prod-db".into(),
                site: "prod".into(),
                size: Size { price_per_hour: Some(0.02), ..size() },
                billed_from: time("2026-01-02T03:04:00Z"),
                seconds: 1530.0,
                usd: Some(0.0085),
                estimated_within: Some(90.5),
                why: Some("Task stopped by user".into()),
            }),
        ],
        left_off: 3,
        by: None,
        rows: Vec::new(),
    }
}

pub(crate) fn audit_sums() -> Audit {
    let row = AuditRow {
        name: "2026-01-02".into(),
        visits: 4,
        refused: 1,
        bastions: 1,
        tunnels: 2,
        seconds: 1234.5,
        bytes_in: 1024,
        bytes_out: 2048,
        programs: vec![("pgAdmin".into(), 3), ("psql".into(), 1)],
    };
    Audit { records: Vec::new(), left_off: 0, by: Some(GroupBy::Day), rows: vec![row], ..audit() }
}

pub(crate) fn visitor() -> Visitor {
    Visitor { program: Some("psql".into()), pid: Some(4711), uid: Some(1000) }
}

pub(crate) fn size() -> Size {
    Size {
        region: "ap-northeast-1".into(),
        architecture: "x86_64".into(),
        cpu: 256,
        memory: 512,
        price_per_hour: None,
    }
}

pub(crate) fn cost() -> Cost {
    let sum = CostSum {
        bastions: 2,
        running: 1,
        seconds: 3600.5,
        usd: 0.0154,
        estimated_seconds: 90.5,
        unpriced_seconds: 60.0,
    };
    Cost {
        schema_version: 1,
        since: time("2026-01-01T00:00:00Z"),
        until: time("2026-01-03T00:00:00Z"),
        by: GroupBy::Target,
        rows: vec![CostRow { name: "prod-db".into(), sum }],
        total: sum,
        prices: vec![Price {
            region: "ap-northeast-1".into(),
            architecture: "x86_64".into(),
            vcpu: 0.25,
            memory_gb: 0.5,
            usd_per_hour: Some(0.0154),
            dated: Some("2026-01-01".parse().unwrap()),
        }],
    }
}

pub(crate) fn doctor_report() -> DoctorReport {
    let reach = "sg-0db allows 5432 only from sg-0app; the bastion uses sg-0prx";
    let fix = "aws ec2 authorize-security-group-ingress --group-id sg-0db --protocol tcp \
               --port 5432 --source-group sg-0prx";
    let check = |name: &str, status| Check {
        name: name.into(),
        site: Some("prod".into()),
        target: None,
        status,
        words: "as it should be".into(),
        code: None,
        details: Vec::new(),
        fix: None,
        problem: None,
        grant: None,
        because: None,
    };
    DoctorReport {
        schema_version: 1,
        version: "0.1.0".into(),
        time: time("2026-01-02T03:04:05Z"),
        live: true,
        targets: vec!["prod-db".into()],
        checks: vec![
            check("credentials", CheckStatus::Ok),
            Check {
                target: Some("prod-db".into()),
                words: reach.into(),
                code: Some("D10".into()),
                details: vec!["looked at in vpc-0a".into()],
                fix: Some(fix.into()),
                problem: Some(
                    Problem::new("D10", ProblemKind::DatabaseUnreachable, reach).hint(fix),
                ),
                ..check("database reach", CheckStatus::Fail)
            },
            Check {
                target: Some("prod-db".into()),
                grant: Some("rds:DescribeDBInstances".into()),
                ..check("rds status", CheckStatus::Unknown)
            },
            Check {
                target: Some("prod-db".into()),
                because: Some("database reach".into()),
                ..check("tunnel", CheckStatus::Skip)
            },
        ],
        problems: 1,
        unknown: 1,
    }
}

pub(crate) fn reloaded() -> ReloadAnswer {
    ReloadAnswer {
        schema_version: 1,
        config: Some("/home/amy/.config/bastiond/config.toml".into()),
        ok: true,
        faults: Vec::new(),
        added: vec!["new-db".into()],
        dropped: vec![DroppedTarget { name: "old-db".into(), visits: 2 }],
        altered: vec![AlteredTarget {
            name: "prod-db".into(),
            keys: vec!["listen".into(), "idle_timeout".into()],
            visits: 1,
        }],
        unchanged: vec!["stg-mysql".into()],
        needs_restart: vec!["ca_bundle".into()],
    }
}

pub(crate) fn not_reloaded() -> ReloadAnswer {
    ReloadAnswer {
        ok: false,
        faults: faulty().faults,
        added: Vec::new(),
        dropped: Vec::new(),
        altered: Vec::new(),
        unchanged: Vec::new(),
        needs_restart: Vec::new(),
        ..reloaded()
    }
}

pub(crate) fn by_hand() -> ByHand {
    ByHand {
        schema_version: SCHEMA_VERSION,
        target: "prod-db".into(),
        account: Some("123456789012".into()),
        region: Some("ap-northeast-1".into()),
        profile: Some("prod".into()),
        steps: vec![ByHandStep {
            title: "Find the database".into(),
            comments: vec!["RDS instance orders".into()],
            commands: vec!["HOST=$(aws rds describe-db-instances)".into()],
            unknown: Some("not permitted to call rds:DescribeDBInstances".into()),
        }],
    }
}

pub(crate) fn close_answer() -> CloseAnswer {
    CloseAnswer { schema_version: 1, target: "prod-db".into(), was: State::Ready, visits_ended: 2 }
}

pub(crate) fn good() -> ConfigReport {
    ConfigReport {
        schema_version: 1,
        path: Some("/home/amy/.config/bastiond/config.toml".into()),
        exists: true,
        ok: true,
        faults: Vec::new(),
        sites: json!({ "prod": { "region": "ap-northeast-1" } }),
        targets: json!({ "prod-db": { "site": "prod" } }),
    }
}

pub(crate) fn faulty() -> ConfigReport {
    let file = "/home/amy/.config/bastiond/config.toml";
    ConfigReport {
        ok: false,
        faults: vec![ConfigFault {
            file: file.into(),
            line: Some(12),
            key: "target.prod-db.lisen".into(),
            reason: "unknown key".into(),
            hint: Some("did you mean \"listen\"?".into()),
        }],
        sites: Value::Null,
        targets: Value::Null,
        ..good()
    }
}

pub(crate) fn problem() -> Problem {
    Problem::new("D18", ProblemKind::Login, "no bastion for prod-db")
        .because("the AWS login of profile \"prod\" ended 12 min ago")
        .hint("aws sso login --profile prod")
        .request(Some("8c2a1b7e-0001-4f00-9000-0123456789ab".into()))
}

pub(crate) fn event() -> Event {
    Event {
        seq: 17,
        time: time("2026-01-02T03:04:05.25Z"),
        target: Some("prod-db".into()),
        kind: EventKind::VisitOpened,
        message: "psql (pid 4711) came".into(),
        problem: None,
    }
}

pub(crate) fn trouble() -> Event {
    Event {
        seq: 18,
        target: None,
        kind: EventKind::ProblemFound,
        message: "the AWS login has ended".into(),
        problem: Some(problem()),
        ..event()
    }
}

pub(crate) fn health() -> Health {
    Health { schema_version: 1, ok: false, targets: 2, troubled: vec!["old-db".into()] }
}

pub(crate) fn stage() -> OpenEvent {
    OpenEvent::Stage { stage: Stage::Pulling, elapsed_seconds: 11.5, estimate_seconds: Some(24.0) }
}

pub(crate) fn ready() -> OpenEvent {
    OpenEvent::Ready {
        target: target(),
        elapsed_seconds: 24.75,
        hold_until: Some(time("2026-01-02T05:04:05Z")),
    }
}

pub(crate) fn password() -> Password {
    Password {
        schema_version: 1,
        user: Some("postgres".into()),
        password: "correct horse".into(),
        expires_at: Some(time("2026-01-02T03:19:05Z")),
    }
}

pub(crate) fn visit() -> VisitStatus {
    VisitStatus {
        id: 3,
        program: Some("psql".into()),
        pid: Some(4711),
        since: time("2026-01-02T03:04:05Z"),
        waiting: true,
        bytes_in: 1024,
        bytes_out: 2048,
        uid: Some(1000),
        silent_seconds: Some(2820),
        retiring: true,
    }
}

pub(crate) fn target() -> TargetStatus {
    TargetStatus {
        name: "prod-db".into(),
        site: "prod".into(),
        engine: Engine::Postgres,
        addresses: vec!["127.0.0.1:15432".into(), "[::1]:15432".into(), "unix:/run/x".into()],
        port: Some(15432),
        database: Some("neuraKnot".into()),
        user: Some("postgres".into()),
        state: State::Starting,
        state_seconds: 11,
        stage: Some(Stage::Pulling),
        elapsed_seconds: Some(11.5),
        estimate_seconds: Some(24.0),
        task: Some(TASK.into()),
        bastion_started_at: Some(time("2026-01-02T03:03:54Z")),
        visits: vec![visit()],
        holds: 1,
        idle_stop_seconds: Some(840),
        problems: vec![problem()],
        bastions: 2,
        tunnels: 1,
        ends_in_seconds: Some(3600),
        paused: Some(Paused {
            seconds: 12,
            waits_for: WaitsFor::Login,
            why: "the AWS login of profile \"prod\" has expired".into(),
        }),
        kept_up: Some(KeptUp {
            program: Some("pgAdmin".into()),
            pid: Some(4711),
            silent_seconds: 2820,
            counts_for_seconds: Some(780),
        }),
        today_usd: Some(0.0105),
        bytes_in: 4096,
        bytes_out: 8192,
        resumes: 3,
    }
}

pub(crate) fn test_answer() -> TestAnswer {
    TestAnswer {
        schema_version: 1,
        target: "prod-db".into(),
        engine: Engine::Postgres,
        address: "127.0.0.1:15432".into(),
        task: Some(TASK.into()),
        server_version: Some("15.8".into()),
        tls: Some(Tls::NotVerified),
        login: Login::Done,
        user: Some("postgres".into()),
        database: Some("neuraKnot".into()),
        answer_seconds: Some(0.0625),
        login_seconds: Some(0.25),
        round_trip_seconds: Some(0.03125),
        round_trips: 5,
    }
}

pub(crate) fn status() -> Status {
    Status {
        schema_version: 1,
        version: "0.1.0".into(),
        pid: 321,
        started_at: time("2026-01-01T00:00:00Z"),
        config: Some("/home/amy/.config/bastiond/config.toml".into()),
        targets: vec![target()],
        today_usd: Some(0.0105),
        on_stop: Some(OnStop::Leave),
    }
}

pub(crate) fn forward_request() -> ForwardRequest {
    ForwardRequest {
        site: Some("prod".into()),
        cluster: Some("dev-cluster".into()),
        service: Some("bastion-service".into()),
        container: Some("bastion".into()),
        profile: Some("dev".into()),
        region: Some("ap-northeast-1".into()),
        host: Some("db.internal".into()),
        remote_port: Some(3306),
        rds: Some("dev-mysql".into()),
        engine: Some(Engine::Mysql),
        local_port: Some(13306),
        listen: vec!["docker".into()],
    }
}

pub(crate) fn targets() -> Targets {
    Targets {
        schema_version: 1,
        targets: vec![TargetInfo {
            name: "prod-db".into(),
            site: "prod".into(),
            engine: Engine::Mysql,
            addresses: vec!["127.0.0.1:13306".into()],
            port: Some(13306),
            database: Some("shop".into()),
            user: Some("admin".into()),
            danger: true,
        }],
    }
}

pub(crate) fn version() -> Version {
    Version { schema_version: 1, version: "0.1.0".into(), pid: Some(321) }
}

pub(crate) fn user_policy() -> Policy {
    let cluster = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/main";
    let only = BTreeMap::from([("ecs:cluster".to_owned(), PolicyValues::One(cluster.to_owned()))]);
    Policy {
        schema_version: 1,
        whose: PolicyFor::User,
        sites: vec!["prod".into()],
        document: PolicyDocument {
            version: "2012-10-17".into(),
            statement: vec![PolicyStatement {
                sid: "ListBastions".into(),
                effect: "Allow".into(),
                principal: BTreeMap::new(),
                action: vec!["ecs:ListTasks".into()],
                resource: vec!["*".into()],
                condition: BTreeMap::from([("ArnEquals".to_owned(), only)]),
            }],
        },
        trust: None,
        statements: vec![PolicyReason {
            sid: "ListBastions".into(),
            sites: vec!["prod".into()],
            why: "finds tasks that an earlier run of bastiond left".into(),
            without: "such a task runs until its own end".into(),
            optional: false,
            notes: vec!["the action knows no narrower resource".into()],
        }],
        notes: vec!["the account is not known".into()],
    }
}

pub(crate) fn task_role_policy() -> Policy {
    let principal = ("Service".to_owned(), "ecs-tasks.amazonaws.com".to_owned());
    let trust = PolicyStatement {
        sid: "LetTasksTakeIt".into(),
        effect: "Allow".into(),
        principal: BTreeMap::from([principal]),
        action: vec!["sts:AssumeRole".into()],
        resource: Vec::new(),
        condition: BTreeMap::new(),
    };
    let document = PolicyDocument { version: "2012-10-17".into(), statement: vec![trust] };
    Policy { whose: PolicyFor::TaskRole, trust: Some(document), ..user_policy() }
}

const TASK: &str = "arn:aws:ecs:ap-northeast-1:123456789012:task/neuraKnot-prod-cluster/0a1b";
