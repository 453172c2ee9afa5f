//! What may be said about bastions, tunnels and visits: as meant, and how each is checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bastion_cloud::Runs;

use super::check::Check;
use super::fault::Faults;
use super::file::{self, At, Field};
use super::{Allow, BastionCommand, Config, KeepAlive, Listen, OnStop, Patience, words};

/// What is said about bastions and tunnels: by a site for all of its targets, or by a target with its site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// How many tunnels one bastion may carry.
    pub tunnels_per_bastion: usize,
    /// How many bastions one target may have at a time.
    pub max_bastions: usize,
    /// Whether a bastion that is wanted is kept reachable when nobody says anything.
    pub keepalive: KeepAlive,
    /// Whether larger messages than Amazon's own client sends are tried.
    pub payload_probing: bool,
    /// How long the database may keep silent after a visitor's first bytes.
    pub first_byte_timeout: Duration,
    /// How long a visit may move nothing and still keep its bastion; none where for ever.
    pub silent_after: Option<Duration>,
    /// How long a visitor may be kept waiting for a bastion.
    pub patience: Patience,
    /// How long a bastion may live at all.
    pub max_life: Duration,
    /// What a bastion's container runs.
    pub command: BastionCommand,
    /// Whether the site's targets use one bastion together.
    pub share: bool,
    /// Whether a service that is scaled to nothing is scaled to one for us.
    pub scale_from_zero: bool,
    /// What a bastion costs an hour, in US dollars, where the table of prices is not to be believed.
    pub price_per_hour: Option<f64>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            tunnels_per_bastion: TUNNELS_PER_BASTION,
            max_bastions: MAX_BASTIONS,
            keepalive: KeepAlive::Auto,
            payload_probing: true,
            first_byte_timeout: FIRST_BYTE_TIMEOUT,
            silent_after: Some(SILENT_AFTER),
            patience: Patience::Auto,
            max_life: MAX_LIFE,
            command: BastionCommand::Watchdog,
            share: false,
            scale_from_zero: false,
            price_per_hour: None,
        }
    }
}

impl Rules {
    /// These, but for what is said otherwise.
    pub(super) fn merged(&self, own: &OwnRules) -> Self {
        Self {
            max_bastions: own.max_bastions.unwrap_or(self.max_bastions),
            first_byte_timeout: own.first_byte_timeout.unwrap_or(self.first_byte_timeout),
            silent_after: own.silent_after.unwrap_or(self.silent_after),
            patience: own.patience.unwrap_or(self.patience),
            ..*self
        }
    }
}

impl Check<'_> {
    /// `[daemon]`
    pub(super) fn daemon(&mut self, written: file::Daemon, file: &Path, config: &mut Config) {
        if let Some(on_stop) = self.maybe(written.on_stop, |check, at| {
            check.word(&at, "on_stop", &[("stop", OnStop::Stop), ("leave", OnStop::Leave)])
        }) {
            config.on_stop = on_stop;
        }
        config.ca_bundle =
            self.maybe(written.ca_bundle, |check, at| check.bundle(&at, "ca_bundle", file));
        config.rds_ca_bundle =
            self.maybe(written.rds_ca_bundle, |check, at| check.bundle(&at, "rds_ca_bundle", file));
        let in_all_line = written.unread_in_all.line();
        let per_stream_line = written.unread_per_stream.line();
        let per_stream =
            self.maybe(written.unread_per_stream, |check, at| check.size(&at, "unread_per_stream"));
        let in_all =
            self.maybe(written.unread_in_all, |check, at| check.size(&at, "unread_in_all"));
        config.unread_per_stream = per_stream.unwrap_or(config.unread_per_stream);
        config.unread_in_all = in_all.unwrap_or(config.unread_in_all);
        if config.unread_per_stream > config.unread_in_all {
            let (line, key) = match (in_all_line, per_stream_line) {
                (Some(line), _) => (line, "unread_in_all"),
                (None, line) => (line.unwrap_or_default(), "unread_per_stream"),
            };
            let reason = "one stream may keep more than all of them together";
            self.fault(line, key, reason, "make unread_in_all at least unread_per_stream");
        }
    }

    /// What a site says beyond where its bastions run.
    pub(super) fn rules(&mut self, written: file::Rules, runs: Option<&Runs>) -> Rules {
        self.fit(&written, runs);
        let tunnels = self.maybe(written.tunnels_per_bastion, |check, at| {
            check.count(&at, "tunnels_per_bastion", MOST_TUNNELS)
        });
        let keepalive = self.maybe(written.keepalive, |check, at| {
            check.word(&at, "keepalive", &[("auto", KeepAlive::Auto), ("never", KeepAlive::Never)])
        });
        let command = self.maybe(written.command, |check, at| {
            let words = [("watchdog", BastionCommand::Watchdog), ("keep", BastionCommand::Keep)];
            check.word(&at, "command", &words)
        });
        let max_life = self.maybe(written.max_life, |check, at| {
            check.duration(at, "max_life", SHORTEST_LIFE, LONGEST_LIFE)
        });
        let flag = |field: Field<bool>, default| field.given().map_or(default, |at| at.value);
        let default = Rules::default().merged(&self.own(written.own));
        Rules {
            tunnels_per_bastion: tunnels.unwrap_or(default.tunnels_per_bastion),
            keepalive: keepalive.unwrap_or(default.keepalive),
            payload_probing: flag(written.payload_probing, default.payload_probing),
            max_life: max_life.unwrap_or(default.max_life),
            command: command.unwrap_or(default.command),
            share: flag(written.share, default.share),
            scale_from_zero: flag(written.scale_from_zero, default.scale_from_zero),
            price_per_hour: self.maybe(written.price_per_hour, |check, at| check.price(&at)),
            ..default
        }
    }

    /// What a target may say for itself.
    pub(super) fn own(&mut self, written: file::OwnRules) -> OwnRules {
        OwnRules {
            max_bastions: self.maybe(written.max_bastions, |check, at| {
                check.count(&at, "max_bastions", MOST_BASTIONS)
            }),
            first_byte_timeout: self.maybe(written.first_byte_timeout, |check, at| {
                let key = "first_byte_timeout";
                check.duration(at, key, SHORTEST_FIRST_BYTE, LONGEST_FIRST_BYTE)
            }),
            silent_after: self.maybe(written.silent_after, |check, at| {
                if matches!(humantime::parse_duration(at.value.trim()), Ok(Duration::ZERO)) {
                    return Some(None);
                }
                check.duration(at, "silent_after", SHORTEST_SILENCE, LONGEST_SILENCE).map(Some)
            }),
            patience: self.maybe(written.patience, |check, at| {
                if at.value.trim() == "auto" {
                    return Some(Patience::Auto);
                }
                let most = check.duration(at, "patience", SHORTEST_PATIENCE, LONGEST_PATIENCE);
                most.map(Patience::AtMost)
            }),
        }
    }

    /// Who may visit: as written, else the daemon's own user, and containers where it listens for them.
    pub(super) fn allow(&mut self, written: Field<Vec<At<String>>>, listen: &[Listen]) -> Allow {
        let listens = listen.iter().any(|place| matches!(place, Listen::Docker(_)));
        let usual = Allow { same_user_only: true, docker: listens };
        let Some(at) = written.given() else { return usual };
        for item in &at.value {
            if !ALLOWED.contains(&item.value.as_str()) {
                let hint = words::did_you_mean(&item.value, &ALLOWED)
                    .unwrap_or_else(|| format!("known here: {}", ALLOWED.join(", ")));
                self.fault(item.line, "allow", format!("there is no {:?}", item.value), hint);
                return usual;
            }
        }
        let has = |word: &str| at.value.iter().any(|item| item.value == word);
        match (has(ANY), has(SAME_USER), has(DOCKER)) {
            (true, false, false) => Allow { same_user_only: false, docker: true },
            (true, _, _) => {
                let hint = "write allow = [\"any\"] alone";
                self.fault(at.line, "allow", "\"any\" holds all the others", hint);
                usual
            }
            (false, true, true) => Allow { same_user_only: true, docker: true },
            (false, true, false) if listens => {
                let reason = "lets in nobody who comes from \"docker\", where this target listens";
                let hint = "write allow = [\"same-user\", \"docker\"], or take it out of listen";
                self.fault(at.line, "allow", reason, hint);
                usual
            }
            (false, true, false) => usual,
            (false, false, _) => {
                let hint = "write [\"same-user\"], [\"same-user\", \"docker\"] or [\"any\"]";
                self.fault(at.line, "allow", "leaves out the daemon's own user", hint);
                usual
            }
        }
    }

    /// Tells what goes with the other kind of site only.
    fn fit(&mut self, written: &file::Rules, runs: Option<&Runs>) {
        match runs {
            Some(Runs::Service(_)) => {
                for (key, line) in [
                    ("command", written.command.line()),
                    ("max_life", written.max_life.line()),
                    ("share", set(&written.share)),
                ] {
                    if let Some(line) = line {
                        let reason = "goes with task_definition, not with service";
                        let hint = "remove it; a service's tasks run as the service says";
                        self.fault(line, key, reason, hint);
                    }
                }
            }
            Some(Runs::TaskDefinition(_)) => {
                if let Some(line) = set(&written.scale_from_zero) {
                    let reason = "goes with service, not with task_definition";
                    let hint = "remove it; tasks of our own are started when they are wanted";
                    self.fault(line, "scale_from_zero", reason, hint);
                }
            }
            None => {}
        }
    }

    /// One of a few words.
    fn word<T: Clone>(&mut self, at: &At<String>, key: &str, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == at.value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let hint = words::did_you_mean(&at.value, &known)
                .unwrap_or_else(|| format!("write one of {}", known.join(", ")));
            self.fault(at.line, key, format!("there is no {:?}", at.value), hint);
        }
        found.map(|(_, meant)| meant.clone())
    }

    fn count(&mut self, at: &At<i64>, key: &str, most: usize) -> Option<usize> {
        let count = usize::try_from(at.value).ok().filter(|count| (1..=most).contains(count));
        if count.is_none() {
            let hint = format!("between 1 and {most}");
            self.fault(at.line, key, format!("{} is not possible", at.value), hint);
        }
        count
    }

    fn price(&mut self, at: &At<f64>) -> Option<f64> {
        if (0.0..=DEAREST).contains(&at.value) {
            return Some(at.value);
        }
        let hint = format!("US dollars an hour, between 0 and {DEAREST}: price_per_hour = 0.0154");
        self.fault(at.line, "price_per_hour", format!("{} is no price", at.value), hint);
        None
    }

    /// `"64MB"`, in bytes.
    fn size(&mut self, at: &At<String>, key: &str) -> Option<u64> {
        let text = at.value.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let unit = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()));
        let bytes = number.parse::<u64>().ok().zip(unit).map(|(n, (_, of))| n.saturating_mul(*of));
        let Some(bytes) = bytes else {
            let hint = format!("write a whole number and a unit: {key} = \"64MB\"");
            self.fault(at.line, key, format!("{:?} is no size", at.value), hint);
            return None;
        };
        if (LEAST_UNREAD..=MOST_UNREAD).contains(&bytes) {
            return Some(bytes);
        }
        let much = if bytes > MOST_UNREAD { "much" } else { "little" };
        self.fault(at.line, key, format!("{:?} is too {much}", at.value), "between 1MB and 64GB");
        None
    }

    /// A file of certificates; beside the config file where its path is not a whole one.
    fn bundle(&mut self, at: &At<String>, key: &str, file: &Path) -> Option<PathBuf> {
        let written = Path::new(&at.value);
        let path = file.parent().unwrap_or(Path::new("")).join(written);
        if !at.value.is_empty() && path.is_file() {
            return Some(path);
        }
        let hint = if at.value.starts_with('~') {
            "write the whole path, without \"~\""
        } else {
            "name a file of certificates in PEM form, as an administrator gives it out"
        };
        self.fault(at.line, key, format!("{} is no file", path.display()), hint);
        None
    }
}

/// What a target says for itself; what it does not say, its site does.
#[derive(Debug)]
pub(super) struct OwnRules {
    pub(super) max_bastions: Option<usize>,
    pub(super) first_byte_timeout: Option<Duration>,
    pub(super) silent_after: Option<Option<Duration>>,
    pub(super) patience: Option<Patience>,
}

/// Checks `[daemon]` where it is written.
pub(super) fn check_daemon(
    written: Option<file::Daemon>,
    file: &Path,
    config: &mut Config,
    faults: &mut Faults,
) {
    let Some(written) = written else { return };
    Check::new("daemon".to_owned(), written.line, faults).daemon(written, file, config);
}

/// Where a flag says yes.
fn set(flag: &Field<bool>) -> Option<usize> {
    match flag {
        Field::Given(at) if at.value => Some(at.line),
        Field::Given(_) | Field::Absent | Field::Faulty => None,
    }
}

const ANY: &str = "any";
const SAME_USER: &str = "same-user";
const DOCKER: &str = "docker";
const ALLOWED: [&str; 3] = [SAME_USER, DOCKER, ANY];

/// As many sessions as ECS Exec's agent takes of one container (F3).
const TUNNELS_PER_BASTION: usize = 2;
/// One: a second bastion costs as much as the first, so somebody has to want it.
const MAX_BASTIONS: usize = 1;
/// A database in reach answers within a round trip; psql itself gives up after some such time.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than a meeting, shorter than a night.
const SILENT_AFTER: Duration = Duration::from_secs(3600);
/// A working day with its ends; what is forgotten is gone the next morning.
const MAX_LIFE: Duration = Duration::from_secs(12 * 3600);

const MOST_TUNNELS: usize = 64; // as many as a fan-out may ask for
const MOST_BASTIONS: usize = 64; // one for each tunnel of the widest fan-out
const SHORTEST_FIRST_BYTE: Duration = Duration::from_secs(1); // less is a slow link's round trips
const LONGEST_FIRST_BYTE: Duration = Duration::from_secs(600); // beyond it the visitor itself has long given up
const SHORTEST_SILENCE: Duration = Duration::from_secs(60); // less would cut a query that thinks
const LONGEST_SILENCE: Duration = Duration::from_secs(7 * 24 * 3600); // as the longest idle time
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1); // less is no wait at all
const LONGEST_PATIENCE: Duration = Duration::from_secs(3600); // beyond it every start has failed or come
const SHORTEST_LIFE: Duration = Duration::from_secs(30 * 60); // a successor has to be started before the end
const LONGEST_LIFE: Duration = Duration::from_secs(14 * 24 * 3600); // two weeks: Fargate retires older ones by itself
const DEAREST: f64 = 1000.0; // US dollars an hour: more is a figure for a month
const LEAST_UNREAD: u64 = 1_000_000; // bytes: less than a window would pause a stream that is read
const MOST_UNREAD: u64 = 64_000_000_000; // bytes: more than a laptop has
const UNITS: [(&str, u64); 6] = [
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];
