//! Whatever the cloud's rooms say that they need is in a policy, or stands here with the reason why not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bastiond::policy;

use crate::shapes::{all, known};

/// What is asked and that no policy of a config needs.
const LEFT_OUT: &[(&str, &str)] = &[("sts:GetCallerIdentity", "everybody may")];

/// What only `init` asks, which looks into an account before there is a config: whoever runs it may look around.
const INIT: &str = "survey";

#[test]
fn every_action_that_a_room_needs_is_in_a_policy_or_left_out_for_a_reason() {
    let given = given();
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut seen = 0;
    for (room, actions) in needed() {
        seen += actions.len();
        let absent = |action: &String| {
            !given.contains(action) && !LEFT_OUT.iter().any(|(known, _)| known == action)
        };
        let absent: Vec<String> = actions.into_iter().filter(absent).collect();
        if !absent.is_empty() && !room.contains(INIT) {
            missing.insert(room, absent);
        }
    }
    assert!(seen > 20, "only {seen} needs were found");
    assert!(missing.is_empty(), "no policy has {missing:#?}");
}

#[test]
fn no_policy_gives_an_action_that_no_room_needs() {
    let needed: BTreeSet<String> = needed().into_iter().flat_map(|(_, actions)| actions).collect();
    let more: Vec<String> = given().into_iter().filter(|action| !needed.contains(action)).collect();
    // The database itself judges a token; nobody calls it.
    let of_nobody = ["rds-db:connect", "ssmmessages:OpenDataChannel"];
    let more: Vec<&String> =
        more.iter().filter(|action| !of_nobody.contains(&action.as_str())).collect();
    assert!(more.is_empty(), "nobody needs {more:?}");
}

#[test]
fn what_is_left_out_is_asked_for_somewhere() {
    let text: String = rooms().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for (action, why) in LEFT_OUT {
        assert!(text.contains(action), "{action}: {why}");
    }
}

/// All that any policy gives to a user, with the doctor's part.
fn given() -> BTreeSet<String> {
    let policies = all().into_iter().map(|(_, config)| policy::user(&known(&config), true));
    policies
        .flat_map(|policy| policy.document.statement)
        .flat_map(|statement| statement.action)
        .collect()
}

/// The `needs:` lines of every room, each with the actions that it names.
fn needed() -> Vec<(String, Vec<String>)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("aws/src");
    let lines = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let actions: Vec<String> = needs_of(&text).iter().flat_map(|line| actions(line)).collect();
        (path.strip_prefix(&src).unwrap().display().to_string(), actions)
    };
    rooms().iter().map(lines).filter(|(_, actions)| !actions.is_empty()).collect()
}

/// The lines that begin with `needs:`, and those that go on with them.
fn needs_of(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut goes_on = false;
    for line in text.lines().map_while(|line| line.strip_prefix("//!")) {
        goes_on = line.starts_with(" needs:") || goes_on && !line.trim().is_empty();
        if goes_on {
            found.push(line);
        }
    }
    found
}

fn rooms() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("aws/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// `service:Action`, wherever it stands in a line.
fn actions(line: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == ':' || c == '-';
    let words = line.split(|c: char| !is_part(c));
    let is_action = |word: &&str| {
        word.split_once(':').is_some_and(|(service, action)| {
            let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            !service.is_empty()
                && service.chars().all(letter)
                && action.starts_with(|c: char| c.is_ascii_uppercase())
                && action.chars().all(|c| c.is_ascii_alphanumeric())
        })
    };
    words.filter(is_action).map(str::to_owned).collect()
}
