//! The database's place: it takes blocks and says their sha256, gives blocks with theirs, or stops reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bastion_e2e::dice::Dice;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a conversation asks for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// So many bytes follow; their sha256 is the answer.
    Up = b'U' as isize,
    /// So many bytes are the answer, and their sha256.
    Down = b'D' as isize,
    /// Nothing that follows is read.
    Deaf = b'X' as isize,
}

/// The head of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) length: u32,
    pub(crate) seed: u64,
}

/// A server on a port of this machine; it ends when dropped.
pub(crate) struct Destination {
    pub(crate) port: u16,
    broken: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

impl Destination {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let broken = Arc::<AtomicU64>::default();
        let mut serving = JoinSet::new();
        let counter = Arc::clone(&broken);
        serving.spawn(async move {
            let mut conversations = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                conversations.spawn(async move {
                    if converse(tcp).await.is_err() {
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { port, broken, _serving: serving }
    }

    /// How many conversations ended in the middle of a block.
    pub(crate) fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }
}

/// Block after block until the other side closes, which it may between two of them.
async fn converse(mut tcp: TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut head = [0; Head::LENGTH];
    loop {
        if tcp.read(&mut head[..1]).await? == 0 {
            return Ok(());
        }
        tcp.read_exact(&mut head[1..]).await?;
        let head = Head::read(&head);
        match head.kind {
            Kind::Up => {
                let digest = take(&mut tcp, head.length).await?;
                tcp.write_all(&digest).await?;
            }
            Kind::Down => {
                let mut digest = Sha256::new();
                let mut pieces = Pieces::new(head.seed, head.length);
                while let Some(piece) = pieces.next() {
                    digest.update(piece);
                    tcp.write_all(piece).await?;
                }
                tcp.write_all(&digest.finalize()).await?;
            }
            Kind::Deaf => {
                tcp.write_all(b"deaf").await?;
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Reads so many bytes and says their sha256.
pub(crate) async fn take(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    length: u32,
) -> std::io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut left = usize::try_from(length).unwrap();
    let mut piece = vec![0; PIECE];
    while left > 0 {
        let most = left.min(PIECE);
        let read = from.read(&mut piece[..most]).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        digest.update(&piece[..read]);
        left -= read;
    }
    Ok(digest.finalize().into())
}

impl Head {
    pub(crate) const LENGTH: usize = 13;

    pub(crate) fn write(self) -> [u8; Self::LENGTH] {
        let mut head = [0; Self::LENGTH];
        head[0] = self.kind as u8;
        head[1..5].copy_from_slice(&self.length.to_be_bytes());
        head[5..].copy_from_slice(&self.seed.to_be_bytes());
        head
    }

    fn read(head: &[u8; Self::LENGTH]) -> Self {
        let kind =
            [Kind::Up, Kind::Down, Kind::Deaf].into_iter().find(|kind| *kind as u8 == head[0]);
        Self {
            // Anything else is what the tunnel made of it.
            kind: kind.unwrap_or_else(|| panic!("a block begins with {}", head[0])),
            length: u32::from_be_bytes(head[1..5].try_into().unwrap()),
            seed: u64::from_be_bytes(head[5..].try_into().unwrap()),
        }
    }
}

/// Bytes of a seed, piece by piece.
pub(crate) struct Pieces {
    dice: Dice,
    left: usize,
    piece: Vec<u8>,
}

impl Pieces {
    pub(crate) fn new(seed: u64, length: u32) -> Self {
        Self {
            dice: Dice::new(seed),
            left: usize::try_from(length).unwrap(),
            piece: vec![0; PIECE],
        }
    }

    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let length = self.left.min(PIECE);
        if length == 0 {
            return None;
        }
        self.left -= length;
        for eight in self.piece[..length].chunks_mut(8) {
            let bytes = self.dice.number().to_le_bytes();
            eight.copy_from_slice(&bytes[..eight.len()]);
        }
        Some(&self.piece[..length])
    }
}

const PIECE: usize = 16 * 1024;
