//! Speaks to a database as a client would, to see that it is there and how far away.
//!
//! ```text
//!   a stream ──▶ postgres.rs   TLS where it is offered ▶ log in ▶ SELECT 1, several times
//!            └─▶ mysql.rs      the server's greeting ▶ the same
//! ```
//!
//! Without a password it goes as far as the server's first words. Any certificate is believed: whoever stands at the other
//! end of a bastion's tunnel is asked for its version, and told no more than a client with `sslmode=require` tells.

mod mysql;
mod postgres;
mod tls;
mod watched;

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use bastion_api::{Login, Tls};
use bastion_cloud::Secret;
use dbwire::Engine;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::clock::Clock;

use watched::Watched;

/// What the database is called with.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What it speaks.
    pub engine: Engine,
    /// As whom; none where nobody says.
    pub user: Option<String>,
    /// With what; none where nobody says.
    pub password: Option<Secret>,
    /// Whether the password is one that nobody but the server may see: then no word is said without TLS.
    pub private: bool,
    /// Into which database of the server.
    pub database: Option<String>,
}

/// What the database said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// Its version, as it says it itself.
    pub version: Option<String>,
    /// Whether the talk was encrypted; none where nothing was said.
    pub tls: Option<Tls>,
    /// How far the talk went.
    pub login: Login,
    /// From the beginning to its first byte.
    pub first_byte: Option<Duration>,
    /// From the beginning to being logged in.
    pub logged_in: Option<Duration>,
    /// How long each question took.
    pub rounds: Vec<Duration>,
}

/// Why the talk went no further.
#[derive(Debug, Error)]
pub enum Setback {
    /// It broke off.
    #[error("the conversation broke off")]
    Lost(#[source] io::Error),
    /// The database itself said no.
    #[error("{code}: {message}")]
    Said {
        /// Its code: an SQLSTATE, or a number of MySQL's.
        code: String,
        /// Its words.
        message: String,
    },
    /// What answers does not speak what was expected.
    #[error("what answers speaks something else")]
    Foreign(#[source] Box<dyn Error + Send + Sync>),
    /// It would have to see the password itself, and offers no TLS to say it in.
    #[error("what logs in may be said inside TLS alone, and the server offers none")]
    InTheClear,
    /// It wants to be convinced in a way that we do not know.
    #[error("the server asks for a login by {0}")]
    UnknownMethod(Method),
}

/// The name of a way to log in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Method(pub String);

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Found {
    /// The middle of all rounds; none where there were none.
    pub fn round_trip(&self) -> Option<Duration> {
        let mut rounds = self.rounds.clone();
        rounds.sort_unstable();
        rounds.get(rounds.len() / 2).copied()
    }
}

impl Setback {
    /// Whether the database does not take the password: PostgreSQL's 28P01, MySQL's 1045.
    pub fn is_wrong_password(&self) -> bool {
        self.has_code(&["28P01", "1045"])
    }

    /// Whether the server has no database of that name: PostgreSQL's 3D000, MySQL's 1049.
    pub fn is_unknown_database(&self) -> bool {
        self.has_code(&["3D000", "1049"])
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        match self {
            Self::Said { code, .. } => codes.contains(&code.as_str()),
            Self::Lost(_) | Self::Foreign(_) | Self::InTheClear | Self::UnknownMethod(_) => false,
        }
    }
}

/// Talks to the database at the other end of a stream that began then; every wait is the caller's to end.
pub async fn probe<S>(
    stream: S,
    wish: &Wish,
    began: Instant,
    clock: &Clock,
) -> Result<Found, Setback>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, first) = Watched::new(stream, clock.clone());
    let talk = Talk { wish, began, clock };
    let found = match wish.engine {
        Engine::Postgres => postgres::talk(stream, &talk).await?,
        Engine::Mysql => mysql::talk(stream, &talk).await?,
        Engine::Other => empty_line(stream).await?,
    };
    let first_byte = first.get().map(|at| at.saturating_duration_since(began));
    Ok(Found { first_byte, ..found })
}

/// Says an empty line, which no server takes amiss, to whom we can say nothing else: without a byte nobody is called. What
/// comes back shows that somebody is there; nothing may come back, and shows nothing.
async fn empty_line<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> Result<Found, Setback> {
    stream.write_all(b"\r\n").await.map_err(Setback::Lost)?;
    match timeout(FIRST_WORD, stream.read_u8()).await {
        Ok(Ok(_)) | Err(_) => Ok(Found::silent()),
        Ok(Err(err)) => Err(Setback::Lost(err)),
    }
}

/// What both languages need.
#[derive(Clone, Copy, Debug)]
struct Talk<'a> {
    wish: &'a Wish,
    began: Instant,
    clock: &'a Clock,
}

impl Talk<'_> {
    fn since_began(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.began)
    }

    /// Measures one question, whose answer this is.
    async fn round<T, E>(
        &self,
        rounds: &mut Vec<Duration>,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let asked = self.clock.now();
        let answer = answer.await?;
        rounds.push(self.clock.now().saturating_duration_since(asked));
        Ok(answer)
    }

    /// Who logs in, and with what; how far one gets otherwise.
    fn login(&self) -> Result<(&str, &Secret), Login> {
        match (&self.wish.password, &self.wish.user) {
            (None, _) => Err(Login::NoPassword),
            (Some(_), None) => Err(Login::NoUser),
            (Some(password), Some(user)) => Ok((user, password)),
        }
    }
}

impl Found {
    fn silent() -> Self {
        Self {
            version: None,
            tls: None,
            login: Login::NotSpoken,
            first_byte: None,
            logged_in: None,
            rounds: Vec::new(),
        }
    }
}

fn foreign(why: &'static str) -> Setback {
    Setback::Foreign(why.into())
}

/// How long a server has for a word of its own, whose language we do not know.
const FIRST_WORD: Duration = Duration::from_secs(3);
/// How often the database is asked: enough for a middle that one slow packet does not move.
const ROUNDS: usize = 5;

#[cfg(test)]
mod tests;
