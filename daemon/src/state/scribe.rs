//! The journal: what may be out there, on disk before it is done.
//!
//! One task owns the file. Records that are written at the same time reach the disk together, with one sync; whoever
//! waits for one is answered when it is there, and not before.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bastion_pool::{Book, Record};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::StateError;
use super::journal::{JournalFile, Opened};

/// The journal, to be written to. Clones write to the same file.
#[derive(Clone, Debug)]
pub struct Journal {
    words: mpsc::UnboundedSender<Word>,
}

/// What an earlier run has left in the journal.
#[derive(Debug, Default)]
pub struct Left {
    /// What may be out there.
    pub book: Book,
    /// Where a journal that could not be understood was put: then the cloud alone is to be believed.
    pub set_aside: Option<PathBuf>,
}

/// The one who writes, to be run as a task: [`Scribe::run`].
#[derive(Debug)]
pub struct Scribe {
    words: mpsc::UnboundedReceiver<Word>,
    desk: Desk,
}

/// Why a record is not on disk.
#[derive(Clone, Debug, Error)]
pub enum NotWritten {
    /// The system said no.
    #[error(transparent)]
    State(#[from] Arc<StateError>),
    /// The daemon is ending.
    #[error("the journal is closed")]
    Closed,
}

/// Nobody writes the journal any more.
#[derive(Debug, Error)]
#[error("nobody writes the journal any more")]
pub struct ScribeGone;

impl Journal {
    /// Opens the journal of a state directory and tells what it says.
    pub fn open(state_dir: &Path) -> Result<(Self, Scribe, Left), StateError> {
        let opened = JournalFile::open(&state_dir.join(JOURNAL), Record::parse)?;
        let Opened { mut file, said, set_aside } = opened;
        let mut book = Book::default();
        for record in &said {
            book.apply(record);
        }
        // Each run begins with what still matters; a line that was torn goes, too.
        if file.lines() > 0 {
            file.renew(&lines_of(&book))?;
        }
        let (tell, words) = mpsc::unbounded_channel();
        let scribe = Scribe { words, desk: Desk { file, book: book.clone() } };
        Ok((Self { words: tell }, scribe, Left { book, set_aside }))
    }

    /// Writes a record, and returns once it is on disk.
    pub async fn write(&self, record: Record) -> Result<(), NotWritten> {
        let (written, answer) = oneshot::channel();
        let word = Word { record, written: Some(written) };
        self.words.send(word).map_err(|_| NotWritten::Closed)?;
        answer.await.map_err(|_| NotWritten::Closed)?
    }

    /// Writes a record in its turn; that it did not reach the disk costs nothing but a look at the cloud.
    pub fn note(&self, record: Record) {
        // A journal that is closed is looked through at the next start anyway.
        drop(self.words.send(Word { record, written: None }));
    }
}

impl Scribe {
    /// Writes until `stop` fires, and then what was said until then.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), ScribeGone> {
        loop {
            let first = tokio::select! {
                biased;
                word = self.words.recv() => word,
                () = stop.cancelled() => None,
            };
            let Some(first) = first else { return Ok(()) };
            let mut words = vec![first];
            while words.len() < AT_ONCE
                && let Ok(word) = self.words.try_recv()
            {
                words.push(word);
            }
            // A panic in there leaves nobody to write; whoever waits is told that it is closed.
            let written = spawn_blocking(move || self.desk.write(words)).await;
            self.desk = written.map_err(|_| ScribeGone)?;
        }
    }
}

/// The file, and what it says.
#[derive(Debug)]
struct Desk {
    file: JournalFile,
    book: Book,
}

impl Desk {
    fn write(mut self, words: Vec<Word>) -> Self {
        let lines: Vec<String> = words.iter().map(|word| word.record.line()).collect();
        let written = self.file.append(&lines).map_err(Arc::new);
        for word in words {
            if written.is_ok() {
                self.book.apply(&word.record);
            }
            if let Some(answer) = word.written {
                // Whoever waits no longer has lost interest in the answer, not in the record.
                drop(answer.send(written.clone().map_err(NotWritten::State)));
            }
        }
        if let Err(err) = written {
            error!(err = &*err as &dyn std::error::Error, "the journal cannot be written");
        } else if self.file.lines() >= WORTH_RENEWING {
            let lines = lines_of(&self.book);
            if lines.len() * 2 < self.file.lines()
                && let Err(err) = self.file.renew(&lines)
            {
                error!(err = &err as &dyn std::error::Error, "the journal cannot be compacted");
            }
        }
        self
    }
}

/// A record, and who waits for it.
#[derive(Debug)]
struct Word {
    record: Record,
    written: Option<oneshot::Sender<Result<(), NotWritten>>>,
}

fn lines_of(book: &Book) -> Vec<String> {
    book.records().iter().map(Record::line).collect()
}

const JOURNAL: &str = "journal";

/// How many records share one sync at most.
const AT_ONCE: usize = 64;

/// How many lines a journal must have for a renewal to be worth its writes: some 200 kB.
const WORTH_RENEWING: usize = 500;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};

    use bastion_cloud::{TaskId, TaskSpec};
    use bastion_pool::Intention;

    use super::*;
    use crate::config::Target;

    #[tokio::test]
    async fn a_record_is_on_disk_when_it_is_answered() {
        let temp = tempfile::tempdir().unwrap();
        let (journal, scribe, left) = Journal::open(temp.path()).unwrap();
        assert!(left.book.is_empty() && left.set_aside.is_none());
        let stop = CancellationToken::new();
        let written = async {
            journal.write(intend("one")).await.unwrap();
            // As the file is at this moment, so would a crash leave it.
            let copy = tempfile::tempdir().unwrap();
            fs::copy(temp.path().join(JOURNAL), copy.path().join(JOURNAL)).unwrap();
            let (_, _, left) = Journal::open(copy.path()).unwrap();
            assert_eq!(left.book.entries()[0].token(), Some("one"));
            stop.cancel();
        };
        tokio::join!(scribe.run(stop.clone()), written).0.unwrap();
    }

    #[tokio::test]
    async fn what_was_noted_before_the_end_is_written_and_what_comes_after_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let (journal, scribe, _) = Journal::open(temp.path()).unwrap();
        let stop = CancellationToken::new();
        for number in 0..200 {
            journal.note(intend(&number.to_string()));
        }
        stop.cancel();
        scribe.run(stop).await.unwrap();
        assert!(matches!(journal.write(intend("late")).await, Err(NotWritten::Closed)));
        let (_, _, left) = Journal::open(temp.path()).unwrap();
        assert_eq!(left.book.entries().len(), 200);
    }

    #[tokio::test]
    async fn a_journal_does_not_grow_with_what_is_over() {
        let temp = tempfile::tempdir().unwrap();
        let (journal, scribe, _) = Journal::open(temp.path()).unwrap();
        let stop = CancellationToken::new();
        journal.note(intend("kept"));
        for number in 0..1_000 {
            let token = number.to_string();
            journal.note(intend(&token));
            journal.note(Record::Named { token, task: TaskId::new(number.to_string()) });
            journal.note(Record::Gone { task: TaskId::new(number.to_string()) });
        }
        stop.cancel();
        scribe.run(stop).await.unwrap();
        let lines = fs::read_to_string(temp.path().join(JOURNAL)).unwrap().lines().count();
        assert!(lines < WORTH_RENEWING + AT_ONCE, "{lines} lines");
        let (_, _, left) = Journal::open(temp.path()).unwrap();
        assert_eq!(left.book.entries()[0].token(), Some("kept"));
        assert_eq!(left.book.entries().len(), 1);
        let lines = fs::read_to_string(temp.path().join(JOURNAL)).unwrap().lines().count();
        assert_eq!(lines, 1, "each run begins with what still matters");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_disk_that_takes_nothing_more_is_told() {
        let temp = tempfile::tempdir().unwrap();
        let (journal, mut scribe, _) = Journal::open(temp.path()).unwrap();
        scribe.desk.file = JournalFile::full();
        let stop = CancellationToken::new();
        let written = async {
            let refused = journal.write(intend("one")).await;
            assert!(matches!(refused, Err(NotWritten::State(_))), "{refused:?}");
            stop.cancel();
        };
        tokio::join!(scribe.run(stop.clone()), written).0.unwrap();
    }

    fn intend(token: &str) -> Record {
        Record::Intend(Box::new(Intention {
            at: UNIX_EPOCH + Duration::from_secs(1),
            target: "db".to_owned(),
            site: Target::example("db").site,
            spec: TaskSpec {
                token: token.to_owned(),
                started_by: "bastiond/test".to_owned(),
                tags: Vec::new(),
                environment: Vec::new(),
                command: None,
                subnets: vec!["subnet-1".to_owned()],
                security_groups: Vec::new(),
                spot: false,
            },
        }))
    }
}
