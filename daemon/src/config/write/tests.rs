use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::{Addition, Entry, Found, Line, WriteError, added};
use crate::config::{Config, parse};

const SITE: &str = "[site.old]\ncluster = \"c\"\nservice = \"s\"\n";
const TARGET: &str = "[target.old-db]\nsite = \"old\"\nrds = \"old-db\"\nlisten = 15432\n";

fn site(name: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        about: vec!["Where bastions run.".to_owned()],
        keys: vec![
            Line::new("cluster", "it's \"c\""),
            Line::new("service", "s").remark("its task is used"),
        ],
        more: vec!["idle_timeout = \"15m\"".to_owned()],
    }
}

fn target(name: &str, port: i64) -> Entry {
    Entry {
        name: name.to_owned(),
        about: vec!["A database.".to_owned()],
        keys: vec![
            Line::new("site", "new"),
            Line::new("rds", "db"),
            Line::new("listen", port).remark("127.0.0.1 and ::1"),
        ],
        more: Vec::new(),
    }
}

fn both() -> Addition {
    let mut site = site("new");
    site.keys[0] = Line::new("cluster", "c");
    Addition { sites: vec![site], targets: vec![target("new-db", 15433)] }
}

fn with(old: &str) -> String {
    added(old, &both()).unwrap()
}

fn meaning(text: &str) -> Config {
    parse(Path::new("c.toml"), text).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

fn names(config: &Config) -> (Vec<&str>, Vec<&str>) {
    (
        config.sites.keys().map(String::as_str).collect(),
        config.targets.iter().map(|target| target.name.as_str()).collect(),
    )
}

#[test]
fn a_new_file_begins_with_what_it_is_and_each_table_with_what_that_is() {
    let text = with("");
    let expected = "\n# Where bastions run.\n[site.new]\ncluster = \"c\"\nservice = \"s\"  # its task is used\n\
                    # idle_timeout = \"15m\"\n\n# A database.\n[target.new-db]\nsite = \"new\"\nrds = \"db\"\n\
                    listen = 15433  # 127.0.0.1 and ::1\n";
    assert!(text.starts_with("# What bastiond does"), "{text}");
    assert!(text.ends_with(expected), "{text}");
    assert_eq!(names(&meaning(&text)), (vec!["new"], vec!["new-db"]));
}

#[test]
fn every_byte_that_a_person_wrote_stays_in_front_of_what_is_added() {
    for old in [
        format!("{SITE}{TARGET}"),
        format!("{SITE}{TARGET}# the last word"),
        format!("# mine\n\n\n   {SITE}  # odd   \n{TARGET}\t\n\n\n"),
        format!("{TARGET}\n{SITE}allow = 1").replace("allow = 1", "# no end of line"),
        format!("{SITE}{TARGET}").replace('\n', "\r\n"),
        "# only a comment".to_owned(),
        "\n\n".to_owned(),
    ] {
        let new = with(&old);
        assert!(new.starts_with(&old), "{old:?}\n{new:?}");
        let (sites, targets) = (meaning(&new).sites.len(), meaning(&new).targets.len());
        let before = meaning(&old);
        assert_eq!((sites, targets), (before.sites.len() + 1, before.targets.len() + 1));
    }
}

#[test]
fn line_ends_are_the_files_own() {
    let new = with(&format!("{SITE}{TARGET}").replace('\n', "\r\n"));
    assert_eq!(new.matches('\n').count(), new.matches("\r\n").count(), "{new:?}");
    let new = with(&format!("{SITE}{TARGET}"));
    assert!(!new.contains('\r'), "{new:?}");
}

#[test]
fn tables_in_braces_get_theirs_inside_the_braces() {
    let sites = "site = { old = { cluster = \"c\", service = \"s\" } } # mine\n";
    let targets = "target = {old={site=\"old\",rds=\"x\",listen=15432}}\n";
    let new = with(&format!("{sites}{targets}"));
    assert_eq!(names(&meaning(&new)), (vec!["new", "old"], vec!["old", "new-db"]));
    let expected = "site = { old = { cluster = \"c\", service = \"s\" }, new = { cluster = \"c\", service = \"s\" } } # mine\n\
                    target = {old={site=\"old\",rds=\"x\",listen=15432}, new-db = { site = \"new\", rds = \"db\", listen = 15433 }}\n";
    assert_eq!(new, expected);
}

#[test]
fn empty_braces_and_braces_beside_headers_take_it_too() {
    assert_eq!(names(&meaning(&with("site = {}\ntarget = { }\n"))), (vec!["new"], vec!["new-db"]));
    let mixed = format!("site = {{ old = {{ cluster = \"c\", service = \"s\" }} }}\n{TARGET}");
    let new = with(&mixed);
    assert_eq!(names(&meaning(&new)), (vec!["new", "old"], vec!["old-db", "new-db"]));
    assert!(new.contains("}, new = {"), "{new}");
    assert!(new.contains("\n[target.new-db]\n"), "{new}");
}

#[test]
fn braces_over_many_lines_and_with_a_last_comma_take_it_too() {
    let old = "site = {\n  # mine\n  old = { cluster = \"c\", service = \"s\" }, # and mine\n}\n";
    let new = with(old);
    assert_eq!(names(&meaning(&new)), (vec!["new", "old"], vec!["new-db"]));
    assert!(new.contains("# mine") && new.contains("# and mine"), "{new}");
}

#[test]
fn dotted_keys_and_split_tables_are_no_hindrance() {
    for old in [
        "site.old.cluster = \"c\"\nsite.old.service = \"s\"\n",
        "[site]\nold = { cluster = \"c\", service = \"s\" }\n",
        "[site]\nold.cluster = \"c\"\nold.service = \"s\"\n",
        "[target.a]\nsite = \"old\"\nrds = \"a\"\nlisten = 1500\n[site.old]\ncluster = \"c\"\nservice = \"s\"\n\
         [target.b]\nsite = \"old\"\nrds = \"b\"\nlisten = 1501\n[daemon]\non_stop = \"leave\"\n",
    ] {
        let new = with(old);
        assert!(new.starts_with(old), "{new}");
        let config = meaning(&new);
        assert!(config.sites.contains_key("new") && config.sites.contains_key("old"), "{new}");
        assert_eq!(config.targets.last().unwrap().name, "new-db");
    }
}

#[test]
fn names_and_values_are_quoted_where_toml_wants_it() {
    let addition = Addition { sites: vec![site("a.b c")], targets: Vec::new() };
    let text = addition.text();
    assert!(text.contains("[site.\"a.b c\"]\n"), "{text}");
    let read: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(read["site"]["a.b c"]["cluster"].as_str(), Some("it's \"c\""));
    let braces = added("site = {}\n", &addition).unwrap();
    let read: toml::Table = toml::from_str(&braces).unwrap();
    assert_eq!(read["site"]["a.b c"]["service"].as_str(), Some("s"));
}

#[test]
fn nothing_to_add_changes_not_a_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let old = format!("{SITE}\r\n  {TARGET}# no end");
    fs::write(&path, &old).unwrap();
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    Found::read(&path).unwrap().add(&Addition::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), old);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    let absent = dir.path().join("absent.toml");
    Found::read(&absent).unwrap().add(&Addition::default()).unwrap();
    assert!(!absent.exists());
}

#[test]
fn a_new_file_is_its_owners_alone_and_so_is_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/config.toml");
    Found::read(&path).unwrap().add(&both()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing lies beside it: {left:?}");
}

#[test]
fn a_file_that_was_there_keeps_its_mode_and_a_link_still_leads_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("dotfiles.toml"), dir.path().join("config.toml"));
    fs::write(&real, SITE).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&real, &link).unwrap();
    Found::read(&link).unwrap().add(&both()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(names(&meaning(&fs::read_to_string(&real).unwrap())).1, ["new-db"]);
}

#[test]
fn a_link_to_a_file_that_is_not_there_yet_leads_to_the_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("dotfiles/bastiond.toml"), dir.path().join("config.toml"));
    symlink("dotfiles/bastiond.toml", &link).unwrap();
    Found::read(&link).unwrap().add(&both()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
    assert_eq!(names(&meaning(&fs::read_to_string(&real).unwrap())).1, ["new-db"]);
}

#[test]
fn a_file_that_its_owner_may_not_write_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, SITE).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let refused = Found::read(&path).unwrap().add(&both()).unwrap_err();
    assert!(matches!(refused, WriteError::Io { .. }), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), SITE);
}

#[test]
fn a_faulty_file_is_not_touched_and_all_of_its_faults_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    for (text, faults) in [("[site.a]\nclustre = 1\n", 5), ("[site.a\n", 1)] {
        fs::write(&path, text).unwrap();
        let WriteError::Faulty(found) = Found::read(&path).unwrap_err() else { panic!() };
        assert_eq!(found.iter().len(), faults, "{found}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::write(&path, b"# \xff").unwrap();
    assert!(matches!(Found::read(&path).unwrap_err(), WriteError::Faulty(_)));
}

#[test]
fn what_would_make_the_file_faulty_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, format!("{SITE}{TARGET}")).unwrap();
    let found = Found::read(&path).unwrap();
    // A port that another target has.
    let addition =
        Addition { sites: vec![both().sites.remove(0)], targets: vec![target("new-db", 15432)] };
    assert!(matches!(found.add(&addition).unwrap_err(), WriteError::Bug { faults: Some(_), .. }));
    // A name that is there.
    let addition = Addition { sites: vec![site("old")], targets: Vec::new() };
    assert!(matches!(found.add(&addition).unwrap_err(), WriteError::Bug { .. }));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{SITE}{TARGET}"));
}

#[test]
fn what_somebody_wrote_meanwhile_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, SITE).unwrap();
    let found = Found::read(&path).unwrap();
    fs::write(&path, format!("{SITE}# just now\n")).unwrap();
    assert!(matches!(found.add(&both()).unwrap_err(), WriteError::Altered { .. }));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{SITE}# just now\n"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "and nothing lies beside it");
}
