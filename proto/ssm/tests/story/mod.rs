//! A channel to which things happen one after the other.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ssm_proto::payload::{self, Acknowledgement};
use ssm_proto::{Channel, Config, Message, MessageId, MessageKind, Now};

/// A channel, and a clock turned by hand.
pub(crate) struct Story {
    pub(crate) channel: Channel,
    start: Instant,
    time: Duration,
}

impl Story {
    pub(crate) fn begin(config: Config) -> Self {
        Self::with_seed(config, 1)
    }

    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
    pub(crate) fn with_seed(config: Config, seed: u64) -> Self {
        let channel = Channel::new(config, seed);
        Self { channel, start: Instant::now(), time: Duration::ZERO }
    }

    /// The handshake is complete, and all of it acknowledged.
    pub(crate) fn open(config: Config) -> Self {
        let mut story = Self::begin(config);
        story.agent_says(0, payload::HANDSHAKE_REQUEST, &request("3.3.0.0"));
        story.agent_says(1, payload::HANDSHAKE_COMPLETE, b"{}");
        story.sent();
        story.agent_acknowledges(0);
        story.events();
        story
    }

    /// The same, and no race at the start.
    pub(crate) fn without_race(config: Config) -> Self {
        Self::open(Config { first_frames: config.window_frames, ..config })
    }

    pub(crate) fn agent_says(&mut self, seq: i64, payload_type: u32, payload: &[u8]) {
        let payload = Bytes::copy_from_slice(payload);
        let bytes = encode(MessageKind::OutputStreamData, seq, payload_type, payload);
        self.channel.handle(bytes, self.now());
    }

    pub(crate) fn agent_acknowledges(&mut self, seq: i64) {
        self.agent_acknowledges_by_name(seq, MessageId::default());
    }

    pub(crate) fn agent_acknowledges_by_name(&mut self, seq: i64, id: MessageId) {
        let payload = Acknowledgement {
            acknowledged_message_type: "input_stream_data".to_owned(),
            acknowledged_message_id: id.to_string(),
            acknowledged_message_sequence_number: seq,
            is_sequential_message: true,
        };
        let payload = serde_json::to_vec(&payload).unwrap();
        let bytes = encode(MessageKind::Acknowledge, 0, 0, payload.into());
        self.channel.handle(bytes, self.now());
    }

    pub(crate) fn service_says(&mut self, kind: MessageKind) {
        self.channel.handle(encode(kind, 0, 0, Bytes::new()), self.now());
    }

    pub(crate) fn turn_clock(&mut self, ms: u64) {
        self.time += Duration::from_millis(ms);
        self.channel.handle_timeout(self.now());
    }

    pub(crate) fn sent(&mut self) -> Vec<Message> {
        let now = self.now();
        std::iter::from_fn(|| self.channel.poll_send(now))
            .map(|bytes| Message::decode(bytes).unwrap())
            .collect()
    }

    /// The numbers of the acknowledgements among what is sent.
    pub(crate) fn acknowledged(&mut self) -> Vec<i64> {
        self.sent()
            .iter()
            .filter(|message| message.kind == MessageKind::Acknowledge)
            .map(|message| serde_json::from_slice::<Acknowledgement>(&message.payload).unwrap())
            .map(|read| read.acknowledged_message_sequence_number)
            .collect()
    }

    pub(crate) fn events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.channel.poll()).map(|event| format!("{event:?}")).collect()
    }

    pub(crate) fn now(&self) -> Now {
        Now { instant: self.start + self.time, unix_ms: 1_700_000_000_000 }
    }
}

pub(crate) fn request(version: &str) -> Vec<u8> {
    format!(
        r#"{{"AgentVersion":"{version}","RequestedClientActions":[{{"ActionType":"SessionType","ActionParameters":{{"SessionType":"Port","Properties":{{"type":"LocalPortForwarding"}}}}}}]}}"#
    )
    .into_bytes()
}

/// A message as an agent or the service writes it.
pub(crate) fn encode(kind: MessageKind, seq: i64, payload_type: u32, payload: Bytes) -> Bytes {
    let id = MessageId([seq.to_be_bytes(); 2].concat().try_into().unwrap());
    Message { kind, created_ms: 1, seq, flags: 0, id, payload_type, payload }.encode()
}
