//! PostgreSQL's programs: the server, and the clients that come with it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::place::{is_program, on_path};
use crate::setup::Consent;
use crate::setup::packages::{Package, install, write_as_root};

/// Where PostgreSQL's programs lie.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The folder with initdb and postgres.
    pub bin: PathBuf,
}

impl Programs {
    /// Finds them: in `$BASTION_POSTGRES_BIN`, on PATH, and where Debian and Homebrew put them, newest first.
    pub fn find() -> Option<Self> {
        let told = std::env::var_os("BASTION_POSTGRES_BIN").map(PathBuf::from);
        let path = on_path("initdb", &[]).and_then(|initdb| {
            // A link on PATH may stand for a folder that has all of them.
            fs::canonicalize(initdb).ok()?.parent().map(Path::to_owned)
        });
        let mut places: Vec<PathBuf> = told.into_iter().chain(path).collect();
        for shelf in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"] {
            places.extend(versions(Path::new(shelf)));
        }
        let whole = |bin: &PathBuf| NEEDED.iter().all(|name| is_program(&bin.join(name)));
        places.into_iter().find(whole).map(|bin| Self { bin })
    }

    /// Finds them or installs them.
    ///
    /// # Errors
    /// When they are not here and may not or cannot be installed.
    pub fn ensure(consent: Consent) -> Result<Self, Failure> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        // Debian's package makes and starts a system-wide server when it is installed, unless told not to beforehand.
        let settings = Path::new("/etc/postgresql-common/createcluster.conf");
        if !settings.exists() {
            consent.obtain("PostgreSQL", "apt-get install postgresql")?;
            write_as_root(settings, "create_main_cluster = false\nstart_conf = 'manual'\n")?;
        }
        install(PACKAGE, consent)?;
        Self::find().ok_or_else(|| Failure::Missing {
            what: format!("a folder with {}", NEEDED.join(", ")),
            cure: "put PostgreSQL's programs on PATH".to_owned(),
        })
    }

    /// One of them.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

/// The bin folders under a shelf of versions, the highest version first.
fn versions(shelf: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(shelf)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?;
            let version = name.trim_start_matches("postgresql@").parse().ok()?;
            Some((version, path.join("bin")))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, bin)| bin).collect()
}

/// What a demo and the stories run.
const NEEDED: &[&str] = &["initdb", "postgres", "psql", "pg_isready", "pgbench"];

const PACKAGE: Package = Package {
    what: "PostgreSQL",
    apt: &["postgresql", "postgresql-client"],
    brew: "postgresql@17",
};
