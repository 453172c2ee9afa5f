//! A channel that is done everything to, by both sides, in any order: nothing panics, nothing grows beyond its bound,
//! nobody is kept busy.
//!
//! The bytes are a script: one byte says what is done, the next ones with what (see [`Script`]).

use std::time::{Duration, Instant};

use bytes::Bytes;
use ssm_proto::payload;
use ssm_proto::{Channel, Config, Event, Message, MessageId, MessageKind, Now, StreamId};

/// Plays the script.
pub fn run(bytes: &[u8]) {
    let mut script = Script(bytes);
    let mut victim = Victim::new(script.byte());
    while !script.0.is_empty() {
        victim.suffer(&mut script);
    }
}

/// What is still to be done.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    /// As many bytes as the next two say, or as there are.
    fn bytes(&mut self) -> &'a [u8] {
        let length = self.number().min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }
}

struct Victim {
    channel: Channel,
    start: Instant,
    time: Duration,
    /// The number that the agent's next message has, and one that we may have sent.
    agent_number: i64,
    our_number: i64,
    streams: Vec<StreamId>,
    lost: bool,
}

impl Victim {
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
    fn new(kind: u8) -> Self {
        let config = Config {
            probing: kind & 1 == 0,
            payload_size: if kind & 2 == 0 { 1024 } else { 0 },
            unread_in_all: 5_000,
            unread_per_stream: if kind & 4 == 0 { 3_000 } else { 0 },
            window_frames: 50,
            window_bytes: 50_000,
            early_frames: 50,
            early_bytes: 2_000,
            pending_acknowledgements: 40,
            streams: 20,
            ..Config::default()
        };
        let channel = Channel::new(config, u64::from(kind));
        let (start, time) = (Instant::now(), Duration::ZERO);
        let mut victim = Self {
            channel,
            start,
            time,
            agent_number: 0,
            our_number: 0,
            streams: Vec::new(),
            lost: false,
        };
        if kind & 8 == 0 {
            let request = br#"{"AgentVersion":"3.1.1511.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"type":"LocalPortForwarding"}}}]}"#;
            victim.hear(payload::HANDSHAKE_REQUEST, 0, request);
            victim.hear(payload::HANDSHAKE_COMPLETE, 0, b"{}");
        }
        victim
    }

    fn suffer(&mut self, script: &mut Script<'_>) {
        let what = script.byte();
        self.time += Duration::from_millis(u64::from(what >> 4));
        let now = self.now();
        match what & 15 {
            0 => self.channel.handle(Bytes::copy_from_slice(script.bytes()), now),
            1 => {
                let ahead = i64::from(script.byte() as i8);
                self.hear(payload::OUTPUT, ahead, script.bytes());
            }
            2 => {
                let payload_type = u32::from(script.byte());
                self.hear(payload_type, 0, script.bytes());
            }
            3 => {
                let number = self.our_number - i64::from(script.byte());
                let text = format!(r#"{{"AcknowledgedMessageSequenceNumber":{number}}}"#);
                self.tell(MessageKind::Acknowledge, 0, 0, text.as_bytes());
            }
            4 => self.streams.extend(self.channel.open_stream()),
            5 => {
                let data = vec![script.byte(); script.number()];
                if let Some(id) = self.stream(script) {
                    let taken = self.channel.write(id, &data).unwrap_or(0);
                    assert!(taken <= data.len());
                }
            }
            6 => {
                let most = script.number();
                if let Some(id) = self.stream(script)
                    && let Ok(Some(read)) = self.channel.read(id, most)
                {
                    assert!(read.len() <= most);
                }
            }
            7 => {
                if let Some(id) = self.stream(script) {
                    self.channel.finish(id);
                }
            }
            8 => {
                if let Some(id) = self.stream(script) {
                    self.channel.abandon(id);
                }
            }
            9 => {
                self.channel.socket_lost(now);
                self.lost = true;
            }
            10 => {
                self.channel.socket_ready(now);
                self.lost = false;
            }
            11 => self.time += Duration::from_millis(script.number() as u64),
            12 => self.channel.nop(),
            14 => {
                let kinds = [MessageKind::PausePublication, MessageKind::StartPublication];
                self.tell(kinds[usize::from(script.byte() & 1)].clone(), 0, 0, b"");
            }
            _ => match script.byte() {
                0 => self.channel.terminate(),
                1 => self.tell(MessageKind::ChannelClosed, 0, 0, script.bytes()),
                _ => {}
            },
        }
        self.check();
    }

    fn hear(&mut self, payload_type: u32, ahead: i64, payload: &[u8]) {
        let seq = self.agent_number + ahead;
        self.tell(MessageKind::OutputStreamData, seq, payload_type, payload);
        if ahead == 0 {
            self.agent_number += 1;
        }
    }

    fn tell(&mut self, kind: MessageKind, seq: i64, payload_type: u32, payload: &[u8]) {
        let (id, payload) = (MessageId([7; 16]), Bytes::copy_from_slice(payload));
        let message = Message { kind, created_ms: 1, seq, flags: 0, id, payload_type, payload };
        self.channel.handle(message.encode(), self.now());
    }

    fn stream(&self, script: &mut Script<'_>) -> Option<StreamId> {
        self.streams.get(usize::from(script.byte() & 31)).copied()
    }

    /// What must hold whatever was done.
    fn check(&mut self) {
        let now = self.now();
        self.channel.handle_timeout(now);
        let timer = self.channel.timeout();
        assert!(timer.is_none_or(|(at, _)| at > now.instant), "{timer:?} has passed");
        let mut sent = 0;
        while let Some(bytes) = self.channel.poll_send(now) {
            assert!(!self.lost, "there is no websocket");
            let message = Message::decode(bytes).expect("we send what can be read");
            self.our_number = self.our_number.max(message.seq);
            sent += 1;
            assert!(sent < 1_000, "it never stops sending");
        }
        let mut over = false;
        while let Some(event) = self.channel.poll() {
            assert!(!over, "something happened after the end");
            over = matches!(event, Event::Closed(_));
        }
        let stats = self.channel.stats();
        let unread: usize = self.channel.each_stream().map(|(_, stream)| stream.unread).sum();
        assert!(unread <= stats.unread && stats.streams <= 20);
        // What may be unread, what came early, and one message, of which nine bytes may cost a handle each.
        assert!(stats.unread <= (1 << 20) + 2 * (1 << 16), "{stats:?}");
        assert!(stats.unacknowledged <= 50 + 6 + 4, "{stats:?}");
    }

    fn now(&self) -> Now {
        Now { instant: self.start + self.time, unix_ms: 1 }
    }
}
