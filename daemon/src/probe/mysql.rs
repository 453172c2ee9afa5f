//! MySQL and MariaDB, as far as a login and `SELECT 1` go: protocol 4.1, the passwords of both, TLS where it is offered.
//!
//! ```text
//!   server: greeting ──▶ SSLRequest, TLS ──▶ response ──▶ OK
//!                                               │ ▲    ├─▶ ERR
//!                                               ▼ │    └─▶ switch to another method, or say more
//!                                           the next packet
//! ```

mod packet;
mod proof;

use bastion_api::{Login, Tls};
use bastion_cloud::Secret;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::{Found, Method, ROUNDS, Setback, Talk, foreign};

use packet::{Greeting, Packets};

pub(super) async fn talk<S>(stream: S, talk: &Talk<'_>) -> Result<Found, Setback>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut packets = Packets::new(stream);
    let greeting = Greeting::parse(&packets.read().await?)?;
    let found = Found { version: Some(greeting.version.clone()), ..Found::silent() };
    if !greeting.offers_tls() {
        if talk.wish.private {
            return Err(Setback::InTheClear);
        }
        return go_on(packets, greeting, false, Found { tls: Some(Tls::None), ..found }, talk)
            .await;
    }
    packets.write(&packet::ssl_request(talk.wish.database.is_some())).await?;
    let mut rounds = Vec::new();
    // Where nobody logs in this is all there is to measure: a handshake is one question and its answer.
    let packets = talk.round(&mut rounds, packets.encrypted()).await?;
    go_on(packets, greeting, true, Found { tls: Some(Tls::NotVerified), rounds, ..found }, talk)
        .await
}

async fn go_on<S>(
    mut packets: Packets<S>,
    greeting: Greeting,
    encrypted: bool,
    found: Found,
    talk: &Talk<'_>,
) -> Result<Found, Setback>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (user, password) = match talk.login() {
        Ok(login) => login,
        Err(login) => {
            packets.stream().shutdown().await.ok();
            return Ok(Found { login, ..found });
        }
    };
    log_in(&mut packets, greeting, encrypted, user, password, talk).await?;
    let since = talk.since_began();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        talk.round(&mut rounds, select_1(&mut packets)).await?;
    }
    packets.command(&[packet::QUIT]).await.ok();
    Ok(Found { login: Login::Done, logged_in: Some(since), rounds, ..found })
}

async fn log_in<S>(
    packets: &mut Packets<S>,
    greeting: Greeting,
    encrypted: bool,
    user: &str,
    password: &Secret,
    talk: &Talk<'_>,
) -> Result<(), Setback>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Greeting { mut salt, mut method, .. } = greeting;
    // A method that we do not know is answered with nothing: the server switches to the user's own.
    let proof = proof::of(&method, password, &salt, encrypted).unwrap_or_default();
    let database = talk.wish.database.as_deref();
    packets.write(&packet::response(user, &proof, database, &method, encrypted)).await?;
    loop {
        let answer = packets.read().await?;
        match answer.split_first() {
            Some((&packet::OK, _)) => return Ok(()),
            Some((&packet::ERR, rest)) => return Err(packet::refusal(rest)),
            Some((&packet::SWITCH, rest)) => {
                (method, salt) = packet::switch(rest);
                let proof = match proof::of(&method, password, &salt, encrypted) {
                    Some(proof) => proof,
                    None if proof::is_plain(&method) => return Err(Setback::InTheClear),
                    None => return Err(Setback::UnknownMethod(Method(method))),
                };
                packets.write(&proof).await?;
            }
            // caching_sha2_password: the server knows the password by heart, or has to see it.
            Some((&packet::MORE, [proof::FAST, ..])) => {}
            Some((&packet::MORE, [proof::FULL, ..])) if encrypted => {
                packets.write(&proof::plain(password)).await?;
            }
            Some((&packet::MORE, [proof::FULL, ..])) => return Err(Setback::InTheClear),
            Some(_) | None => return Err(foreign("no answer to a login")),
        }
    }
}

/// Asks and reads the whole answer: columns, an end, one row, an end.
async fn select_1<S>(packets: &mut Packets<S>) -> Result<(), Setback>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut question = vec![packet::QUERY];
    question.extend(b"SELECT 1");
    packets.command(&question).await?;
    let mut ends = 0;
    while ends < 2 {
        let answer = packets.read().await?;
        match answer.split_first() {
            Some((&packet::ERR, rest)) => return Err(packet::refusal(rest)),
            Some((&packet::END, rest)) if rest.len() < packet::LONGEST_END => ends += 1,
            Some(_) => {}
            None => return Err(foreign("an empty packet")),
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) use packet::tests::greeting;
