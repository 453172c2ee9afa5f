//! pgAdmin, and the browser that it is seen through.

use std::path::PathBuf;

use crate::Failure;
use crate::place::{on_path, workspace};
use crate::setup::Consent;
use crate::setup::packages::{Package, install};
use crate::setup::venv::Venv;

/// Where pgAdmin and a browser lie.
#[derive(Clone, Debug)]
pub struct PgAdmin {
    /// The Python that has it.
    pub python: PathBuf,
    /// The browser.
    pub browser: PathBuf,
}

impl PgAdmin {
    /// Finds or installs both.
    ///
    /// # Errors
    /// When one is not here and may not or cannot be installed.
    pub fn ensure(consent: Consent) -> Result<Self, Failure> {
        let list = workspace().join("tests/peers/python/requirements-pgadmin.txt");
        let python = Venv::of(&list, "pgadmin", consent)?.python();
        if on_path(CHROMIUM, &[]).is_none() {
            install(PACKAGE, consent)?;
        }
        let browser = on_path(CHROMIUM, &[]).ok_or_else(|| Failure::Missing {
            what: CHROMIUM.to_owned(),
            cure: "put Chromium on PATH".to_owned(),
        })?;
        Ok(Self { python, browser })
    }
}

const CHROMIUM: &str = "chromium";

const PACKAGE: Package = Package { what: "Chromium", apt: &["chromium"], brew: "chromium" };
