//! Where bastiond is, by a name that stays.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use bastion_api::{Problem, ProblemKind};

use crate::error::Failure;

/// The program that a service is to run: the one that was named, else the one beside bastionctl, else the one on PATH.
pub(super) fn find(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let ours = env::current_exe().ok();
    let path = env::var_os("PATH").unwrap_or_default();
    match named {
        Some(named) => {
            // A name that is typed is meant from here.
            let absolute = std::path::absolute(named).unwrap_or_else(|_| named.to_owned());
            if absolute.is_file() {
                Ok(absolute)
            } else {
                Err(missing(&format!("no file {}", named.display())))
            }
        }
        None => search(ours.as_deref(), &path)
            .ok_or_else(|| missing("it is neither beside bastionctl nor on PATH")),
    }
}

/// The program beside ours, by its name on PATH where it has one there: that one stays when a package is upgraded.
fn search(ours: Option<&Path>, path: &OsStr) -> Option<PathBuf> {
    let beside = ours.and_then(|ours| Some(ours.parent()?.join(NAME))).filter(|it| it.is_file());
    let on_path = || {
        env::split_paths(path)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(NAME))
            .filter(|it| it.is_file())
    };
    let Some(beside) = beside else { return on_path().next() };
    let real = |path: &Path| path.canonicalize().ok();
    let same = on_path().find(|named| real(named).is_some_and(|it| Some(it) == real(&beside)));
    Some(same.unwrap_or(beside))
}

fn missing(why: &str) -> Failure {
    let problem = Problem::new("C23", ProblemKind::NotFound, "bastiond is not installed")
        .because(why)
        .hint("install bastiond into the directory of bastionctl")
        .hint("bastionctl service install --program FILE");
    problem.into()
}

const NAME: &str = "bastiond";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_one_beside_us_comes_before_the_one_on_path_and_goes_by_its_lasting_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for place in ["ours", "bin", "other"] {
            fs::create_dir(at(place)).unwrap();
        }
        let path = env::join_paths([at("other"), at("bin")]).unwrap();
        let ours = at("ours/bastionctl");
        assert_eq!(search(Some(&ours), &path), None);
        fs::write(at("other/bastiond"), "").unwrap();
        assert_eq!(search(Some(&ours), &path), Some(at("other/bastiond")));
        fs::write(at("ours/bastiond"), "").unwrap();
        assert_eq!(search(Some(&ours), &path), Some(at("ours/bastiond")));
        symlink(at("ours/bastiond"), at("bin/bastiond")).unwrap();
        assert_eq!(search(Some(&ours), &path), Some(at("bin/bastiond")));
    }
}
