//! The modules of bastiond use each other only along the arrows that README.md draws: downwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every module, from above, and those that it may use. A room inside a module that others use by itself has its own line.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["args", "run", "host"]),
    (
        "run",
        &[
            "config", "host", "state", "events", "ledger", "keeper", "tunnels", "explain",
            "listen", "control",
        ],
    ),
    (
        "control",
        &[
            "by_hand", "init", "policy", "doctor", "probe", "listen", "keeper", "tunnels",
            "events", "ledger", "explain", "host",
        ],
    ),
    ("doctor", &["listen", "listen::shadow", "explain"]),
    ("listen", &["listen::shadow", "keeper", "tunnels", "events", "ledger", "explain", "state"]),
    ("by_hand", &[]),
    ("policy", &[]),
    ("explain", &["init", "probe", "listen::shadow", "keeper", "tunnels", "ledger", "state"]),
    ("probe", &[]),
    ("init", &["state"]),
    ("keeper", &["tunnels", "events", "ledger", "state"]),
    ("ledger", &["tunnels", "state"]),
    ("tunnels", &["events", "state"]),
    ("events", &[]),
    ("listen::shadow", &[]),
    ("state", &[]),
    ("host", &[]),
    ("args", &[]),
    ("config", &[]),
    ("clock", &[]),
    ("tasks", &[]),
];
/// Everybody may use these.
const COMMON: &[&str] = &["config", "clock", "tasks"];

#[test]
fn modules_follow_the_drawn_arrows() {
    for (module, used) in found() {
        let drawn = ARROWS.iter().find(|(name, _)| *name == module);
        let (_, allowed) = drawn.unwrap_or_else(|| panic!("{module} is not drawn"));
        for other in used {
            let free = other == module || COMMON.contains(&other.as_str());
            assert!(
                free || allowed.contains(&other.as_str()),
                "{module} uses {other}, which README.md does not draw"
            );
        }
    }
}

#[test]
fn no_arrow_leads_back_up() {
    for (place, (module, allowed)) in ARROWS.iter().enumerate() {
        for other in *allowed {
            let below = ARROWS[place..].iter().any(|(name, _)| name == other);
            assert!(below, "{module} → {other} leads up");
        }
    }
}

/// What each module uses, by its sources; what is compiled for tests only does not count.
fn found() -> BTreeMap<String, BTreeSet<String>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources(&src) {
        let inside = file.strip_prefix(&src).expect("it lies in src");
        let text = fs::read_to_string(&file).expect("a source can be read");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let module = module_of(inside);
        if module != "lib" {
            found.entry(module).or_default().extend(used_in(text));
        }
    }
    found
}

/// Every source file but those of tests.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "tests" {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && name != "tests" {
            files.push(path);
        }
    }
    files
}

/// `listen/tcp.rs` belongs to `listen`, and `listen/shadow.rs` to a room of its own.
fn module_of(file: &Path) -> String {
    let names: Vec<String> =
        file.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    room(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The longest beginning of a path that is drawn by itself, else its first name.
fn room(path: &[&str]) -> String {
    let two = path.iter().take(2).copied().collect::<Vec<_>>().join("::");
    if ARROWS.iter().any(|(name, _)| *name == two) { two } else { path[0].to_owned() }
}

/// Every path that begins at the crate's root: `crate::a::b`, `crate::{a::b, c}`, and `bastiond::…` in main.
fn used_in(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join(" ")
        // Who may see a thing is no use of it.
        .replace("(in crate::", "(in ");
    let mut used = BTreeSet::new();
    for root in ["crate::", "bastiond::"] {
        for (at, _) in code.match_indices(root) {
            let whole = code[..at].chars().next_back().is_none_or(|before| !is_name(before));
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                _ if !whole => {}
                Some(group) => used.extend(members(group)),
                None => used.extend(first(rest)),
            }
        }
    }
    used
}

/// The members of `{a::b, c::{d, e}}`, whose opening brace is behind us.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            ',' if depth == 0 => {
                found.extend(first(&group[start..at]));
                start = at + 1;
            }
            '}' if depth == 0 => {
                found.extend(first(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    found
}

/// The module at the beginning of a path; none where it is empty.
fn first(path: &str) -> Option<String> {
    let names: Vec<&str> = path
        .trim_start()
        .split("::")
        .map(|name| &name[..name.find(|letter| !is_name(letter)).unwrap_or(name.len())])
        .take_while(|name| !name.is_empty())
        .collect();
    (!names.is_empty()).then(|| room(&names))
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[test]
fn every_way_to_write_a_path_is_seen() {
    let text = "use crate::keeper::Keeper; use crate::{events, listen::{shadow::Owner, tcp}, config::Config};\n\
                // crate::args is only spoken of\n fn f() { crate::host::uid(); mycrate::run() }";
    let expected = ["keeper", "events", "listen", "config", "host"].map(str::to_owned);
    assert_eq!(used_in(text), BTreeSet::from(expected));
    let shadow = used_in("use crate::listen::shadow::Owner;");
    assert_eq!(shadow, BTreeSet::from(["listen::shadow".to_owned()]));
}
