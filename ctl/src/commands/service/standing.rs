use std::path::{Path, PathBuf};

/// How the service is, as its manager tells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Standing {
    /// Whether the manager knows it.
    pub(super) installed: bool,
    /// Whether it starts at login.
    pub(super) enabled: bool,
    /// Whether it runs, or is being started.
    pub(super) running: bool,
    /// Whether the manager listens in its place, and would start it for a caller.
    pub(super) socket: bool,
    /// The manager's own word for it.
    pub(super) state: String,
    /// Its process.
    pub(super) pid: Option<u32>,
    /// The program that it runs, where the manager tells.
    pub(super) program: Option<PathBuf>,
    /// How it ended, where it did not end well.
    pub(super) result: Option<String>,
}

impl Standing {
    /// The program that the service would run and that is not there: it was moved or removed.
    pub(super) fn lost(&self) -> Option<&Path> {
        self.program.as_deref().filter(|program| !program.exists())
    }
}
