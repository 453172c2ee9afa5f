//! As written → as meant, or every fault at once.

use std::collections::BTreeMap;
use std::path::Path;

use bastion_cloud::{AuroraEndpoint, DatabaseRef, Runs, Select, Site};
use dbwire::Engine;

use super::fault::Faults;
use super::file::{self, At, Field, File, Selection};
use super::listen::{self, Claims};
use super::{Config, IDLE_TIMEOUT, START_TIMEOUT, SiteConfig, Target, rules, words};

/// What the file at `path` means. Where a fault was added, what is returned may lack what was at fault.
pub(super) fn check(path: &Path, file: File, faults: &mut Faults) -> Config {
    let mut config = Config::default();
    let File { daemon, sites, targets } = file;
    rules::check_daemon(daemon, path, &mut config, faults);
    tables(sites, targets, &mut config, faults);
    config
}

/// What a file means that may name these sites, too.
pub(super) fn beside(
    file: File,
    sites: &BTreeMap<String, SiteConfig>,
    faults: &mut Faults,
) -> Config {
    let mut config = Config { sites: sites.clone(), ..Config::default() };
    tables(file.sites, file.targets, &mut config, faults);
    config
}

fn tables(
    sites: Vec<file::Site>,
    targets: Vec<file::Target>,
    config: &mut Config,
    faults: &mut Faults,
) {
    let written = sites.iter().map(|site| site.name.value.clone());
    let names: Vec<String> = config.sites.keys().cloned().chain(written).collect();
    for written in sites {
        let name = written.name.clone();
        let key = format!("site.{}", words::quoted(&name.value));
        check_name(&name, "site", &key, faults);
        let mut check = Check::new(key, name.line, faults);
        if let Some(site) = check.site(written) {
            config.sites.insert(name.value, site);
        }
    }
    let mut seen = BTreeMap::new();
    let mut claims = Claims::default();
    for written in targets {
        let name = written.name.clone();
        let key = format!("target.{}", words::quoted(&name.value));
        check_name(&name, "target", &key, faults);
        if let Some((other, line)) =
            seen.insert(name.value.to_lowercase(), (name.value.clone(), name.line))
        {
            let reason =
                format!("is the same as target \"{other}\" (line {line}) but for its case");
            faults.add(
                name.line,
                &key,
                reason,
                "their sockets would meet on a Mac's disk; rename one",
            );
        }
        let mut check = Check::new(key, name.line, faults);
        if let Some(target) = check.target(written, &config.sites, &names, &mut claims) {
            config.targets.push(target);
        }
    }
}

fn check_name(name: &At<String>, what: &str, key: &str, faults: &mut Faults) {
    if !words::is_name(&name.value) {
        let hint = format!(
            "a {what}'s name begins with a letter or digit, goes on with letters, digits, \"-\", \"_\" or \".\", \
             and has at most {} of them",
            words::LONGEST_NAME
        );
        faults.add(name.line, key, format!("cannot be a {what}'s name"), hint);
    }
}

/// One table being checked.
pub(super) struct Check<'f> {
    key: String,
    line: usize,
    faults: &'f mut Faults,
}

impl<'f> Check<'f> {
    pub(super) fn new(key: String, line: usize, faults: &'f mut Faults) -> Self {
        Self { key, line, faults }
    }

    fn site(&mut self, written: file::Site) -> Option<SiteConfig> {
        let runs = self.runs(&written);
        let own = !matches!(runs, Some(Runs::Service(_)));
        if !own {
            for (key, line) in [
                ("subnets", written.subnets.line()),
                ("security_groups", written.security_groups.line()),
                ("launch", written.launch.line()),
                ("assign_public_ip", written.assign_public_ip.line()),
            ] {
                if let Some(line) = line {
                    let hint = "remove it; a service's tasks run where the service puts them";
                    self.fault(line, key, "goes with task_definition, not with service", hint);
                }
            }
        }
        let cluster = self.required(written.cluster, "cluster", "the ECS cluster's name");
        let cluster = cluster.and_then(|at| self.aws_name(at, "cluster"));
        let container = self.maybe(written.container, |check, at| {
            check.shaped(
                at,
                "container",
                words::made_of,
                "-_",
                "a container's name in the task definition",
            )
        });
        let subnets = self.select(written.subnets, "subnets", "subnet-", own);
        let groups = self.select(written.security_groups, "security_groups", "sg-", own);
        let spot = self.spot(written.launch);
        let profile = self.maybe(written.profile, |check, at| check.plain(at, "profile"));
        let region = self.maybe(written.region, Self::region);
        let idle_timeout = self.idle_timeout(written.idle_timeout);
        let start_timeout = self.start_timeout(written.start_timeout);
        let endpoints = self.hosts(written.endpoints);
        let rules = self.rules(written.rules, runs.as_ref());
        // Only now: what is missing hides no other fault.
        let runs = runs?;
        Some(SiteConfig {
            site: Site {
                name: written.name.value,
                profile,
                region,
                cluster: cluster.unwrap_or_default(),
                runs,
                container,
                subnets: subnets.unwrap_or_else(|| Select::Ids(Vec::new())),
                security_groups: groups.unwrap_or_else(|| Select::Ids(Vec::new())),
                spot,
                assign_public_ip: written.assign_public_ip.given().is_some_and(|at| at.value),
            },
            idle_timeout: idle_timeout.unwrap_or(IDLE_TIMEOUT),
            start_timeout: start_timeout.unwrap_or(START_TIMEOUT),
            endpoints: endpoints.unwrap_or_default(),
            rules,
        })
    }

    fn target(
        &mut self,
        written: file::Target,
        sites: &BTreeMap<String, SiteConfig>,
        names: &[String],
        claims: &mut Claims,
    ) -> Option<Target> {
        let site = self.required(written.site, "site", "the [site.NAME] that it is reached from");
        let site = site.and_then(|at| {
            if !names.contains(&at.value) {
                let known = match names {
                    [] => "there is none yet; write [site.NAME] and its keys".to_owned(),
                    names => words::did_you_mean(&at.value, names)
                        .unwrap_or_else(|| format!("known sites: {}", names.join(", "))),
                };
                self.fault(at.line, "site", format!("there is no site {:?}", at.value), known);
            }
            sites.get(&at.value)
        });
        let database = self.database(
            Kinds {
                rds: written.rds,
                aurora: written.aurora,
                proxy: written.proxy,
                host: written.host,
            },
            written.endpoint,
            written.port,
        );
        let exposed = written.exposed.given().is_some_and(|at| at.value);
        let listen = match written.listen {
            Field::Absent => {
                self.fault(self.line, "listen", "missing", "add a local port: listen = 15432");
                None
            }
            Field::Faulty => None,
            Field::Given(at) => {
                let name = &written.name.value;
                let key = format!("{}.listen", self.key);
                Some(listen::check(at, name, exposed, &key, claims, self.faults))
            }
        };
        let engine = self.maybe(written.engine, Self::engine);
        let password = written.password.given();
        let password = password.and_then(|at| self.password(at, database.as_ref()));
        let danger = written.danger.given().is_some_and(|at| at.value);
        let db_name = self.maybe(written.database, |check, at| check.plain(at, "database"));
        let user = self.maybe(written.user, |check, at| check.plain(at, "user"));
        let profile = self.maybe(written.profile, |check, at| check.plain(at, "profile"));
        let region = self.maybe(written.region, Self::region);
        let idle_timeout = self.idle_timeout(written.idle_timeout);
        let start_timeout = self.start_timeout(written.start_timeout);
        let endpoints = self.hosts(written.endpoints);
        let own = self.own(written.rules);
        let allow = self.allow(written.allow, listen.as_deref().unwrap_or_default());
        let base = site?;
        Some(Target {
            name: written.name.value,
            site: Site {
                profile: profile.or_else(|| base.site.profile.clone()),
                region: region.or_else(|| base.site.region.clone()),
                ..base.site.clone()
            },
            database: database?,
            engine,
            listen: listen?,
            idle_timeout: idle_timeout.unwrap_or(base.idle_timeout),
            start_timeout: start_timeout.unwrap_or(base.start_timeout),
            endpoints: endpoints.unwrap_or_else(|| base.endpoints.clone()),
            rules: base.rules.merged(&own),
            allow,
            db_name,
            user,
            password,
            danger,
        })
    }

    fn runs(&mut self, written: &file::Site) -> Option<Runs> {
        match (&written.task_definition, &written.service) {
            (Field::Given(task), Field::Given(service)) => {
                let (later, key, other, earlier) = if service.line >= task.line {
                    (service.line, "service", "task_definition", task.line)
                } else {
                    (task.line, "task_definition", "service", service.line)
                };
                let reason = format!("{other} is given too (line {earlier})");
                let hint = "keep one: task_definition starts tasks of our own, service uses one that runs anyway";
                self.fault(later, key, reason, hint);
                None
            }
            (Field::Given(task), Field::Absent | Field::Faulty) => {
                self.aws_name(task.clone(), "task_definition").map(Runs::TaskDefinition)
            }
            (Field::Absent | Field::Faulty, Field::Given(service)) => {
                self.aws_name(service.clone(), "service").map(Runs::Service)
            }
            (Field::Absent, Field::Absent) => {
                let hint = "add task_definition = \"…\" to start tasks of our own, \
                            or service = \"…\" to use one that runs anyway";
                self.fault(self.line, "task_definition", "missing", hint);
                None
            }
            (Field::Faulty, _) | (_, Field::Faulty) => None,
        }
    }

    fn select(
        &mut self,
        written: Field<Selection>,
        key: &str,
        prefix: &str,
        required: bool,
    ) -> Option<Select> {
        if required && written.is_absent() {
            let hint = format!("add {key} = {{ name = \"…\" }}, or {key} = [\"{prefix}…\"]");
            self.fault(self.line, key, "missing", hint);
        }
        let at = written.given()?;
        match at.value {
            Selection::Ids(ids) => {
                if ids.is_empty() {
                    self.fault(at.line, key, "names none", format!("write [\"{prefix}…\"]"));
                }
                for id in &ids {
                    let rest = id.value.strip_prefix(prefix);
                    if !rest.is_some_and(|rest| words::made_of(rest, "")) {
                        let reason = format!("{:?} is no id", id.value);
                        let hint = format!(
                            "an id begins with \"{prefix}\"; by name: {key} = {{ name = {:?} }}",
                            id.value
                        );
                        self.fault(id.line, key, reason, hint);
                    }
                }
                Some(Select::Ids(ids.into_iter().map(|id| id.value).collect()))
            }
            Selection::Name(name) => self.plain(name, &format!("{key}.name")).map(Select::Name),
            Selection::Tags(tags) => {
                if tags.is_empty() {
                    let hint = "write tags = { Tier = \"private\" }";
                    self.fault(at.line, &format!("{key}.tags"), "names none", hint);
                }
                Some(Select::Tags(
                    tags.into_iter().map(|(tag, value)| (tag.value, value)).collect(),
                ))
            }
        }
    }

    fn spot(&mut self, written: Field<String>) -> bool {
        let Some(at) = written.given() else { return false };
        if !LAUNCHES.contains(&at.value.as_str()) {
            let hint = words::did_you_mean(&at.value, &LAUNCHES)
                .unwrap_or_else(|| format!("write one of {}", LAUNCHES.join(", ")));
            self.fault(at.line, "launch", format!("there is no {:?}", at.value), hint);
        }
        at.value == SPOT
    }

    fn database(
        &mut self,
        kinds: Kinds,
        endpoint: Field<String>,
        port: Field<i64>,
    ) -> Option<DatabaseRef> {
        let faulty = kinds.any_faulty();
        let aurora = !kinds.aurora.is_absent();
        let host = !kinds.host.is_absent();
        let mut given = kinds.given();
        if given.is_empty() {
            if !faulty {
                let hint = "say which database it is: rds = \"…\", aurora = \"…\", proxy = \"…\", \
                            or host = \"…\" and port";
                self.fault(self.line, "rds", "missing", hint);
            }
            return None;
        }
        given.sort_by_key(|(_, at)| at.line);
        let (key, at) = given.remove(0);
        for (other, later) in &given {
            let reason = format!("{key} is given too (line {})", at.line);
            self.fault(later.line, other, reason, "keep one of rds, aurora, proxy, host");
        }
        if let (Some(line), false) = (endpoint.line(), aurora) {
            let hint = "remove it, or name a cluster: aurora = \"…\"";
            self.fault(line, "endpoint", "goes with aurora only", hint);
        }
        if let (Some(line), false) = (port.line(), host) {
            let hint = "remove it; the port is looked up with the database";
            self.fault(line, "port", "goes with host only", hint);
        }
        match key {
            "rds" => self.identifier(at, key).map(DatabaseRef::Rds),
            "proxy" => self.identifier(at, key).map(DatabaseRef::Proxy),
            "aurora" => {
                let endpoint = self.maybe(endpoint, |check, at| check.identifier(at, "endpoint"));
                let endpoint = match endpoint.as_deref() {
                    None | Some("writer") => AuroraEndpoint::Writer,
                    Some("reader") => AuroraEndpoint::Reader,
                    Some(custom) => AuroraEndpoint::Custom(custom.to_owned()),
                };
                self.identifier(at, key).map(|id| DatabaseRef::Aurora(id, endpoint))
            }
            _ => {
                let line = at.line;
                let host = self.host(at, key);
                let port = self.port(port, line);
                Some(DatabaseRef::Host(host?, port?))
            }
        }
    }

    fn port(&mut self, written: Field<i64>, host_line: usize) -> Option<u16> {
        match written {
            Field::Absent => {
                let hint = "add the port that it listens on in the VPC: port = 5432";
                self.fault(host_line, "port", "missing: a host needs one", hint);
                None
            }
            Field::Faulty => None,
            Field::Given(at) => {
                let port = u16::try_from(at.value).ok().filter(|port| *port != 0);
                if port.is_none() {
                    let reason = format!("{} is no port", at.value);
                    self.fault(at.line, "port", reason, "a port is between 1 and 65535");
                }
                port
            }
        }
    }

    fn engine(&mut self, at: At<String>) -> Option<Engine> {
        let engine = Engine::from_word(&at.value);
        if engine.is_none() {
            let hint = match Engine::from_name(&at.value) {
                Engine::Other => words::did_you_mean(&at.value, &Engine::WORDS)
                    .unwrap_or_else(|| format!("write one of {}", Engine::WORDS.join(", "))),
                known @ (Engine::Postgres | Engine::Mysql) => {
                    format!("did you mean {:?}?", known.word())
                }
            };
            self.fault(at.line, "engine", format!("there is no {:?}", at.value), hint);
        }
        engine
    }

    fn required(&mut self, field: Field<String>, key: &str, what: &str) -> Option<At<String>> {
        if field.is_absent() {
            self.fault(self.line, key, "missing", format!("add {key} = \"…\": {what}"));
        }
        field.given()
    }

    pub(super) fn maybe<T, M>(
        &mut self,
        field: Field<T>,
        check: impl FnOnce(&mut Self, At<T>) -> Option<M>,
    ) -> Option<M> {
        field.given().and_then(|at| check(self, at))
    }

    pub(super) fn fault(
        &mut self,
        line: usize,
        key: &str,
        reason: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.faults.add(line, format!("{}.{key}", self.key), reason, hint);
    }
}

/// The four ways to say which database it is.
struct Kinds {
    rds: Field<String>,
    aurora: Field<String>,
    proxy: Field<String>,
    host: Field<String>,
}

impl Kinds {
    fn any_faulty(&self) -> bool {
        [&self.rds, &self.aurora, &self.proxy, &self.host]
            .into_iter()
            .any(|field| !field.is_absent() && field.line().is_none())
    }

    fn given(self) -> Vec<(&'static str, At<String>)> {
        let fields = [
            ("rds", self.rds),
            ("aurora", self.aurora),
            ("proxy", self.proxy),
            ("host", self.host),
        ];
        fields.into_iter().filter_map(|(key, field)| Some((key, field.given()?))).collect()
    }
}

const SPOT: &str = "FARGATE_SPOT";
const LAUNCHES: [&str; 2] = ["FARGATE", SPOT];
