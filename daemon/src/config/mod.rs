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

mod check;
mod fault;
mod file;
mod listen;
mod reader;
mod report;
mod values;
mod words;

pub use fault::{Fault, Faults};
pub use report::report;

/// Everything that the config file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The file; none where it does not exist.
    pub path: Option<PathBuf>,
    /// The sites by name.
    pub sites: BTreeMap<String, SiteConfig>,
    /// The targets in the order of the file.
    pub targets: Vec<Target>,
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
    /// The database inside the server, for the client lines that we print.
    pub db_name: Option<String>,
    /// The user, for the client lines that we print.
    pub user: Option<String>,
    /// Where the password is kept.
    pub password: Option<SecretRef>,
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
        .map(|written| check::check(written, &mut faults))
        .unwrap_or_default();
    faults.or(Config { path: Some(path.to_owned()), ..config })
}

/// How long a bastion may be of no use, where nobody says.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// How long a bastion may take to start, where nobody says: Fargate takes 20–60 s, a large image more.
pub const START_TIMEOUT: Duration = Duration::from_secs(3 * 60);

#[cfg(test)]
mod tests;
