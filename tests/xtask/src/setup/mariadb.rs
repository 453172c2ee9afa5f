//! MariaDB's programs: the server, what makes its data directory, and the client.

use std::path::PathBuf;

use crate::Failure;
use crate::place::on_path;
use crate::setup::Consent;
use crate::setup::packages::{Package, install};

/// Where MariaDB's programs lie.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Makes a data directory.
    pub install_db: PathBuf,
    /// The server.
    pub server: PathBuf,
    /// The client.
    pub client: PathBuf,
}

impl Programs {
    /// Finds them on PATH and where Debian and Homebrew put them.
    pub fn find() -> Option<Self> {
        let told = std::env::var_os("BASTION_MARIADB_BIN").map(PathBuf::from);
        let beside: Vec<PathBuf> =
            told.into_iter().chain(PLACES.iter().map(PathBuf::from)).collect();
        Some(Self {
            install_db: on_path("mariadb-install-db", &beside)?,
            server: on_path("mariadbd", &beside)?,
            client: on_path("mariadb", &beside)?,
        })
    }

    /// Finds them or installs them.
    ///
    /// # Errors
    /// When they are not here and may not or cannot be installed.
    pub fn ensure(consent: Consent) -> Result<Self, Failure> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        install(PACKAGE, consent)?;
        Self::find().ok_or_else(|| Failure::Missing {
            what: "mariadbd, mariadb-install-db or mariadb".to_owned(),
            cure: "put MariaDB's programs on PATH".to_owned(),
        })
    }
}

const PLACES: &[&str] =
    &["/usr/sbin", "/usr/bin", "/opt/homebrew/opt/mariadb/bin", "/usr/local/opt/mariadb/bin"];

/// Debian's core packages hold the programs alone: no service, so nothing is started and nothing is left running.
const PACKAGE: Package = Package {
    what: "MariaDB",
    apt: &["mariadb-server-core", "mariadb-client-core"],
    brew: "mariadb",
};
