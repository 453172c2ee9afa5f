//! The TOML as written: unknown keys are refused, every value knows its line.
//!
//! Walked by hand: serde stops at the first fault, and a person wants to see them all. What may stand in the file is
//! what the `read` functions here ask for, and nothing else.

use toml::de::DeTable;

use super::fault::Faults;
use super::reader::{Lines, NamedTable, Reader, Table};

/// A config file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) daemon: Option<Daemon>,
    pub(super) sites: Vec<Site>,
    pub(super) targets: Vec<Target>,
}

/// `[daemon]`
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) line: usize,
    pub(super) on_stop: Field<String>,
    pub(super) ca_bundle: Field<String>,
    pub(super) rds_ca_bundle: Field<String>,
    pub(super) unread_per_stream: Field<String>,
    pub(super) unread_in_all: Field<String>,
}

/// What a site says about its bastions and tunnels, beyond where they run.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) tunnels_per_bastion: Field<i64>,
    pub(super) keepalive: Field<String>,
    pub(super) payload_probing: Field<bool>,
    pub(super) max_life: Field<String>,
    pub(super) command: Field<String>,
    pub(super) share: Field<bool>,
    pub(super) scale_from_zero: Field<bool>,
    pub(super) price_per_hour: Field<f64>,
    pub(super) own: OwnRules,
}

/// What a site says, and each of its targets may say otherwise.
#[derive(Debug)]
pub(super) struct OwnRules {
    pub(super) max_bastions: Field<i64>,
    pub(super) first_byte_timeout: Field<String>,
    pub(super) silent_after: Field<String>,
    pub(super) patience: Field<String>,
}

/// `[site.NAME]`
#[derive(Debug)]
pub(super) struct Site {
    pub(super) name: At<String>,
    pub(super) profile: Field<String>,
    pub(super) region: Field<String>,
    pub(super) cluster: Field<String>,
    pub(super) task_definition: Field<String>,
    pub(super) service: Field<String>,
    pub(super) container: Field<String>,
    pub(super) subnets: Field<Selection>,
    pub(super) security_groups: Field<Selection>,
    pub(super) launch: Field<String>,
    pub(super) assign_public_ip: Field<bool>,
    pub(super) idle_timeout: Field<String>,
    pub(super) start_timeout: Field<String>,
    pub(super) endpoints: Field<Vec<At<String>>>,
    pub(super) rules: Rules,
}

/// `[target.NAME]`
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: At<String>,
    pub(super) site: Field<String>,
    pub(super) rds: Field<String>,
    pub(super) aurora: Field<String>,
    pub(super) endpoint: Field<String>,
    pub(super) proxy: Field<String>,
    pub(super) host: Field<String>,
    pub(super) port: Field<i64>,
    pub(super) engine: Field<String>,
    pub(super) listen: Field<Vec<At<Place>>>,
    pub(super) exposed: Field<bool>,
    pub(super) database: Field<String>,
    pub(super) user: Field<String>,
    pub(super) password: Field<Password>,
    pub(super) danger: Field<bool>,
    pub(super) profile: Field<String>,
    pub(super) region: Field<String>,
    pub(super) idle_timeout: Field<String>,
    pub(super) start_timeout: Field<String>,
    pub(super) endpoints: Field<Vec<At<String>>>,
    pub(super) rules: OwnRules,
    pub(super) allow: Field<Vec<At<String>>>,
}

/// `["subnet-…"]`, `{ name = "…" }` or `{ tags = { … } }`
#[derive(Debug)]
pub(super) enum Selection {
    Ids(Vec<At<String>>),
    Name(At<String>),
    Tags(Vec<(At<String>, String)>),
}

/// `{ secret = "…" }`, `{ rds_managed = true }` or `{ iam = true }`
#[derive(Debug)]
pub(super) enum Password {
    Secret(At<String>),
    RdsManaged(At<bool>),
    Iam(At<bool>),
}

/// One item of `listen`.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Port(i64),
    Word(String),
}

/// A value and the line it stands in.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// What was found under a key.
#[derive(Debug)]
pub(super) enum Field<T> {
    /// Nothing.
    Absent,
    /// Something of the wrong type, which has been told.
    Faulty,
    /// A value.
    Given(At<T>),
}

impl<T> Field<T> {
    /// The value, where there is one.
    pub(super) fn given(self) -> Option<At<T>> {
        match self {
            Self::Given(at) => Some(at),
            Self::Absent | Self::Faulty => None,
        }
    }

    /// Where the value stands.
    pub(super) fn line(&self) -> Option<usize> {
        match self {
            Self::Given(at) => Some(at.line),
            Self::Absent | Self::Faulty => None,
        }
    }

    /// Whether nothing was written.
    pub(super) fn is_absent(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Faulty | Self::Given(_) => false,
        }
    }
}

/// The file as written; nothing where it is not TOML.
pub(super) fn read(text: &str, faults: &mut Faults) -> Option<File> {
    let lines = Lines::of(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut told = 0;
    for err in &errors {
        let line = err.span().map_or(1, |span| lines.at(span.start));
        // The parser goes on after a fault; what it finds in the same line mostly follows from the first.
        if line != told {
            let reason = err.message().trim_end_matches(", expected nothing");
            faults.add(line, "", reason, "");
        }
        told = line;
    }
    if !errors.is_empty() {
        return None;
    }
    let mut root = Reader::new(root.get_ref(), String::new(), &lines, faults);
    let daemon = root.table("daemon").map(|table| daemon(table, &lines, root.faults));
    let sites =
        root.tables("site").into_iter().map(|table| site(table, &lines, root.faults)).collect();
    let targets =
        root.tables("target").into_iter().map(|table| target(table, &lines, root.faults)).collect();
    root.finish();
    Some(File { daemon, sites, targets })
}

fn site(table: NamedTable<'_, '_>, lines: &Lines, faults: &mut Faults) -> Site {
    let mut from = Reader::new(table.table, table.key, lines, faults);
    let site = Site {
        name: table.name,
        profile: from.text("profile"),
        region: from.text("region"),
        cluster: from.text("cluster"),
        task_definition: from.text("task_definition"),
        service: from.text("service"),
        container: from.text("container"),
        subnets: from.selection("subnets", "subnet-0a1b2c3d"),
        security_groups: from.selection("security_groups", "sg-0a1b2c3d"),
        launch: from.text("launch"),
        assign_public_ip: from.flag("assign_public_ip"),
        idle_timeout: from.duration("idle_timeout"),
        start_timeout: from.duration("start_timeout"),
        endpoints: from.texts("endpoints"),
        rules: rules(&mut from),
    };
    from.finish();
    site
}

fn target(table: NamedTable<'_, '_>, lines: &Lines, faults: &mut Faults) -> Target {
    let mut from = Reader::new(table.table, table.key, lines, faults);
    let target = Target {
        name: table.name,
        site: from.text("site"),
        rds: from.text("rds"),
        aurora: from.text("aurora"),
        endpoint: from.text("endpoint"),
        proxy: from.text("proxy"),
        host: from.text("host"),
        port: from.number("port"),
        engine: from.text("engine"),
        listen: from.places("listen"),
        exposed: from.flag("exposed"),
        database: from.text("database"),
        user: from.text("user"),
        password: from.password("password"),
        danger: from.flag("danger"),
        profile: from.text("profile"),
        region: from.text("region"),
        idle_timeout: from.duration("idle_timeout"),
        start_timeout: from.duration("start_timeout"),
        endpoints: from.texts("endpoints"),
        rules: own_rules(&mut from),
        allow: from.texts("allow"),
    };
    from.finish();
    target
}

fn daemon(table: Table<'_, '_>, lines: &Lines, faults: &mut Faults) -> Daemon {
    let mut from = Reader::new(table.table, "daemon".to_owned(), lines, faults);
    let daemon = Daemon {
        line: table.line,
        on_stop: from.text("on_stop"),
        ca_bundle: from.text("ca_bundle"),
        rds_ca_bundle: from.text("rds_ca_bundle"),
        unread_per_stream: from.text("unread_per_stream"),
        unread_in_all: from.text("unread_in_all"),
    };
    from.finish();
    daemon
}

fn rules(from: &mut Reader<'_, '_>) -> Rules {
    Rules {
        tunnels_per_bastion: from.count("tunnels_per_bastion", 2),
        keepalive: from.text("keepalive"),
        payload_probing: from.flag("payload_probing"),
        max_life: from.duration("max_life"),
        command: from.text("command"),
        share: from.flag("share"),
        scale_from_zero: from.flag("scale_from_zero"),
        price_per_hour: from.price("price_per_hour"),
        own: own_rules(from),
    }
}

fn own_rules(from: &mut Reader<'_, '_>) -> OwnRules {
    OwnRules {
        max_bastions: from.count("max_bastions", 2),
        first_byte_timeout: from.duration("first_byte_timeout"),
        silent_after: from.duration("silent_after"),
        patience: from.duration("patience"),
    }
}
