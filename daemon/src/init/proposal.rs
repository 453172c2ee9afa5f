//! What was chosen → what is missing in the config: names that nothing has yet, ports that nobody uses, and a comment each.

use std::collections::BTreeSet;

use bastion_api::{
    DatabaseChoice, DatabaseKind, Engine, InitRequest, InitSite, InitTarget, PasswordPlace,
    Selection, SiteChoice,
};
use bastion_cloud::{AuroraEndpoint, DatabaseRef, Runs, Site};
use thiserror::Error;
use toml_edit::{Array, InlineTable, Value};

use super::Ports;
use super::alike::{environment, own_words};
use super::sites::family;
use crate::config::write::{Addition, Entry, Line};
use crate::config::{Config, Listen, Target, is_name};

/// What is missing in a config.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The site, be it new or there already.
    pub site: InitSite,
    /// A target for each database, be it new or there already.
    pub targets: Vec<InitTarget>,
    /// What has to be added.
    pub addition: Addition,
}

/// What was chosen cannot be written.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Mismatch {
    /// The choice lacks something that a site needs.
    #[error("nothing says {0}")]
    Missing(&'static str),
    /// The name that was given to the site belongs to another place.
    #[error("the config has a site \"{0}\", which is another place")]
    SiteTaken(String),
    /// The name that was given to the site cannot be one.
    #[error("\"{0}\" cannot be a site's name")]
    NoName(String),
    /// No port is free.
    #[error("no local port is free for {0}")]
    NoPort(String),
    /// A kind of database that this version does not know.
    #[error("{0} is no kind of database that can be a target")]
    NoDatabase(String),
}

/// What a config lacks for what was chosen.
pub fn propose(
    config: &Config,
    asked: &InitRequest,
    ports: &mut Ports,
) -> Result<Proposal, Mismatch> {
    let place = Place::of(asked)?;
    let mut addition = Addition::default();
    let site = match place.known_in(config) {
        Some(name) => InitSite { name, new: false },
        None => {
            let name = place.name_in(config)?;
            addition.sites.push(place.entry(&name));
            InitSite { name, new: true }
        }
    };
    let mut targets = Vec::new();
    let mut names: BTreeSet<String> =
        config.targets.iter().map(|target| target.name.to_lowercase()).collect();
    for database in &asked.databases {
        let known = config.targets.iter().find(|target| place.leads_to(target, database));
        if let Some(target) = known {
            targets.push(shown(target, database));
            continue;
        }
        let name = free_name(&plain(&database.id), &names);
        names.insert(name.to_lowercase());
        let port = ports.take(&name, first_port(database), config);
        let port = port.ok_or_else(|| Mismatch::NoPort(name.clone()))?;
        addition.targets.push(target_entry(&name, &site.name, database, port)?);
        targets.push(InitTarget {
            name,
            new: true,
            id: database.id.clone(),
            engine: database.engine,
            port: Some(port),
            database: database.database.clone(),
            user: database.user.clone(),
            password: database.password.is_some(),
        });
    }
    Ok(Proposal { site, targets, addition })
}

/// The place that was chosen, with all that a site needs.
struct Place<'a> {
    asked: &'a InitRequest,
    site: &'a SiteChoice,
    runs: Runs,
}

impl<'a> Place<'a> {
    fn of(asked: &'a InitRequest) -> Result<Self, Mismatch> {
        let site = &asked.site;
        let runs = match (&site.task_definition, &site.service) {
            (Some(name), None) => Runs::TaskDefinition(family(name).to_owned()),
            (None, Some(name)) => Runs::Service(name.clone()),
            (Some(_), Some(_)) | (None, None) => {
                return Err(Mismatch::Missing("what a bastion is made of"));
            }
        };
        let own = matches!(runs, Runs::TaskDefinition(_));
        let missing = [
            (site.cluster.is_empty(), "which cluster"),
            (asked.region.is_none(), "which region"),
            (own && site.subnets.is_empty(), "which subnets"),
            (own && site.security_groups.is_empty(), "which security groups"),
        ];
        match missing.into_iter().find(|(is, _)| *is) {
            Some((_, what)) => Err(Mismatch::Missing(what)),
            None => Ok(Self { asked, site, runs }),
        }
    }

    /// The site of the config that is this very place.
    fn known_in(&self, config: &Config) -> Option<String> {
        let named = |name: &str| self.asked.name.as_deref().is_none_or(|wanted| wanted == name);
        let mut sites = config.sites.iter();
        let found = sites.find(|(name, one)| named(name) && self.is(&one.site));
        found.map(|(name, _)| name.clone())
    }

    fn is(&self, other: &Site) -> bool {
        let same_runs = match (&self.runs, &other.runs) {
            (Runs::TaskDefinition(one), Runs::TaskDefinition(other)) => *one == family(other),
            (Runs::Service(one), Runs::Service(other)) => one == last(other),
            (Runs::TaskDefinition(_), Runs::Service(_))
            | (Runs::Service(_), Runs::TaskDefinition(_)) => false,
        };
        let same_container = match (self.site.containers.first(), &other.container) {
            (Some(one), Some(other)) => one == other,
            (None, _) | (_, None) => true,
        };
        same_runs
            && same_container
            && self.site.cluster == last(&other.cluster)
            && self.is_of_account(other)
    }

    /// A site that names no region has its profile's, which is the one that was looked at.
    fn is_of_account(&self, other: &Site) -> bool {
        self.asked.profile == other.profile
            && (other.region.is_none() || self.asked.region == other.region)
    }

    /// Whether a target is this database, from wherever it is reached.
    fn leads_to(&self, target: &Target, database: &DatabaseChoice) -> bool {
        let same = match (&target.database, database.kind) {
            (DatabaseRef::Rds(id), DatabaseKind::Rds)
            | (DatabaseRef::Proxy(id), DatabaseKind::Proxy)
            | (DatabaseRef::Aurora(id, AuroraEndpoint::Writer), DatabaseKind::Aurora) => {
                id.eq_ignore_ascii_case(&database.id)
            }
            (
                DatabaseRef::Rds(_)
                | DatabaseRef::Proxy(_)
                | DatabaseRef::Aurora(..)
                | DatabaseRef::Host(..),
                _,
            ) => false,
        };
        same && self.is_of_account(&target.site)
    }

    /// What the site is called: as a person has said, else by its environment, else as its profile, else by its cluster.
    fn name_in(&self, config: &Config) -> Result<String, Mismatch> {
        if let Some(name) = &self.asked.name {
            if !is_name(name) {
                return Err(Mismatch::NoName(name.clone()));
            }
            if config.sites.contains_key(name) {
                return Err(Mismatch::SiteTaken(name.clone()));
            }
            return Ok(name.clone());
        }
        let made_of = match &self.runs {
            Runs::TaskDefinition(name) | Runs::Service(name) => name,
        };
        let profile = self.asked.profile.as_deref().filter(|name| *name != "default");
        let cluster = &self.site.cluster;
        let whole = || own_words(cluster).into_iter().collect::<Vec<_>>().join("-");
        let environment = environment(cluster).or_else(|| environment(made_of)).map(str::to_owned);
        let names = [environment, profile.map(plain), Some(plain(&whole()))];
        let names: Vec<String> = names.into_iter().flatten().collect();
        let taken: BTreeSet<String> = config.sites.keys().map(|name| name.to_lowercase()).collect();
        let free = names.iter().find(|name| !taken.contains(&name.to_lowercase()));
        Ok(free.cloned().unwrap_or_else(|| free_name(&names[0], &taken)))
    }

    fn entry(&self, name: &str) -> Entry {
        let Self { asked, site, runs } = self;
        let region = asked.region.as_deref().unwrap_or_default();
        let account = match &asked.account {
            Some(account) => format!("account {account}, {region}"),
            None => region.to_owned(),
        };
        let made_of = match runs {
            Runs::TaskDefinition(_) => {
                "A bastion is a task of our own, started at the first visit."
            }
            Runs::Service(_) => {
                "A bastion is the service's running task, never started or stopped."
            }
        };
        let mut keys = Vec::new();
        if let Some(profile) = &asked.profile {
            keys.push(Line::new("profile", profile.as_str()));
        }
        keys.push(Line::new("region", region));
        keys.push(Line::new("cluster", site.cluster.as_str()));
        match runs {
            Runs::TaskDefinition(family) => {
                let newest = "its newest revision";
                keys.push(Line::new("task_definition", family.as_str()).remark(newest));
            }
            Runs::Service(name) => keys.push(Line::new("service", name.as_str())),
        }
        if let Some(container) = site.containers.first() {
            keys.push(Line::new("container", container.as_str()));
        }
        let mut more = vec![
            "idle_timeout = \"15m\"  # as usual: a bastion that nobody uses is let go after so long",
            "start_timeout = \"3m\"  # as usual: a start that takes longer has failed",
            "max_bastions = 2  # a second one for a target whose first is crowded; usually 1",
        ];
        match runs {
            Runs::TaskDefinition(_) => {
                keys.extend(site.subnets.first().map(|all| Line::new("subnets", selection(all))));
                let groups = site.security_groups.first();
                keys.extend(groups.map(|all| Line::new("security_groups", selection(all))));
                if site.public_addresses {
                    let why = "its subnets are public: without one there is no way out";
                    keys.push(Line::new("assign_public_ip", true).remark(why));
                }
                more.push(
                    "launch = \"FARGATE_SPOT\"  # cheaper, and AWS may take it back at any time",
                );
                more.push("share = true  # one bastion for all targets; usually each has its own");
            }
            Runs::Service(_) => {
                more.push(
                    "scale_from_zero = true  # ask for one task where it runs none; usually not",
                );
            }
        }
        let about = vec![
            format!("Where bastions of {name} run: {account}."),
            made_of.to_owned(),
            "What is commented out may be set.".to_owned(),
        ];
        Entry {
            name: name.to_owned(),
            about,
            keys,
            more: more.into_iter().map(str::to_owned).collect(),
        }
    }
}

fn target_entry(
    name: &str,
    site: &str,
    database: &DatabaseChoice,
    port: u16,
) -> Result<Entry, Mismatch> {
    let Some(key) = database.kind.key() else {
        return Err(Mismatch::NoDatabase(database.id.clone()));
    };
    let mut keys = vec![Line::new("site", site), Line::new(key, database.id.as_str())];
    // What is not known is not said: it is found out when somebody comes.
    let known = database.engine_name.is_some() || database.engine != Engine::Other;
    if known {
        keys.push(Line::new("engine", database.engine.word()));
    }
    keys.push(Line::new("listen", i64::from(port)).remark("on 127.0.0.1 and ::1"));
    if let Some(name) = &database.database {
        keys.push(Line::new("database", name.as_str()));
    }
    if let Some(user) = &database.user {
        keys.push(Line::new("user", user.as_str()));
    }
    let mut more = vec![
        format!("listen = [{port}, \"docker\"]  # for containers, too"),
        "patience = \"2m\"  # for clients that wait that long for a connection".to_owned(),
    ];
    match &database.password {
        Some(PasswordPlace::Secret(secret)) => {
            keys.push(Line::new("password", braced("secret", secret.as_str())));
        }
        Some(PasswordPlace::RdsManaged(_)) => {
            keys.push(Line::new("password", braced("rds_managed", true)));
        }
        None => more.insert(
            0,
            "password = { secret = \"NAME\" }  # of Secrets Manager; `bastionctl password` shows it".to_owned(),
        ),
    }
    if !known {
        more.insert(0, "engine = \"postgres\"  # or \"mysql\": else it is found out".to_owned());
    }
    let engine = match &database.engine_name {
        Some(name) => format!(" ({name})"),
        None if known => format!(" ({})", database.engine.word()),
        None => String::new(),
    };
    let about = vec![format!("{} {}{engine}.", database.kind.words(), database.id)];
    Ok(Entry { name: name.to_owned(), about, keys, more })
}

/// A target that is there already.
fn shown(target: &Target, database: &DatabaseChoice) -> InitTarget {
    let port = target.listen.iter().find_map(|listen| match listen {
        Listen::Loopback(port) => Some(*port),
        Listen::Docker(_) | Listen::Unix | Listen::Address(_) => None,
    });
    InitTarget {
        name: target.name.clone(),
        new: false,
        id: database.id.clone(),
        engine: database.engine,
        port,
        database: target.db_name.clone().or_else(|| database.database.clone()),
        user: target.user.clone().or_else(|| database.user.clone()),
        password: target.password.is_some(),
    }
}

fn selection(selection: &Selection) -> Value {
    match selection {
        Selection::Ids(ids) => ids.iter().collect::<Array>().into(),
        Selection::Name(name) => braced("name", name.as_str()),
        Selection::Tags(tags) => braced("tags", tags.iter().collect::<InlineTable>()),
    }
}

fn braced(key: &str, value: impl Into<Value>) -> Value {
    let mut table = InlineTable::new();
    table.insert(key, value.into());
    table.into()
}

/// The first port that is tried: the database's own with a 1 in front, as people do it themselves.
fn first_port(database: &DatabaseChoice) -> u16 {
    match (database.engine, database.port) {
        (Engine::Postgres, _) => 15432,
        (Engine::Mysql, _) => 13306,
        (Engine::Other, Some(port @ 1000..=9999)) => 10_000 + port,
        (Engine::Other, _) => 20_000,
    }
}

/// A name that the config takes: what does not fit into one becomes `-`.
fn plain(name: &str) -> String {
    let fitting = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().map(fitting).collect();
    let name = name.trim_start_matches(['-', '_', '.']);
    let name: String = name.chars().take(LONGEST).collect();
    if name.is_empty() { "db".to_owned() } else { name }
}

/// The name itself, else with the first number that makes it one of its own.
fn free_name(name: &str, taken: &BTreeSet<String>) -> String {
    if !taken.contains(&name.to_lowercase()) {
        return name.to_owned();
    }
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    numbered
        .into_iter()
        .find(|name| !taken.contains(&name.to_lowercase()))
        .expect("numbers are endless")
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Letters of a name, with room for a number behind them.
const LONGEST: usize = 36;
