//! How large the messages are that each region's gateway takes, remembered from one run of the daemon to the next.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use crate::state::{set_aside, write_private};

/// What is known of every region. Clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Sizes {
    known: Arc<Mutex<BTreeMap<String, Size>>>,
    /// The file in the state directory; none where nothing is kept.
    file: Option<PathBuf>,
}

/// What is known of one region.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct Size {
    /// The largest payload that has arrived.
    #[serde(default)]
    proven: usize,
    /// The smallest that has not, and when that was.
    #[serde(default)]
    failed: Option<(usize, Timestamp)>,
}

/// How probing begins.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Probing {
    /// The payload to try first; 0 for the smallest step.
    pub(super) start: usize,
    /// No larger one is tried, where that is known to be of no use.
    pub(super) most: Option<usize>,
}

#[derive(Deserialize, Serialize)]
struct Written {
    v: u32,
    regions: BTreeMap<String, Size>,
}

impl Sizes {
    /// What an earlier run of the daemon has learned; a file that cannot be read is set aside, and learned anew.
    pub fn remembered(state_dir: &Path) -> Self {
        let file = state_dir.join(FILE);
        let known = match read(&file) {
            Ok(known) => known,
            Err(err) => {
                warn!(%err, "the sizes of messages that were learned could not be read");
                if let Err(err) = set_aside(&file) {
                    warn!(%err, "setting them aside");
                }
                BTreeMap::new()
            }
        };
        Self { known: Arc::new(Mutex::new(known)), file: Some(file) }
    }

    /// How a tunnel to this region begins.
    pub(super) fn of(&self, region: &str, today: Timestamp) -> Probing {
        let known = self.known().get(region).copied().unwrap_or_default();
        let believed = |(_, at): &(usize, Timestamp)| today.duration_since(*at) < BELIEVED;
        let failed = known.failed.filter(believed).map(|(size, _)| size);
        Probing { start: known.proven, most: failed.map(|_| known.proven) }
    }

    /// Takes in what a tunnel has learned.
    pub(super) fn note(
        &self,
        region: &str,
        proven: usize,
        failed: Option<usize>,
        today: Timestamp,
    ) {
        let mut known = self.known();
        let before = known.get(region).copied().unwrap_or_default();
        // What has failed now is not proven, whatever an earlier network let through.
        let refuted = failed.is_some_and(|size| size <= before.proven);
        let failed = match (failed, before.failed) {
            (Some(size), _) if size > 0 => Some((size, today)),
            (_, Some((size, at))) if size > proven => Some((size, at)),
            (_, Some(_) | None) => None,
        };
        let proven = if refuted { proven } else { before.proven.max(proven) };
        let size = Size { proven, failed };
        if size == before {
            return;
        }
        debug!(region, proven = size.proven, failed = ?size.failed, "size of messages");
        known.insert(region.to_owned(), size);
        let Some(file) = &self.file else { return };
        let written = Written { v: VERSION, regions: known.clone() };
        let text = serde_json::to_vec(&written).expect("numbers and names can be written");
        if let Err(err) = write_private(file, &text) {
            warn!(%err, "remembering the size of messages");
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Size>> {
        // Nothing in here can panic half-way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(file: &Path) -> io::Result<BTreeMap<String, Size>> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(err) => return Err(err),
    };
    let written: Written = serde_json::from_slice(&text)?;
    if written.v != VERSION {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is of another version"));
    }
    Ok(written.regions)
}

const FILE: &str = "message-sizes.json";
const VERSION: u32 = 1;

/// How long it is believed that a size does not go through: it may have been one network's fault, or a coincidence.
const BELIEVED: SignedDuration = SignedDuration::from_hours(7 * 24);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn what_was_proven_is_where_the_next_tunnel_begins_in_the_next_run_too() {
        let state = tempfile::tempdir().unwrap();
        let sizes = Sizes::remembered(state.path());
        assert_eq!(sizes.of("eu-west-1", today()), Probing::default());
        sizes.note("eu-west-1", 4096, None, today());
        sizes.note("eu-west-1", 1024, None, today());
        let next_run = Sizes::remembered(state.path());
        assert_eq!(next_run.of("eu-west-1", today()), Probing { start: 4096, most: None });
        assert_eq!(next_run.of("us-east-1", today()), Probing::default());
        let mode = fs::metadata(state.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_has_failed_is_not_tried_again_for_a_week() {
        let state = tempfile::tempdir().unwrap();
        let sizes = Sizes::remembered(state.path());
        sizes.note("eu-west-1", 4096, Some(16384), today());
        let next_run = Sizes::remembered(state.path());
        assert_eq!(next_run.of("eu-west-1", today()), Probing { start: 4096, most: Some(4096) });
        assert_eq!(
            next_run.of("eu-west-1", today() + 8 * DAY),
            Probing { start: 4096, most: None }
        );
    }

    #[test]
    fn a_network_that_takes_less_corrects_what_was_proven_on_another() {
        let sizes = Sizes::default();
        sizes.note("eu-west-1", 32768, None, today());
        sizes.note("eu-west-1", 0, Some(4096), today());
        assert_eq!(sizes.of("eu-west-1", today()), Probing { start: 0, most: Some(0) });
        sizes.note("eu-west-1", 16384, None, today() + DAY);
        let seen = sizes.of("eu-west-1", today() + DAY);
        assert_eq!(seen, Probing { start: 16384, most: None });
    }

    #[test]
    fn a_file_that_cannot_be_read_is_set_aside_and_not_overwritten() {
        let state = tempfile::tempdir().unwrap();
        for spoiled in ["{", "{\"v\":2,\"regions\":{}}"] {
            fs::write(state.path().join(FILE), spoiled).unwrap();
            let sizes = Sizes::remembered(state.path());
            assert_eq!(sizes.of("eu-west-1", today()), Probing::default());
            sizes.note("eu-west-1", 4096, None, today());
            let kept = fs::read_dir(state.path()).unwrap().map(|file| file.unwrap().path());
            assert!(kept.into_iter().any(|file| fs::read_to_string(file).unwrap() == spoiled));
        }
    }

    fn today() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }
}
