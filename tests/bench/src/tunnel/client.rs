//! What a client does through a port, and how long it takes.

#![expect(clippy::disallowed_methods, reason = "a measurement of the real time")]

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::sink::{ASK, POUR, SWALLOW};
use crate::figure::median;

/// A connection that has already been answered once: whatever had to be opened for it stands.
async fn connected(port: u16) -> TcpStream {
    let mut visit = TcpStream::connect(("127.0.0.1", port)).await.expect("somebody listens");
    visit.set_nodelay(true).expect("a socket has that option");
    ask(&mut visit).await;
    visit
}

/// A byte there and a byte back, in seconds.
async fn ask(visit: &mut TcpStream) -> f64 {
    let began = Instant::now();
    let asking = async {
        visit.write_all(&[ASK]).await?;
        visit.read_u8().await
    };
    let answer = tokio::time::timeout(LONGEST, asking).await.expect("it stalls");
    answer.expect("it stands");
    began.elapsed().as_secs_f64()
}

/// The median of many, in seconds; with a breath between two, as between a person's queries.
pub(crate) async fn small(port: u16, times: usize) -> f64 {
    let mut visit = connected(port).await;
    let mut seen = Vec::new();
    for _ in 0..times {
        seen.push(ask(&mut visit).await);
        tokio::time::sleep(BREATH).await;
    }
    median(seen)
}

/// Sends so many bytes and waits until the destination has them; megabytes a second.
pub(crate) async fn up(port: u16, bytes: u64) -> f64 {
    let mut visit = connected(port).await;
    let piece = vec![7; 64 * 1024];
    let began = Instant::now();
    let sending = async {
        visit.write_u8(SWALLOW).await?;
        visit.write_u64(bytes).await?;
        let mut left = bytes;
        while left > 0 {
            let part = left.min(piece.len() as u64);
            visit.write_all(&piece[..usize::try_from(part).unwrap_or(piece.len())]).await?;
            left -= part;
        }
        visit.read_u8().await
    };
    tokio::time::timeout(LONGEST, sending).await.expect("it stalls").expect("it stands");
    bytes as f64 / began.elapsed().as_secs_f64() / 1e6
}

/// Takes in so many bytes once some have come; megabytes a second.
pub(crate) async fn down(port: u16, bytes: u64) -> f64 {
    let mut visit = connected(port).await;
    let taking = async {
        visit.write_u8(POUR).await?;
        visit.write_u64(bytes + AHEAD).await?;
        take(&mut visit, AHEAD).await?;
        let began = Instant::now();
        take(&mut visit, bytes).await?;
        Ok::<_, std::io::Error>(began.elapsed())
    };
    let took = tokio::time::timeout(LONGEST, taking).await.expect("it stalls").expect("it stands");
    bytes as f64 / took.as_secs_f64() / 1e6
}

async fn take(visit: &mut TcpStream, bytes: u64) -> std::io::Result<()> {
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut piece = vec![0; 64 * 1024];
    while left > 0 {
        let most = left.min(piece.len());
        left -= visit.read_exact(&mut piece[..most]).await?;
    }
    Ok(())
}

/// A download that goes on until this is dropped.
pub(crate) async fn endless(port: u16) -> tokio::task::JoinSet<()> {
    let mut visit = connected(port).await;
    let mut going = tokio::task::JoinSet::new();
    going.spawn(async move {
        if visit.write_u8(POUR).await.is_ok() && visit.write_u64(u64::MAX >> 8).await.is_ok() {
            drop(take(&mut visit, u64::MAX >> 8).await);
        }
    });
    going
}

/// The slowest of all is 0.7 MB/s.
const LONGEST: Duration = Duration::from_secs(120);
const BREATH: Duration = Duration::from_millis(2);
/// What is in the pipe before the flow is even.
const AHEAD: u64 = 128 * 1024;
