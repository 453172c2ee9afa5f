//! Hands the terminal over to a client's own program, which takes our place: Ctrl-C is its own from then on, and so is the
//! exit code.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bastion_api::{Engine, Problem, ProblemKind};
use tokio::time::timeout;

use crate::error::Failure;

/// The client's program of an engine.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Which one it is.
    pub(crate) kind: Kind,
}

/// Which program it is: what it is told hangs on that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// PostgreSQL's.
    Psql,
    /// MySQL's.
    Mysql,
    /// MariaDB's, which goes by MySQL's name, too.
    Mariadb,
}

impl Program {
    /// The client of an engine on this machine.
    pub(crate) async fn of(engine: Engine, target: &str) -> Result<Self, Failure> {
        match engine {
            Engine::Postgres => {
                let path = found(&["psql"]).ok_or_else(|| missing("psql", PSQL))?;
                Ok(Self { path, kind: Kind::Psql })
            }
            Engine::Mysql => {
                // MySQL's own knows how MySQL 8 takes passwords; MariaDB's is mostly the one that is there.
                let path = found(&["mysql", "mariadb"]).ok_or_else(|| missing("mysql", MYSQL))?;
                let kind = if is_mariadb(&path).await { Kind::Mariadb } else { Kind::Mysql };
                Ok(Self { path, kind })
            }
            Engine::Other => {
                let message = format!("no client is known for what {target} speaks");
                let problem = Problem::new("C14", ProblemKind::Usage, message)
                    .because("bastionctl starts psql and mysql; others are started by hand")
                    .hint(format!("bastionctl open {target}  # prints the address to connect to"));
                Err(problem.into())
            }
        }
    }
}

/// Runs a program in our place. Comes back only where that cannot be.
pub(crate) fn exec(command: &mut Command) -> Failure {
    let program = command.get_program().to_string_lossy().into_owned();
    // The listeners that tokio has set for signals do not outlive it, and std gives SIGPIPE back.
    let error = command.exec();
    let message = format!("{program} cannot be started");
    Problem::new("C15", ProblemKind::Failed, message).because(error.to_string()).into()
}

/// The first of these programs that is on PATH.
fn found(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    names.iter().find_map(|name| on_path(&path, name))
}

fn on_path(path: &OsStr, name: &str) -> Option<PathBuf> {
    env::split_paths(path).map(|dir| dir.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether a program that goes by MySQL's name is MariaDB's.
async fn is_mariadb(program: &Path) -> bool {
    let real = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    if real.file_name().is_some_and(|name| name.to_string_lossy().contains("mariadb")) {
        return true;
    }
    let mut asked = tokio::process::Command::new(program);
    asked.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match timeout(VERSION, asked.output()).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).contains("MariaDB"),
        Ok(Err(_)) | Err(_) => false,
    }
}

fn missing(program: &str, install: &[&str]) -> Failure {
    let message = format!("{program} is not installed");
    let mut problem =
        Problem::new("C13", ProblemKind::NotFound, message).because("there is none on PATH");
    for line in install {
        problem = problem.hint(*line);
    }
    problem.into()
}

/// The arguments of MySQL's programs that have to stand first, and the others.
pub(crate) fn first_and_rest(args: Vec<OsString>) -> (Vec<OsString>, Vec<OsString>) {
    args.into_iter().partition(|arg| {
        let arg = arg.to_string_lossy();
        FIRST.iter().any(|first| arg.starts_with(first))
    })
}

const FIRST: [&str; 4] = ["--defaults-", "--no-defaults", "--print-defaults", "--login-path"];

/// How psql is installed.
const PSQL: &[&str] = if cfg!(target_os = "macos") {
    &["brew install libpq && brew link --force libpq"]
} else {
    &["sudo apt install postgresql-client", "sudo dnf install postgresql"]
};

/// How a client of MySQL is installed.
const MYSQL: &[&str] = if cfg!(target_os = "macos") {
    &["brew install mysql-client && brew link --force mysql-client"]
} else {
    &["sudo apt install default-mysql-client", "sudo dnf install mysql"]
};

/// How long a program may take to tell its version.
const VERSION: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_stand_first_is_taken_to_the_front() {
        let args = ["-e", "select 1", "--defaults-file=/x", "--no-defaults", "--database=b"];
        let (first, rest) = first_and_rest(args.map(OsString::from).to_vec());
        assert_eq!(first, ["--defaults-file=/x", "--no-defaults"]);
        assert_eq!(rest, ["-e", "select 1", "--database=b"]);
    }

    #[test]
    fn only_what_can_be_run_is_a_program() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("psql");
        fs::write(&file, "").unwrap();
        assert_eq!(on_path(dir.path().as_os_str(), "psql"), None);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(on_path(dir.path().as_os_str(), "psql"), Some(file));
    }
}
