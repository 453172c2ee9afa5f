//! The database's place: it swallows, pours, and answers single bytes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A destination on a port of this machine; it ends when dropped.
pub(crate) struct Sink {
    port: u16,
    _serving: JoinSet<()>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut visits = JoinSet::new();
            while let Ok((visit, _)) = listener.accept().await {
                // A visit that breaks off is over.
                visits.spawn(async move { drop(answer(visit).await) });
                while visits.try_join_next().is_some() {}
            }
        });
        Self { port, _serving: serving }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

async fn answer(mut visit: TcpStream) -> std::io::Result<()> {
    visit.set_nodelay(true)?;
    let mut piece = vec![0; PIECE];
    loop {
        match visit.read_u8().await? {
            SWALLOW => {
                let mut left = usize::try_from(visit.read_u64().await?).unwrap_or(usize::MAX);
                while left > 0 {
                    let most = left.min(PIECE);
                    let read = visit.read(&mut piece[..most]).await?;
                    if read == 0 {
                        return Ok(());
                    }
                    left -= read;
                }
                visit.write_all(b"!").await?;
            }
            POUR => {
                let mut left = usize::try_from(visit.read_u64().await?).unwrap_or(usize::MAX);
                while left > 0 {
                    let most = left.min(PIECE);
                    visit.write_all(&piece[..most]).await?;
                    left -= most;
                }
            }
            _ => visit.write_all(b"!").await?,
        }
    }
}

/// So many bytes follow; one answers them.
pub(crate) const SWALLOW: u8 = b'S';
/// So many bytes are the answer.
pub(crate) const POUR: u8 = b'P';
/// One byte is the answer.
pub(crate) const ASK: u8 = b'?';
const PIECE: usize = 64 * 1024;
