//! The waiting room: a visitor whose bastion is on its way is held, and its first words with it.
//!
//! Holding is the best cure: the client connects as if nothing had been, with its own TLS from end to end. It is told
//! something only when the start has failed, or when it would give up by itself in a moment.

use std::future::pending;
use std::time::Duration;

use bytes::BytesMut;
use dbwire::postgres::{Prologue, prologue};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use super::excuse::no_gssapi;
use super::roster::Entry;
use super::visitor;
use crate::config::Patience;

/// Keeps a visitor company until it leaves. Reads on meanwhile: what it sends is not lost.
///
/// Who asks for encryption by GSSAPI is told at once that there is none, and asks for TLS, which can be held. Where the
/// bastion is ready, nobody waits here for long enough to be told anything.
pub(super) async fn wait<L>(local: &mut L, said: &mut BytesMut)
where
    L: AsyncRead + AsyncWrite + Unpin,
{
    if timeout(SOON, visitor::leaves(local, said)).await.is_ok() {
        return;
    }
    if prologue(said) == Prologue::GssEncRequest && no_gssapi(local, said).await.is_err() {
        return;
    }
    visitor::leaves(local, said).await;
}

/// Ends when a visitor that came so long ago has to be told something, because it would give up by itself.
pub(super) async fn runs_out(patience: Patience, ago: Duration, entry: &Entry) {
    match patience {
        Patience::AtMost(time) => sleep(time.saturating_sub(ago)).await,
        Patience::Auto => {
            // By then its program is known.
            sleep(JAVA.saturating_sub(ago)).await;
            match entry.visitor().program.as_deref() {
                Some("java" | "DBeaver" | "DataGrip") => {}
                Some("pgAdmin") => sleep(PGADMIN - JAVA.max(ago).min(PGADMIN)).await,
                Some(_) | None => pending().await,
            }
        }
    }
}

/// How long a visit to a bastion that is ready takes at most to get its stream.
const SOON: Duration = Duration::from_millis(200);

/// pgjdbc gives up 5.0 s after an SSLRequest that nobody answers, whatever its other timeouts are (product.md F12).
const JAVA: Duration = Duration::from_secs(4);

/// pgAdmin's connect timeout is 10 s unless somebody has set another (F11).
const PGADMIN: Duration = Duration::from_secs(9);

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::wait;

    const GSS_ENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_for_gssapi_is_told_no_and_its_next_request_is_held() {
        let (mut client, mut local) = duplex(64);
        let mut said = BytesMut::from(&GSS_ENC_REQUEST[..]);
        let client = async {
            let mut answer = [0];
            client.read_exact(&mut answer).await.unwrap();
            client.write_all(&SSL_REQUEST).await.unwrap();
            drop(client);
            answer
        };
        let ((), answer) = tokio::join!(wait(&mut local, &mut said), client);
        assert_eq!((&answer, &said[..]), (b"N", &SSL_REQUEST[..]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_for_tls_is_held_without_an_answer() {
        let (mut client, mut local) = duplex(64);
        let mut said = BytesMut::from(&SSL_REQUEST[..]);
        let waited =
            tokio::time::timeout(std::time::Duration::from_secs(60), wait(&mut local, &mut said));
        assert!(waited.await.is_err(), "it has not left");
        drop(local);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.is_empty(), "{answer:?}");
        assert_eq!(said[..], SSL_REQUEST);
    }
}
