//! Every type's JSON as a file: what would break if it changed is seen in the diff.
//!
//! | folder | holds | the test |
//! |---|---|---|
//! | `shapes/current` | what this version writes | must be written to the letter |
//! | `shapes/bare` | only what a shape cannot do without | must load |
//! | `shapes/newer` | what a newer version may write: unknown fields, unknown words | must load |
//! | `shapes/<version>` | what a released version wrote, copied from `current` at its release | must load |
//!
//! A file is named `<type>.json`, or `<type>.<case>.json`. `UPDATE_SHAPES=1` writes `shapes/current` afresh.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "samples/info.rs"]
mod info;
#[path = "samples/init.rs"]
mod init;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bastion_api::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[test]
fn every_shape_is_written_as_its_file_says() {
    let mut written = BTreeSet::new();
    for (name, text) in samples() {
        let path = shapes().join("current").join(format!("{name}.json"));
        if std::env::var_os("UPDATE_SHAPES").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, expected, "{}", path.display());
        written.insert(path);
    }
    let kept: BTreeSet<PathBuf> = files(&shapes().join("current")).into_iter().collect();
    assert_eq!(kept, written, "a file without a sample, or a sample without a file");
}

#[test]
fn every_shape_of_every_folder_loads() {
    let mut loaded = 0;
    for folder in fs::read_dir(shapes()).unwrap() {
        for path in files(&folder.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            load(name.split('.').next().unwrap(), &text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            loaded += 1;
        }
    }
    assert!(loaded > 40, "only {loaded} shapes were found");
}

#[test]
fn what_this_version_writes_it_reads_back_without_loss() {
    for path in files(&shapes().join("current")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let again = load(name.split('.').next().unwrap(), &text).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(&text).unwrap(), "{name}");
    }
}

#[test]
fn every_word_of_json_is_the_word_that_people_see() {
    for state in [State::Cold, State::Starting, State::Ready, State::Stopping, State::Problem] {
        assert_eq!(json!(state), json!(state.word()));
    }
    for engine in [Engine::Postgres, Engine::Mysql, Engine::Other] {
        assert_eq!(json!(engine), json!(engine.word()));
    }
    for status in CHECK_STATUSES {
        assert_eq!(json!(status), json!(status.word()));
    }
    for by in [GroupBy::Target, GroupBy::Day] {
        assert_eq!(json!(by), json!(by.word()));
    }
    for whose in [PolicyFor::User, PolicyFor::TaskRole] {
        assert_eq!(json!(whose), json!(whose.word()));
    }
    for kind in EVENT_KINDS {
        assert_eq!(json!(kind), json!(kind.word()));
    }
}

#[test]
fn a_word_of_a_newer_version_reads_as_the_last_resort() {
    fn read<T: DeserializeOwned>(word: &str) -> T {
        serde_json::from_value(json!(word)).unwrap()
    }
    assert_eq!(read::<ProblemKind>("eclipse"), ProblemKind::Failed);
    assert_eq!(read::<State>("eclipse"), State::Unknown);
    assert_eq!(read::<Stage>("eclipse"), Stage::Unknown);
    assert_eq!(read::<EventKind>("eclipse"), EventKind::Unknown);
    assert_eq!(read::<Engine>("eclipse"), Engine::Other);
    assert_eq!(read::<OnStop>("eclipse"), OnStop::Unknown);
    assert_eq!(read::<WaitsFor>("eclipse"), WaitsFor::Unknown);
    assert_eq!(read::<CheckStatus>("eclipse"), CheckStatus::Skip);
    assert_eq!(read::<Tls>("eclipse"), Tls::Unknown);
    assert_eq!(read::<Login>("eclipse"), Login::Unknown);
    assert_eq!(read::<GroupBy>("eclipse"), GroupBy::Unknown);
    assert_eq!(read::<PolicyFor>("eclipse"), PolicyFor::Unknown);
    assert_eq!(read::<SurveyOpen>("eclipse"), SurveyOpen::Unknown);
    assert_eq!(read::<SiteFlaw>("eclipse"), SiteFlaw::Unknown);
    assert_eq!(read::<DatabaseKind>("eclipse"), DatabaseKind::Unknown);
    let line = json!({ "record": "eclipse", "time": "2026-01-02T03:04:05Z", "sun": 1 });
    assert_eq!(serde_json::from_value::<AuditRecord>(line).unwrap(), AuditRecord::Unknown);
    let line = json!({ "event": "eclipse", "sun": 1 });
    assert_eq!(serde_json::from_value::<OpenEvent>(line).unwrap(), OpenEvent::Unknown);
}

#[test]
fn every_kind_of_problem_has_the_exit_code_of_the_manual() {
    let codes: Vec<u8> = KINDS.iter().map(|kind| kind.exit_code()).collect();
    assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 70]);
}

/// Reads the text as the type of that name and gives back what the type would write.
fn load(name: &str, text: &str) -> Result<Value, serde_json::Error> {
    fn through<T: DeserializeOwned + Serialize>(text: &str) -> Result<Value, serde_json::Error> {
        serde_json::to_value(serde_json::from_str::<T>(text)?)
    }
    match name {
        "audit" => through::<Audit>(text),
        "audit_record" => through::<AuditRecord>(text),
        "by_hand" => through::<ByHand>(text),
        "close_answer" => through::<CloseAnswer>(text),
        "close_request" => through::<CloseRequest>(text),
        "config_report" => through::<ConfigReport>(text),
        "cost" => through::<Cost>(text),
        "doctor_report" => through::<DoctorReport>(text),
        "error_body" => through::<ErrorBody>(text),
        "event" => through::<Event>(text),
        "event_kinds" => through::<Vec<EventKind>>(text),
        "forward_request" => through::<ForwardRequest>(text),
        "health" => through::<Health>(text),
        "info" => through::<Info>(text),
        "init_answer" => through::<InitAnswer>(text),
        "init_request" => through::<InitRequest>(text),
        "open_event" => through::<OpenEvent>(text),
        "open_request" => through::<OpenRequest>(text),
        "password" => through::<Password>(text),
        "policy" => through::<Policy>(text),
        "problem_kinds" => through::<Vec<ProblemKind>>(text),
        "reload_answer" => through::<ReloadAnswer>(text),
        "refused" => through::<Refused>(text),
        "stages" => through::<Vec<Stage>>(text),
        "status" => through::<Status>(text),
        "survey" => through::<Survey>(text),
        "targets" => through::<Targets>(text),
        "test_answer" => through::<TestAnswer>(text),
        "version" => through::<Version>(text),
        other => panic!("no type is called {other}"),
    }
}

/// One sample of everything, each field with a value of its own.
fn samples() -> Vec<(&'static str, String)> {
    vec![
        ("audit.records", pretty(&audit())),
        ("audit.sums", pretty(&audit_sums())),
        ("by_hand", pretty(&by_hand())),
        ("close_answer", pretty(&close_answer())),
        ("close_request", pretty(&CloseRequest { force: true })),
        ("config_report.faulty", pretty(&faulty())),
        ("config_report.good", pretty(&good())),
        ("cost", pretty(&cost())),
        ("doctor_report", pretty(&doctor_report())),
        ("error_body", pretty(&ErrorBody::from(problem()))),
        ("event.plain", pretty(&event())),
        ("event.problem", pretty(&trouble())),
        ("event_kinds", pretty(&EVENT_KINDS)),
        ("forward_request", pretty(&forward_request())),
        ("health", pretty(&health())),
        ("info", pretty(&info::info(problem()))),
        ("init_answer", pretty(&init::answer())),
        ("init_request", pretty(&init::request())),
        ("open_event.failed", pretty(&OpenEvent::Failed { problem: problem() })),
        ("open_event.ready", pretty(&ready())),
        ("open_event.stage", pretty(&stage())),
        ("open_event.tunnels", pretty(&OpenEvent::Tunnels { standing: 3, wanted: 8 })),
        ("open_request", pretty(&OpenRequest { hold_seconds: Some(7200), tunnels: Some(8) })),
        ("password", pretty(&password())),
        ("policy.task_role", pretty(&task_role_policy())),
        ("policy.user", pretty(&user_policy())),
        ("problem_kinds", pretty(&KINDS)),
        ("reload_answer.done", pretty(&reloaded())),
        ("reload_answer.faulty", pretty(&not_reloaded())),
        ("refused", pretty(&Refused::new(problem(), vec![visit()]))),
        ("stages", pretty(&STAGES)),
        ("status", pretty(&status())),
        ("survey.looked", pretty(&init::survey(problem()))),
        ("survey.open", pretty(&init::open())),
        ("targets", pretty(&targets())),
        ("test_answer", pretty(&test_answer())),
        ("version", pretty(&version())),
    ]
}

fn audit() -> Audit {
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

fn audit_sums() -> Audit {
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

fn visitor() -> Visitor {
    Visitor { program: Some("psql".into()), pid: Some(4711), uid: Some(1000) }
}

fn size() -> Size {
    Size {
        region: "ap-northeast-1".into(),
        architecture: "x86_64".into(),
        cpu: 256,
        memory: 512,
        price_per_hour: None,
    }
}

fn cost() -> Cost {
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

fn doctor_report() -> DoctorReport {
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

fn reloaded() -> ReloadAnswer {
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

fn not_reloaded() -> ReloadAnswer {
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

fn by_hand() -> ByHand {
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

fn close_answer() -> CloseAnswer {
    CloseAnswer { schema_version: 1, target: "prod-db".into(), was: State::Ready, visits_ended: 2 }
}

fn good() -> ConfigReport {
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

fn faulty() -> ConfigReport {
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

fn problem() -> Problem {
    Problem::new("D18", ProblemKind::Login, "no bastion for prod-db")
        .because("the AWS login of profile \"prod\" ended 12 min ago")
        .hint("aws sso login --profile prod")
        .request(Some("8c2a1b7e-0001-4f00-9000-0123456789ab".into()))
}

fn event() -> Event {
    Event {
        seq: 17,
        time: time("2026-01-02T03:04:05.25Z"),
        target: Some("prod-db".into()),
        kind: EventKind::VisitOpened,
        message: "psql (pid 4711) came".into(),
        problem: None,
    }
}

fn trouble() -> Event {
    Event {
        seq: 18,
        target: None,
        kind: EventKind::ProblemFound,
        message: "the AWS login has ended".into(),
        problem: Some(problem()),
        ..event()
    }
}

fn health() -> Health {
    Health { schema_version: 1, ok: false, targets: 2, troubled: vec!["old-db".into()] }
}

fn stage() -> OpenEvent {
    OpenEvent::Stage { stage: Stage::Pulling, elapsed_seconds: 11.5, estimate_seconds: Some(24.0) }
}

fn ready() -> OpenEvent {
    OpenEvent::Ready {
        target: target(),
        elapsed_seconds: 24.75,
        hold_until: Some(time("2026-01-02T05:04:05Z")),
    }
}

fn password() -> Password {
    Password {
        schema_version: 1,
        user: Some("postgres".into()),
        password: "correct horse".into(),
        expires_at: Some(time("2026-01-02T03:19:05Z")),
    }
}

fn visit() -> VisitStatus {
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

fn target() -> TargetStatus {
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

fn test_answer() -> TestAnswer {
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

fn status() -> Status {
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

fn forward_request() -> ForwardRequest {
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

fn targets() -> Targets {
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

fn version() -> Version {
    Version { schema_version: 1, version: "0.1.0".into(), pid: Some(321) }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap();
    text.push('\n');
    text
}

fn shapes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shapes")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

const KINDS: [ProblemKind; 12] = [
    ProblemKind::Failed,
    ProblemKind::Usage,
    ProblemKind::NotRunning,
    ProblemKind::Login,
    ProblemKind::NotPermitted,
    ProblemKind::NotFound,
    ProblemKind::TimedOut,
    ProblemKind::PortConflict,
    ProblemKind::BastionFailed,
    ProblemKind::DatabaseUnreachable,
    ProblemKind::DoctorFound,
    ProblemKind::Bug,
];

const CHECK_STATUSES: [CheckStatus; 4] =
    [CheckStatus::Ok, CheckStatus::Fail, CheckStatus::Unknown, CheckStatus::Skip];

const STAGES: [Stage; 6] = [
    Stage::Discovering,
    Stage::Requesting,
    Stage::Provisioning,
    Stage::Pulling,
    Stage::StartingAgent,
    Stage::Connecting,
];

const TASK: &str = "arn:aws:ecs:ap-northeast-1:123456789012:task/neuraKnot-prod-cluster/0a1b";

const EVENT_KINDS: [EventKind; 24] = [
    EventKind::DaemonStarted,
    EventKind::DaemonStopping,
    EventKind::Asked,
    EventKind::BastionStarting,
    EventKind::BastionStage,
    EventKind::BastionReady,
    EventKind::BastionIdle,
    EventKind::BastionAdopted,
    EventKind::BastionRetiring,
    EventKind::BastionStopping,
    EventKind::BastionStopped,
    EventKind::TunnelOpened,
    EventKind::TunnelPaused,
    EventKind::TunnelResumed,
    EventKind::TunnelClosed,
    EventKind::VisitOpened,
    EventKind::VisitSilent,
    EventKind::VisitClosed,
    EventKind::VisitRefused,
    EventKind::HoldPlaced,
    EventKind::HoldEnded,
    EventKind::ConfigReloaded,
    EventKind::ProblemFound,
    EventKind::ProblemCleared,
];

fn user_policy() -> Policy {
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

fn task_role_policy() -> Policy {
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
