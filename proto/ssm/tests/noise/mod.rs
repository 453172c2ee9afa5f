//! Bytes that nobody honest sends: nothing panics, nothing grows without bound.
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ssm_proto::mux::frame::Decoder;
use ssm_proto::payload;
use ssm_proto::{Channel, Config, Event, Message, MessageId, MessageKind, Now};

use crate::dice::Dice;
use crate::recording::{AGENT, FILES, Recording};

#[test]
fn arbitrary_bytes_are_no_message_or_are_one_that_can_be_written_again() {
    let mut dice = Dice(1);
    for _ in 0..200_000 {
        let length = dice.below(300);
        let bytes: Bytes = dice.bytes(length).into();
        if let Ok(message) = Message::decode_unverified(bytes) {
            let again = Message::decode(message.encode()).unwrap();
            assert_eq!(again.payload, message.payload);
        }
    }
}

#[test]
fn arbitrary_bytes_never_make_the_mux_decoder_hand_out_more_than_came() {
    let mut dice = Dice(2);
    for _ in 0..20_000 {
        let mut decoder = Decoder::new();
        let (mut came, mut handed_out) = (0, 0);
        for _ in 0..dice.below(8) {
            let length = dice.below(40);
            let mut bytes = dice.bytes(length);
            if dice.below(2) == 0 && bytes.len() > 1 {
                (bytes[0], bytes[1]) = (1, dice.below(5) as u8);
            }
            came += bytes.len();
            decoder.push(&bytes.into());
            while let Ok(Some(frame)) = decoder.next() {
                handed_out += frame.data.len();
            }
        }
        assert!(handed_out <= came);
    }
}

#[test]
fn a_channel_survives_every_recording_with_bytes_changed_cut_or_out_of_order() {
    for (seed, name) in (0_u64..).zip(FILES) {
        let recording = Recording::load(name);
        let frames: Vec<Bytes> = recording
            .frames()
            .filter(|frame| frame.side == AGENT)
            .map(|frame| recording.bytes_of(frame))
            .collect();
        for round in 0..30 {
            let mut dice = Dice(seed * 1000 + round);
            let mut victim = Victim::new(seed);
            for frame in &frames {
                let frame = match dice.below(4) {
                    0 => &frames[dice.below(frames.len())],
                    _ => frame,
                };
                let mut bytes = BytesMut::from(&frame[..]);
                match dice.below(8) {
                    0 => bytes.truncate(dice.below(frame.len())),
                    1 => {
                        let at = dice.below(frame.len());
                        bytes[at] = dice.below(256) as u8;
                    }
                    _ => {}
                }
                victim.suffer(bytes.freeze(), &mut dice);
            }
        }
    }
}

#[test]
fn a_channel_survives_well_formed_messages_that_say_anything() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let mut victim = Victim::new(seed);
        if dice.below(4) > 0 {
            victim.open(&mut dice);
        }
        for _ in 0..300 {
            let message = anything(&mut dice);
            victim.suffer(message.encode(), &mut dice);
        }
    }
}

/// A message with all lengths and digests right, and anything else.
fn anything(dice: &mut Dice) -> Message {
    let kinds = [
        MessageKind::OutputStreamData,
        MessageKind::OutputStreamData,
        MessageKind::OutputStreamData,
        MessageKind::Acknowledge,
        MessageKind::PausePublication,
        MessageKind::StartPublication,
        MessageKind::InputStreamData,
        MessageKind::Unknown("nonsense".to_owned()),
    ];
    let numbers = [0, 1, -1, i64::MAX, i64::MIN, dice.below(300) as i64, dice.below(30) as i64];
    let number = numbers[dice.below(numbers.len())];
    let length = dice.below(60);
    let payload = match dice.below(4) {
        0 => format!(r#"{{"AcknowledgedMessageSequenceNumber":{number}}}"#).into_bytes(),
        1 => vec![0, 0, 0, dice.below(5) as u8],
        2 => {
            let mut frame = vec![1, dice.below(4) as u8, 0, 0, dice.below(9) as u8, 0, 0, 0];
            if frame[1] == 2 {
                frame[2] = length as u8;
                frame.extend(dice.bytes(length));
            }
            frame
        }
        _ => dice.bytes(length),
    };
    Message {
        kind: kinds[dice.below(kinds.len())].clone(),
        created_ms: dice.below(2) as u64,
        seq: numbers[dice.below(numbers.len())],
        flags: dice.below(4) as u64,
        id: MessageId([dice.below(256) as u8; 16]),
        payload_type: [1, 1, 1, 5, 7, 10, 11, u32::MAX][dice.below(8)],
        payload: payload.into(),
    }
}

/// A channel that is done everything to, by both sides.
struct Victim {
    channel: Channel,
    start: Instant,
    time: Duration,
    streams: Vec<ssm_proto::StreamId>,
}

impl Victim {
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
    fn new(seed: u64) -> Self {
        let config = Config {
            unread_in_all: 5_000,
            early_frames: 50,
            early_bytes: 2_000,
            pending_acknowledgements: 40,
            streams: 20,
            ..Config::default()
        };
        let channel = Channel::new(config, seed);
        Self { channel, start: Instant::now(), time: Duration::ZERO, streams: Vec::new() }
    }

    fn open(&mut self, dice: &mut Dice) {
        let recording = Recording::load("psql-mux");
        for message in recording.messages(|frame| frame.side == AGENT).take(4) {
            self.suffer(message.encode(), dice);
        }
    }

    fn suffer(&mut self, bytes: Bytes, dice: &mut Dice) {
        self.time += Duration::from_millis(dice.below(100) as u64);
        let now = Now { instant: self.start + self.time, unix_ms: 1 };
        self.channel.handle(bytes, now);
        let stream = self.streams.get(dice.below(20)).copied();
        match (dice.below(30), stream) {
            (0..4, _) => self.streams.extend(self.channel.open_stream()),
            (4..8, Some(id)) => drop(self.channel.write(id, &dice.bytes(5000))),
            (8..12, Some(id)) => drop(self.channel.read(id, dice.below(100))),
            (12, Some(id)) => self.channel.finish(id),
            (13, Some(id)) => self.channel.abandon(id),
            (14, _) => self.channel.socket_lost(now),
            (15..18, _) => self.channel.socket_ready(now),
            (18..24, _) => self.channel.handle_timeout(now),
            (24, _) if dice.below(20) == 0 => self.channel.terminate(),
            _ => {}
        }
        let mut sent = 0;
        while let Some(bytes) = self.channel.poll_send(now) {
            let message = Message::decode(bytes).unwrap();
            let known = [0, payload::OUTPUT, payload::HANDSHAKE_RESPONSE, payload::FLAG];
            assert!(known.contains(&message.payload_type));
            sent += 1;
            assert!(sent < 2000, "it never stops sending");
        }
        while let Some(event) = self.channel.poll() {
            if let Event::Closed(_) = event {
                assert!(self.channel.timeout().is_none());
            }
        }
        self.channel.handle_timeout(now);
    }
}

impl Dice {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}
