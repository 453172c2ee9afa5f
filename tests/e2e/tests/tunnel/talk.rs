//! A client's side of a conversation through a tunnel, and what became of all conversations of a story.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use ssm_tunnel::{FirstByte, Tunnel};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::LONG;
use super::destination::{Destination, Head, Kind, Pieces, take};

/// One block each way or the other; how many of its bytes came out wrong.
pub(crate) async fn block(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    head: Head,
) -> std::io::Result<u64> {
    stream.write_all(&head.write()).await?;
    let (sent, said) = match head.kind {
        Kind::Up => {
            let mut digest = Sha256::new();
            let mut pieces = Pieces::new(head.seed, head.length);
            while let Some(piece) = pieces.next() {
                digest.update(piece);
                stream.write_all(piece).await?;
            }
            let mut said = [0; 32];
            stream.read_exact(&mut said).await?;
            (digest.finalize().into(), said)
        }
        Kind::Down => {
            let came = take(stream, head.length).await?;
            let mut said = [0; 32];
            stream.read_exact(&mut said).await?;
            (came, said)
        }
        Kind::Deaf => panic!("a deaf destination says no sha256"),
    };
    Ok(if sent == said { 0 } else { u64::from(head.length) })
}

/// One block on a stream of its own.
pub(crate) async fn one_block(tunnel: &Tunnel, kind: Kind, length: u32) {
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let head = Head { kind, length, seed: u64::from(length) };
    let lost = tokio::time::timeout(5 * LONG, block(&mut stream, head)).await;
    assert_eq!(
        lost.expect("it stalls").expect("its connection was closed"),
        0,
        "{kind:?} came out changed"
    );
}

/// Conversations that go on, block after block, until they are told to stop.
pub(crate) struct Talks {
    talking: JoinSet<(u64, u64)>,
    stop: Arc<AtomicBool>,
    /// The longest that a block took, in milliseconds.
    longest: Arc<AtomicU64>,
    blocks: Arc<AtomicU64>,
}

impl Talks {
    /// So many streams, each with blocks of that kind and length.
    pub(crate) async fn start(tunnel: &Tunnel, streams: usize, kind: Kind, length: u32) -> Self {
        let mut talks = Self {
            talking: JoinSet::new(),
            stop: Arc::default(),
            longest: Arc::default(),
            blocks: Arc::default(),
        };
        for number in 0..streams {
            let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
            let (stop, longest, blocks) =
                (Arc::clone(&talks.stop), Arc::clone(&talks.longest), Arc::clone(&talks.blocks));
            talks.talking.spawn(async move {
                let mut lost = 0;
                let mut seed = 1 + u64::try_from(number).unwrap() * 1_000_003;
                while !stop.load(Ordering::Relaxed) {
                    seed += 1;
                    let began = Instant::now();
                    match block(&mut stream, Head { kind, length, seed }).await {
                        Ok(wrong) => lost += wrong,
                        Err(_) => return (lost, 1),
                    }
                    let took = u64::try_from(began.elapsed().as_millis()).unwrap();
                    longest.fetch_max(took, Ordering::Relaxed);
                    blocks.fetch_add(1, Ordering::Relaxed);
                }
                (lost, 0)
            });
        }
        talks
    }

    /// How many blocks have passed.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed)
    }

    /// Waits until so many more blocks have passed; false where that takes longer than the limit.
    pub(crate) async fn more(&self, count: u64, limit: Duration) -> bool {
        let (from, began) = (self.blocks(), Instant::now());
        while self.blocks() < from + count {
            if began.elapsed() > limit {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    }

    /// Lets each end its block, and adds up: bytes lost, connections closed, the longest that a block took.
    pub(crate) async fn end(self, destination: &Destination) -> Sum {
        self.stop.store(true, Ordering::Relaxed);
        let all = tokio::time::timeout(2 * LONG, self.talking.join_all()).await;
        let all = all.expect("a conversation stalls");
        let (lost, closed) = all.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let longest = Duration::from_millis(self.longest.load(Ordering::Relaxed));
        Sum { lost, closed: closed.max(destination.broken()), longest }
    }
}

/// What became of the conversations of a story.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    pub(crate) lost: u64,
    pub(crate) closed: u64,
    pub(crate) longest: Duration,
}

impl Sum {
    /// Not a byte and not a connection.
    pub(crate) fn is_whole(&self) {
        assert_eq!((self.lost, self.closed), (0, 0), "bytes lost, connections closed");
    }
}
