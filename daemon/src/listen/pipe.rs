//! Bytes both ways between a visitor and a stream, until the conversation is over.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Who hears how the conversation goes.
pub(super) trait Witness {
    /// This went from the visitor to the database.
    fn inward(&self, said: &[u8]);

    /// Something is about to go to the visitor; until [`Witness::outward`] tells what, it may have gone in part.
    fn answering(&self);

    /// This went from the database to the visitor.
    fn outward(&self, said: &[u8]);

    /// The visitor has closed its side.
    fn parted(&self);
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
pub(super) async fn pipe<L, S>(local: &mut L, stream: &mut S, witness: &impl Witness) -> Ended
where
    L: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from_visitor, mut to_visitor) = tokio::io::split(local);
    let (mut from_database, mut to_database) = tokio::io::split(stream);
    let inward = async {
        let moved = |said: &[u8]| witness.inward(said);
        match copy(&mut from_visitor, &mut to_database, || {}, moved).await {
            Ok(()) => {
                witness.parted();
                match to_database.shutdown().await {
                    Ok(()) => std::future::pending().await,
                    Err(err) => Ended::Tunnel(err),
                }
            }
            Err(Broke::Reading(err)) => Ended::Visitor(err),
            Err(Broke::Writing(err)) => Ended::Tunnel(err),
        }
    };
    let outward = async {
        let (moves, moved) = (|| witness.answering(), |said: &[u8]| witness.outward(said));
        match copy(&mut from_database, &mut to_visitor, moves, moved).await {
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

async fn copy<R, W>(
    from: &mut R,
    to: &mut W,
    moves: impl Fn(),
    moved: impl Fn(&[u8]),
) -> Result<(), Broke>
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
        moves();
        to.write_all(&buffer[..read]).await.map_err(Broke::Writing)?;
        to.flush().await.map_err(Broke::Writing)?;
        moved(&buffer[..read]);
    }
}

/// One way's buffer: half a smux frame of the largest size, so that an idle visit costs 32 KB for both ways.
const BUFFER: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::{Ended, Witness, pipe};

    #[derive(Default)]
    struct Heard {
        inward: Cell<usize>,
        outward: Cell<usize>,
        answers: Cell<bool>,
        parted: Cell<bool>,
    }

    impl Witness for Heard {
        fn inward(&self, said: &[u8]) {
            self.inward.set(self.inward.get() + said.len());
        }

        fn answering(&self) {
            assert!(!self.answers.replace(true), "the answer before has not gone yet");
        }

        fn outward(&self, said: &[u8]) {
            assert!(self.answers.replace(false), "nobody said that something would go");
            self.outward.set(self.outward.get() + said.len());
        }

        fn parted(&self) {
            self.parted.set(true);
        }
    }

    #[tokio::test]
    async fn an_answer_still_on_its_way_survives_the_visitors_end() {
        let (mut visitor, mut local) = duplex(64);
        let (mut stream, mut database) = duplex(64);
        let heard = Heard::default();
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
            tokio::join!(pipe(&mut local, &mut stream, &heard), conversation);
        assert_eq!((asked.as_str(), answered.as_str()), ("question", "answer"));
        assert!(matches!(ended, Ended::Database), "{ended:?}");
        assert_eq!((heard.inward.get(), heard.outward.get()), (8, 6));
        assert!(heard.parted.get(), "the visitor's end is heard");
    }

    #[tokio::test]
    async fn the_databases_end_is_the_end_though_the_visitor_stays() {
        let (_visitor, mut local) = duplex(64);
        let (mut stream, database) = duplex(64);
        drop(database);
        let heard = Heard::default();
        let ended = pipe(&mut local, &mut stream, &heard).await;
        assert!(matches!(ended, Ended::Database), "{ended:?}");
        assert!(!heard.parted.get(), "the visitor has not ended");
    }
}
