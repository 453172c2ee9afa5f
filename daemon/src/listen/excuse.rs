//! A failure as the database's own kind of error: what a person reads in psql, pgAdmin or a MySQL client.
//!
//! ```text
//!   PostgreSQL   startup                     ErrorResponse
//!                SSLRequest or TLS at once   TLS of our own, then startup, then ErrorResponse inside it
//!                GSSENCRequest               N, and the client asks another way
//!   MySQL        (waits for the greeting)    ERR packet
//!   other        closed without a word
//! ```

use std::io::{self, Cursor};
use std::time::Duration;

use bastion_api::Problem;
use bytes::{Buf, BytesMut};
use dbwire::postgres::{Prologue, SqlState, error_response, prologue};
use dbwire::{Engine, Refusal, mysql};
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, join, split};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

use super::authority::Authority;

/// Tells a visitor who was not served why, as far as its client can be told; `said` is what was read of it.
pub(super) async fn excuse<L>(
    local: &mut L,
    said: BytesMut,
    engine: Engine,
    authority: &Authority,
    problem: &Problem,
) -> io::Result<()>
where
    L: AsyncRead + AsyncWrite + Unpin,
{
    let words = Words::of(problem);
    let refusal = words.refusal();
    let told = async {
        match engine {
            Engine::Postgres => postgres(local, said, authority, &refusal).await,
            Engine::Mysql => say(local, &mysql::error_packet(&refusal)).await,
            Engine::Other => Ok(()),
        }
    };
    timeout(EXCUSE, told).await.map_err(io::Error::from)?
}

/// In the middle of a session in the clear, between two messages: the last word before the close.
pub(super) async fn last_word<L>(local: &mut L, problem: &Problem) -> io::Result<()>
where
    L: AsyncRead + AsyncWrite + Unpin,
{
    let words = Words::of(problem);
    let packet = error_response(SqlState::AdminShutdown, &words.refusal());
    timeout(EXCUSE, say(local, &packet)).await.map_err(io::Error::from)?
}

/// The end of a session in which nothing can be said. What the database said last is read before it.
pub(super) async fn part<L>(local: &mut L) -> io::Result<()>
where
    L: AsyncRead + AsyncWrite + Unpin,
{
    local.shutdown().await?;
    let mut rest = local.take(UNHEARD);
    // However it ends: the client has read what there was to read, or has had the time to.
    drop(timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await);
    Ok(())
}

/// What somebody speaks whose target nothing is known of yet, by how it begins: who waits for the other's first word is
/// a MySQL client, and what PostgreSQL's clients begin with is theirs alone.
pub(super) async fn by_manners<L: AsyncRead + Unpin>(local: &mut L, said: &mut BytesMut) -> Engine {
    if said.is_empty() && timeout(SILENCE, local.read_buf(said)).await.is_err() {
        return Engine::Mysql;
    }
    Engine::Postgres
}

/// Answers a GSSENCRequest: the client then asks another way.
pub(super) async fn no_gssapi<L>(local: &mut L, said: &mut BytesMut) -> io::Result<()>
where
    L: AsyncWrite + Unpin,
{
    said.advance(REQUEST);
    local.write_all(b"N").await
}

/// A problem in the three texts of a database's error.
struct Words {
    message: String,
    detail: String,
    hint: String,
}

impl Words {
    fn of(problem: &Problem) -> Self {
        Self {
            message: format!("{} {}", problem.code, problem.message),
            detail: problem.causes.join("; "),
            hint: problem.hints.join("; "),
        }
    }

    fn refusal(&self) -> Refusal<'_> {
        Refusal { message: &self.message, detail: &self.detail, hint: &self.hint }
    }
}

async fn postgres<L>(
    local: &mut L,
    mut said: BytesMut,
    authority: &Authority,
    refusal: &Refusal<'_>,
) -> io::Result<()>
where
    L: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match prologue(&said) {
            Prologue::More if local.read_buf(&mut said).await? == 0 => return Ok(()),
            Prologue::More => {}
            Prologue::GssEncRequest => no_gssapi(local, &mut said).await?,
            Prologue::SslRequest => {
                said.advance(REQUEST);
                local.write_all(b"S").await?;
                return within_tls(local, said, authority, refusal).await;
            }
            Prologue::DirectTls => return within_tls(local, said, authority, refusal).await,
            Prologue::Startup(_) => return say(local, &error_response(STATE, refusal)).await,
            Prologue::CancelRequest | Prologue::Not => return Ok(()),
        }
    }
}

/// Nothing is asked of the client but its startup packet: no password is ever sent to us.
async fn within_tls<L>(
    local: &mut L,
    said: BytesMut,
    authority: &Authority,
    refusal: &Refusal<'_>,
) -> io::Result<()>
where
    L: AsyncRead + AsyncWrite + Unpin,
{
    let (read, write) = split(local);
    let whole = join(AsyncReadExt::chain(Cursor::new(said), read), write);
    let hello = LazyConfigAcceptor::new(Acceptor::default(), whole).await?;
    let server = authority.server(hello.client_hello().server_name()).map_err(io::Error::other)?;
    let mut sealed = hello.into_stream(server).await?;
    let mut said = BytesMut::new();
    loop {
        match prologue(&said) {
            Prologue::More if sealed.read_buf(&mut said).await? == 0 => return Ok(()),
            Prologue::More => {}
            Prologue::Startup(_) => return say(&mut sealed, &error_response(STATE, refusal)).await,
            Prologue::SslRequest
            | Prologue::GssEncRequest
            | Prologue::CancelRequest
            | Prologue::DirectTls
            | Prologue::Not => return Ok(()),
        }
    }
}

/// Says it, and waits until the client has closed: a close with something unread would take the words back.
async fn say<L>(local: &mut L, packet: &[u8]) -> io::Result<()>
where
    L: AsyncRead + AsyncWrite + Unpin,
{
    local.write_all(packet).await?;
    part(local).await
}

/// With any other state libpq asks again at once without TLS, and would send its password in the clear later.
const STATE: SqlState = SqlState::CannotConnectNow;

/// SSLRequest and GSSENCRequest, in bytes.
const REQUEST: usize = 8;

/// How long the whole excuse may take: clients answer each step at once.
const EXCUSE: Duration = Duration::from_secs(5);

/// How long a client may take to close after it was told.
const LINGER: Duration = Duration::from_secs(1);

/// How long a client says nothing that waits for a greeting; others begin at once.
const SILENCE: Duration = Duration::from_secs(1);

/// How much of what it still sends is taken in, in bytes.
const UNHEARD: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bastion_api::ProblemKind;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{DuplexStream, duplex};
    use tokio_rustls::TlsConnector;

    use super::*;

    const STARTUP: &[u8] = b"\0\0\0\x12\0\x03\0\0user\0amy\0\0";
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    const GSS_ENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

    fn problem() -> Problem {
        Problem::new("D18", ProblemKind::Login, "the login has expired")
            .because("it is old")
            .hint("aws sso login")
    }

    /// What a client hears that does `client` on its side of a line on whose other side it is excused.
    async fn heard<F: Future<Output = Vec<u8>>>(
        said: &[u8],
        engine: Engine,
        client: impl FnOnce(DuplexStream, RootCertStore) -> F,
    ) -> Vec<u8> {
        let state = tempfile::tempdir().unwrap();
        let authority = Authority::new(state.path());
        authority.server(None).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority.certificate()).unwrap()).unwrap();
        let (mut near, far) = duplex(4096);
        let problem = problem();
        let excused = async {
            let said = BytesMut::from(said);
            excuse(&mut near, said, engine, &authority, &problem).await.unwrap();
            drop(near);
        };
        tokio::join!(excused, client(far, roots)).1
    }

    async fn all(mut line: impl AsyncRead + Unpin) -> Vec<u8> {
        let mut heard = Vec::new();
        line.read_to_end(&mut heard).await.unwrap();
        heard
    }

    async fn within_tls(line: DuplexStream, roots: RootCertStore) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"postgresql".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(client));
        let mut sealed = connector.connect(name, line).await.unwrap();
        sealed.write_all(STARTUP).await.unwrap();
        all(sealed).await
    }

    fn is_told(heard: &[u8]) -> bool {
        let text = String::from_utf8_lossy(heard);
        heard.first() == Some(&b'E')
            && [
                "SFATAL\0",
                "C57P03\0",
                "MD18 the login has expired\0",
                "Dit is old\0",
                "Haws sso login\0",
            ]
            .iter()
            .all(|field| text.contains(field))
    }

    #[tokio::test]
    async fn a_client_in_the_clear_is_told_at_once() {
        let heard = heard(STARTUP, Engine::Postgres, |line, _| all(line)).await;
        assert!(is_told(&heard), "{heard:?}");
    }

    #[tokio::test]
    async fn a_client_that_asks_for_tls_is_told_within_it_and_never_in_the_clear() {
        let heard = heard(&SSL_REQUEST, Engine::Postgres, |mut line, roots| async move {
            let mut answer = [0];
            line.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"S");
            within_tls(line, roots).await
        });
        let heard = heard.await;
        assert!(is_told(&heard), "{heard:?}");
    }

    #[tokio::test]
    async fn a_client_that_begins_with_tls_is_told_within_it() {
        let heard = heard(&[], Engine::Postgres, within_tls).await;
        assert!(is_told(&heard), "{heard:?}");
    }

    #[tokio::test]
    async fn a_client_that_asks_for_gssapi_first_is_told_in_the_end() {
        let heard = heard(&GSS_ENC_REQUEST, Engine::Postgres, |mut line, _| async move {
            let mut answer = [0];
            line.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"N");
            line.write_all(STARTUP).await.unwrap();
            all(line).await
        });
        let heard = heard.await;
        assert!(is_told(&heard), "{heard:?}");
    }

    #[tokio::test]
    async fn a_mysql_client_is_told_in_place_of_the_greeting() {
        let heard = heard(&[], Engine::Mysql, |line, _| all(line)).await;
        let text = String::from_utf8_lossy(&heard[7..]);
        assert_eq!(text, "D18 the login has expired; because: it is old; hint: aws sso login");
    }

    #[tokio::test]
    async fn nothing_is_said_to_others() {
        for (said, engine) in [
            (&b"*1\r\n$4\r\nPING\r\n"[..], Engine::Other),
            (b"GET / HTTP/1.1\r\n", Engine::Postgres),
        ] {
            let heard = heard(said, engine, |line, _| all(line)).await;
            assert!(heard.is_empty(), "{heard:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_greeting_is_taken_for_a_mysql_client_and_who_speaks_is_not() {
        let (mut near, mut far) = duplex(64);
        let mut said = BytesMut::new();
        assert_eq!(by_manners(&mut near, &mut said).await, Engine::Mysql);
        far.write_all(&SSL_REQUEST).await.unwrap();
        for _ in 0..2 {
            assert_eq!(by_manners(&mut near, &mut said).await, Engine::Postgres);
            assert_eq!(said[..], SSL_REQUEST);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_not_waited_for() {
        let state = tempfile::tempdir().unwrap();
        let authority = Authority::new(state.path());
        let (mut near, _far) = duplex(64);
        let excused =
            excuse(&mut near, BytesMut::new(), Engine::Postgres, &authority, &problem()).await;
        assert_eq!(excused.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
