//! PostgreSQL: where there is something to log in with, a client library; else no more than the first words.
//!
//! ```text
//!   SSLRequest ──▶ S  TLS  ─┬─▶ log in, SELECT 1
//!              ├─▶ N  none ─┘   or say a name, and see who is asked for
//!              └─▶ E  whoever speaks in the server's place says why
//! ```

use std::error::Error as _;
use std::io;

use bastion_api::{Login, Tls};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};

use super::{Found, Method, ROUNDS, Setback, Talk, foreign, tls};

pub(super) async fn talk<S>(mut stream: S, talk: &Talk<'_>) -> Result<Found, Setback>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if offers_tls(&mut stream).await? {
        let encrypted = tls::over(stream).await.map_err(Setback::Lost)?;
        return go_on(encrypted, Tls::NotVerified, talk).await;
    }
    if talk.wish.private {
        return Err(Setback::InTheClear);
    }
    go_on(stream, Tls::None, talk).await
}

/// Asks for TLS. By ourselves, for the library takes an error in answer to that for a server without TLS.
async fn offers_tls<S>(stream: &mut S) -> Result<bool, Setback>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(&SSL_REQUEST).await.map_err(Setback::Lost)?;
    match stream.read_u8().await.map_err(Setback::Lost)? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        // A server that speaks no TLS at all may answer with an error, and so may whoever speaks in its place.
        b'E' => Err(error_body(stream).await?),
        _ => Err(foreign("no answer to an SSLRequest")),
    }
}

async fn go_on<S>(mut stream: S, tls: Tls, talk: &Talk<'_>) -> Result<Found, Setback>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let found = match talk.login() {
        Ok((user, password)) => logged_in(stream, talk, user, password.reveal()).await?,
        Err(login) => {
            let rounds = introduced(&mut stream, talk).await?;
            Found { login, rounds, ..Found::silent() }
        }
    };
    Ok(Found { tls: Some(tls), ..found })
}

async fn logged_in<S>(
    stream: S,
    talk: &Talk<'_>,
    user: &str,
    password: &str,
) -> Result<Found, Setback>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut config = Config::new();
    config.user(user).password(password).application_name(NAME);
    // That has been settled.
    config.ssl_mode(SslMode::Disable);
    if let Some(database) = &talk.wish.database {
        config.dbname(database);
    }
    let (client, mut connection) = config.connect_raw(stream, NoTls).await.map_err(setback)?;
    let since = talk.since_began();
    let version = connection.parameter("server_version").map(str::to_owned);
    let mut rounds = Vec::new();
    let asking = async {
        for _ in 0..ROUNDS {
            talk.round(&mut rounds, client.simple_query("SELECT 1")).await?;
        }
        Ok::<_, tokio_postgres::Error>(())
    };
    tokio::select! {
        asked = asking => asked.map_err(setback)?,
        // It moves the bytes of what is asked, and ends only with the conversation.
        ended = &mut connection => {
            ended.map_err(setback)?;
            return Err(Setback::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    // A goodbye, so that the server's log does not speak of a client that vanished.
    drop(client);
    connection.await.ok();
    Ok(Found { version, login: Login::Done, logged_in: Some(since), rounds, ..Found::silent() })
}

/// Says a name, and measures how long the server takes to ask who that is.
async fn introduced<S>(stream: &mut S, talk: &Talk<'_>) -> Result<Vec<std::time::Duration>, Setback>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let hello = startup(talk.wish.user.as_deref().unwrap_or(NOBODY), talk.wish.database.as_deref());
    stream.write_all(&hello).await.map_err(Setback::Lost)?;
    let mut rounds = Vec::new();
    let tag = talk.round(&mut rounds, stream.read_u8()).await.map_err(Setback::Lost)?;
    match tag {
        b'R' => Ok(rounds),
        b'E' => Err(error_body(stream).await?),
        _ => Err(foreign("no answer to a startup message")),
    }
}

/// A startup message of protocol 3.0.
fn startup(user: &str, database: Option<&str>) -> Vec<u8> {
    let mut words = vec!["user", user, "application_name", NAME];
    if let Some(database) = database {
        words.extend(["database", database]);
    }
    let mut body = 0x0003_0000_u32.to_be_bytes().to_vec();
    for word in words {
        // A name with a zero in it ends there: no server has such a name.
        body.extend(word.bytes().take_while(|byte| *byte != 0));
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &body].concat()
}

/// What stands in an ErrorResponse whose tag has been read.
async fn error_body<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Setback, Setback> {
    let length = stream.read_u32().await.map_err(Setback::Lost)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if !(4..=LONGEST_ERROR).contains(&length) {
        return Err(foreign("no answer of PostgreSQL's"));
    }
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await.map_err(Setback::Lost)?;
    let field = |tag: u8| {
        let mut fields = body.split(|byte| *byte == 0);
        let found = fields.find(|field| field.first() == Some(&tag))?;
        Some(String::from_utf8_lossy(&found[1..]).into_owned())
    };
    let code = field(b'C').unwrap_or_default();
    Ok(Setback::Said { code, message: field(b'M').unwrap_or_default() })
}

fn setback(error: tokio_postgres::Error) -> Setback {
    if let Some(said) = error.as_db_error() {
        let (code, message) = (said.code().code().to_owned(), said.message().to_owned());
        return Setback::Said { code, message };
    }
    let source = error.source();
    // The library has no other word for it than its text.
    if source.is_some_and(|source| source.to_string() == UNSUPPORTED) {
        return Setback::UnknownMethod(Method(KERBEROS.into()));
    }
    let io = source.and_then(|source| source.downcast_ref::<io::Error>());
    match io {
        // The source cannot be taken out of its error.
        Some(io) => Setback::Lost(io::Error::new(io.kind(), error)),
        None if error.is_closed() => Setback::Lost(io::ErrorKind::UnexpectedEof.into()),
        None => Setback::Foreign(Box::new(error)),
    }
}

/// Length 8, code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Who we are, in pg_stat_activity.
const NAME: &str = "bastionctl test";
/// Whom we claim to be where nobody says: every server has him.
const NOBODY: &str = "postgres";
/// The longest error that is taken; PostgreSQL's have a few hundred bytes.
const LONGEST_ERROR: usize = 64 * 1024;
/// What the library says of a method that it does not know: Kerberos, GSSAPI, SSPI.
const UNSUPPORTED: &str = "unsupported authentication method";
const KERBEROS: &str = "Kerberos, or the like";
