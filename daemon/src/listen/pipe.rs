//! Bytes both ways between a visitor and a stream, until the conversation is over.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How many bytes a visit has moved so far.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// From the visitor to the database.
    pub(super) inward: AtomicU64,
    /// From the database to the visitor.
    pub(super) outward: AtomicU64,
}

/// Who ended the conversation.
#[derive(Debug)]
pub(super) enum Ended {
    /// The database's side is through: nothing more can come.
    Database,
    /// The visitor broke off.
    Visitor(io::Error),
    /// The stream broke under it.
    Tunnel(io::Error),
}

/// Copies both ways until the database's side has ended or either side has broken.
///
/// The agent closes both ways at once when the database hangs up, so its end is the whole conversation's. The
/// visitor's end is not: an answer may be on its way, so it is passed on as a shutdown and the other way goes on.
pub(super) async fn pipe<L, S>(local: &mut L, stream: &mut S, moved: &Moved) -> Ended
where
    L: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from_visitor, mut to_visitor) = tokio::io::split(local);
    let (mut from_database, mut to_database) = tokio::io::split(stream);
    let inward = async {
        match copy(&mut from_visitor, &mut to_database, &moved.inward).await {
            Ok(()) => match to_database.shutdown().await {
                Ok(()) => std::future::pending().await,
                Err(err) => Ended::Tunnel(err),
            },
            Err(Broke::Reading(err)) => Ended::Visitor(err),
            Err(Broke::Writing(err)) => Ended::Tunnel(err),
        }
    };
    let outward = async {
        match copy(&mut from_database, &mut to_visitor, &moved.outward).await {
            // A visitor that has left by now has nothing more to lose.
            Ok(()) => to_visitor.shutdown().await.map_or_else(Ended::Visitor, |()| Ended::Database),
            Err(Broke::Reading(err)) => Ended::Tunnel(err),
            Err(Broke::Writing(err)) => Ended::Visitor(err),
        }
    };
    tokio::select! {
        // What the database said last is delivered before anything else counts.
        biased;
        ended = outward => ended,
        ended = inward => ended,
    }
}

enum Broke {
    Reading(io::Error),
    Writing(io::Error),
}

async fn copy<R, W>(from: &mut R, to: &mut W, moved: &AtomicU64) -> Result<(), Broke>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER].into_boxed_slice();
    loop {
        let read = from.read(&mut buffer).await.map_err(Broke::Reading)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await.map_err(Broke::Writing)?;
        to.flush().await.map_err(Broke::Writing)?;
        moved.fetch_add(read as u64, Ordering::Relaxed);
    }
}

/// One way's buffer: half a smux frame of the largest size, so that an idle visit costs 32 KB for both ways.
const BUFFER: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::{Ended, Moved, pipe};

    #[tokio::test]
    async fn an_answer_still_on_its_way_survives_the_visitors_end() {
        let (mut visitor, mut local) = duplex(64);
        let (mut stream, mut database) = duplex(64);
        let moved = Moved::default();
        let conversation = async {
            visitor.write_all(b"question").await.unwrap();
            visitor.shutdown().await.unwrap();
            let mut asked = String::new();
            database.read_to_string(&mut asked).await.unwrap();
            database.write_all(b"answer").await.unwrap();
            database.shutdown().await.unwrap();
            let mut answered = String::new();
            visitor.read_to_string(&mut answered).await.unwrap();
            (asked, answered)
        };
        let (ended, (asked, answered)) =
            tokio::join!(pipe(&mut local, &mut stream, &moved), conversation);
        assert_eq!((asked.as_str(), answered.as_str()), ("question", "answer"));
        assert!(matches!(ended, Ended::Database), "{ended:?}");
        assert_eq!(moved.inward.load(Ordering::Relaxed), 8);
        assert_eq!(moved.outward.load(Ordering::Relaxed), 6);
    }

    #[tokio::test]
    async fn the_databases_end_is_the_end_though_the_visitor_stays() {
        let (_visitor, mut local) = duplex(64);
        let (mut stream, database) = duplex(64);
        drop(database);
        let moved = Moved::default();
        let ended = pipe(&mut local, &mut stream, &moved).await;
        assert!(matches!(ended, Ended::Database), "{ended:?}");
    }
}
