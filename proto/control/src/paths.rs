//! Where the two programs meet and where the daemon keeps its things: one answer for both.
//!
//! The daemon binds the first place; the client tries every place, because the two may have been started with different
//! environments (a service manager, a login shell, cron).

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use thiserror::Error;

/// What of the environment decides about places.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Env {
    /// `$BASTION_SOCKET`.
    pub socket: Option<PathBuf>,
    /// `$BASTION_CONFIG`.
    pub config: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// The directory for state; none where there is no home.
    pub state_dir: Option<PathBuf>,
    /// The directory for the config; none where there is no home.
    pub config_dir: Option<PathBuf>,
}

impl Env {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let project = ProjectDirs::from("", "", NAME);
        Self {
            socket: set(env::var_os("BASTION_SOCKET")),
            config: set(env::var_os("BASTION_CONFIG")),
            // A relative one is to be ignored (XDG Base Directory Specification).
            runtime_dir: set(env::var_os("XDG_RUNTIME_DIR")).filter(|path| path.is_absolute()),
            // macOS has no directory for state; its local data directory is what stays on this machine.
            state_dir: project
                .as_ref()
                .map(|dirs| dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_owned()),
            config_dir: project.as_ref().map(|dirs| dirs.config_dir().to_owned()),
        }
    }
}

/// The places of the control socket: the daemon binds the first, the client tries all in this order.
pub fn control_sockets(env: &Env) -> Vec<PathBuf> {
    if let Some(socket) = &env.socket {
        return vec![socket.clone()];
    }
    let runtime = env.runtime_dir.as_ref().map(|dir| dir.join(NAME).join(SOCKET));
    let state = env.state_dir.as_ref().map(|dir| dir.join(SOCKET));
    let mut places: Vec<PathBuf> = runtime.into_iter().chain(state).collect();
    places.dedup();
    places
}

/// The control socket that the daemon binds.
pub fn control_socket(env: &Env) -> Result<PathBuf, PathError> {
    let Some(socket) = control_sockets(env).into_iter().next() else {
        return Err(PathError::NoHome);
    };
    fits(&socket)?;
    Ok(socket)
}

/// The directory in which the daemon keeps its state.
pub fn state_dir(env: &Env) -> Result<PathBuf, PathError> {
    env.state_dir.clone().ok_or(PathError::NoHome)
}

/// The config file: the one that was named, else `$BASTION_CONFIG`, else the usual one. It need not exist.
pub fn config_path(named: Option<&Path>, env: &Env) -> Result<PathBuf, PathError> {
    if let Some(path) = named.or(env.config.as_deref()) {
        return Ok(path.to_owned());
    }
    let Some(dir) = &env.config_dir else { return Err(PathError::NoHome) };
    Ok(dir.join(CONFIG))
}

/// Whether a Unix socket's path is short enough for the system.
pub fn fits(path: &Path) -> Result<(), PathError> {
    let bytes = path.as_os_str().as_bytes().len();
    if bytes > MAX_SOCKET_PATH {
        return Err(PathError::TooLong { path: path.to_owned(), bytes });
    }
    Ok(())
}

/// Why there is no such place.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum PathError {
    /// The system would cut it off or refuse it.
    #[error("the socket's path is {bytes} bytes long, the system takes {MAX_SOCKET_PATH}: {path}")]
    TooLong {
        /// The path.
        path: PathBuf,
        /// How long it is.
        bytes: usize,
    },
    /// Neither the environment nor the system names a home directory.
    #[error("no home directory is known")]
    NoHome,
}

impl PathError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => {
                "set BASTION_SOCKET to a shorter path, for the daemon and for bastionctl: \
                 export BASTION_SOCKET=/tmp/bastiond-$(id -u)/control.sock"
            }
            Self::NoHome => "set HOME, or BASTION_SOCKET and BASTION_CONFIG",
        }
    }
}

/// A variable's value; an empty one counts as not set.
fn set(value: Option<OsString>) -> Option<PathBuf> {
    value.filter(|value| !value.is_empty()).map(PathBuf::from)
}

const NAME: &str = "bastiond";
const SOCKET: &str = "control.sock";
const CONFIG: &str = "config.toml";

/// The longest path of a Unix socket, in bytes: `sun_path` holds 104 on macOS and 108 on Linux, with its closing zero,
/// and some programs (`curl`, `ssh`) need a few bytes more than the path itself.
pub const MAX_SOCKET_PATH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Env {
        Env {
            runtime_dir: Some("/run/user/1000".into()),
            state_dir: Some("/home/amy/.local/state/bastiond".into()),
            config_dir: Some("/home/amy/.config/bastiond".into()),
            ..Env::default()
        }
    }

    #[test]
    fn the_runtime_directory_comes_before_the_state_directory() {
        let places = control_sockets(&home());
        let expected = [
            "/run/user/1000/bastiond/control.sock",
            "/home/amy/.local/state/bastiond/control.sock",
        ];
        assert_eq!(places, expected.map(PathBuf::from));
        assert_eq!(control_socket(&home()).unwrap(), places[0]);
    }

    #[test]
    fn without_a_runtime_directory_the_socket_stands_in_the_state_directory() {
        let env = Env { runtime_dir: None, ..home() };
        let expected = PathBuf::from("/home/amy/.local/state/bastiond/control.sock");
        assert_eq!(control_socket(&env).unwrap(), expected);
    }

    #[test]
    fn a_named_socket_is_the_only_place() {
        let env = Env { socket: Some("/x/s".into()), ..home() };
        assert_eq!(control_sockets(&env), [PathBuf::from("/x/s")]);
    }

    #[test]
    fn a_path_of_100_bytes_is_taken_and_one_of_101_is_refused_with_a_hint() {
        let path = |bytes: usize| PathBuf::from(format!("/{}", "x".repeat(bytes - 1)));
        assert_eq!(fits(&path(100)), Ok(()));
        let env = Env { socket: Some(path(101)), ..home() };
        let error = control_socket(&env).unwrap_err();
        assert_eq!(error, PathError::TooLong { path: path(101), bytes: 101 });
        assert!(error.hint().contains("BASTION_SOCKET"));
    }

    #[test]
    fn a_named_config_wins_over_the_environment_and_that_over_the_usual_place() {
        let env = Env { config: Some("/env.toml".into()), ..home() };
        let path = |named: Option<&str>, env: &Env| config_path(named.map(Path::new), env).unwrap();
        assert_eq!(path(Some("/arg.toml"), &env), PathBuf::from("/arg.toml"));
        assert_eq!(path(None, &env), PathBuf::from("/env.toml"));
        let usual = PathBuf::from("/home/amy/.config/bastiond/config.toml");
        assert_eq!(path(None, &home()), usual);
    }

    #[test]
    fn without_a_home_there_is_no_place() {
        assert_eq!(control_socket(&Env::default()), Err(PathError::NoHome));
        assert_eq!(config_path(None, &Env::default()), Err(PathError::NoHome));
        assert_eq!(state_dir(&Env::default()), Err(PathError::NoHome));
    }
}
