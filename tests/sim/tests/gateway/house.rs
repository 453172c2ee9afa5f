//! A gateway on a port, a container for its workers, a destination that echoes, and a client that knows just enough.

use std::path::PathBuf;
use std::time::Duration;

use bastion_sim::container::{Container, ContainerSpec};
use bastion_sim::gateway::{Gateway, GatewaySettings, Refused, SessionSpec};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use ssm_proto::message::{Message as Frame, MessageId, MessageKind};
use ssm_proto::mux::frame::{Command, Decoder, Frame as Mux};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Far more than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) struct House {
    pub(crate) gateway: Gateway,
    pub(crate) container: Container,
    address: String,
    /// What the destination says on its own, to every connection.
    voice: broadcast::Sender<String>,
    _server: oneshot::Sender<()>,
}

impl House {
    pub(crate) async fn start(mut settings: GatewaySettings) -> Self {
        let voice = broadcast::Sender::new(16);
        let echo = destination(voice.clone()).await;
        let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        settings.hosts = [("echo.internal:5432", echo), ("refused.internal:5432", refused)]
            .map(|(name, address)| (name.to_owned(), address.to_string()))
            .into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let verify = |parts: &http::request::Parts| {
            let shown = parts.headers.get("authorization").map(|shown| shown.as_bytes());
            if shown == Some(b"right") {
                return Ok(());
            }
            let body = r#"{"message":"signature"}"#.to_owned();
            Err(Refused { status: http::StatusCode::FORBIDDEN, body })
        };
        let gateway = Gateway::new(format!("http://{address}"), settings, Box::new(verify));
        let router = gateway.router();
        let (server, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            tokio::select! {
                () = serve(listener, router) => {}
                _ = stopped => {}
            }
        });
        let container = Container::start(ContainerSpec {
            name: "proxy".to_owned(),
            command: vec!["sleep".to_owned(), "1000".to_owned()],
            environment: Default::default(),
            worker_exe: PathBuf::from(env!("CARGO_BIN_EXE_bastion-sim")),
        })
        .await
        .unwrap();
        Self { gateway, container, address, voice, _server: server }
    }

    pub(crate) fn open(&self, id: &str, host: &str) -> String {
        self.gateway.open(SessionSpec {
            id: id.to_owned(),
            task: "task".to_owned(),
            container: self.container.clone(),
            host: host.to_owned(),
            port: "5432".to_owned(),
            local_port: "0".to_owned(),
        })
    }

    pub(crate) async fn say(&self, words: &str) {
        self.voice.send(words.to_owned()).unwrap();
        tokio::task::yield_now().await;
    }
}

async fn serve(listener: TcpListener, router: axum::Router) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let io = hyper_util::rt::TokioIo::new(stream);
        let http = hyper::server::conn::http1::Builder::new();
        connections.spawn(http.serve_connection(io, service).with_upgrades());
    }
}

/// Echoes, and says what the voice says.
async fn destination(voice: broadcast::Sender<String>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut voice = voice.subscribe();
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                loop {
                    tokio::select! {
                        read = socket.read(&mut buffer) => match read {
                            Ok(0) | Err(_) => return,
                            Ok(count) => socket.write_all(&buffer[..count]).await.unwrap(),
                        },
                        Ok(words) = voice.recv() => socket.write_all(words.as_bytes()).await.unwrap(),
                    }
                }
            });
        }
    });
    address
}

/// How a websocket ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Close {
    Frame(u16, String),
    Reset,
    Lost,
}

/// A client that acknowledges everything, in whatever order it comes.
pub(crate) struct Client {
    pub(crate) ws: WebSocketStream<TcpStream>,
    pub(crate) next_number: i64,
    /// Every kind of message that came.
    pub(crate) kinds: Vec<MessageKind>,
    expected: i64,
    early: std::collections::BTreeMap<i64, Frame>,
    decoder: Decoder,
    bytes: BytesMut,
    frames: Vec<(Command, u32)>,
    flags: Vec<Bytes>,
    complete: bool,
    /// Numbers of ours that were acknowledged.
    acknowledged: std::collections::BTreeSet<i64>,
    closed: Option<String>,
}

impl Client {
    pub(crate) async fn bare(house: &House, session: &str) -> Self {
        Self::over(Self::dial(house, session, "right").await.unwrap())
    }

    pub(crate) async fn connect(house: &House, session: &str, token: &str) -> Self {
        Self::try_connect(house, session, token, "right").await.unwrap()
    }

    pub(crate) async fn try_connect(
        house: &House,
        session: &str,
        token: &str,
        signature: &str,
    ) -> Result<Self, Error> {
        let mut ws = Self::dial(house, session, signature).await?;
        ws.send(hello(token)).await?;
        Ok(Self::over(ws))
    }

    /// Another websocket for the same session, as ResumeSession allows; gives back the old one.
    pub(crate) async fn reconnect(
        &mut self,
        house: &House,
        session: &str,
        token: &str,
    ) -> WebSocketStream<TcpStream> {
        let mut ws = Self::dial(house, session, "right").await.unwrap();
        ws.send(hello(token)).await.unwrap();
        std::mem::replace(&mut self.ws, ws)
    }

    async fn dial(
        house: &House,
        session: &str,
        signature: &str,
    ) -> Result<WebSocketStream<TcpStream>, Error> {
        let address = &house.address;
        let url = format!("ws://{address}/v1/data-channel/{session}?role=publish_subscribe");
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("authorization", signature.parse().unwrap());
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Ok(tokio_tungstenite::client_async(request, stream).await?.0)
    }

    pub(crate) fn over(ws: WebSocketStream<TcpStream>) -> Self {
        Self {
            ws,
            next_number: 0,
            kinds: Vec::new(),
            expected: 0,
            early: Default::default(),
            decoder: Decoder::new(),
            bytes: BytesMut::new(),
            frames: Vec::new(),
            flags: Vec::new(),
            complete: false,
            acknowledged: Default::default(),
            closed: None,
        }
    }

    /// Until HandshakeComplete, and then until the agent takes data.
    pub(crate) async fn handshake(&mut self) {
        while !self.complete {
            self.next().await.unwrap();
        }
    }

    pub(crate) async fn mux(&mut self, frames: &[(Command, u32, &[u8])]) {
        let mut out = BytesMut::new();
        for (command, stream, data) in frames {
            let data = Bytes::copy_from_slice(data);
            Mux { command: *command, stream: *stream, data }.encode(&mut out);
        }
        self.numbered(1, out.freeze()).await;
    }

    pub(crate) async fn terminate(&mut self) {
        self.numbered(10, Bytes::from_static(&[0, 0, 0, 2])).await;
    }

    /// Sends a numbered message; the start race makes it repeat those that come too early.
    async fn numbered(&mut self, payload_type: u32, payload: Bytes) {
        let seq = self.next_number;
        self.next_number += 1;
        let kind = MessageKind::InputStreamData;
        self.send(kind, seq, payload_type, payload.clone()).await;
        if self.next_number == 2 {
            // The first data after the handshake.
            while !self.acknowledged.contains(&seq) {
                let again = tokio::time::timeout(Duration::from_millis(50), self.next()).await;
                if again.is_err() {
                    let kind = MessageKind::InputStreamData;
                    self.send(kind, seq, payload_type, payload.clone()).await;
                }
            }
        }
    }

    async fn send(&mut self, kind: MessageKind, seq: i64, payload_type: u32, payload: Bytes) {
        let id = MessageId(uuid::Uuid::new_v4().into_bytes());
        let frame = Frame { kind, created_ms: 1, seq, flags: 0, id, payload_type, payload };
        // A websocket that is gone shows at the next read.
        self.ws.send(Message::Binary(frame.encode())).await.ok();
    }

    /// Takes the next message and acknowledges it; an error is the websocket's end.
    pub(crate) async fn next(&mut self) -> Result<(), Close> {
        let message = match self.ws.next().await {
            Some(Ok(message)) => message,
            Some(Err(Error::Io(error))) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                return Err(Close::Reset);
            }
            Some(Err(_)) | None => return Err(Close::Lost),
        };
        match message {
            Message::Binary(bytes) => {
                let frame = Frame::decode(bytes).unwrap();
                self.kinds.push(frame.kind.clone());
                self.take(frame).await;
                Ok(())
            }
            Message::Close(Some(frame)) => {
                Err(Close::Frame(frame.code.into(), frame.reason.to_string()))
            }
            Message::Close(None) => Err(Close::Lost),
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn take(&mut self, frame: Frame) {
        match frame.kind {
            MessageKind::OutputStreamData => {
                let payload = format!(
                    r#"{{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"{}","AcknowledgedMessageSequenceNumber":{},"IsSequentialMessage":true}}"#,
                    frame.id, frame.seq
                );
                self.send(MessageKind::Acknowledge, 0, 0, payload.into()).await;
                if frame.seq >= self.expected {
                    self.early.insert(frame.seq, frame);
                }
                while let Some(frame) = self.early.remove(&self.expected) {
                    self.expected += 1;
                    self.deliver(frame).await;
                }
            }
            MessageKind::Acknowledge => {
                let said: serde_json::Value = serde_json::from_slice(&frame.payload).unwrap();
                self.acknowledged
                    .insert(said["AcknowledgedMessageSequenceNumber"].as_i64().unwrap());
            }
            MessageKind::ChannelClosed => {
                let said: serde_json::Value = serde_json::from_slice(&frame.payload).unwrap();
                self.closed = Some(said["Output"].as_str().unwrap().to_owned());
            }
            MessageKind::InputStreamData
            | MessageKind::PausePublication
            | MessageKind::StartPublication
            | MessageKind::AgentSessionState
            | MessageKind::Unknown(_) => {}
        }
    }

    async fn deliver(&mut self, frame: Frame) {
        match frame.payload_type {
            5 => {
                let response = r#"{"ClientVersion":"1.2.764.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}"#;
                Box::pin(self.numbered(6, Bytes::from_static(response.as_bytes()))).await;
            }
            7 => self.complete = true,
            10 => self.flags.push(frame.payload),
            _ => {
                self.decoder.push(&frame.payload);
                while let Some(frame) = self.decoder.next().unwrap() {
                    match frame.command {
                        Command::Psh => self.bytes.extend_from_slice(&frame.data),
                        Command::Syn | Command::Fin | Command::Nop => {
                            self.frames.push((frame.command, frame.stream));
                        }
                    }
                }
            }
        }
    }

    /// So many bytes of whatever stream.
    pub(crate) async fn until_bytes(&mut self, count: usize) -> Vec<u8> {
        self.until(|client| client.bytes.len() >= count).await;
        self.bytes.split_to(count).to_vec()
    }

    pub(crate) async fn until_flag(&mut self) -> Vec<u8> {
        self.until(|client| !client.flags.is_empty()).await;
        self.flags.remove(0).to_vec()
    }

    pub(crate) async fn until_frame(&mut self) -> (Command, u32) {
        self.until(|client| !client.frames.is_empty()).await;
        self.frames.remove(0)
    }

    /// Until our latest message is acknowledged.
    pub(crate) async fn until_acknowledged(&mut self) {
        self.until(|client| client.acknowledged.contains(&(client.next_number - 1))).await;
    }

    /// The reason in channel_closed.
    pub(crate) async fn until_closed(&mut self) -> String {
        self.until(|client| client.closed.is_some()).await;
        self.closed.clone().unwrap()
    }

    async fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            while !holds(self) {
                self.next().await.unwrap();
            }
        };
        tokio::time::timeout(LONG, wait).await.unwrap();
    }

    /// How the websocket ends.
    pub(crate) async fn until_close(&mut self) -> Close {
        let wait = async {
            loop {
                if let Err(close) = self.next().await {
                    return close;
                }
            }
        };
        tokio::time::timeout(LONG, wait).await.unwrap()
    }
}

fn hello(token: &str) -> Message {
    let uuid = uuid::Uuid::new_v4();
    Message::text(format!(
        r#"{{"MessageSchemaVersion":"1.0","RequestId":"{uuid}","TokenValue":"{token}","ClientId":"{uuid}","ClientVersion":"1.2.764.0"}}"#
    ))
}
