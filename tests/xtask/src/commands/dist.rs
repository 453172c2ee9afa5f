//! What is handed to people: stripped programs, manual, completions and service files, in a folder and an archive of it.
//!
//! ```text
//!   <target>/dist/bastiond-<version>-<triple>/   bin/ share/man/man1/ share/…completions… systemd/ launchd/ README.md LICENSE
//!   <target>/dist/bastiond-<version>-<triple>.tar.gz
//!   <target>/dist/SHA256SUMS
//! ```
//!
//! The archive's files come in the order of their names, owned by nobody in particular and dated as the commit is.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use xtask::Failure;
use xtask::failure::{run, run_loud};
use xtask::place::{on_path, workspace};
use xtask::setup::say;

use super::build::{cargo, target};

/// Build what is handed to people: stripped programs, manual, completions, service files, and an archive of it
#[derive(Debug, Args)]
pub(crate) struct Dist {
    /// Build and pack below this directory [default: cargo's own]
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
}

impl Dist {
    /// Builds, packs, and says how large it is.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let target = match self.target_dir {
            Some(dir) => std::path::absolute(dir).map_err(Failure::io("naming the target"))?,
            None => target()?,
        };
        say("building (a release takes minutes: the AWS SDK is large)");
        let packages = ["--package=bastiond", "--package=bastionctl"];
        let mut build = cargo();
        build.args(["build", "--release", "--locked", "--bins"]).args(packages);
        run_loud(build.arg("--target-dir").arg(&target))?;
        let package = Package {
            dist: target.join("dist"),
            name: format!("bastiond-{}-{}", env!("CARGO_PKG_VERSION"), triple()?),
            dated: dated(),
        };
        let sizes = package.stage(&target.join("release"))?;
        let archive = package.pack()?;
        for (program, bytes, most) in &sizes {
            say(&format!("{program}: {:.1} MB of at most {} MB", mb(*bytes), most / MB));
        }
        if let Some((program, bytes, most)) = sizes.iter().find(|(_, bytes, most)| bytes > most) {
            let expected = format!("{program} of at most {} MB", most / MB);
            return Err(Failure::unexpected(expected, format!("{:.1} MB", mb(*bytes))));
        }
        say(&format!("dist ok: {}", archive.display()));
        Ok(())
    }
}

/// A folder that is being filled, and its archive.
struct Package {
    /// Where both stand.
    dist: PathBuf,
    /// The folder's name.
    name: String,
    /// When its files were last changed, as far as the archive tells.
    dated: SystemTime,
}

impl Package {
    /// Fills the folder; says how large each program is, and how large it may be.
    fn stage(&self, programs: &Path) -> Result<Vec<(&'static str, u64, u64)>, Failure> {
        let folder = self.folder();
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Failure::io("removing the last one"))?;
        }
        let mut sizes = Vec::new();
        for (program, most) in PROGRAMS {
            let from = programs.join(program);
            self.copy(&from, &format!("bin/{program}"), 0o755)?;
            let meta = fs::metadata(&from).map_err(Failure::io(program))?;
            sizes.push((program, meta.len(), most));
        }
        for file in FILES {
            self.copy(&workspace().join(file), file, 0o644)?;
        }
        let ctl = folder.join("bin/bastionctl");
        let manual = folder.join("share/man/man1");
        run(Command::new(&ctl).args(["man", "--quiet", "--dir"]).arg(&manual))?;
        for (shell, place) in COMPLETIONS {
            let script = run(Command::new(&ctl).args(["completions", shell]))?;
            self.write(place, &script)?;
        }
        for file in files(&folder)? {
            let mode = if file.starts_with(folder.join("bin")) { 0o755 } else { 0o644 };
            let deed = || format!("dating {}", file.display());
            let open = File::options().read(true).open(&file).map_err(Failure::io(deed()))?;
            open.set_permissions(Permissions::from_mode(mode)).map_err(Failure::io(deed()))?;
            open.set_modified(self.dated).map_err(Failure::io(deed()))?;
        }
        Ok(sizes)
    }

    /// Makes the archive and the sums; says where the archive is.
    fn pack(&self) -> Result<PathBuf, Failure> {
        let archive = self.dist.join(format!("{}.tar.gz", self.name));
        let inside = files(&self.folder())?;
        let names: Vec<String> = inside
            .iter()
            .filter_map(|file| file.strip_prefix(&self.dist).ok())
            .map(|file| file.display().to_string() + "\n")
            .collect();
        let mut tar = Command::new("tar");
        tar.args(["--format=ustar", "-cf", "-", "-C"]).arg(&self.dist).args(["-T", "-"]);
        // GNU's and BSD's name the same thing differently.
        let gnu = run(Command::new("tar").arg("--version"))?.contains("GNU");
        tar.args(if gnu { ["--owner=0", "--group=0"] } else { ["--uid=0", "--gid=0"] });
        tar.arg("--numeric-owner");
        let failed = |deed: &str| Failure::io(format!("{deed} {}", archive.display()));
        let mut tar =
            tar.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed("packing"))?;
        let mut list = tar.stdin.take().expect("its input is piped");
        list.write_all(names.concat().as_bytes()).map_err(failed("naming what is in"))?;
        drop(list);
        let out = File::create(&archive).map_err(failed("making"))?;
        // Without a name and a time of its own.
        let packed = Command::new("gzip")
            .args(["-n", "-9"])
            .stdin(tar.stdout.take().expect("its output is piped"))
            .stdout(out)
            .status()
            .map_err(failed("pressing"))?;
        let listed = tar.wait().map_err(failed("packing"))?;
        if !packed.success() || !listed.success() {
            return Err(Failure::unexpected(
                "an archive",
                format!("tar: {listed}, gzip: {packed}"),
            ));
        }
        let sums = self.sum(&format!("{}.tar.gz", self.name))?;
        fs::write(self.dist.join("SHA256SUMS"), sums).map_err(failed("summing up"))?;
        Ok(archive)
    }

    /// The line that `sha256sum --check` takes.
    fn sum(&self, file: &str) -> Result<String, Failure> {
        let mut sum = match on_path("sha256sum", &[]) {
            Some(program) => Command::new(program),
            None => {
                let mut shasum = Command::new("shasum");
                shasum.args(["-a", "256"]);
                shasum
            }
        };
        run(sum.arg(file).current_dir(&self.dist))
    }

    fn folder(&self) -> PathBuf {
        self.dist.join(&self.name)
    }

    fn copy(&self, from: &Path, place: &str, mode: u32) -> Result<(), Failure> {
        let bytes = fs::read(from).map_err(Failure::io(format!("reading {}", from.display())))?;
        let to = self.made(place)?;
        let deed = || format!("writing {}", to.display());
        fs::write(&to, bytes).map_err(Failure::io(deed()))?;
        fs::set_permissions(&to, Permissions::from_mode(mode)).map_err(Failure::io(deed()))
    }

    fn write(&self, place: &str, text: &str) -> Result<(), Failure> {
        let to = self.made(place)?;
        fs::write(&to, text).map_err(Failure::io(format!("writing {}", to.display())))
    }

    /// A place in the folder whose own folder is there.
    fn made(&self, place: &str) -> Result<PathBuf, Failure> {
        let to = self.folder().join(place);
        let folder = to.parent().expect("a place stands in a folder");
        fs::create_dir_all(folder).map_err(Failure::io(format!("making {}", folder.display())))?;
        Ok(to)
    }
}

/// Every file below a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = || Failure::io(format!("reading {}", folder.display()));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(read())? {
        let path = entry.map_err(read())?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The machine that is built for.
fn triple() -> Result<String, Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = run(Command::new(rustc).arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::unexpected("rustc's host", told.clone()))
}

/// When the commit was made, or as `SOURCE_DATE_EPOCH` says; where nobody says, the beginning of time.
fn dated() -> SystemTime {
    let said = std::env::var("SOURCE_DATE_EPOCH").ok();
    let commit = || {
        let mut git = Command::new("git");
        run(git.args(["log", "-1", "--format=%ct"]).current_dir(workspace())).ok()
    };
    let seconds = said.or_else(commit).and_then(|text| text.trim().parse().ok());
    UNIX_EPOCH + Duration::from_secs(seconds.unwrap_or(0))
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / MB as f64
}

/// A million bytes.
const MB: u64 = 1_000_000;
/// The programs, and how large each may be: what a person downloads, and what a package manager complains of.
const PROGRAMS: [(&str, u64); 2] = [("bastiond", 35 * MB), ("bastionctl", 8 * MB)];
/// What is handed on as it is.
const FILES: [&str; 5] = [
    "LICENSE",
    "README.md",
    "launchd/com.bastiond.plist",
    "systemd/bastiond.service",
    "systemd/bastiond.socket",
];
/// Where each shell looks for what completes a program.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/bastionctl"),
    ("fish", "share/fish/vendor_completions.d/bastionctl.fish"),
    ("zsh", "share/zsh/site-functions/_bastionctl"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs that stand in for ours: bastionctl writes a page, and says for which shell it was asked.
    fn programs(dir: &Path) {
        let ctl = "#!/bin/sh\n[ \"$1\" = man ] || { echo \"for $2\"; exit; }\nmkdir -p \"$4\" && echo .TH > \"$4/bastionctl.1\"\n";
        for (name, text) in [("bastiond", "#!/bin/sh\n"), ("bastionctl", ctl)] {
            // Written by another process: a program that is open for writing, even by a fork of ours, cannot be run.
            let mut writer = Command::new("/bin/sh")
                .args(["-c", "cat > \"$0\"", name])
                .current_dir(dir)
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            assert!(writer.wait().unwrap().success());
        }
    }

    fn package(dir: &Path) -> Package {
        let dated = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        Package { dist: dir.join("dist"), name: "bastiond-1-x".to_owned(), dated }
    }

    #[test]
    fn the_archive_holds_everything_in_order_and_is_the_same_each_time() {
        let dir = tempfile::tempdir().unwrap();
        programs(dir.path());
        let package = package(dir.path());
        let sizes = package.stage(dir.path()).unwrap();
        assert_eq!(sizes[0], ("bastiond", 10, 35 * MB));
        let archive = package.pack().unwrap();
        let first = fs::read(&archive).unwrap();
        let listed = run(Command::new("tar").arg("-tf").arg(&archive)).unwrap();
        let names: Vec<&str> = listed.lines().collect();
        let expected = [
            "LICENSE",
            "README.md",
            "bin/bastionctl",
            "bin/bastiond",
            "launchd/com.bastiond.plist",
            "share/bash-completion/completions/bastionctl",
            "share/fish/vendor_completions.d/bastionctl.fish",
            "share/man/man1/bastionctl.1",
            "share/zsh/site-functions/_bastionctl",
            "systemd/bastiond.service",
            "systemd/bastiond.socket",
        ];
        assert_eq!(names, expected.map(|name| format!("bastiond-1-x/{name}")));
        let shown = fs::read_to_string(package.folder().join(COMPLETIONS[1].1)).unwrap();
        assert_eq!(shown, "for fish\n");

        // What stood there before is not packed again.
        fs::write(package.folder().join("left over"), "").unwrap();
        package.stage(dir.path()).unwrap();
        assert_eq!(fs::read(package.pack().unwrap()).unwrap(), first);
        let check = ["--check", "SHA256SUMS"];
        if let Some(program) = on_path("sha256sum", &[]) {
            run(Command::new(program).args(check).current_dir(&package.dist)).unwrap();
        }
    }
}
