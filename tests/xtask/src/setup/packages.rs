//! The machine's own package manager: apt on Debian and its kin, brew on macOS.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use crate::Failure;
use crate::failure::run_loud;
use crate::place::on_path;
use crate::setup::{Consent, say};

/// One thing to install, by the name that each package manager gives it.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// In words.
    pub what: &'static str,
    /// Debian's packages.
    pub apt: &'static [&'static str],
    /// Homebrew's formula.
    pub brew: &'static str,
}

/// Which package manager this machine has.
#[derive(Debug)]
enum Manager {
    /// With what must stand before the command: sudo, or nothing.
    Apt(Vec<&'static str>),
    Brew(PathBuf),
}

/// Installs a package once the person agrees.
///
/// # Errors
/// When they do not, when there is no package manager that we know, or it fails.
pub fn install(package: Package, consent: Consent) -> Result<(), Failure> {
    let Some(manager) = manager() else {
        return Err(Failure::Missing {
            what: package.what.to_owned(),
            cure: "install it (neither apt-get nor brew is here to do it)".to_owned(),
        });
    };
    match manager {
        Manager::Apt(before) => {
            let names = package.apt.join(" ");
            consent.obtain(package.what, &format!("apt-get install {names}"))?;
            say(&format!("installing {} ({names})", package.what));
            refresh(&before);
            run_loud(
                apt(&before)
                    .args(["install", "--yes", "--quiet", "--no-install-recommends"])
                    .args(package.apt),
            )
        }
        Manager::Brew(brew) => {
            consent.obtain(package.what, &format!("brew install {}", package.brew))?;
            say(&format!("installing {} ({})", package.what, package.brew));
            run_loud(Command::new(brew).args(["install", package.brew]))
        }
    }
}

/// Writes a file that root owns, before an installation reads it; nothing where there is no apt.
///
/// # Errors
/// When it cannot be written.
pub fn write_as_root(path: &Path, text: &str) -> Result<(), Failure> {
    let Some(Manager::Apt(before)) = manager() else { return Ok(()) };
    let script = "mkdir -p \"$(dirname \"$1\")\" && printf '%s' \"$2\" > \"$1\"";
    let mut words = before.iter().copied().chain(["sh", "-c", script, "sh"]);
    let mut command = Command::new(words.next().expect("sh stands in the list"));
    run_loud(command.args(words).arg(path).arg(text))
}

/// An old list of packages names versions that the mirror no longer has; one refresh for each of our runs is enough.
fn refresh(before: &[&'static str]) {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        if let Err(failure) = run_loud(apt(before).args(["update", "--quiet"])) {
            say(&format!("going on with the package lists as they are: {failure}"));
        }
    });
}

fn apt(before: &[&'static str]) -> Command {
    let mut words =
        before.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    let mut command = Command::new(words.next().expect("env stands in the list"));
    command.args(words);
    command
}

fn manager() -> Option<Manager> {
    let brews = [PathBuf::from("/opt/homebrew/bin"), PathBuf::from("/usr/local/bin")];
    if on_path("apt-get", &[]).is_some() {
        let root = rustix::process::geteuid().is_root();
        return Some(Manager::Apt(if root { Vec::new() } else { vec!["sudo"] }));
    }
    on_path("brew", &brews).map(Manager::Brew)
}
