//! What the daemon is told to do, as meant: no string is left that should be a type.
//!
//! ```text
//!   text ──▶ file.rs: as written ──▶ check.rs: as meant ──▶ Config
//!              │ unknown keys,          │ unknown sites, bad values,
//!              ▼ wrong types            ▼ two targets on one port
//!            Faults: all of them at once, each with its line
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bastion_api::paths::{self, Env};
use bastion_cloud::{DatabaseRef, SecretRef, Site};
use dbwire::Engine;

pub mod ad_hoc;
mod check;
mod fault;
mod file;
mod listen;
mod proof;
mod reader;
pub mod reload;
mod report;
mod rules;
mod values;
mod words;
pub mod write;

pub use fault::{Fault, Faults};
pub use report::report;
pub use rules::Rules;
pub use words::is_name;

/// Everything that the config file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file; none where it does not exist.
    pub path: Option<PathBuf>,
    /// What becomes of bastions when the daemon stops.
    pub on_stop: OnStop,
    /// Certificates of authorities to trust in place of the system's, in a PEM file.
    pub ca_bundle: Option<PathBuf>,
    /// The authorities that RDS's databases are certified by, in a PEM file, where it is not in its usual place.
    pub rds_ca_bundle: Option<PathBuf>,
    /// How many bytes are kept for one visitor that does not read them.
    pub unread_per_stream: u64,
    /// How many bytes are kept for all of them together.
    pub unread_in_all: u64,
    /// The sites by name.
    pub sites: BTreeMap<String, SiteConfig>,
    /// The targets in the order of the file.
    pub targets: Vec<Target>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: None,
            on_stop: OnStop::default(),
            ca_bundle: None,
            rds_ca_bundle: None,
            unread_per_stream: UNREAD_PER_STREAM,
            unread_in_all: UNREAD_IN_ALL,
            sites: BTreeMap::new(),
            targets: Vec::new(),
        }
    }
}

/// A site, and what its targets do unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteConfig {
    /// The site as a cloud knows it.
    pub site: Site,
    /// How long a bastion may be of no use.
    pub idle_timeout: Duration,
    /// How long a bastion may take to start.
    pub start_timeout: Duration,
    /// Names of VPC endpoints that stand for the data channel's usual host.
    pub endpoints: Vec<String>,
    /// What it says about bastions and tunnels.
    pub rules: Rules,
}

/// A database as people name it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its name: letters, digits, `-`, `_` and `.`, safe in a path and in a URL.
    pub name: String,
    /// Its site, with this target's own profile and region where it has them.
    pub site: Site,
    /// Which database it is.
    pub database: DatabaseRef,
    /// What the database speaks, where the config says so.
    pub engine: Option<Engine>,
    /// Where to listen for it; never empty, nothing twice.
    pub listen: Vec<Listen>,
    /// How long its bastion may be of no use.
    pub idle_timeout: Duration,
    /// How long its bastion may take to start.
    pub start_timeout: Duration,
    /// Names of VPC endpoints that stand for the data channel's usual host.
    pub endpoints: Vec<String>,
    /// What its site says about bastions and tunnels, and where it says so, this target itself.
    pub rules: Rules,
    /// Who may visit it.
    pub allow: Allow,
    /// The database inside the server, for the client lines that we print.
    pub db_name: Option<String>,
    /// The user, for the client lines that we print.
    pub user: Option<String>,
    /// How its user proves who he is.
    pub password: Option<Proof>,
    /// Whether its people want to be warned of it: a production database, mostly.
    pub danger: bool,
}

/// How a target's user proves who he is to the database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proof {
    /// By a password that a secret holds.
    Secret(SecretRef),
    /// By a token that AWS's IAM vouches for, made anew each time.
    Iam,
}

/// What becomes of bastions when the daemon stops.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnStop {
    /// They are stopped: they cost money.
    #[default]
    Stop,
    /// They are left to the daemon's next run, or to their own end.
    Leave,
}

/// Whether a bastion that is wanted is kept reachable when nobody says anything.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum KeepAlive {
    /// One session of it is kept alive.
    #[default]
    Auto,
    /// Its sessions end as the account's idle limit says.
    Never,
}

/// How long a visitor may be kept waiting for a bastion before it is told why.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Patience {
    /// As long as its program is known to wait; else until the start fails.
    #[default]
    Auto,
    /// So long, whoever it is.
    AtMost(Duration),
}

/// What a bastion's container runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BastionCommand {
    /// Our watchdog, which ends the task when nobody has used it for a while.
    #[default]
    Watchdog,
    /// The image's own command.
    Keep,
}

/// Who may visit a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Allow {
    /// Whether of this machine's users only the daemon's own is let in.
    pub same_user_only: bool,
    /// Whether what comes from a container is let in.
    pub docker: bool,
}

/// A place to listen at.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Listen {
    /// 127.0.0.1 and ::1.
    Loopback(u16),
    /// The address of Docker's bridge on this machine.
    Docker(u16),
    /// A socket under the state directory.
    Unix,
    /// This address; where it is wider than loopback, the target is `exposed`.
    Address(SocketAddr),
}

/// Reads the config: the file that was named, else `$BASTION_CONFIG`, else the usual one.
///
/// A file that nobody named need not exist: then there are no targets.
pub fn load(explicit: Option<&Path>) -> Result<Config, Faults> {
    load_in(explicit, &Env::of_process())
}

/// As [`load`], in a given environment.
pub fn load_in(explicit: Option<&Path>, env: &Env) -> Result<Config, Faults> {
    let Ok(path) = paths::config_path(explicit, env) else {
        return Ok(Config::default());
    };
    let named = explicit.is_some() || env.config.is_some();
    match fs::read(&path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => parse(&path, &text),
            Err(err) => {
                Err(Faults::not_text(&path, err.as_bytes(), err.utf8_error().valid_up_to()))
            }
        },
        Err(err) if err.kind() == io::ErrorKind::NotFound && !named => Ok(Config::default()),
        Err(err) => Err(Faults::unreadable(&path, &err)),
    }
}

/// Says what a config file's text means.
pub fn parse(path: &Path, text: &str) -> Result<Config, Faults> {
    let mut faults = Faults::new(path);
    let config = file::read(text, &mut faults)
        .map(|written| check::check(path, written, &mut faults))
        .unwrap_or_default();
    faults.or(Config { path: Some(path.to_owned()), ..config })
}

/// How long a bastion may be of no use, where nobody says.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// How long a bastion may take to start, where nobody says: Fargate takes 20–60 s, a large image more.
pub const START_TIMEOUT: Duration = Duration::from_secs(3 * 60);

/// How many bytes are kept for one visitor that does not read them, where nobody says: a result of a large query in a
/// pager.
pub const UNREAD_PER_STREAM: u64 = 64_000_000;

/// How many bytes are kept for all such visitors together, where nobody says: what a laptop can spare.
pub const UNREAD_IN_ALL: u64 = 256_000_000;

#[cfg(test)]
impl Target {
    /// A target of a site that runs tasks of its own, with nothing said that need not be.
    pub(crate) fn example(name: &str) -> Self {
        let text = format!(
            "[site.site]\ncluster = \"cluster\"\ntask_definition = \"proxy\"\nsubnets = [\"subnet-1\"]\n\
             security_groups = [\"sg-1\"]\n[target.{name}]\nsite = \"site\"\nhost = \"db.internal\"\nport = 5432\n\
             listen = \"unix\"\n"
        );
        let config = parse(Path::new("c.toml"), &text).expect("the example has no fault");
        config.targets.into_iter().next().expect("the example has a target")
    }
}

#[cfg(test)]
mod tests;
