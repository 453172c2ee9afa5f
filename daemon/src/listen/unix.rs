//! Binding a Unix socket: a stale one is replaced, a live one never, and only this user may come in.
//!
//! ```text
//!   path short enough? ──▶ directory there, ours, 0700? ──▶ lock the directory ──▶ who answers?
//!                                                             │                     ├─ nobody there     bind
//!                          two daemons that start at once     │                     ├─ connection       remove, bind
//!                          cannot remove each other's socket ◀┘                     │  refused: stale
//!                                                                                   └─ anybody: live    refuse
//! ```

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use bastion_api::paths::MAX_SOCKET_PATH;
use dbwire::Engine;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use thiserror::Error;

/// Binds a socket that only this user may use. Not blocking.
///
/// Its directory is made where it does not exist. It must be this user's and closed to all others; one that holds
/// nothing else is closed, any other is refused, for it may be somebody's home.
pub fn bind(path: &Path) -> Result<UnixListener, BindError> {
    let bytes = path.as_os_str().as_bytes().len();
    if bytes > MAX_SOCKET_PATH {
        return Err(BindError::TooLong { path: path.to_owned(), bytes });
    }
    let io = |err| BindError::System { path: path.to_owned(), err };
    let dir = directory(path);
    DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(dir).map_err(io)?;
    close(dir, path)?;
    let _lock = lock(dir, path)?;
    clear(path)?;
    let listener = UnixListener::bind(path).map_err(io)?;
    // Until here the directory alone keeps others out.
    fs::set_permissions(path, Permissions::from_mode(PRIVATE_SOCKET)).map_err(io)?;
    listener.set_nonblocking(true).map_err(io)?;
    Ok(listener)
}

/// Removes a socket that was ours, after its listener was dropped. One that somebody answers at stays.
pub fn remove(path: &Path) -> Result<(), BindError> {
    let _lock = lock(directory(path), path)?;
    clear(path)
}

/// Where a target that listens on "unix" has its socket: named so that `psql -h DIRECTORY` finds it, for MySQL as its
/// own programs name it.
pub fn target_socket(state_dir: &Path, target: &str, engine: Engine) -> PathBuf {
    let name = match engine {
        Engine::Postgres => ".s.PGSQL.5432",
        Engine::Mysql => "mysql.sock",
        Engine::Other => "socket",
    };
    state_dir.join("sockets").join(target).join(name)
}

/// Why a socket cannot be bound.
#[derive(Debug, Error)]
pub enum BindError {
    /// The system would cut it off or refuse it.
    #[error("the socket's path is {bytes} bytes long, the system takes {MAX_SOCKET_PATH}: {}", path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// How long it is.
        bytes: usize,
    },
    /// Others may enter the socket's directory.
    #[error("{} belongs to user {owner} and has mode {mode:04o}: others could use the socket", dir.display())]
    Open {
        /// The directory.
        dir: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Its mode.
        mode: u32,
    },
    /// Somebody answers there.
    #[error("another process listens at {}", path.display())]
    Live {
        /// The socket.
        path: PathBuf,
    },
    /// Another process is binding a socket in the same directory at this moment.
    #[error("another process is just binding a socket in {}", dir.display())]
    Busy {
        /// The directory.
        dir: PathBuf,
    },
    /// Something else than a socket has that name; it may be somebody's.
    #[error("{} is there and is no socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system said no.
    #[error("binding {}", path.display())]
    System {
        /// The path.
        path: PathBuf,
        /// Why not.
        #[source]
        err: io::Error,
    },
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Sees to it that the directory is ours and closed to others.
fn close(dir: &Path, path: &Path) -> Result<(), BindError> {
    let io = |err| BindError::System { path: path.to_owned(), err };
    let found = fs::metadata(dir).map_err(io)?;
    let mode = found.mode() & 0o7777;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if ours && mode & 0o077 == 0 {
        return Ok(());
    }
    if ours && holds_only(dir, path).map_err(io)? {
        return fs::set_permissions(dir, Permissions::from_mode(PRIVATE_DIR)).map_err(io);
    }
    Err(BindError::Open { dir: dir.to_owned(), owner: found.uid(), mode })
}

fn holds_only(dir: &Path, path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        if Some(entry?.file_name().as_os_str()) != path.file_name() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Keeps every other bastiond from binding in this directory until it is dropped. No second file is needed: a directory
/// can be locked.
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Closing is not enough: a child that is just being started has the file open, too, until it runs.
        self.0.unlock().ok();
    }
}

fn lock(dir: &Path, path: &Path) -> Result<Held, BindError> {
    let io = |err| BindError::System { path: path.to_owned(), err };
    let held = File::open(dir).map_err(io)?;
    match held.try_lock() {
        Ok(()) => Ok(Held(held)),
        Err(TryLockError::WouldBlock) => Err(BindError::Busy { dir: dir.to_owned() }),
        Err(TryLockError::Error(err)) => Err(io(err)),
    }
}

/// Removes a socket that nobody answers at.
fn clear(path: &Path) -> Result<(), BindError> {
    let io = |err| BindError::System { path: path.to_owned(), err };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(io(err)),
    }
    match knock(path) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(io),
        Err(Errno::NOENT) => Ok(()),
        // Answered, or would be once there is room; a socket of another kind is somebody's, too.
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS | Errno::PROTOTYPE) => {
            Err(BindError::Live { path: path.to_owned() })
        }
        Err(err) => Err(io(err.into())),
    }
}

/// Connects without waiting: a listener whose queue is full would keep us for ever.
fn knock(path: &Path) -> Result<(), Errno> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)
}

const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_SOCKET: u32 = 0o600;

#[cfg(test)]
mod tests;
