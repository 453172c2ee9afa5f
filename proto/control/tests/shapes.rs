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

#[path = "samples/answers.rs"]
mod answers;
#[path = "samples/info.rs"]
mod info;
#[path = "samples/init.rs"]
mod init;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bastion_api::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use answers::*;

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
