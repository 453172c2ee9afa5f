//! The state directory: its place, its mode, its lock, and the name of this installation.
//!
//! ```text
//!   <state directory>        0700, ours alone
//!   ├── lock                 held as long as a daemon runs; its pid inside
//!   ├── installation         20 letters and digits, made once: what our tasks are marked with
//!   ├── journal              what may be out there in the cloud, written before it is done
//!   ├── control.sock         where there is no XDG_RUNTIME_DIR
//!   └── sockets/TARGET/      sockets of targets that listen on "unix"
//! ```

mod journal;
mod scribe;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use uuid::Uuid;

pub use scribe::{Journal, Left, NotWritten, Scribe, ScribeGone};

/// The state directory, held by this process until it is dropped.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    lock: File,
    installation: String,
    set_aside: Option<PathBuf>,
}

impl StateDir {
    /// Takes the directory for this process; makes it where it does not exist.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        private_dir(path)?;
        let lock = lock(&path.join(LOCK))?;
        let (installation, set_aside) = installation(path)?;
        Ok(Self { path: path.to_owned(), lock, installation, set_aside })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// This installation's name: 20 letters and digits.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// What our tasks are marked with, at most 36 characters: older ECS takes no more.
    pub fn started_by(&self) -> String {
        format!("bastiond/{}", self.installation)
    }

    /// Where an unreadable installation file was put, if this start found one. Tasks that carry its mark are not
    /// known as ours any more.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // So that nobody is told a pid that is somebody else's by now.
        self.lock.set_len(0).ok();
        // Closing is not enough: a child that is just being started has the file open, too, until it runs.
        self.lock.unlock().ok();
    }
}

/// Makes a directory that only this user may enter, or sees to it that it is one.
pub fn private_dir(path: &Path) -> Result<(), StateError> {
    let io = |err| StateError::Io { deed: "making", path: path.to_owned(), err };
    DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(path).map_err(io)?;
    let found = fs::metadata(path).map_err(io)?;
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        return Err(StateError::Foreign { path: path.to_owned(), owner: found.uid(), us });
    }
    if found.mode() & 0o7777 != PRIVATE_DIR {
        fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE_DIR)).map_err(io)?;
    }
    Ok(())
}

/// Writes a file that only this user may read: beside and renamed, so that it is whole or not there.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let io = |err| StateError::Io { deed: "writing", path: path.to_owned(), err };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // What a crash left here may have another mode.
    match fs::remove_file(&beside) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(io(err)),
        Err(_) | Ok(()) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_FILE)
        .open(&beside)
        .map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&beside, path).map_err(io)?;
    // The name is on disk only when its directory is.
    sync_dir(path).map_err(io)
}

/// Sees to it that a file's name is on disk.
fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

/// Puts a file out of the way under a name that nothing has, and says which.
pub fn set_aside(path: &Path) -> Result<PathBuf, StateError> {
    let io = |err| StateError::Io { deed: "setting aside", path: path.to_owned(), err };
    for number in 1u32.. {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".unreadable-{number}"));
        let aside = PathBuf::from(aside);
        match fs::symlink_metadata(&aside) {
            Ok(_) => {}
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                fs::rename(path, &aside).map_err(io)?;
                return Ok(aside);
            }
            Err(err) => return Err(io(err)),
        }
    }
    unreachable!("no directory holds four thousand million files")
}

/// Why the state directory cannot be ours.
#[derive(Debug, Error)]
pub enum StateError {
    /// Another daemon runs.
    #[error("another bastiond{} runs with the state directory {}", with_pid(*pid), dir.display())]
    Locked {
        /// Its process, where it has said so.
        pid: Option<u32>,
        /// The directory that it holds.
        dir: PathBuf,
    },
    /// Whoever owns it could read and change what we keep there.
    #[error("{} belongs to user {owner}, not to user {us}", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// The system said no.
    #[error("{deed} {}", path.display())]
    Io {
        /// What was being done.
        deed: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        err: io::Error,
    },
}

fn with_pid(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

fn lock(path: &Path) -> Result<File, StateError> {
    let io = |err| StateError::Io { deed: "locking", path: path.to_owned(), err };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false) // the pid of whoever holds it
        .mode(PRIVATE_FILE)
        .open(path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = (&file).take(LONGEST_PID).read_to_string(&mut text);
            let pid = read.ok().and_then(|_| text.trim().parse().ok());
            let dir = path.parent().unwrap_or(path).to_owned();
            return Err(StateError::Locked { pid, dir });
        }
        Err(TryLockError::Error(err)) => return Err(io(err)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(io)?;
    Ok(file)
}

/// This installation's name, and where an unreadable one was put.
fn installation(dir: &Path) -> Result<(String, Option<PathBuf>), StateError> {
    let path = dir.join(INSTALLATION);
    let aside = match fs::read(&path) {
        Ok(bytes) => match name_in(&bytes) {
            Some(name) => return Ok((name, None)),
            None => Some(set_aside(&path)?),
        },
        Err(err) if err.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(set_aside(&path)?),
    };
    let name = new_name();
    write_private(&path, format!("{name}\n").as_bytes())?;
    Ok((name, aside))
}

fn name_in(bytes: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(bytes).ok()?.trim_end_matches('\n');
    let fits = name.len() == NAME_LENGTH && name.bytes().all(|byte| LETTERS.contains(&byte));
    fits.then(|| name.to_owned())
}

/// Twenty digits to the base of 36 hold 103 of a random UUID's 122 bits.
fn new_name() -> String {
    let mut rest = Uuid::new_v4().as_u128();
    let base = LETTERS.len() as u128;
    let digits = (0..NAME_LENGTH).map(|_| {
        let digit = (rest % base) as usize;
        rest /= base;
        char::from(LETTERS[digit])
    });
    digits.collect()
}

const LOCK: &str = "lock";
const INSTALLATION: &str = "installation";
const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const NAME_LENGTH: usize = 20; // characters; with "bastiond/" well within startedBy's 36
const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;
const LONGEST_PID: u64 = 16; // bytes: more is no pid

#[cfg(test)]
mod tests;
