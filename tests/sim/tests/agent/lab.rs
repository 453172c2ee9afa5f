//! An agent on the bench: a clock turned by hand, a client's messages by hand.

use std::time::{Duration, Instant};

use bastion_sim::agent::{AgentSettings, Input, Machine, Now, Output, Ticket, Wanted};
use bytes::{Bytes, BytesMut};
use ssm_proto::message::{Message, MessageId, MessageKind};
use ssm_proto::mux::frame::{Command, Decoder, Frame};

pub(crate) struct Lab {
    pub(crate) machine: Machine,
    start: Instant,
    passed: Duration,
    /// The number of the client's next data.
    pub(crate) next: i64,
    /// Every message sent and written so far, acknowledgements and all.
    pub(crate) sent: Vec<Message>,
    /// All that is not a sending.
    pub(crate) did: Vec<Output>,
    /// Whether sendings are written at once.
    pub(crate) writes: bool,
    /// Those that are not yet.
    pub(crate) unwritten: Vec<(Bytes, Ticket)>,
}

impl Lab {
    /// An agent whose websocket is open; its handshake request is sent.
    pub(crate) fn new(settings: AgentSettings) -> Self {
        let wanted = Wanted {
            session: "dev-0123456789abcdef0".to_owned(),
            host: "db.internal".to_owned(),
            port: "5432".to_owned(),
            local_port: "0".to_owned(),
        };
        let start = Instant::now();
        let machine = Machine::new(settings, wanted, 1, start);
        let mut lab = Self {
            machine,
            start,
            passed: Duration::ZERO,
            next: 0,
            sent: Vec::new(),
            did: Vec::new(),
            writes: true,
            unwritten: Vec::new(),
        };
        lab.input(Input::Connected);
        lab
    }

    /// An agent that serves, all of whose messages so far are acknowledged.
    pub(crate) fn serving(settings: AgentSettings) -> Self {
        let mut lab = Self::new(settings);
        lab.respond("1.2.764.0", 1);
        lab.acknowledge(0);
        lab.acknowledge(1);
        lab.pass(Duration::from_millis(1));
        lab.input(Input::Resolved(Ok(())));
        lab.pass(Duration::from_millis(5));
        lab.sent.clear();
        lab.did.clear();
        lab
    }

    /// A stream that is open.
    pub(crate) fn open(&mut self, id: u32) {
        self.mux(&[(Command::Syn, id, &[])]);
        self.input(Input::Dialled(id, true));
    }

    pub(crate) fn now(&self) -> Now {
        let unix_ms = 1_800_000_000_000 + u64::try_from(self.passed.as_millis()).unwrap();
        Now { instant: self.start + self.passed, unix_ms }
    }

    pub(crate) fn input(&mut self, input: Input) {
        let now = self.now();
        self.machine.handle(input, now);
        self.poll();
    }

    fn poll(&mut self) {
        let now = self.now();
        while let Some(output) = self.machine.poll(now) {
            match output {
                Output::Send(bytes, ticket) if self.writes => {
                    self.sent.push(Message::decode(bytes).unwrap());
                    self.machine.handle(Input::Written(ticket), now);
                }
                Output::Send(bytes, ticket) => self.unwritten.push((bytes, ticket)),
                other @ (Output::Resolve
                | Output::Dial(_)
                | Output::ToDestination(..)
                | Output::Close(_)
                | Output::Done(_)) => self.did.push(other),
            }
        }
    }

    /// Lets time pass, with every timer in between.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.passed + time;
        while let Some((at, _)) = self.machine.timeout()
            && at <= self.start + end
        {
            self.passed = self.passed.max(at.saturating_duration_since(self.start));
            self.input(Input::Timer);
        }
        self.passed = end;
        self.input(Input::Timer);
    }

    pub(crate) fn message(
        kind: MessageKind,
        seq: i64,
        payload_type: u32,
        payload: &[u8],
    ) -> Message {
        Message {
            kind,
            created_ms: 1,
            seq,
            flags: 0,
            id: MessageId([7; 16]),
            payload_type,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    pub(crate) fn receive(&mut self, message: &Message) {
        self.input(Input::Message(message.encode()));
    }

    /// Numbered data with a number of one's choice.
    pub(crate) fn data_at(&mut self, seq: i64, payload: &[u8]) {
        self.receive(&Self::message(MessageKind::InputStreamData, seq, 1, payload));
    }

    /// The next numbered message.
    pub(crate) fn numbered(&mut self, payload_type: u32, payload: &[u8]) {
        let message = Self::message(MessageKind::InputStreamData, self.next, payload_type, payload);
        self.next += 1;
        self.receive(&message);
    }

    /// smux frames as the next numbered message.
    pub(crate) fn mux(&mut self, frames: &[(Command, u32, &[u8])]) {
        self.numbered(1, &smux(frames));
    }

    pub(crate) fn respond(&mut self, version: &str, status: u8) {
        let response = format!(
            r#"{{"ClientVersion":"{version}","ProcessedClientActions":[{{"ActionType":"SessionType","ActionStatus":{status},"ActionResult":null,"Error":"no"}}],"Errors":null}}"#
        );
        self.numbered(6, response.as_bytes());
    }

    pub(crate) fn acknowledge(&mut self, seq: i64) {
        let payload = format!(
            r#"{{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"x","AcknowledgedMessageSequenceNumber":{seq},"IsSequentialMessage":true}}"#
        );
        self.receive(&Self::message(MessageKind::Acknowledge, 0, 0, payload.as_bytes()));
    }

    pub(crate) fn publication(&mut self, kind: MessageKind) {
        self.receive(&Self::message(kind, 0, 0, b""));
    }

    /// The numbers that the agent has acknowledged, in order; forgets them.
    pub(crate) fn acknowledged(&mut self) -> Vec<i64> {
        let (acks, rest): (Vec<_>, Vec<_>) =
            self.sent.drain(..).partition(|message| message.kind == MessageKind::Acknowledge);
        self.sent = rest;
        acks.iter()
            .map(|ack| {
                let said: serde_json::Value = serde_json::from_slice(&ack.payload).unwrap();
                assert_eq!(said["IsSequentialMessage"], true);
                said["AcknowledgedMessageSequenceNumber"].as_i64().unwrap()
            })
            .collect()
    }

    /// The agent's numbered messages, in the order of their sending; forgets all.
    pub(crate) fn data(&mut self) -> Vec<Message> {
        let numbered = |message: &Message| message.kind == MessageKind::OutputStreamData;
        self.sent.drain(..).filter(numbered).collect()
    }

    /// The numbers of the agent's numbered messages.
    pub(crate) fn numbers(&mut self) -> Vec<i64> {
        self.data().iter().map(|message| message.seq).collect()
    }

    /// The first thing the agent did, sendings aside; forgets it.
    pub(crate) fn done_first(&mut self) -> Option<Output> {
        if self.did.is_empty() { None } else { Some(self.did.remove(0)) }
    }

    /// What the agent did since, sendings aside; forgets it.
    pub(crate) fn done(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.did)
    }
}

pub(crate) fn smux(frames: &[(Command, u32, &[u8])]) -> BytesMut {
    let mut out = BytesMut::new();
    for (command, stream, data) in frames {
        let data = Bytes::copy_from_slice(data);
        Frame { command: *command, stream: *stream, data }.encode(&mut out);
    }
    out
}

/// The smux frames in some payloads.
pub(crate) fn frames(messages: &[Message]) -> Vec<(Command, u32, Vec<u8>)> {
    let mut decoder = Decoder::new();
    let mut found: Vec<(Command, u32, Vec<u8>)> = Vec::new();
    for message in messages.iter().filter(|message| message.payload_type == 1) {
        decoder.push(&message.payload);
        while let Some(frame) = decoder.next().unwrap() {
            match found.last_mut() {
                Some((Command::Psh, id, data))
                    if frame.command == Command::Psh && *id == frame.stream =>
                {
                    data.extend_from_slice(&frame.data);
                }
                _ => found.push((frame.command, frame.stream, frame.data.to_vec())),
            }
        }
    }
    found
}
