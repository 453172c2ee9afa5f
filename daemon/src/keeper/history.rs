//! How long a site's bastions took to start, kept in the state directory: what an estimate is made of.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bastion_cloud::Stage;
use bastion_pool::Estimates;
use tracing::warn;

use crate::state::write_private;

/// Every site's latest starts, and where they are kept.
#[derive(Debug)]
pub(super) struct History {
    path: PathBuf,
    /// Held while the file is written: two writers would be in each other's way.
    writing: Arc<Mutex<()>>,
    estimates: Estimates,
}

impl History {
    /// What earlier runs of the daemon have seen. A file that cannot be read is no loss: it fills anew.
    pub(super) fn remembered(state_dir: &Path) -> Self {
        let path = state_dir.join("starts.json");
        let written = std::fs::read(&path).unwrap_or_default();
        let estimates = serde_json::from_slice(&written).unwrap_or_default();
        Self { path, writing: Arc::default(), estimates }
    }

    /// How long the next start at a site will take, where any start of it is known.
    pub(super) fn estimate(&self, site: &str) -> Option<Duration> {
        self.estimates.start(site)
    }

    /// Takes note of a start, and gives what is to be written ([`Note::write`]).
    pub(super) fn note(&mut self, site: &str, stages: &[(Stage, Duration)]) -> Note {
        self.estimates.note(site, stages);
        let text = serde_json::to_vec(&self.estimates).expect("names and numbers are always JSON");
        Note { path: self.path.clone(), writing: Arc::clone(&self.writing), text }
    }
}

/// A file to be written, by somebody who may wait for the disk.
#[derive(Debug)]
pub(super) struct Note {
    path: PathBuf,
    writing: Arc<Mutex<()>>,
    text: Vec<u8>,
}

impl Note {
    pub(super) fn write(self) {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(err) = write_private(&self.path, &self.text) {
            warn!(%err, "remembering how long a start took");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_knows_how_long_starts_took() {
        let temp = tempfile::tempdir().unwrap();
        let mut history = History::remembered(temp.path());
        assert_eq!(history.estimate("site"), None);
        let stages = [
            (Stage::Pulling, Duration::from_secs(20)),
            (Stage::Connecting, Duration::from_secs(4)),
        ];
        history.note("site", &stages).write();
        let history = History::remembered(temp.path());
        assert_eq!(history.estimate("site"), Some(Duration::from_secs(24)));
        assert_eq!(history.estimate("another"), None);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_as_good_as_none() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("starts.json"), "{\"sites\":[1,").unwrap();
        assert_eq!(History::remembered(temp.path()).estimate("site"), None);
    }
}
