//! One binary message: header, digest, payload.
//!
//! ```text
//!   0        4                36      40       48     56      64        80       112      116      120
//!   ┌────────┬────────────────┬───────┬────────┬──────┬───────┬─────────┬────────┬────────┬────────┬─────────┐
//!   │ header │ type, padded   │ schema│created │number│ flags │ id, its │ SHA-256│ payload│ payload│ payload │
//!   │ length │ with spaces    │ = 1   │ ms     │      │       │ halves  │ of the │ type   │ length │   …     │
//!   │ = 116  │                │       │        │      │       │ swapped │ payload│        │        │         │
//!   └────────┴────────────────┴───────┴────────┴──────┴───────┴─────────┴────────┴────────┴────────┴─────────┘
//! ```
//!
//! Big-endian throughout.

use std::fmt;

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use crate::error::Misbehaved;

/// One binary message as it travels on the websocket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// What it is.
    pub kind: MessageKind,
    /// When it was made, in milliseconds since 1970. The agent drops a message that says 0.
    pub created_ms: u64,
    /// Its number among the data of its direction; 0 where it is not numbered.
    pub seq: i64,
    /// Bit 0 marks a beginning, bit 1 an end.
    pub flags: u64,
    /// Its name.
    pub id: MessageId,
    /// What its payload is: one of the constants in [`payload`](crate::payload).
    pub payload_type: u32,
    /// What it carries.
    pub payload: Bytes,
}

/// What a message is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MessageKind {
    /// Numbered, from the client to the agent.
    InputStreamData,
    /// Numbered, from the agent to the client.
    OutputStreamData,
    /// A numbered message has arrived.
    Acknowledge,
    /// The service ends the session.
    ChannelClosed,
    /// The other side is away: send nothing for now.
    PausePublication,
    /// The other side is back.
    StartPublication,
    /// The agent tells the service how it is; not for the client.
    AgentSessionState,
    /// Anything else.
    Unknown(String),
}

/// A message's name: a UUID, its bytes in the order in which they are printed.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct MessageId(pub [u8; 16]);

impl Message {
    /// Reads a message and checks all that can be checked; only the two publication messages are
    /// excused from it.
    pub fn decode(bytes: Bytes) -> Result<Self, Misbehaved> {
        let (message, digest) = parse(bytes)?;
        // Amazon's plugin, clientmessage.go, Validate: publication messages are not looked at, and
        // an empty payload has no digest to check.
        let excused = message.kind.is_publication() || message.payload.is_empty();
        if !excused && digest != <[u8; 32]>::from(Sha256::digest(&message.payload)) {
            return Err(Misbehaved::Digest);
        }
        Ok(message)
    }

    /// Reads a message as the agent does, which believes the digest without looking.
    pub fn decode_unverified(bytes: Bytes) -> Result<Self, Misbehaved> {
        parse(bytes).map(|(message, _)| message)
    }

    /// Writes the message, digest and lengths included.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER + self.payload.len());
        out.resize(HEADER, 0);
        out.extend_from_slice(&self.payload);
        let head = Head {
            kind: &self.kind,
            created_ms: self.created_ms,
            seq: self.seq,
            flags: self.flags,
            id: self.id,
            payload_type: self.payload_type,
        };
        head.seal(&mut out);
        out.freeze()
    }
}

impl MessageKind {
    /// Its name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::InputStreamData => "input_stream_data",
            Self::OutputStreamData => "output_stream_data",
            Self::Acknowledge => "acknowledge",
            Self::ChannelClosed => "channel_closed",
            Self::PausePublication => "pause_publication",
            Self::StartPublication => "start_publication",
            Self::AgentSessionState => "agent_session_state",
            Self::Unknown(name) => name,
        }
    }

    fn parse(field: &[u8]) -> Result<Self, Misbehaved> {
        let end = field.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |at| at + 1);
        Ok(match &field[..end] {
            b"input_stream_data" => Self::InputStreamData,
            b"output_stream_data" => Self::OutputStreamData,
            b"acknowledge" => Self::Acknowledge,
            b"channel_closed" => Self::ChannelClosed,
            b"pause_publication" => Self::PausePublication,
            b"start_publication" => Self::StartPublication,
            b"agent_session_state" => Self::AgentSessionState,
            other => {
                let name = str::from_utf8(other).map_err(|_| Misbehaved::MessageType)?;
                Self::Unknown(name.to_owned())
            }
        })
    }

    fn is_publication(&self) -> bool {
        matches!(self, Self::PausePublication | Self::StartPublication)
    }
}

impl MessageId {
    /// The 36 characters in which a UUID is printed.
    pub(crate) fn text(self) -> [u8; 36] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.into_iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 15)];
            at += 2;
        }
        text
    }

    /// The id that is printed so.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits: String = text.split('-').collect();
        let id = Self(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes());
        (id.text()[..] == *text.as_bytes()).then_some(id)
    }

    fn swapped(self) -> [u8; 16] {
        let mut halves = self.0;
        halves.rotate_left(8);
        halves
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).expect("hexadecimal digits are text"))
    }
}

/// All of a message but its payload.
pub(crate) struct Head<'a> {
    pub(crate) kind: &'a MessageKind,
    pub(crate) created_ms: u64,
    pub(crate) seq: i64,
    pub(crate) flags: u64,
    pub(crate) id: MessageId,
    pub(crate) payload_type: u32,
}

impl Head<'_> {
    /// Fills in the header of a message whose payload stands already behind [`HEADER`] bytes.
    pub(crate) fn seal(&self, message: &mut [u8]) {
        let (header, payload) = message.split_at_mut(HEADER);
        let name = self.kind.as_str().as_bytes();
        let name = &name[..name.len().min(TYPE_LENGTH)];
        header[..4].copy_from_slice(&HEADER_LENGTH.to_be_bytes());
        header[4..36].fill(b' ');
        header[4..4 + name.len()].copy_from_slice(name);
        header[36..40].copy_from_slice(&SCHEMA.to_be_bytes());
        header[40..48].copy_from_slice(&self.created_ms.to_be_bytes());
        header[48..56].copy_from_slice(&self.seq.to_be_bytes());
        header[56..64].copy_from_slice(&self.flags.to_be_bytes());
        header[64..80].copy_from_slice(&self.id.swapped());
        header[80..112].copy_from_slice(&Sha256::digest(&*payload));
        header[112..116].copy_from_slice(&self.payload_type.to_be_bytes());
        let length = u32::try_from(payload.len()).expect("a payload is shorter than 4 GiB");
        header[116..120].copy_from_slice(&length.to_be_bytes());
    }
}

fn parse(bytes: Bytes) -> Result<(Message, [u8; 32]), Misbehaved> {
    let length = bytes.len();
    let short = Misbehaved::Short { length };
    let kind = MessageKind::parse(bytes.get(4..36).ok_or(short.clone())?)?;
    let claimed = u32::from_be_bytes(field(&bytes, 0));
    let payload_at = usize::try_from(claimed).unwrap_or(usize::MAX).saturating_add(4);
    // The length field is not used to cut the payload, here as in Amazon's plugin and agent: all
    // that stands behind the header is payload, and the digest covers it.
    let payload = if (HEADER..=length).contains(&payload_at) {
        bytes.slice(payload_at..)
    } else if kind.is_publication() {
        Bytes::new()
    } else if length < HEADER {
        return Err(short);
    } else {
        return Err(Misbehaved::HeaderLength { claimed, length });
    };
    let message = Message {
        kind,
        created_ms: u64::from_be_bytes(field(&bytes, 40)),
        seq: i64::from_be_bytes(field(&bytes, 48)),
        flags: u64::from_be_bytes(field(&bytes, 56)),
        id: MessageId(MessageId(field(&bytes, 64)).swapped()),
        payload_type: u32::from_be_bytes(field(&bytes, 112)),
        payload,
    };
    Ok((message, field(&bytes, 80)))
}

/// The `N` bytes at `at`; zeroes where an excused message ends before them.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).map_or([0; N], |field| field.try_into().expect("it is N bytes long"))
}

/// Where the payload begins.
pub(crate) const HEADER: usize = 120;
/// What the header calls its own length: the payload's length does not count.
const HEADER_LENGTH: u32 = 116;
/// Room for the type's name.
const TYPE_LENGTH: usize = 32;
/// The only version of the header that there is.
const SCHEMA: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Message {
        Message {
            kind: MessageKind::OutputStreamData,
            created_ms: 1_700_000_000_000,
            seq: 7,
            flags: 1,
            id: MessageId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
            payload_type: 1,
            payload: Bytes::from_static(b"hello"),
        }
    }

    #[test]
    fn a_message_read_back_is_the_message_that_was_written() {
        assert_eq!(Message::decode(sample().encode()).unwrap(), sample());
    }

    #[test]
    fn an_id_stands_on_the_wire_with_its_halves_swapped() {
        let bytes = sample().encode();
        assert_eq!(bytes[64..80], [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]);
        let text = "00010203-0405-0607-0809-0a0b0c0d0e0f";
        assert_eq!(sample().id.to_string(), text);
        assert_eq!(MessageId::parse(text), Some(sample().id));
        for nonsense in
            ["", "-", "00010203-0405-0607-0809-0a0b0c0d0e", &text[1..], &text.to_uppercase()]
        {
            assert_eq!(MessageId::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_wrong_digest_is_refused_by_us_and_believed_by_the_agent() {
        let mut bytes = BytesMut::from(&sample().encode()[..]);
        bytes[124] ^= 1;
        let bytes = bytes.freeze();
        assert!(matches!(Message::decode(bytes.clone()), Err(Misbehaved::Digest)));
        assert_eq!(Message::decode_unverified(bytes).unwrap().payload, &b"helln"[..]);
    }

    #[test]
    fn a_publication_message_is_excused_from_every_check() {
        for kind in [MessageKind::PausePublication, MessageKind::StartPublication] {
            let mut bytes =
                BytesMut::from(&Message { kind: kind.clone(), ..sample() }.encode()[..]);
            bytes[124] ^= 1;
            assert_eq!(Message::decode(bytes.clone().freeze()).unwrap().kind, kind);
            bytes.truncate(40);
            assert_eq!(Message::decode(bytes.freeze()).unwrap().kind, kind);
        }
    }

    #[test]
    fn a_type_may_be_padded_with_zeroes() {
        let mut bytes = BytesMut::from(&sample().encode()[..]);
        bytes[4 + "output_stream_data".len()..36].fill(0);
        assert_eq!(Message::decode(bytes.freeze()).unwrap(), sample());
    }

    #[test]
    fn a_message_cut_anywhere_in_its_header_is_refused() {
        let bytes = sample().encode();
        for length in 0..HEADER {
            let refused = Message::decode(bytes.slice(..length)).unwrap_err();
            assert!(matches!(refused, Misbehaved::Short { .. }), "{length}: {refused}");
        }
    }

    #[test]
    fn a_header_length_that_cannot_be_is_refused() {
        for claimed in [0_u32, 115, 122, 1 << 31, u32::MAX] {
            let mut bytes = BytesMut::from(&sample().encode()[..]);
            bytes[..4].copy_from_slice(&claimed.to_be_bytes());
            let refused = Message::decode(bytes.freeze()).unwrap_err();
            assert!(matches!(refused, Misbehaved::HeaderLength { .. }), "{claimed}: {refused}");
        }
    }
}
