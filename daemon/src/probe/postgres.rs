//! PostgreSQL: where there is something to log in with, its own client library; else no more than the first words.

use std::error::Error as _;
use std::io;

use bastion_api::{Login, Tls};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::tls::AnyTls;
use super::{Found, ROUNDS, Setback, Talk, foreign};

pub(super) async fn talk<S>(stream: S, talk: &Talk<'_>) -> Result<Found, Setback>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match talk.login() {
        Ok((user, password)) => logged_in(stream, talk, user, password.reveal()).await,
        Err(login) => first_words(stream, talk, login).await,
    }
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
    config.ssl_mode(if talk.wish.private { SslMode::Require } else { SslMode::Prefer });
    if let Some(database) = &talk.wish.database {
        config.dbname(database);
    }
    let tls = AnyTls::default();
    let (client, mut connection) =
        config.connect_raw(stream, tls.clone()).await.map_err(setback)?;
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
    let found =
        Found { version, login: Login::Done, logged_in: Some(since), rounds, ..spoken(&tls) };
    Ok(found)
}

/// What a client may say that has no password: does the server offer TLS, and what does it say to a name?
async fn first_words<S>(mut stream: S, talk: &Talk<'_>, login: Login) -> Result<Found, Setback>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    stream.write_all(&SSL_REQUEST).await.map_err(Setback::Lost)?;
    let tls = AnyTls::default();
    let rounds = match stream.read_u8().await.map_err(Setback::Lost)? {
        b'S' => {
            let mut encrypted = tls.over(stream).await.map_err(Setback::Lost)?;
            introduced(&mut encrypted, talk).await?
        }
        b'N' => introduced(&mut stream, talk).await?,
        // A server that speaks no TLS at all may answer with an error, and so may whoever speaks in its place.
        b'E' => return Err(error_body(&mut stream).await?),
        _ => return Err(foreign("no answer to an SSLRequest")),
    };
    Ok(Found { login, rounds, ..spoken(&tls) })
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
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match io {
        // The source cannot be taken out of its error.
        Some(io) => Setback::Lost(io::Error::new(io.kind(), error)),
        None if error.is_closed() => Setback::Lost(io::ErrorKind::UnexpectedEof.into()),
        None => Setback::Foreign(Box::new(error)),
    }
}

fn spoken(tls: &AnyTls) -> Found {
    let tls = if tls.spoken() { Tls::NotVerified } else { Tls::None };
    Found { tls: Some(tls), ..Found::silent() }
}

/// Length 8, code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Who we are, in pg_stat_activity.
const NAME: &str = "bastionctl test";
/// Whom we claim to be where nobody says: every server has him.
const NOBODY: &str = "postgres";
/// The longest error that is taken; PostgreSQL's have a few hundred bytes.
const LONGEST_ERROR: usize = 64 * 1024;
