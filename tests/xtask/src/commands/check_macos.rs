//! Does it compile for macOS? Checked on any machine, run on none.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use xtask::Failure;
use xtask::failure::{run, run_loud};
use xtask::place::{cache, workspace};
use xtask::setup::venv::Venv;
use xtask::setup::{Consent, say};

use super::build::cargo;

/// Compile the daemon and the command line for aarch64-apple-darwin, without running them
#[derive(Debug, Args)]
pub(crate) struct CheckMacos {
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
}

impl CheckMacos {
    /// Types and borrows are checked in full; what is written in C (ring) is compiled by zig, which brings macOS's headers.
    pub(crate) fn run(self) -> Result<(), Failure> {
        std_for_macos()?;
        let list = workspace().join("tests/peers/python/requirements-zig.txt");
        let venv = Venv::of(&list, "zig", Consent::new(self.yes))?;
        let compiler = compiler(&venv.python())?;
        let mut check = cargo();
        check
            .args(["check", "--target", TARGET, "--package", "bastiond", "--package", "bastionctl"])
            .env("CC_aarch64_apple_darwin", &compiler.cc)
            .env("AR_aarch64_apple_darwin", &compiler.ar)
            // The build script would ask Xcode for it.
            .env("SDKROOT", "/")
            .env("ZIG_GLOBAL_CACHE_DIR", cache()?.join("zig"));
        run_loud(&mut check)?;
        say(&format!("check-macos ok: bastiond and bastionctl compile for {TARGET}"));
        Ok(())
    }
}

/// The standard library for macOS is a component of the toolchain.
fn std_for_macos() -> Result<(), Failure> {
    let sysroot = run(Command::new("rustc").args(["--print", "sysroot"]))?;
    let lib = Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET);
    if lib.exists() {
        return Ok(());
    }
    say(&format!("fetching the standard library for {TARGET}"));
    run_loud(Command::new("rustup").args(["target", "add", TARGET]))
}

/// zig as a C compiler.
struct Compiler {
    cc: PathBuf,
    ar: PathBuf,
}

/// `cc` takes a path alone, so two small scripts put zig's name, its subcommand and its target into one each.
fn compiler(python: &Path) -> Result<Compiler, Failure> {
    let dir = python.parent().expect("a program lies in a folder");
    // cc names the target as Rust does, which zig does not know.
    let cc = format!(
        "#!/bin/sh\nfor word; do\n  shift\n  case $word in --target=*|-arch|arm64|-mmacosx-version-min=*|-isysroot|/) ;; *) set -- \"$@\" \"$word\" ;; esac\ndone\nexec '{}' -m ziglang cc -target aarch64-macos \"$@\"\n",
        python.display()
    );
    let ar = format!("#!/bin/sh\nexec '{}' -m ziglang ar \"$@\"\n", python.display());
    Ok(Compiler {
        cc: script(&dir.join("macos-cc"), &cc)?,
        ar: script(&dir.join("macos-ar"), &ar)?,
    })
}

fn script(path: &Path, text: &str) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).map_err(Failure::io(format!("writing {}", path.display())))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .map_err(Failure::io(format!("making {} a program", path.display())))?;
    Ok(path.to_owned())
}

const TARGET: &str = "aarch64-apple-darwin";
