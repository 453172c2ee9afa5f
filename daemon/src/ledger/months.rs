//! The ledger's files: one a month, a JSON object a line, only ever appended to.
//!
//! ```text
//!   <state directory>/ledger/    0700
//!   ├── 2026-10.jsonl            0600; {"v":1,"record":"visit","time":"2026-10-31T23:59:59Z",…}
//!   └── 2026-11.jsonl            a record stands in the month (UTC) of its own time
//! ```
//!
//! A line is written whole, with one call, so that a crash of ours tears none. What a power cut has torn is the end of
//! the file: the next line begins on a new one, and the torn piece is passed over when the file is read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bastion_api::{AuditRecord, Timestamp};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::state::{self, StateError};

/// The directory of the ledger's files.
#[derive(Clone, Debug)]
pub(super) struct Months(PathBuf);

/// One file, open for writing.
#[derive(Debug)]
pub(super) struct Page {
    month: String,
    file: File,
}

/// A line: a record, and the version of what it is written in.
#[derive(Debug, Deserialize, Serialize)]
struct Line<R> {
    v: u32,
    #[serde(flatten)]
    record: R,
}

impl Months {
    /// The directory under a state directory; made where it does not exist.
    pub(super) fn open(state_dir: &Path) -> Result<Self, StateError> {
        let dir = state_dir.join("ledger");
        state::private_dir(&dir)?;
        Ok(Self(dir))
    }

    /// The file for records of that time; `open` where it is the one that is open already.
    pub(super) fn page(&self, time: Timestamp, open: Option<Page>) -> io::Result<Page> {
        let month = month_of(time);
        if let Some(page) = open.filter(|page| page.month == month) {
            return Ok(page);
        }
        let path = self.path(&month);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(PRIVATE_FILE)
            .open(&path)
            .or_else(|err| {
                // It is there and cannot be used: out of the way with it, but not lost.
                let aside = state::set_aside(&path).map_err(|_| err)?;
                tracing::warn!(path = %aside.display(), "a month of the ledger cannot be written and was set aside");
                let mut anew = OpenOptions::new();
                anew.read(true).append(true).create_new(true).mode(PRIVATE_FILE).open(&path)
            })?;
        if is_torn(&mut file)? {
            file.write_all(b"\n")?;
        }
        Ok(Page { month, file })
    }

    /// Every record of the months from one time to another, in the order of their writing.
    pub(super) fn read(
        &self,
        since: Timestamp,
        until: Timestamp,
        wanted: impl Fn(&str) -> bool,
        mut take: impl FnMut(AuditRecord),
    ) -> io::Result<()> {
        for month in self.known()? {
            if month < month_of(since) || month > month_of(until) {
                continue;
            }
            let mut reader = BufReader::new(File::open(self.path(&month))?);
            let mut bytes = Vec::new();
            while next_line(&mut reader, &mut bytes)? {
                // What is torn, or of a version that cannot be read, is passed over: the others stand by themselves.
                let Ok(text) = std::str::from_utf8(&bytes) else { continue };
                if wanted(text)
                    && let Ok(line) = serde_json::from_str::<Line<AuditRecord>>(text)
                {
                    take(line.record);
                }
            }
        }
        Ok(())
    }

    /// The months that there are, the oldest first.
    fn known(&self) -> io::Result<Vec<String>> {
        let mut months = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let month = name.to_str().and_then(|name| name.strip_suffix(ENDING));
            months.extend(month.map(str::to_owned));
        }
        months.sort();
        Ok(months)
    }

    fn path(&self, month: &str) -> PathBuf {
        self.0.join(format!("{month}{ENDING}"))
    }
}

impl Page {
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// A record as a line of its file.
pub(super) fn line(record: &AuditRecord) -> Vec<u8> {
    let mut line = serde_json::to_vec(&Line { v: VERSION, record })
        .expect("a record has string keys and no map");
    line.push(b'\n');
    line
}

fn month_of(time: Timestamp) -> String {
    time.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m").to_string()
}

fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// The next line without its end; one that is longer than any of ours is passed over.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = reader.take(LONGEST_LINE).read_until(b'\n', line)?;
    Ok(read > 0)
}

const VERSION: u32 = 1;
const ENDING: &str = ".jsonl";
const PRIVATE_FILE: u32 = 0o600;
/// Bytes; ours have a few hundred, and a file that somebody has filled with something else must not fill our memory.
const LONGEST_LINE: u64 = 64 * 1024;
