//! The worker's websocket: got by CreateDataChannel, kept alive by pings, got again when it is lost.

use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::agent::dice::Dice;

/// The channel cannot be had (any more).
#[derive(Debug)]
pub(super) struct Lost;

pub(super) struct Socket {
    pub(super) ws: WebSocketStream<TcpStream>,
    next_ping: Instant,
    /// Without a pong until then it counts as lost.
    pong_due: Instant,
}

impl Socket {
    pub(super) fn timeout(&self) -> Instant {
        self.next_ping.min(self.pong_due)
    }

    pub(super) fn on_pong(&mut self, now: Instant) {
        self.pong_due = now + PONG_LIMIT;
    }

    pub(super) async fn on_timer(&mut self, now: Instant) -> Result<(), Lost> {
        if self.pong_due <= now {
            return Err(Lost);
        }
        if self.next_ping <= now {
            self.next_ping = now + PING;
            let ping = Message::Ping(Bytes::from_static(b"keepalive"));
            self.ws.send(ping).await.map_err(|_| Lost)?;
        }
        Ok(())
    }
}

/// The first websocket.
pub(super) async fn open(
    gateway: String,
    session: String,
    secret: String,
    seed: u64,
) -> Result<Socket, Lost> {
    // The session is new: a gateway that cannot be reached now may be a moment later.
    attempts(&gateway, &session, &secret, seed, Duration::ZERO).await
}

/// One in the place of one that was lost.
pub(super) async fn reopen(
    gateway: String,
    session: String,
    secret: String,
    seed: u64,
) -> Result<Socket, Lost> {
    let jitter = Dice::new(seed).fraction();
    attempts(&gateway, &session, &secret, seed, FIRST_DELAY.mul_f64(1.0 + jitter)).await
}

async fn attempts(
    gateway: &str,
    session: &str,
    secret: &str,
    seed: u64,
    first: Duration,
) -> Result<Socket, Lost> {
    let mut dice = Dice::new(seed);
    let mut delay = first;
    for _ in 0..ATTEMPTS {
        tokio::time::sleep(delay).await;
        match dial(gateway, session, secret, &mut dice).await {
            Ok(socket) => return Ok(socket),
            Err(Refused::Terminated) => return Err(Lost),
            Err(Refused::Failed) => {
                let doubled = delay.max(FIRST_DELAY.mul_f64(1.0 + dice.fraction())) * 2;
                delay = doubled.min(LONGEST_DELAY);
            }
        }
    }
    Err(Lost)
}

enum Refused {
    /// "Session is already terminated": final.
    Terminated,
    Failed,
}

impl<E: std::error::Error> From<E> for Refused {
    fn from(_: E) -> Self {
        Self::Failed
    }
}

async fn dial(
    gateway: &str,
    session: &str,
    secret: &str,
    dice: &mut Dice,
) -> Result<Socket, Refused> {
    let address = gateway.strip_prefix("http://").unwrap_or(gateway);
    let token = create_data_channel(address, session, secret, dice).await?;
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{address}/agent/v1/data-channel/{session}?role=publish_subscribe");
    let (mut ws, _) = tokio_tungstenite::client_async(url, stream).await?;
    let hello = json!({
        "MessageSchemaVersion": "1.0",
        "RequestId": uuid(dice),
        "TokenValue": token,
        "ClientInstanceId": session,
        "ClientId": uuid(dice),
    });
    ws.send(Message::Text(hello.to_string().into())).await?;
    let now = super::now().instant;
    Ok(Socket { ws, next_ping: now + PING, pong_due: now + FIRST_PONG_LIMIT })
}

/// `POST …/data-channel/SESSION`: a token for one websocket.
async fn create_data_channel(
    address: &str,
    session: &str,
    secret: &str,
    dice: &mut Dice,
) -> Result<String, Refused> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Created {
        token_value: String,
    }
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let asking = async {
        let body = json!({
            "MessageSchemaVersion": "1.0", "RequestId": uuid(dice), "ClientId": uuid(dice),
        });
        let request = Request::post(format!("/agent/v1/data-channel/{session}"))
            .header(header::HOST, address)
            .header(header::AUTHORIZATION, format!("Bearer {secret}"))
            .body(body.to_string())?;
        let response = sender.send_request(request).await?;
        match response.status() {
            status if status.is_success() => {
                let body = response.into_body().collect().await?.to_bytes();
                Ok(serde_json::from_slice::<Created>(&body)?.token_value)
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Refused::Terminated),
            _ => Err(Refused::Failed),
        }
    };
    tokio::select! {
        answer = asking => answer,
        _ = connection => Err(Refused::Failed),
    }
}

fn uuid(dice: &mut Dice) -> String {
    uuid::Uuid::from_bytes(dice.uuid()).to_string()
}

/// The agent's pings.
const PING: Duration = Duration::from_secs(54);
/// How long after a pong the next one is due.
const PONG_LIMIT: Duration = Duration::from_secs(60);
/// How long after the websocket's opening the first one is due.
const FIRST_PONG_LIMIT: Duration = Duration::from_secs(114);
/// How often a lost websocket is tried for.
const ATTEMPTS: usize = 5;
/// The first delay, up to twice as long by chance.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
