//! One recording of `tests/golden`, read.

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde_json::Value;
use ssm_proto::{Message, MessageId, MessageKind};

/// All recordings.
pub(crate) const FILES: [&str; 12] = [
    "basic-mode",
    "close-by-client",
    "close-by-server",
    "psql-mux",
    "refused-basic",
    "refused-mux",
    "resume-busy",
    "resume-stall",
    "resume",
    "terminate-api",
    "two-connections",
    "unresolvable",
];
pub(crate) const CLIENT: &str = "client->agent";
pub(crate) const AGENT: &str = "agent->client";

pub(crate) struct Recording {
    pub(crate) name: &'static str,
    pub(crate) lines: Vec<Line>,
}

pub(crate) enum Line {
    Event { t_ms: f64, event: String },
    Frame(Recorded),
}

/// A frame: its bytes where they were kept, and what the recorder read in them.
#[derive(Clone)]
pub(crate) struct Recorded {
    pub(crate) t_ms: f64,
    pub(crate) side: &'static str,
    pub(crate) kind: String,
    pub(crate) seq: i64,
    pub(crate) flags: u64,
    pub(crate) id: String,
    pub(crate) payload_type: u32,
    pub(crate) payload_length: usize,
    pub(crate) text: Option<String>,
    pub(crate) bytes: Option<Bytes>,
}

impl Recording {
    pub(crate) fn load(name: &'static str) -> Self {
        let path = format!("{}/tests/golden/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        // The first line says how the recording was made.
        let lines = text.lines().skip(1).map(Line::parse).collect();
        Self { name, lines }
    }

    pub(crate) fn frames(&self) -> impl Iterator<Item = &Recorded> {
        self.lines.iter().filter_map(|line| match line {
            Line::Frame(frame) => Some(frame),
            Line::Event { .. } => None,
        })
    }

    /// The messages that are wanted and whose bytes were kept.
    pub(crate) fn messages(
        &self,
        wanted: impl Fn(&Recorded) -> bool,
    ) -> impl Iterator<Item = Message> {
        self.frames()
            .filter(move |frame| wanted(frame))
            .filter_map(|frame| frame.bytes.clone())
            .map(|bytes| Message::decode(bytes).unwrap())
    }

    /// The numbered messages of one side: payload type and payload.
    pub(crate) fn numbered(&self, side: &str) -> BTreeMap<i64, (u32, Bytes)> {
        self.frames()
            .filter(|frame| frame.side == side && frame.kind.ends_with("put_stream_data"))
            .map(|frame| Message::decode(self.bytes_of(frame)).unwrap())
            .map(|message| (message.seq, (message.payload_type, message.payload)))
            .collect()
    }

    /// The smux bytes of one side, in order.
    pub(crate) fn mux_bytes(&self, side: &str) -> Bytes {
        let mut bytes = BytesMut::new();
        for (payload_type, payload) in self.numbered(side).values() {
            if *payload_type == ssm_proto::payload::OUTPUT {
                bytes.put_slice(payload);
            }
        }
        bytes.freeze()
    }

    /// The payloads of the recorded client's acknowledgements, by the number that they are for.
    pub(crate) fn acknowledged_by_client(&self) -> BTreeMap<i64, Bytes> {
        self.frames()
            .filter(|frame| frame.side == CLIENT && frame.kind == "acknowledge")
            .map(|frame| {
                let text = frame.text.clone().unwrap();
                let read: Value = serde_json::from_str(&text).unwrap();
                (read["AcknowledgedMessageSequenceNumber"].as_i64().unwrap(), text.into())
            })
            .collect()
    }

    /// A frame's bytes; where they were not kept, a frame that says the same in its header and
    /// carries zeroes where only the destination's data were.
    pub(crate) fn bytes_of(&self, frame: &Recorded) -> Bytes {
        if let Some(bytes) = &frame.bytes {
            return bytes.clone();
        }
        assert_eq!(self.name, "resume-stall", "only there bytes are left out");
        let payload = match &frame.text {
            Some(text) => Bytes::copy_from_slice(text.as_bytes()),
            None => {
                let at = (usize::try_from(frame.seq).unwrap() - STALL_FIRST) * STALL_PAYLOAD;
                stalled_download().slice(at..at + frame.payload_length)
            }
        };
        let kind = match frame.kind.as_str() {
            "acknowledge" => MessageKind::Acknowledge,
            "output_stream_data" => MessageKind::OutputStreamData,
            other => panic!("bytes of {other} are left out"),
        };
        let hex: String = frame.id.split('-').collect();
        let id = MessageId(u128::from_str_radix(&hex, 16).unwrap().to_be_bytes());
        let Recorded { seq, flags, payload_type, .. } = *frame;
        Message { kind, created_ms: 1, seq, flags, id, payload_type, payload }.encode()
    }
}

/// The smux bytes of the download in resume-stall: 250,000 bytes in frames of 32,768.
fn stalled_download() -> Bytes {
    let mut bytes = BytesMut::new();
    let mut left: usize = 250_000;
    while left > 0 {
        let length = left.min(32_768);
        bytes.put_slice(&[1, 2]);
        bytes.put_u16_le(u16::try_from(length).unwrap());
        bytes.put_u32_le(3);
        bytes.put_bytes(0, length);
        left -= length;
    }
    bytes.freeze()
}

/// The first message of the download in resume-stall, and how much each carries.
const STALL_FIRST: usize = 2;
const STALL_PAYLOAD: usize = 1024;

impl Line {
    fn parse(line: &str) -> Self {
        let line: Value = serde_json::from_str(line).unwrap();
        let t_ms = line["t_ms"].as_f64().unwrap();
        if let Some(event) = line["event"].as_str() {
            return Self::Event { t_ms, event: event.to_owned() };
        }
        let number = |name: &str| line[name].as_u64().unwrap();
        let text = line["text"].as_str().filter(|text| !text.is_empty());
        Self::Frame(Recorded {
            t_ms,
            side: if line["dir"] == CLIENT { CLIENT } else { AGENT },
            kind: line["type"].as_str().unwrap().to_owned(),
            seq: line["seq"].as_i64().unwrap(),
            flags: number("flags"),
            id: line["id"].as_str().unwrap().to_owned(),
            payload_type: u32::try_from(number("ptype")).unwrap(),
            payload_length: usize::try_from(number("plen")).unwrap(),
            text: text.map(str::to_owned),
            bytes: line["b64"].as_str().map(base64),
        })
    }
}

fn base64(text: &str) -> Bytes {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = BytesMut::new();
    let (mut held, mut bits) = (0_u32, 0);
    for digit in text.bytes().filter(|byte| *byte != b'=') {
        let value = ALPHABET.iter().position(|letter| *letter == digit).unwrap();
        held = held << 6 | u32::try_from(value).unwrap();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.put_u8(u8::try_from(held >> bits & 0xff).unwrap());
        }
    }
    bytes.freeze()
}
