//! What `--json` prints is what a published JSON Schema says: each screen of JSON is held against it.

use std::fs;
use std::path::Path;

use serde_json::{Deserializer, Value};

/// The schema of what each command prints: the daemon's own answers in `proto/control/schema`, bastionctl's in `ctl/schema`.
const SCHEMAS: &[(&str, &str)] = &[
    ("audit", "proto/control/schema/audit"),
    ("by-hand", "proto/control/schema/by_hand"),
    ("close", "proto/control/schema/close_answer"),
    ("completions", "ctl/schema/completions"),
    ("config check", "proto/control/schema/config_report"),
    ("config path", "ctl/schema/config_path"),
    ("config show", "proto/control/schema/config_report"),
    ("cost", "proto/control/schema/cost"),
    ("doctor", "proto/control/schema/doctor_report"),
    ("down", "proto/control/schema/close_answer"),
    ("env", "ctl/schema/env"),
    ("events", "proto/control/schema/event"),
    ("export", "ctl/schema/export"),
    ("info", "ctl/schema/info"),
    ("man", "ctl/schema/man"),
    ("init --stack", "ctl/schema/init_stack"),
    ("init", "proto/control/schema/init_answer"),
    ("forward", "ctl/schema/open"),
    ("open", "ctl/schema/open"),
    ("password", "proto/control/schema/password"),
    ("policy", "proto/control/schema/policy"),
    ("ports", "ctl/schema/ports"),
    ("reload", "proto/control/schema/reload_answer"),
    ("logs", "ctl/schema/logs"),
    ("service install", "ctl/schema/service_install"),
    ("service status", "ctl/schema/service_status"),
    ("service uninstall", "ctl/schema/service_uninstall"),
    ("service logs", "ctl/schema/logs"),
    ("service", "ctl/schema/service"),
    ("status", "proto/control/schema/status"),
    ("test", "proto/control/schema/test_answer"),
    ("token", "proto/control/schema/password"),
    // It has no JSON but the problem that says so.
    ("top", "proto/control/schema/error_body"),
    ("version", "ctl/schema/version"),
    ("wait", "ctl/schema/wait"),
];

/// Holds every JSON value on a screen against the schema of its command, or of a problem.
pub(crate) fn judge(command: &str, out: &str) {
    let own = schema(command);
    let problem = read("proto/control/schema/error_body");
    let refused = read("proto/control/schema/refused");
    for value in Deserializer::from_str(out).into_iter::<Value>() {
        let value = value.unwrap();
        if problem.is_valid(&value) || refused.is_valid(&value) {
            continue;
        }
        let faults: Vec<String> = own.iter_errors(&value).map(|fault| fault.to_string()).collect();
        assert!(
            faults.is_empty(),
            "{command} does not print what its schema says: {faults:#?}\n{value:#}"
        );
    }
}

fn schema(command: &str) -> jsonschema::Validator {
    let found = SCHEMAS.iter().find(|(words, _)| {
        command == *words || command.strip_prefix(words).is_some_and(|rest| rest.starts_with(' '))
    });
    let (_, path) = found.unwrap_or_else(|| {
        panic!("nothing is published of what `{command}` prints: add it to SCHEMAS, and where it is bastionctl's own type, to ctl/src/schema.rs")
    });
    read(path)
}

fn read(path: &str) -> jsonschema::Validator {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = root.join(path).with_extension("json");
    let text = fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

#[test]
fn another_shape_is_noticed() {
    let said = std::panic::catch_unwind(|| judge("cost --json", "{\"schema_version\":1}"));
    assert!(said.is_err());
    let unpublished = std::panic::catch_unwind(|| judge("conjure --json", "{}"));
    assert!(unpublished.is_err());
}
