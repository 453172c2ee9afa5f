//! The published JSON Schema of what bastionctl prints and no answer of the daemon's is: `ctl/schema/<command>.json`.
//! `UPDATE_SCHEMAS=1` writes them afresh. The daemon's own answers are in `proto/control/schema`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bastion_api::schema::of;

use crate::commands::{
    completions, config, env, export, info, init, man, open, ports, service, version, wait,
};

/// What each command prints.
fn shapes() -> Vec<(&'static str, schemars::Schema)> {
    vec![
        ("completions", of::<completions::Script>()),
        ("config_path", of::<config::Place<'_>>()),
        ("env", of::<env::Exports<'_>>()),
        ("export", of::<export::Exported<'_>>()),
        ("info", of::<info::Settings<'_>>()),
        ("man", of::<man::Manual>()),
        ("init_stack", of::<init::stack::Written>()),
        ("open", of::<open::Opened<'_>>()),
        ("ports", of::<ports::Listing>()),
        ("logs", of::<service::logs::Line>()),
        ("service", of::<service::Done<'_>>()),
        ("service_install", of::<service::install::Installed<'_>>()),
        ("service_status", of::<service::status::Told>()),
        ("service_uninstall", of::<service::uninstall::Uninstalled>()),
        ("version", of::<version::Versions<'_>>()),
        ("wait", of::<wait::Reached<'_>>()),
    ]
}

#[test]
fn every_schema_is_published_as_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let mut published = BTreeSet::new();
    for (name, schema) in shapes() {
        let path = folder.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::create_dir_all(&folder).expect("the folder can be made");
            fs::write(&path, &text).expect("the schema can be written");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, expected, "{}", path.display());
        published.insert(path);
    }
    let kept = fs::read_dir(&folder).expect("schemas are published");
    let kept: BTreeSet<PathBuf> = kept.map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(kept, published, "a file without a shape");
}
