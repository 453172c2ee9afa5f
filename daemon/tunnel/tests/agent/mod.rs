//! A hand-led agent: the other end of a data channel, which does only what a test tells it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file leads the agent its own way"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use http::HeaderMap;
use serde_json::{Value, json};
use ssm_proto::mux::frame::{Command, Decoder, Frame};
use ssm_proto::payload::{self, Acknowledgement, Flag, HandshakeResponse};
use ssm_proto::{Message, MessageId, MessageKind};
use ssm_tunnel::{Driver, Grant, Never, Options, Resume, Tunnel};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio_tungstenite::tungstenite::Message as Ws;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// What an agent's connection may be made of.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

/// A place where an agent waits for a client.
pub(crate) struct Gate {
    listener: TcpListener,
}

impl Gate {
    pub(crate) async fn open() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// A gate whose sockets take only little that is not read.
    pub(crate) fn narrow() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { listener: socket.listen(8).unwrap() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(crate) fn grant(&self) -> Grant {
        Grant {
            url: format!(
                "ws://127.0.0.1:{}/v1/data-channel/me-0abc?role=publish_subscribe",
                self.port()
            ),
            token: "TOKEN".into(),
            region: "ap-northeast-1".into(),
            keys: None,
        }
    }

    pub(crate) async fn tcp(&self) -> tokio::net::TcpStream {
        let (tcp, _from) = self.listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp
    }

    /// Takes the next client, up to its upgrade.
    pub(crate) async fn agent(&self) -> Agent {
        Agent::upgrade(Box::new(self.tcp().await)).await
    }

    /// A tunnel, its driver, and the agent at its other end, after the handshake.
    pub(crate) async fn tunnel(&self, options: Options) -> (Tunnel, Driver, Agent) {
        self.lasting_tunnel(options, Arc::new(Never)).await
    }

    /// The same, for a session that can be resumed.
    pub(crate) async fn lasting_tunnel(
        &self,
        options: Options,
        resumer: Arc<dyn Resume>,
    ) -> (Tunnel, Driver, Agent) {
        let shaking = async {
            let mut agent = self.agent().await;
            agent.shake_hands("3.3.0.0").await;
            agent
        };
        let opening = Tunnel::open(self.grant(), options, resumer);
        let (opened, agent) = tokio::join!(opening, shaking);
        let (tunnel, driver) = opened.unwrap();
        (tunnel, driver, agent)
    }
}

/// The agent's end of one data channel.
pub(crate) struct Agent {
    socket: WebSocketStream<Box<dyn Carrier>>,
    /// What the client's upgrade asked with.
    pub(crate) headers: HeaderMap,
    /// The number of the next message to send.
    pub(crate) next: i64,
    /// The number of the next message to take.
    expected: i64,
    /// What was sent and not acknowledged.
    pub(crate) unacknowledged: BTreeMap<i64, Bytes>,
    /// How many acknowledgements came, repeated ones too.
    pub(crate) acknowledgements: usize,
    /// Whether what comes is acknowledged.
    pub(crate) acknowledges: bool,
    decoder: Decoder,
}

/// What came from the client.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Text(String),
    Ping(Bytes),
    Response(HandshakeResponse),
    Flag(Flag),
    Acknowledged(i64),
    /// A numbered message that had come before.
    Again(i64),
    /// Mux bytes: the frames in them, if any was completed.
    Frames(Vec<Frame>),
    Closed(Option<u16>),
    Gone,
}

impl Agent {
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    pub(crate) async fn upgrade(carrier: Box<dyn Carrier>) -> Self {
        let mut headers = HeaderMap::new();
        let keep = |request: &Request, response: Response| {
            headers = request.headers().clone();
            Ok(response)
        };
        let socket = accept_hdr_async(carrier, keep).await.unwrap();
        Self {
            socket,
            headers,
            next: 0,
            expected: 0,
            unacknowledged: BTreeMap::new(),
            acknowledgements: 0,
            acknowledges: true,
            decoder: Decoder::new(),
        }
    }

    /// Goes on where it was, on the websocket that the client dials next: the one before, and the open message.
    pub(crate) async fn meet_again(&mut self, gate: &Gate) -> (Self, Value) {
        let mut next = gate.agent().await;
        std::mem::swap(&mut self.socket, &mut next.socket);
        let opening = self.introduced().await;
        (next, opening)
    }

    /// Sends again what is not acknowledged.
    pub(crate) async fn repeat(&mut self) {
        for message in self.unacknowledged.values() {
            self.socket.send(Ws::Binary(message.clone())).await.unwrap();
        }
    }

    /// Breaks the connection off, without a word.
    pub(crate) async fn break_off(&mut self) {
        // A websocket that is only dropped says nothing; the connection ends with a FIN.
        self.socket.get_mut().shutdown().await.unwrap();
    }

    /// Is gone, so that whoever writes to it is told by a reset.
    pub(crate) async fn vanish(&mut self) {
        let nowhere: Box<dyn Carrier> = Box::new(tokio::io::duplex(1).0);
        self.socket = WebSocketStream::from_raw_socket(nowhere, Role::Server, None).await;
    }

    /// The next thing that the client says; acknowledged, if it is to be.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            let message = match self.socket.next().await {
                Some(Ok(Ws::Binary(bytes))) => Message::decode(bytes).unwrap(),
                Some(Ok(Ws::Text(text))) => return Heard::Text(text.to_string()),
                Some(Ok(Ws::Ping(data))) => return Heard::Ping(data),
                Some(Ok(Ws::Close(frame))) => return Heard::Closed(frame.map(|f| f.code.into())),
                Some(Ok(Ws::Pong(_) | Ws::Frame(_))) => continue,
                Some(Err(_)) | None => return Heard::Gone,
            };
            if message.kind == MessageKind::Acknowledge {
                let said: Acknowledgement = serde_json::from_slice(&message.payload).unwrap();
                self.acknowledgements += 1;
                self.unacknowledged.remove(&said.acknowledged_message_sequence_number);
                return Heard::Acknowledged(said.acknowledged_message_sequence_number);
            }
            assert_eq!(message.kind, MessageKind::InputStreamData);
            if self.acknowledges {
                self.acknowledge(&message).await;
            }
            if message.seq < self.expected {
                return Heard::Again(message.seq);
            }
            assert_eq!(message.seq, self.expected, "loopback keeps the order");
            self.expected += 1;
            return match message.payload_type {
                payload::HANDSHAKE_RESPONSE => {
                    Heard::Response(serde_json::from_slice(&message.payload).unwrap())
                }
                payload::FLAG => Heard::Flag(Flag::decode(&message.payload).unwrap()),
                payload::OUTPUT => {
                    self.decoder.push(&message.payload);
                    let mut frames = Vec::new();
                    while let Some(frame) = self.decoder.next().unwrap() {
                        frames.push(frame);
                    }
                    Heard::Frames(frames)
                }
                other => panic!("payload type {other} from a client"),
            };
        }
    }

    /// The next mux frames, whatever else comes before; none once the client is gone.
    pub(crate) async fn frames(&mut self) -> Vec<Frame> {
        loop {
            match self.hear().await {
                Heard::Frames(frames) => return frames,
                Heard::Closed(_) | Heard::Gone => return Vec::new(),
                Heard::Text(_)
                | Heard::Ping(_)
                | Heard::Response(_)
                | Heard::Flag(_)
                | Heard::Acknowledged(_)
                | Heard::Again(_) => {}
            }
        }
    }

    /// Waits for a stream to be opened, and tells its number; what comes before it is lost.
    pub(crate) async fn opened(&mut self) -> u32 {
        loop {
            let frames = self.frames().await;
            assert!(!frames.is_empty(), "the client went away");
            if let Some(syn) = frames.iter().find(|frame| frame.command == Command::Syn) {
                return syn.stream;
            }
        }
    }

    /// Takes exactly `length` bytes of a stream; other streams' frames are lost.
    pub(crate) async fn take(&mut self, stream: u32, length: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while taken.len() < length {
            let frames = self.frames().await;
            assert!(!frames.is_empty(), "the client went away after {} bytes", taken.len());
            for frame in frames.into_iter().filter(|frame| frame.stream == stream) {
                assert_ne!(frame.command, Command::Fin, "FIN after {} bytes", taken.len());
                taken.extend_from_slice(&frame.data);
            }
        }
        assert_eq!(taken.len(), length);
        taken
    }

    /// Waits for the FIN of a stream.
    pub(crate) async fn finished(&mut self, stream: u32) {
        loop {
            let frames = self.frames().await;
            assert!(!frames.is_empty(), "the client went away");
            if frames.iter().any(|frame| (frame.command, frame.stream) == (Command::Fin, stream)) {
                return;
            }
        }
    }

    /// Echoes every stream until the client goes away.
    pub(crate) async fn echo(mut self) {
        loop {
            let frames = self.frames().await;
            if frames.is_empty() {
                return;
            }
            for frame in frames.into_iter().filter(|frame| frame.command == Command::Psh) {
                self.say(frame.stream, &frame.data).await;
            }
        }
    }

    /// Sends bytes on a stream, as mux frames in messages of 1024 bytes.
    pub(crate) async fn say(&mut self, stream: u32, data: &[u8]) {
        for part in data.chunks(32 * 1024) {
            let data = Bytes::copy_from_slice(part);
            self.frame(&Frame { command: Command::Psh, stream, data }).await;
        }
    }

    /// Sends bytes on a stream, [`PIECE`] of them in each message, which is a whole frame.
    pub(crate) async fn say_in_pieces(&mut self, stream: u32, data: &[u8]) {
        for piece in data.chunks(PIECE) {
            self.say(stream, piece).await;
        }
    }

    /// Sends the last message again, if it was not acknowledged.
    pub(crate) async fn repeat_last(&mut self) {
        if let Some((_, message)) = self.unacknowledged.last_key_value() {
            self.socket.send(Ws::Binary(message.clone())).await.unwrap();
        }
    }

    /// Closes a stream.
    pub(crate) async fn finish(&mut self, stream: u32) {
        self.frame(&Frame { command: Command::Fin, stream, data: Bytes::new() }).await;
    }

    async fn frame(&mut self, frame: &Frame) {
        let mut bytes = BytesMut::new();
        frame.encode(&mut bytes);
        for part in bytes.chunks(1024) {
            self.send(payload::OUTPUT, Bytes::copy_from_slice(part)).await;
        }
    }

    pub(crate) async fn flag(&mut self, flag: Flag) {
        self.send(payload::FLAG, Bytes::copy_from_slice(&flag.encode())).await;
    }

    /// Sends a numbered message, and keeps it until it is acknowledged.
    pub(crate) async fn send(&mut self, payload_type: u32, payload: Bytes) {
        let seq = self.next;
        self.next += 1;
        let message = message(MessageKind::OutputStreamData, seq, payload_type, payload).encode();
        self.unacknowledged.insert(seq, message.clone());
        self.socket.send(Ws::Binary(message)).await.unwrap();
    }

    /// The end of the channel, in the service's words.
    pub(crate) async fn channel_closed(&mut self, output: &str) {
        let payload = json!({
            "MessageType": "channel_closed",
            "MessageId": MessageId([7; 16]).to_string(),
            "CreatedDate": "1",
            "DestinationId": "d",
            "SessionId": "me-0abc",
            "SchemaVersion": 1,
            "Output": output,
        });
        let closed = message(MessageKind::ChannelClosed, 0, 0, payload.to_string().into());
        self.socket.send(Ws::Binary(closed.encode())).await.unwrap();
    }

    /// Closes the websocket.
    pub(crate) async fn hang_up(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        self.socket.send(Ws::Close(Some(frame))).await.unwrap();
    }

    /// Hears the ping and the open message, in this order.
    pub(crate) async fn introduced(&mut self) -> Value {
        assert_eq!(self.hear().await, Heard::Ping(Bytes::from_static(b"keepalive")));
        let Heard::Text(opening) = self.hear().await else { panic!("no open message") };
        serde_json::from_str(&opening).unwrap()
    }

    /// The agent's first message.
    pub(crate) async fn request_handshake(&mut self, version: &str) -> Bytes {
        let request = json!({
            "AgentVersion": version,
            "RequestedClientActions": [{
                "ActionType": "SessionType",
                "ActionParameters": {
                    "SessionType": "Port",
                    "Properties": {
                        "host": "db", "portNumber": "5432", "localPortNumber": "0",
                        "type": "LocalPortForwarding",
                    },
                },
            }],
        });
        self.send(payload::HANDSHAKE_REQUEST, request.to_string().into()).await;
        self.unacknowledged[&0].clone()
    }

    /// The whole handshake; tells the message number 0.
    pub(crate) async fn shake_hands(&mut self, version: &str) -> Bytes {
        self.introduced().await;
        self.rest_of_the_handshake(version).await
    }

    /// The handshake after the open message; tells the message number 0.
    pub(crate) async fn rest_of_the_handshake(&mut self, version: &str) -> Bytes {
        let zero = self.request_handshake(version).await;
        self.answer_handshake().await;
        zero
    }

    /// The handshake after the agent's request.
    pub(crate) async fn answer_handshake(&mut self) {
        loop {
            if let Heard::Response(response) = self.hear().await {
                assert_eq!(response.processed_client_actions[0].action_status, 1);
                break;
            }
        }
        let complete = json!({"HandshakeTimeToComplete": 1, "CustomerMessage": ""});
        self.send(payload::HANDSHAKE_COMPLETE, complete.to_string().into()).await;
    }

    /// Acknowledges all that came so far.
    pub(crate) async fn acknowledge_up_to_now(&mut self) {
        for seq in 0..self.expected {
            let told = message(MessageKind::InputStreamData, seq, 0, Bytes::new());
            self.acknowledge(&told).await;
        }
    }

    async fn acknowledge(&mut self, message_heard: &Message) {
        let mut payload = BytesMut::new();
        payload::write_acknowledgement(
            &mut payload,
            &message_heard.kind,
            message_heard.id,
            message_heard.seq,
        );
        let mut acknowledgement = message(MessageKind::Acknowledge, 0, 0, payload.freeze());
        acknowledgement.flags = 3;
        self.socket.send(Ws::Binary(acknowledgement.encode())).await.unwrap();
    }
}

fn message(kind: MessageKind, seq: i64, payload_type: u32, payload: Bytes) -> Message {
    let id = MessageId([seq.to_le_bytes()[0]; 16]);
    Message { kind, created_ms: 1, seq, flags: 0, id, payload_type, payload }
}

/// Bytes that fit into one message as one frame.
pub(crate) const PIECE: usize = 1024 - 8;

/// Bytes that tell their own place.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..length).map(|_| next()).collect()
}
