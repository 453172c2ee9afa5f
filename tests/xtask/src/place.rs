//! Where things are: the workspace, its programs, the caches, a free port, an account that is not root.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Failure;

/// The workspace's root, where this package was compiled.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this package lies two folders below the root").to_owned()
}

/// Where what we fetch and make for testing is kept between runs.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache() -> Result<PathBuf, Failure> {
    let base = match (absolute("XDG_CACHE_HOME"), absolute("HOME")) {
        (Some(cache), _) => cache,
        (None, Some(home)) => home.join(".cache"),
        (None, None) => {
            return Err(Failure::Missing {
                what: "a home directory".to_owned(),
                cure: "set HOME".to_owned(),
            });
        }
    };
    let dir = base.join("bastiond");
    fs::create_dir_all(&dir).map_err(Failure::io(format!("making {}", dir.display())))?;
    Ok(dir)
}

/// One of our own programs: in `$BASTION_BIN_DIR`, else beside the program that asks.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf, Failure> {
    let dirs = program_dirs();
    let found = dirs.iter().map(|dir| dir.join(name)).find(|path| is_program(path));
    found.ok_or_else(|| Failure::Missing {
        what: format!("the program {name}"),
        cure: format!(
            "build it (cargo build --workspace --all-targets) or set BASTION_BIN_DIR; looked in {}",
            dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(" and ")
        ),
    })
}

/// A test's executable lies in target/debug/deps, a program in target/debug.
fn program_dirs() -> Vec<PathBuf> {
    if let Some(dir) = absolute("BASTION_BIN_DIR") {
        return vec![dir];
    }
    let Ok(exe) = env::current_exe() else { return Vec::new() };
    exe.ancestors().skip(1).take(2).map(Path::to_owned).collect()
}

/// A program on PATH, or in one of these folders.
pub fn on_path(name: &str, beside: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(beside.iter().cloned());
    dirs.map(|dir| dir.join(name)).find(|path| is_program(path))
}

/// Is this a file that may be executed?
pub fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A port of this machine that nobody listens on.
///
/// It is chosen below the range from which the system gives ports to outgoing connections (32768 and above on Linux), so
/// that no client of a test running beside takes it before we listen.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> Result<u16, Failure> {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Programs that run at the same time begin at different places.
    let mine = u16::try_from(std::process::id() % 200).unwrap_or_default() * 60;
    for _ in 0..PORTS.1 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.0 + mine.wrapping_add(step) % PORTS.1;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Failure::Missing { what: "a free port".to_owned(), cure: "end something".to_owned() })
}

/// The first port that is tried, and how many.
const PORTS: (u16, u16) = (20_000, 12_000);

/// Who may own a database's files: PostgreSQL and MariaDB refuse to run as root.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// The account for servers when we are root; `None` when we are somebody else and they can run as we do.
///
/// # Errors
/// When we are root and this machine knows nobody else.
pub fn servant() -> Result<Option<Account>, Failure> {
    if !rustix::process::getuid().is_root() {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").map_err(Failure::io("reading /etc/passwd"))?;
    let found = ["postgres", "nobody"].iter().find_map(|name| account(&passwd, name));
    found.map(Some).ok_or_else(|| Failure::Missing {
        what: "an account for the database servers (postgres or nobody)".to_owned(),
        cure: "add one, or do not run as root".to_owned(),
    })
}

fn account(passwd: &str, name: &str) -> Option<Account> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some(Account { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

fn absolute(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}
