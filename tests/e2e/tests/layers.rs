//! The crates may depend on each other only along the arrows drawn in README.md.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Every allowed arrow: a crate, and those of ours it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("ssm-proto", &[]),
    ("dbwire", &[]),
    ("bastion-api", &[]),
    ("bastion-cloud", &[]),
    ("bastion-pool", &["bastion-cloud"]),
    ("bastion-aws", &["bastion-cloud"]),
    ("ssm-tunnel", &["ssm-proto"]),
    ("bastion-sim", &["ssm-proto"]),
    (
        "bastiond",
        &["bastion-api", "bastion-aws", "bastion-cloud", "bastion-pool", "dbwire", "ssm-tunnel"],
    ),
    ("bastionctl", &["bastion-api"]),
    // What only tests, and is used by nobody: the stories start the demo's database servers, the benches the stories' house.
    ("xtask", &[]),
    ("bastion-e2e", &["bastion-api", "bastion-sim", "xtask"]),
    ("bastion-bench", &["bastion-api", "bastion-e2e", "bastion-sim", "ssm-tunnel", "xtask"]),
];
/// Crates that stay pure: none of these may appear among their dependencies.
const PURE: &[&str] = &["ssm-proto", "dbwire", "bastion-cloud", "bastion-pool"];
const IMPURE: &[&str] = &["tokio", "rand", "reqwest", "hyper", "aws-config"];
/// What one crate alone may use of others, by the start of its name.
const RESERVED: &[(&str, &[&str])] = &[
    ("aws-sdk-", &["bastion-aws"]),
    ("aws-config", &["bastion-aws"]),
    ("tokio-tungstenite", &["ssm-tunnel", "bastion-sim"]),
    ("axum", &["bastiond", "bastion-sim"]),
    ("clap", &["bastiond", "bastionctl", "bastion-sim", "xtask"]),
];

#[test]
fn crates_follow_the_drawn_arrows() {
    let found = ours();
    let names: BTreeSet<_> = ARROWS.iter().map(|(name, _)| *name).collect();
    for (krate, allowed) in ARROWS {
        let allowed: BTreeSet<_> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let used: BTreeSet<_> =
            found[*krate].iter().filter(|dep| names.contains(dep.as_str())).cloned().collect();
        assert!(used.is_subset(&allowed), "{krate} uses more than README.md draws: {used:?}");
    }
}

#[test]
fn every_crate_of_the_workspace_is_drawn() {
    let drawn: BTreeSet<_> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let found: BTreeSet<_> = ours().into_keys().collect();
    assert_eq!(found, drawn);
}

#[test]
fn pure_crates_stay_pure() {
    let found = ours();
    for krate in PURE {
        for dep in IMPURE {
            assert!(!found[*krate].contains(*dep), "{krate} must not depend on {dep}");
        }
    }
}

#[test]
fn what_is_kept_to_one_room_stays_there() {
    for (krate, deps) in ours() {
        for (start, rooms) in RESERVED {
            let found = deps.iter().find(|dep| dep.starts_with(start));
            assert!(
                found.is_none() || rooms.contains(&krate.as_str()),
                "{krate} must not use {found:?}: that is kept to {rooms:?}"
            );
        }
    }
}

/// Every crate of the workspace with what it depends on, other than for its own tests.
fn ours() -> BTreeMap<String, BTreeSet<String>> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1"])
        .output()
        .expect("cargo metadata runs");
    let meta: serde_json::Value =
        serde_json::from_slice(&out.stdout).expect("cargo metadata is JSON");
    let text = |v: &serde_json::Value| v.as_str().expect("a string").to_owned();
    meta["packages"]
        .as_array()
        .expect("a list of packages")
        .iter()
        .map(|package| {
            let deps = package["dependencies"].as_array().expect("a list").iter();
            let name = text(&package["name"]);
            (name, deps.filter(|dep| dep["kind"].is_null()).map(|dep| text(&dep["name"])).collect())
        })
        .collect()
}
