//! Visitors made by hand, byte by byte: for what no real client can be made to do.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// PostgreSQL's SSLRequest: eight bytes, the length and a magic number.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A CancelRequest for nobody: sixteen bytes, a magic number, a process and its key.
pub const CANCEL_REQUEST: [u8; 16] =
    [0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0x12, 0x34, 0, 0, 0x56, 0x78];

/// Connects to a port of this machine.
pub async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// Connects, says this, and reads what comes back until it is `wanted` bytes or the end.
///
/// # Panics
/// When neither comes within the limit.
pub async fn ask(port: u16, words: &[u8], wanted: usize, limit: Duration) -> Vec<u8> {
    let mut stream = connect(port).await;
    stream.write_all(words).await.unwrap();
    answer(&mut stream, wanted, limit).await
}

/// Reads until there are `wanted` bytes, or the other side has ended.
///
/// # Panics
/// When neither comes within the limit.
pub async fn answer(stream: &mut TcpStream, wanted: usize, limit: Duration) -> Vec<u8> {
    let mut answer = Vec::new();
    let reading = async {
        while answer.len() < wanted {
            let mut piece = vec![0; wanted - answer.len()];
            match stream.read(&mut piece).await {
                // A reset is an end, too.
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend_from_slice(&piece[..read]),
            }
        }
    };
    tokio::time::timeout(limit, reading).await.unwrap_or_else(|_| panic!("no answer in {limit:?}"));
    answer
}
