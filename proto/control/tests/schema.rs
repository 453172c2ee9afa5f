//! The published JSON Schema of every shape: `proto/control/schema/<type>.json`. `UPDATE_SCHEMAS=1` writes them afresh.

#![cfg(feature = "schema")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bastion_api::schema::of;
use bastion_api::*;
use serde_json::Value;

/// Every shape by the name of its files.
fn shapes() -> Vec<(&'static str, schemars::Schema)> {
    vec![
        ("audit", of::<Audit>()),
        ("audit_record", of::<AuditRecord>()),
        ("by_hand", of::<ByHand>()),
        ("close_answer", of::<CloseAnswer>()),
        ("close_request", of::<CloseRequest>()),
        ("config_report", of::<ConfigReport>()),
        ("cost", of::<Cost>()),
        ("doctor_report", of::<DoctorReport>()),
        ("error_body", of::<ErrorBody>()),
        ("event", of::<Event>()),
        ("event_kinds", of::<Vec<EventKind>>()),
        ("forward_request", of::<ForwardRequest>()),
        ("health", of::<Health>()),
        ("info", of::<Info>()),
        ("init_answer", of::<InitAnswer>()),
        ("init_request", of::<InitRequest>()),
        ("open_event", of::<OpenEvent>()),
        ("open_request", of::<OpenRequest>()),
        ("password", of::<Password>()),
        ("policy", of::<Policy>()),
        ("problem_kinds", of::<Vec<ProblemKind>>()),
        ("refused", of::<Refused>()),
        ("reload_answer", of::<ReloadAnswer>()),
        ("stages", of::<Vec<Stage>>()),
        ("status", of::<Status>()),
        ("survey", of::<Survey>()),
        ("targets", of::<Targets>()),
        ("test_answer", of::<TestAnswer>()),
        ("version", of::<Version>()),
    ]
}

#[test]
fn every_schema_is_published_as_it_is() {
    let mut published = BTreeSet::new();
    for (name, schema) in shapes() {
        let path = folder("schema").join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::create_dir_all(folder("schema")).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, expected, "{}", path.display());
        published.insert(path);
    }
    let kept: BTreeSet<PathBuf> = files(&folder("schema")).into_iter().collect();
    assert_eq!(kept, published, "a file without a shape");
}

#[test]
fn what_this_version_writes_is_what_its_schema_says() {
    let schemas = shapes();
    for path in files(&folder("tests/shapes/current")) {
        let file = path.file_name().unwrap().to_str().unwrap();
        let name = file.split('.').next().unwrap();
        let (_, schema) = schemas
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("{name} has no schema"));
        let judge = jsonschema::validator_for(schema.as_value()).unwrap();
        let value: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let faults: Vec<String> =
            judge.iter_errors(&value).map(|fault| fault.to_string()).collect();
        assert_eq!(faults, [""; 0], "{file}");
    }
}

#[test]
fn a_schema_refuses_what_is_of_another_shape() {
    let judge = jsonschema::validator_for(of::<Status>().as_value()).unwrap();
    let text = fs::read_to_string(folder("tests/shapes/current").join("status.json")).unwrap();
    let mut status: Value = serde_json::from_str(&text).unwrap();
    assert!(judge.is_valid(&status));
    status["targets"][0]["state"] = "asleep".into();
    assert!(!judge.is_valid(&status), "no such state is ever written");
    status["targets"][0]["state"] = "ready".into();
    status.as_object_mut().unwrap().remove("schema_version");
    assert!(!judge.is_valid(&status), "every answer has its version");
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}
