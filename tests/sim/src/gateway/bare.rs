//! A client that does no more than it must, for measuring what the simulator itself takes: no queue, no timers, one stream.
//!
//! ```text
//!   Bare ══websocket on a TCP pair of its own══ session ══ ssm-session-worker ─► the destination
//! ```

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use ssm_proto::message::{Message as Frame, MessageId, MessageKind};
use ssm_proto::mux::frame::{Command as Mux, Decoder, Frame as MuxFrame};
use ssm_proto::payload as types;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use uuid::Uuid;

use super::peer::Peer;
use super::session::Command;
use super::{Gateway, SessionSpec};

/// One stream of one session, by a client without any of a client's cares.
#[derive(Debug)]
pub struct Bare {
    ws: WebSocketStream<TcpStream>,
    number: i64,
    expected: i64,
    decoder: Decoder,
    gateway: Gateway,
    session: String,
}

/// The bare client's session ended, or its line lost a message: it repairs nothing.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the bare client's session is over")]
pub struct BareEnd;

impl Gateway {
    /// Opens a session for a bare client and its one stream. It enters without an upgrade, and so without a signature.
    pub async fn bare(&self, spec: SessionSpec) -> Result<Bare, BareEnd> {
        let id = spec.id.clone();
        // The token stays unused.
        let _token = self.open(spec);
        let (near, far) = pair().await.map_err(|_| BareEnd)?;
        let far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
        if !self.order(&id, Command::Client(Box::new(Peer::new(far)))) {
            return Err(BareEnd);
        }
        let ws = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let (gateway, decoder) = (self.clone(), Decoder::new());
        let mut bare = Bare { ws, number: 0, expected: 0, decoder, gateway, session: id };
        while bare.next().await? != types::HANDSHAKE_COMPLETE {}
        // The agent's port session takes a moment to stand, and nothing is sent twice here.
        tokio::time::sleep(START_RACE).await;
        bare.mux(Mux::Syn, Bytes::new()).await?;
        Ok(bare)
    }
}

impl Bare {
    /// Says something of which the answer is one message, and tells how long that took.
    pub async fn ask(&mut self, words: &[u8]) -> Result<Duration, BareEnd> {
        let words = Bytes::copy_from_slice(words);
        let began = Instant::now();
        self.mux(Mux::Psh, words).await?;
        while self.next().await? != types::OUTPUT {}
        Ok(began.elapsed())
    }

    async fn mux(&mut self, command: Mux, data: Bytes) -> Result<(), BareEnd> {
        let mut payload = BytesMut::new();
        MuxFrame { command, stream: FIRST_STREAM, data }.encode(&mut payload);
        self.numbered(types::OUTPUT, payload.freeze()).await
    }

    async fn numbered(&mut self, payload_type: u32, payload: Bytes) -> Result<(), BareEnd> {
        let number = self.number;
        self.number += 1;
        self.send(MessageKind::InputStreamData, number, payload_type, payload).await
    }

    async fn send(
        &mut self,
        kind: MessageKind,
        seq: i64,
        payload_type: u32,
        payload: Bytes,
    ) -> Result<(), BareEnd> {
        let id = MessageId(Uuid::new_v4().into_bytes());
        let frame = Frame { kind, created_ms: 1, seq, flags: 0, id, payload_type, payload };
        self.ws.send(Message::Binary(frame.encode())).await.map_err(|_| BareEnd)
    }

    /// Takes in messages until one is numbered and new, acknowledges it and says what it was: of smux, only data count.
    async fn next(&mut self) -> Result<u32, BareEnd> {
        loop {
            let message = self.ws.next().await.and_then(Result::ok).ok_or(BareEnd)?;
            let Message::Binary(bytes) = message else { continue };
            let frame = Frame::decode_unverified(bytes).map_err(|_| BareEnd)?;
            if frame.kind == MessageKind::ChannelClosed {
                return Err(BareEnd);
            }
            if frame.kind != MessageKind::OutputStreamData {
                continue;
            }
            let acknowledgement = crate::agent::acknowledgement_of(&frame);
            self.send(MessageKind::Acknowledge, 0, 0, acknowledgement).await?;
            if frame.seq != self.expected {
                continue; // sent again
            }
            self.expected += 1;
            match frame.payload_type {
                types::HANDSHAKE_REQUEST => {
                    let response = Bytes::from_static(RESPONSE.as_bytes());
                    self.numbered(types::HANDSHAKE_RESPONSE, response).await?;
                }
                types::OUTPUT if !self.has_data(&frame.payload)? => {}
                payload_type => return Ok(payload_type),
            }
        }
    }

    fn has_data(&mut self, payload: &Bytes) -> Result<bool, BareEnd> {
        self.decoder.push(payload);
        let mut found = false;
        while let Some(frame) = self.decoder.next().map_err(|_| BareEnd)? {
            found |= frame.command == Mux::Psh;
        }
        Ok(found)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Else its worker would hold one of the container's places until the session goes idle.
        self.gateway.terminate(&self.session, "");
    }
}

/// Two ends of one TCP connection.
async fn pair() -> std::io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let (near, accepted) =
        tokio::join!(TcpStream::connect(listener.local_addr()?), listener.accept());
    let (near, (far, _)) = (near?, accepted?);
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    Ok((near, far))
}

const RESPONSE: &str = r#"{"ClientVersion":"1.2.764.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}"#;
/// smux's clients begin with 3.
const FIRST_STREAM: u32 = 3;
/// Far longer than the agent is deaf behind its handshake.
const START_RACE: Duration = Duration::from_millis(200);
