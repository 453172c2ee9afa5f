//! A small honest agent: it answers the handshake, acknowledges what it takes, repeats its oldest
//! message only (as the real one does), and echoes what each stream brings.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};
use ssm_proto::mux::frame::{Command, Decoder, Frame};
use ssm_proto::payload::{self, Flag};
use ssm_proto::{Message, MessageId, MessageKind};

/// The agent. Its time is milliseconds since the session began.
pub(crate) struct Peer {
    /// Numbered and not acknowledged, with the time of the last sending.
    outbox: BTreeMap<i64, (Bytes, u64)>,
    next_number: i64,
    expected: i64,
    early: BTreeMap<i64, Message>,
    decoder: Decoder,
    streams: BTreeSet<u32>,
    /// smux bytes on their way out, sent at most 1024 a millisecond.
    outgoing: BytesMut,
    notes: VecDeque<(u32, Vec<u8>)>,
    replies: Vec<Bytes>,
    /// From when on the port session takes data.
    pub(crate) ready_at: u64,
    /// How often smux said nothing, and when it last said anything.
    pub(crate) keepalives: usize,
    pub(crate) heard_at: u64,
    pub(crate) terminated: bool,
}

impl Peer {
    pub(crate) fn new(version: &str) -> Self {
        let request = format!(
            r#"{{"AgentVersion":"{version}","RequestedClientActions":[{{"ActionType":"SessionType","ActionParameters":{{"SessionType":"Port","Properties":{{"type":"LocalPortForwarding"}}}}}}]}}"#
        );
        Self {
            outbox: BTreeMap::new(),
            next_number: 0,
            expected: 0,
            early: BTreeMap::new(),
            decoder: Decoder::new(),
            streams: BTreeSet::new(),
            outgoing: BytesMut::new(),
            notes: [(payload::HANDSHAKE_REQUEST, request.into_bytes())].into(),
            replies: Vec::new(),
            ready_at: 0,
            keepalives: 0,
            heard_at: 0,
            terminated: false,
        }
    }

    /// Takes in a message; what it sends because of it comes with the next tick.
    pub(crate) fn handle(&mut self, bytes: Bytes, now: u64) {
        let message = Message::decode_unverified(bytes).unwrap();
        match message.kind {
            MessageKind::Acknowledge => {
                let read: payload::Acknowledgement =
                    serde_json::from_slice(&message.payload).unwrap();
                self.outbox.remove(&read.acknowledged_message_sequence_number);
            }
            MessageKind::InputStreamData => self.take(message, now),
            MessageKind::OutputStreamData
            | MessageKind::ChannelClosed
            | MessageKind::PausePublication
            | MessageKind::StartPublication
            | MessageKind::AgentSessionState
            | MessageKind::Unknown(_) => panic!("a client does not send this"),
        }
    }

    /// A millisecond has passed.
    pub(crate) fn tick(&mut self, now: u64) -> Vec<Bytes> {
        if let Some((payload_type, payload)) = self.notes.pop_front() {
            self.send(payload_type, payload.into(), now);
        } else if !self.outgoing.is_empty() {
            let payload = self.outgoing.split_to(self.outgoing.len().min(1024)).freeze();
            self.send(payload::OUTPUT, payload, now);
        }
        if now.is_multiple_of(100)
            && let Some((bytes, sent_at)) = self.outbox.values_mut().next()
            && now - *sent_at >= 200
        {
            *sent_at = now;
            self.replies.push(bytes.clone());
        }
        std::mem::take(&mut self.replies)
    }

    /// How many streams are open at this end.
    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Sends what it likes.
    pub(crate) fn say(&mut self, payload_type: u32, payload: &[u8]) {
        self.notes.push_back((payload_type, payload.to_vec()));
    }

    fn take(&mut self, message: Message, now: u64) {
        assert_ne!(message.created_ms, 0, "the agent drops such messages");
        let is_data = message.payload_type == payload::OUTPUT;
        if is_data && now < self.ready_at {
            return;
        }
        let seq = message.seq;
        if seq >= self.expected {
            self.early.insert(seq, message.clone());
        }
        self.acknowledge(&message);
        while let Some(message) = self.early.remove(&self.expected) {
            self.expected += 1;
            self.take_in_turn(&message, now);
        }
    }

    fn take_in_turn(&mut self, message: &Message, now: u64) {
        match message.payload_type {
            payload::HANDSHAKE_RESPONSE => {
                self.say(payload::HANDSHAKE_COMPLETE, br#"{"HandshakeTimeToComplete":1}"#);
            }
            payload::OUTPUT => self.take_data(&message.payload, now),
            payload::FLAG => {
                assert_eq!(Flag::decode(&message.payload), Some(Flag::TerminateSession));
                self.terminated = true;
            }
            other => panic!("a client does not send payloads of type {other}"),
        }
    }

    fn take_data(&mut self, payload: &Bytes, now: u64) {
        self.heard_at = now;
        self.decoder.push(payload);
        while let Some(Frame { command, stream, data }) = self.decoder.next().unwrap() {
            let echo = match command {
                Command::Syn => {
                    assert!(self.streams.insert(stream), "stream {stream} is opened twice");
                    continue;
                }
                Command::Nop => {
                    self.keepalives += 1;
                    continue;
                }
                Command::Psh if self.streams.contains(&stream) => Frame { command, stream, data },
                Command::Fin if self.streams.remove(&stream) => Frame { command, stream, data },
                Command::Psh | Command::Fin => continue,
            };
            echo.encode(&mut self.outgoing);
        }
    }

    fn acknowledge(&mut self, message: &Message) {
        let mut payload = BytesMut::new();
        payload::write_acknowledgement(&mut payload, &message.kind, message.id, message.seq);
        let payload = payload.freeze();
        self.replies.push(encode(MessageKind::Acknowledge, 0, 0, payload));
    }

    fn send(&mut self, payload_type: u32, payload: Bytes, now: u64) {
        let bytes = encode(MessageKind::OutputStreamData, self.next_number, payload_type, payload);
        self.outbox.insert(self.next_number, (bytes.clone(), now));
        self.next_number += 1;
        self.replies.push(bytes);
    }
}

/// A message as an agent or the service writes it.
fn encode(kind: MessageKind, seq: i64, payload_type: u32, payload: Bytes) -> Bytes {
    let id = MessageId([seq.to_be_bytes(); 2].concat().try_into().unwrap());
    Message { kind, created_ms: 1, seq, flags: 0, id, payload_type, payload }.encode()
}
