//! node-postgres, and what drives a browser, in a folder of the cache.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use crate::Failure;
use crate::failure::run_loud;
use crate::place::{cache, on_path};
use crate::setup::packages::{Package, install};
use crate::setup::{Consent, say};

/// Where its packages lie; node itself is on `PATH`.
#[derive(Clone, Debug)]
pub struct Node {
    /// node-postgres, as `require` takes it.
    pub pg: PathBuf,
    /// What drives a browser, as `require` takes it.
    pub playwright: PathBuf,
}

impl Node {
    /// Finds it or installs it.
    ///
    /// # Errors
    /// When there is no node, or the packages cannot be installed.
    pub fn ensure(consent: Consent) -> Result<Self, Failure> {
        if on_path("node", &[]).is_none() || on_path("npm", &[]).is_none() {
            install(NODE, consent)?;
        }
        let missing = || Failure::Missing {
            what: "node or npm".to_owned(),
            cure: "put Node.js 18 or newer on PATH".to_owned(),
        };
        on_path("node", &[]).ok_or_else(missing)?;
        let npm = on_path("npm", &[]).ok_or_else(missing)?;
        let cache = cache()?;
        let dir = cache.join(format!("node-{}", PACKAGES.join("-").replace('@', "-")));
        let package = |name: &str| dir.join("node_modules").join(name);
        let (pg, playwright) = (package("pg"), package("playwright-core"));
        let node = Self { pg, playwright };
        let complete = dir.join("complete");
        // Two runs at once must not fill one folder.
        let lock = File::create(cache.join("node.lock")).map_err(Failure::io("making a lock"))?;
        lock.lock().map_err(Failure::io("waiting for another run that installs them"))?;
        if complete.exists() {
            return Ok(node);
        }
        say(&format!("installing {} in {}", PACKAGES.join(" and "), dir.display()));
        fs::create_dir_all(&dir).map_err(Failure::io(format!("making {}", dir.display())))?;
        let mut install = Command::new(npm);
        install.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
        run_loud(install.arg(&dir).args(PACKAGES))?;
        File::create(complete).map_err(Failure::io("marking them as complete"))?;
        Ok(node)
    }
}

/// The versions that README's table speaks of; the second one brings no browser of its own.
const PACKAGES: [&str; 2] = ["pg@8.23.1", "playwright-core@1.64.1"];

const NODE: Package = Package { what: "Node.js", apt: &["nodejs", "npm"], brew: "node" };
