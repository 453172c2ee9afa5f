//! A Python virtual environment with the third-party stand-ins and clients, made once for each list of requirements.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::failure::{run, run_loud};
use crate::place::{cache, on_path, workspace};
use crate::setup::packages::{Package, install};
use crate::setup::{Consent, say};

/// A virtual environment that is complete.
#[derive(Clone, Debug)]
pub struct Venv {
    /// Its folder.
    pub dir: PathBuf,
}

impl Venv {
    /// Its Python.
    pub fn python(&self) -> PathBuf {
        self.dir.join("bin/python")
    }

    /// The environment of `tests/peers/python`, found in the cache or made.
    ///
    /// # Errors
    /// When there is no Python, or a package cannot be installed.
    pub fn ensure(consent: Consent) -> Result<Self, Failure> {
        let lists = workspace().join("tests/peers/python");
        let usual = Wishes { file: lists.join("requirements.txt"), alone: false };
        let alone = Wishes { file: lists.join("requirements-alone.txt"), alone: true };
        Self::with(&[usual, alone], "venv", consent)
    }

    /// The environment that holds these packages alone.
    ///
    /// # Errors
    /// When there is no Python, or a package cannot be installed.
    pub fn of(list: &Path, name: &str, consent: Consent) -> Result<Self, Failure> {
        Self::with(&[Wishes { file: list.to_owned(), alone: false }], name, consent)
    }

    fn with(wishes: &[Wishes], name: &str, consent: Consent) -> Result<Self, Failure> {
        let python = python(consent)?;
        let mut known = run(Command::new(&python).arg("-VV"))?;
        for wish in wishes {
            let text = fs::read_to_string(&wish.file)
                .map_err(Failure::io(format!("reading {}", wish.file.display())))?;
            known.push_str(&text);
        }
        let cache = cache()?;
        let venv = Self { dir: cache.join(format!("{name}-{:016x}", fingerprint(&known))) };
        let complete = venv.dir.join("complete");
        // Two runs at once must not fill one folder.
        let lock = File::create(cache.join(format!("{name}.lock")))
            .map_err(Failure::io("making a lock"))?;
        lock.lock().map_err(Failure::io("waiting for another run that makes the environment"))?;
        if complete.exists() {
            return Ok(venv);
        }
        say(&format!("making a Python environment in {}", venv.dir.display()));
        if venv.dir.exists() {
            fs::remove_dir_all(&venv.dir).map_err(Failure::io("removing half an environment"))?;
        }
        venv.create(&python, consent)?;
        for wish in wishes {
            let mut pip = Command::new(venv.python());
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
            if wish.alone {
                pip.arg("--no-deps");
            }
            run_loud(pip.arg("--requirement").arg(&wish.file))?;
        }
        File::create(complete).map_err(Failure::io("marking the environment as complete"))?;
        Ok(venv)
    }

    /// Debian splits the part that makes environments off into a package of its own.
    fn create(&self, python: &Path, consent: Consent) -> Result<(), Failure> {
        let create = || run(Command::new(python).args(["-m", "venv"]).arg(&self.dir));
        if create().is_err() {
            install(VENV, consent)?;
            create()?;
        }
        Ok(())
    }
}

/// One list of packages.
struct Wishes {
    file: PathBuf,
    /// Without what the packages ask for in turn.
    alone: bool,
}

fn python(consent: Consent) -> Result<PathBuf, Failure> {
    if let Some(found) = on_path("python3", &[]) {
        return Ok(found);
    }
    install(PYTHON, consent)?;
    on_path("python3", &[]).ok_or_else(|| Failure::Missing {
        what: "python3".to_owned(),
        cure: "put Python 3.10 or newer on PATH".to_owned(),
    })
}

/// FNV-1a, 64 bits: the same text gives the same folder, whatever compiled us.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

const PYTHON: Package =
    Package { what: "Python 3", apt: &["python3", "python3-venv"], brew: "python@3.13" };
const VENV: Package =
    Package { what: "Python's venv module", apt: &["python3-venv"], brew: "python@3.13" };
