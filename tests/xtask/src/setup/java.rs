//! pgjdbc as Debian has it, and the compiled program that asks by it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::failure::run;
use crate::place::{cache, on_path, workspace};
use crate::setup::Consent;
use crate::setup::packages::{Package, install};

/// Where what Java runs lies; Java itself is on `PATH`.
#[derive(Clone, Debug)]
pub struct Java {
    /// What it loads: pgjdbc, and the folder with `Ask`.
    pub classes: String,
}

impl Java {
    /// Finds it or installs it, and compiles `tests/peers/java/Ask.java`.
    ///
    /// # Errors
    /// When there is no JDK or no pgjdbc and they cannot be installed, or it does not compile.
    pub fn ensure(consent: Consent) -> Result<Self, Failure> {
        if on_path("javac", &[]).is_none() {
            install(JDK, consent)?;
        }
        if !Path::new(PGJDBC).exists() {
            install(PACKAGE, consent)?;
        }
        let missing = |what: &str| Failure::Missing {
            what: what.to_owned(),
            cure: "install a JDK, 17 or newer, and Debian's pgjdbc".to_owned(),
        };
        on_path("java", &[]).ok_or_else(|| missing("java"))?;
        let javac = on_path("javac", &[]).ok_or_else(|| missing("javac"))?;
        if !Path::new(PGJDBC).exists() {
            return Err(missing(PGJDBC));
        }
        let dir = cache()?.join("java");
        fs::create_dir_all(&dir).map_err(Failure::io(format!("making {}", dir.display())))?;
        run(Command::new(javac)
            .arg("-d")
            .arg(&dir)
            .arg(workspace().join("tests/peers/java/Ask.java")))?;
        Ok(Self { classes: format!("{PGJDBC}:{}", dir.display()) })
    }
}

/// Where Debian's package puts it.
const PGJDBC: &str = "/usr/share/java/postgresql.jar";

const JDK: Package = Package { what: "a JDK", apt: &["default-jdk-headless"], brew: "openjdk" };

/// Homebrew has none; there the failure says so.
const PACKAGE: Package =
    Package { what: "pgjdbc", apt: &["libpostgresql-jdbc-java"], brew: "pgjdbc" };
