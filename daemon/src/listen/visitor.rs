//! Is it a real visitor? A port scan, a health check or a stray browser must not start a task that costs money.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use dbwire::Engine;
use dbwire::postgres::{self, Prologue};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// Who knocked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Knock {
    /// Somebody who speaks the target's language, this one; what was read of it is in the buffer.
    Visitor(Engine),
    /// A PostgreSQL client that wants a query cancelled: of use where a bastion is ready, and nowhere else.
    Cancel,
    /// Nobody whom the database could serve; why we think so.
    Nobody(&'static str),
}

/// Listens to a connection until it is clear who knocked. What was read stays in `read`, to be passed on.
pub(super) async fn recognise<S: AsyncRead + Unpin>(
    local: &mut S,
    engine: Engine,
    read: &mut BytesMut,
) -> io::Result<Knock> {
    match engine {
        Engine::Postgres => postgres_client(local, read).await,
        Engine::Mysql => mysql_client(local, read).await,
        Engine::Other => any_client(local, read).await,
    }
}

/// Returns when the client has left. Reads on meanwhile, as far as the buffer allows: what it sends is not lost.
pub(super) async fn leaves<S: AsyncRead + Unpin>(local: &mut S, read: &mut BytesMut) {
    while read.len() < HELD_MOST {
        match local.read_buf(read).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    std::future::pending().await
}

/// PostgreSQL's client speaks first, and its first packet has a form that nothing else has.
async fn postgres_client<S: AsyncRead + Unpin>(
    local: &mut S,
    read: &mut BytesMut,
) -> io::Result<Knock> {
    let first_packet = timeout(FIRST_PACKET, async {
        loop {
            let first = postgres::prologue(read);
            if first != Prologue::More {
                return Ok(Some(first));
            }
            if local.read_buf(read).await? == 0 {
                return Ok::<_, io::Error>(None);
            }
        }
    });
    Ok(match first_packet.await {
        Err(_) => Knock::Nobody("it did not say what it wants in time"),
        Ok(said) => match said? {
            None => Knock::Nobody("it left without a word"),
            Some(first) if first.is_visitor() => Knock::Visitor(Engine::Postgres),
            Some(Prologue::CancelRequest) => Knock::Cancel,
            Some(_) => Knock::Nobody("it does not speak PostgreSQL"),
        },
    })
}

/// MySQL's client waits for the server's greeting; who speaks before that, or hangs up at once, is none.
async fn mysql_client<S: AsyncRead + Unpin>(
    local: &mut S,
    read: &mut BytesMut,
) -> io::Result<Knock> {
    let waits = read.is_empty();
    match timeout(MYSQL_STANDS, local.read_buf(read)).await {
        Err(_) if !waits => Ok(Knock::Nobody(SPOKE_FIRST)),
        Err(_) => Ok(Knock::Visitor(Engine::Mysql)),
        Ok(said) => Ok(match said? {
            0 => Knock::Nobody("it left without a word"),
            _ => Knock::Nobody(SPOKE_FIRST),
        }),
    }
}

/// Of other protocols we know only that their clients speak first, and that plain HTTP is not a database's.
async fn any_client<S: AsyncRead + Unpin>(local: &mut S, read: &mut BytesMut) -> io::Result<Knock> {
    loop {
        match http(read) {
            Some(true) => return Ok(Knock::Nobody("it speaks plain HTTP")),
            Some(false) => return Ok(Knock::Visitor(Engine::Other)),
            None => {}
        }
        if local.read_buf(read).await? == 0 {
            return Ok(Knock::Nobody("it left without a word"));
        }
    }
}

/// Whether this is the beginning of an HTTP request; `None` while it could still become one.
fn http(read: &[u8]) -> Option<bool> {
    let fits = |method: &&[u8]| {
        let shared = method.len().min(read.len());
        method[..shared] == read[..shared]
    };
    let method = HTTP_METHODS.iter().find(|method| fits(method));
    match method {
        None => Some(false),
        Some(method) if read.len() >= method.len() => Some(true),
        Some(_) => None,
    }
}

const SPOKE_FIRST: &str = "it spoke first, which no MySQL client does";

/// The methods that a browser, a scanner or a health check would begin with.
const HTTP_METHODS: [&[u8]; 8] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"TRACE ", b"PATCH "];

/// How long a PostgreSQL client may take for its first packet; real ones send it at once.
const FIRST_PACKET: Duration = Duration::from_secs(10);

/// How long a silent connection must stand to be a MySQL client: a port scan is gone by then.
const MYSQL_STANDS: Duration = Duration::from_millis(300);

/// How many bytes are held for a client that waits for its bastion.
const HELD_MOST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::BytesMut;
    use dbwire::Engine;
    use tokio::io::AsyncWriteExt;

    use super::{Knock, leaves, recognise};

    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    const CANCEL_REQUEST: [u8; 16] = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2];

    async fn knock(engine: Engine, sends: &[u8], hangs_up: bool) -> (Knock, BytesMut) {
        let (mut near, mut far) = tokio::io::duplex(1024);
        far.write_all(sends).await.unwrap();
        let far = (!hangs_up).then_some(far);
        let mut read = BytesMut::new();
        let knock = recognise(&mut near, engine, &mut read).await.unwrap();
        drop(far);
        (knock, read)
    }

    #[tokio::test(start_paused = true)]
    async fn a_postgres_client_is_known_by_its_first_packet_which_is_kept() {
        let (who, read) = knock(Engine::Postgres, &SSL_REQUEST, false).await;
        assert_eq!((who, &read[..]), (Knock::Visitor(Engine::Postgres), &SSL_REQUEST[..]));
        assert_eq!(knock(Engine::Postgres, &CANCEL_REQUEST, false).await.0, Knock::Cancel);
    }

    #[tokio::test(start_paused = true)]
    async fn a_scan_an_http_request_and_a_silent_line_are_nobody_to_postgres() {
        for (sends, hangs_up) in [(&b""[..], true), (b"GET / HTTP/1.1\r\n", false), (b"", false)] {
            let (who, _) = knock(Engine::Postgres, sends, hangs_up).await;
            assert!(matches!(who, Knock::Nobody(_)), "{sends:?}: {who:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_mysql_client_is_known_by_its_patience() {
        assert_eq!(knock(Engine::Mysql, b"", false).await.0, Knock::Visitor(Engine::Mysql));
        for (sends, hangs_up) in [(&b""[..], true), (b"GET / HTTP/1.1\r\n", false)] {
            let (who, _) = knock(Engine::Mysql, sends, hangs_up).await;
            assert!(matches!(who, Knock::Nobody(_)), "{sends:?}: {who:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_before_anybody_listened_counts() {
        let (mut near, far) = tokio::io::duplex(1024);
        let mut read = BytesMut::from(&b"GET / HTTP/1.1"[..]);
        for engine in [Engine::Postgres, Engine::Mysql, Engine::Other] {
            let who = recognise(&mut near, engine, &mut read).await.unwrap();
            assert!(matches!(who, Knock::Nobody(_)), "{engine:?}: {who:?}");
        }
        let mut read = BytesMut::from(&b"PING"[..]);
        let who = recognise(&mut near, Engine::Other, &mut read).await.unwrap();
        assert_eq!(who, Knock::Visitor(Engine::Other));
        drop(far);
    }

    #[tokio::test(start_paused = true)]
    async fn anything_but_http_may_be_another_protocols_client() {
        let other = Knock::Visitor(Engine::Other);
        assert_eq!(knock(Engine::Other, b"PING\r\n", false).await.0, other);
        assert_eq!(knock(Engine::Other, &[0x16, 3, 1], false).await.0, other);
        for (sends, hangs_up) in [(&b""[..], true), (b"GET / HTTP/1.1\r\n", false), (b"HEA", true)]
        {
            let (who, _) = knock(Engine::Other, sends, hangs_up).await;
            assert!(matches!(who, Knock::Nobody(_)), "{sends:?}: {who:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_client_sends_while_it_waits_is_kept_and_its_leaving_is_seen() {
        let (mut near, mut far) = tokio::io::duplex(1024);
        let mut read = BytesMut::from(&b"first "[..]);
        far.write_all(b"second").await.unwrap();
        let stays = tokio::time::timeout(Duration::from_secs(1), leaves(&mut near, &mut read));
        assert!(stays.await.is_err(), "it has not left yet");
        assert_eq!(&read[..], b"first second");
        drop(far);
        leaves(&mut near, &mut read).await;
    }
}
