//! Where websockets come in: the client's, signed and with a token; the agent's, with a token of CreateDataChannel.
//!
//! ```text
//!   GET upgrade ─signature─► 101 ─► first text message, within 10 s ─token, once─► the session
//!                   └─ refused              └─ anything else: closed with 1008
//! ```

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::peer::Peer;
use super::session::Command;
use super::{Gateway, Refused, new_token};

pub(super) fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/v1/data-channel/{session}", get(open_client))
        .route("/agent/v1/data-channel/{session}", post(create_data_channel).get(open_agent))
        .with_state(gateway)
}

/// Whose websocket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Agent,
}

/// The first text message after the upgrade.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Opening {
    message_schema_version: String,
    request_id: String,
    token_value: String,
    client_id: String,
}

/// A connection as a websocket, or the answer to a request that does not ask for one.
struct Upgrade {
    waiting: OnUpgrade,
    accept: String,
    side: Side,
}

async fn open_client(
    State(gateway): State<Gateway>,
    Path(session): Path<String>,
    request: Request,
) -> Response {
    gateway.while_dials_hang().await;
    let (parts, body) = request.into_parts();
    if let Err(Refused { status, body }) = (gateway.shared.verify)(&parts) {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        return (status, kind, body).into_response();
    }
    if gateway.with(&session, |_| ()).is_none() {
        return (StatusCode::NOT_FOUND, NO_SESSION).into_response();
    }
    let request = Request::from_parts(parts, body);
    enter(gateway, session, Side::Client, request)
}

async fn open_agent(
    State(gateway): State<Gateway>,
    Path(session): Path<String>,
    request: Request,
) -> Response {
    if gateway.with(&session, |_| ()).is_none() {
        return (StatusCode::NOT_FOUND, NO_SESSION).into_response();
    }
    enter(gateway, session, Side::Agent, request)
}

/// The agent's CreateDataChannel: a token for one websocket.
async fn create_data_channel(
    State(gateway): State<Gateway>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Response {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.strip_prefix("Bearer "));
    let created = gateway.with(&session, |entry| {
        (shown == Some(entry.secret.as_str())).then(|| {
            let token = new_token("agent");
            entry.agent_tokens.insert(token.clone());
            token
        })
    });
    match created {
        Some(Some(token)) => {
            let body = serde_json::json!({ "MessageSchemaVersion": "1.0", "TokenValue": token });
            (StatusCode::CREATED, axum::Json(body)).into_response()
        }
        Some(None) => (StatusCode::FORBIDDEN, "not this session's agent").into_response(),
        None => (StatusCode::GONE, "Session is already terminated").into_response(),
    }
}

fn enter(gateway: Gateway, session: String, side: Side, mut request: Request) -> Response {
    let upgrade = match Upgrade::of(&mut request, side) {
        Ok(upgrade) => upgrade,
        Err((status, why)) => return (status, why).into_response(),
    };
    let accept = upgrade.accept.clone();
    let end = gateway.shared.end.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = end.cancelled() => {}
            _ = tokio::time::timeout(OPENING_LIMIT, upgrade.admit(&gateway, &session)) => {}
        }
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::empty());
    response.expect("an accept key is a valid header")
}

impl Upgrade {
    fn of(request: &mut Request, side: Side) -> Result<Self, (StatusCode, &'static str)> {
        let headers = request.headers();
        let is = |name: header::HeaderName, word: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| {
                value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
            })
        };
        if !is(header::CONNECTION, "upgrade") || !is(header::UPGRADE, "websocket") {
            return Err((StatusCode::UPGRADE_REQUIRED, "a data channel is a websocket"));
        }
        if !is(header::SEC_WEBSOCKET_VERSION, "13") {
            return Err((StatusCode::BAD_REQUEST, "the websocket's version is not 13"));
        }
        let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
            return Err((StatusCode::BAD_REQUEST, "the websocket's key is missing"));
        };
        let accept = derive_accept_key(key.as_bytes());
        let Some(waiting) = request.extensions_mut().remove::<OnUpgrade>() else {
            return Err((StatusCode::INTERNAL_SERVER_ERROR, "this connection cannot be upgraded"));
        };
        Ok(Self { waiting, accept, side })
    }

    /// Waits for the opening message and hands the websocket to its session.
    async fn admit(self, gateway: &Gateway, session: &str) -> Option<()> {
        let upgraded = self.waiting.await.ok()?;
        // The sessions cut connections as a broken network does, for which they need the socket itself.
        let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
        let stream = parts.io.into_inner();
        stream.set_nodelay(true).ok()?;
        let early = parts.read_buf.to_vec();
        let mut ws = WebSocketStream::from_partially_read(stream, early, Role::Server, None).await;
        let opening = loop {
            match ws.next().await?.ok()? {
                Message::Text(text) => break serde_json::from_str::<Opening>(&text).ok(),
                // The plugin pings before it opens.
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Binary(_) | Message::Close(_) | Message::Frame(_) => break None,
            }
        };
        let peer = match opening.filter(Opening::is_sound) {
            Some(opening) if self.side.takes(gateway, session, &opening.token_value) => {
                Peer::new(ws)
            }
            Some(_) => return refuse(ws, "the token is not valid").await,
            None => return refuse(ws, "the first message does not open a data channel").await,
        };
        let command = match self.side {
            Side::Client => Command::Client(Box::new(peer)),
            Side::Agent => Command::Agent(Box::new(peer)),
        };
        gateway.order(session, command).then_some(())
    }
}

impl Side {
    /// Uses a token up.
    fn takes(self, gateway: &Gateway, session: &str, token: &str) -> bool {
        let taken = gateway.with(session, |entry| match self {
            Self::Client => entry.client_tokens.remove(token),
            Self::Agent => entry.agent_tokens.remove(token),
        });
        taken.unwrap_or(false)
    }
}

impl Opening {
    /// Amazon's plugin calls itself by a UUID, but the service takes any name: aws-ssm-bridge sends its session's id.
    fn is_sound(&self) -> bool {
        self.message_schema_version == "1.0"
            && uuid::Uuid::parse_str(&self.request_id).is_ok()
            && !self.client_id.is_empty()
    }
}

async fn refuse(mut ws: WebSocketStream<TcpStream>, why: &'static str) -> Option<()> {
    let frame = CloseFrame { code: CloseCode::Policy, reason: Utf8Bytes::from_static(why) };
    ws.close(Some(frame)).await.ok()?;
    while let Some(Ok(_)) = ws.next().await {}
    ws.flush().await.ok()
}

/// How long after the upgrade the opening message may take.
const OPENING_LIMIT: Duration = Duration::from_secs(10);
const NO_SESSION: &str = "there is no such session";
