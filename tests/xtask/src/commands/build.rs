//! Building everything once, in one shape, so that the demo, the tests and the benches share it.

use std::path::PathBuf;
use std::process::Command;

use xtask::Failure;
use xtask::failure::{run, run_loud};
use xtask::place::workspace;
use xtask::setup::say;

/// What cargo builds into.
#[derive(Debug)]
pub(crate) struct Built {
    /// The folder with the programs.
    pub(crate) bin: PathBuf,
}

/// What to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The programs that the demo runs.
    Programs,
    /// The programs and every test.
    All,
    /// The benches with the programs that they measure, as they are shipped: a debug build's code alone is twice as large
    /// in memory as the whole daemon.
    Benches,
}

/// Builds; a second run with nothing changed takes a second.
///
/// # Errors
/// When something does not compile.
pub(crate) fn build(part: Part) -> Result<Built, Failure> {
    if let (Part::Programs, Some(bin)) = (part, std::env::var_os("BASTION_BIN_DIR")) {
        // Whoever runs us has built them.
        return Ok(Built { bin: bin.into() });
    }
    say("building (the first time takes minutes: the AWS SDK is large)");
    let mut cargo = cargo();
    cargo.arg("build");
    let profile = match part {
        Part::Programs => {
            cargo.arg("--bins").args(packages(&["bastiond", "bastionctl", "bastion-sim"]));
            "debug"
        }
        Part::All => {
            cargo.args(["--workspace", "--all-targets"]);
            "debug"
        }
        Part::Benches => {
            let measured = ["bastiond", "bastionctl", "bastion-sim", "bastion-bench"];
            cargo.args(["--release", "--bins"]).args(packages(&measured));
            "release"
        }
    };
    run_loud(&mut cargo)?;
    Ok(Built { bin: target()?.join(profile) })
}

/// How third-party clients are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// For tests.
    Debug,
    /// For measuring.
    Release,
}

/// Builds the third-party clients and says where they are. They are a workspace of their own, so that what they need never
/// reaches ours.
///
/// # Errors
/// When something does not compile.
pub(crate) fn peers(profile: Profile) -> Result<PathBuf, Failure> {
    let manifest = workspace().join("tests/peers/Cargo.toml");
    let dir = target()?.join("peers");
    say("building the third-party clients");
    let mut cargo = cargo();
    cargo.args(["build", "--locked", "--manifest-path"]).arg(&manifest);
    cargo.arg("--target-dir").arg(&dir);
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    run_loud(&mut cargo)?;
    Ok(dir.join(folder))
}

/// Names packages on cargo's command line.
fn packages<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names.iter().flat_map(|name| ["--package", *name]).collect()
}

/// The cargo that runs us, in the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

/// Where cargo puts what it builds.
///
/// # Errors
/// When cargo does not say.
pub(crate) fn target() -> Result<PathBuf, Failure> {
    let text = run(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)
        .map_err(|err| Failure::unexpected("cargo's metadata as JSON", err.to_string()))?;
    let dir = metadata["target_directory"].as_str().map(PathBuf::from);
    dir.ok_or_else(|| Failure::unexpected("a target directory", text))
}
