//! What payloads say: handshake, acknowledgement, flag, end of the channel.
//!
//! The names of the fields are AWS's.

use bytes::{BufMut as _, BytesMut};
use serde::{Deserialize, Deserializer, Serialize};

use crate::message::{MessageId, MessageKind};

/// The agent's first message: what it is, and what it wants done.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeRequest {
    /// The agent's version, four numbers with dots.
    pub agent_version: String,
    /// What the client is to do, in order.
    #[serde(default, deserialize_with = "null_is_none_there")]
    pub requested_client_actions: Vec<RequestedAction>,
}

/// One thing that the agent wants done.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RequestedAction {
    /// Its name: `SessionType` or `KMSEncryption`.
    pub action_type: String,
    /// What belongs to it; its shape depends on the name.
    #[serde(default)]
    pub action_parameters: serde_json::Value,
}

/// The client's first numbered message: what it is, and what became of the actions.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    /// The version that the client claims, four numbers with dots.
    pub client_version: String,
    /// One entry for each requested action.
    #[serde(default, deserialize_with = "null_is_none_there")]
    pub processed_client_actions: Vec<ProcessedAction>,
    /// What else went wrong.
    #[serde(default)]
    pub errors: Option<Vec<String>>,
}

/// What became of one action.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    /// Its name, as it was asked for.
    pub action_type: String,
    /// [`ACTION_SUCCESS`], [`ACTION_FAILED`] or [`ACTION_UNSUPPORTED`].
    pub action_status: u8,
    /// What it yields; port sessions yield nothing.
    #[serde(default)]
    pub action_result: serde_json::Value,
    /// Why it failed.
    #[serde(default)]
    pub error: String,
}

/// The agent's second numbered message: the handshake is over.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeComplete {
    /// How long it took, in nanoseconds.
    #[serde(default)]
    pub handshake_time_to_complete: i64,
    /// A greeting that the account's owner may have set.
    #[serde(default)]
    pub customer_message: String,
}

/// That a numbered message has arrived.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Acknowledgement {
    /// The arrived message's type, by its name on the wire.
    pub acknowledged_message_type: String,
    /// The arrived message's id, printed.
    pub acknowledged_message_id: String,
    /// The arrived message's number: all that both sides look at.
    pub acknowledged_message_sequence_number: i64,
    /// Always true, for messages out of order as well.
    pub is_sequential_message: bool,
}

/// The service's last message.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChannelClosed {
    /// When it was made, in milliseconds since 1970, as text.
    pub created_date: String,
    /// Whom it is for.
    pub destination_id: String,
    /// Its id, printed.
    pub message_id: String,
    /// `channel_closed`.
    pub message_type: String,
    /// Why, in words for people; empty where there is nothing to say.
    pub output: String,
    /// 1.
    pub schema_version: i64,
    /// The session that is over.
    pub session_id: String,
}

/// A signal beside the data, without a stream's number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flag {
    /// The client's local connection is closed (only where there is one stream at a time).
    DisconnectToPort = 1,
    /// The client ends the session.
    TerminateSession = 2,
    /// The agent could not reach the destination for one of the streams.
    ConnectToPortError = 3,
}

impl Flag {
    /// The flag as a payload.
    pub fn encode(self) -> [u8; 4] {
        (self as u32).to_be_bytes()
    }

    /// The flag in a payload; `None` where it is none that we know.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        match u32::from_be_bytes(payload.try_into().ok()?) {
            1 => Some(Self::DisconnectToPort),
            2 => Some(Self::TerminateSession),
            3 => Some(Self::ConnectToPortError),
            _ => None,
        }
    }
}

/// Writes the payload of an [`Acknowledgement`], as it is done for each message that arrives.
pub fn write_acknowledgement(out: &mut BytesMut, of: &MessageKind, id: MessageId, seq: i64) {
    out.put_slice(b"{\"AcknowledgedMessageType\":\"");
    out.put_slice(of.as_str().as_bytes());
    out.put_slice(b"\",\"AcknowledgedMessageId\":\"");
    out.put_slice(&id.text());
    out.put_slice(b"\",\"AcknowledgedMessageSequenceNumber\":");
    put_decimal(out, seq);
    out.put_slice(b",\"IsSequentialMessage\":true}");
}

/// Which number an acknowledgement is for; `None` where it cannot be read.
pub(crate) fn acknowledged_number(payload: &[u8]) -> Option<i64> {
    usual_number(payload).or_else(|| any_number(payload))
}

/// The number where the agent has written it as it always does: one comes for each message of ours.
fn usual_number(payload: &[u8]) -> Option<i64> {
    let rest = payload.strip_suffix(b",\"IsSequentialMessage\":true}")?;
    let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, digits) = rest.split_at(rest.len() - digits);
    let usual = rest.ends_with(b",\"AcknowledgedMessageSequenceNumber\":")
        && rest.starts_with(b"{\"AcknowledgedMessageType\":\"");
    if usual { str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

fn any_number(payload: &[u8]) -> Option<i64> {
    /// An [`Acknowledgement`] without what nobody looks at.
    #[derive(Deserialize)]
    struct Number {
        #[serde(rename = "AcknowledgedMessageSequenceNumber")]
        number: i64,
    }
    serde_json::from_slice::<Number>(payload).ok().map(|acknowledgement| acknowledgement.number)
}

/// Which message an acknowledgement says that it is for; `None` where it does not say it as we would.
pub(crate) fn acknowledged_id(payload: &[u8]) -> Option<MessageId> {
    let read = serde_json::from_slice::<Acknowledgement>(payload).ok()?;
    MessageId::parse(&read.acknowledged_message_id)
}

fn put_decimal(out: &mut BytesMut, number: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).expect("a digit is below ten");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.put_u8(b'-');
    }
    out.put_slice(&digits[at..]);
}

/// Go writes an empty list as null.
fn null_is_none_there<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Payload type: data.
pub const OUTPUT: u32 = 1;
/// Payload type: an error's text.
pub const ERROR: u32 = 2;
/// Payload type: a terminal's size.
pub const SIZE: u32 = 3;
/// Payload type: a parameter.
pub const PARAMETER: u32 = 4;
/// Payload type: a [`HandshakeRequest`].
pub const HANDSHAKE_REQUEST: u32 = 5;
/// Payload type: a [`HandshakeResponse`].
pub const HANDSHAKE_RESPONSE: u32 = 6;
/// Payload type: a [`HandshakeComplete`].
pub const HANDSHAKE_COMPLETE: u32 = 7;
/// Payload type: the question that proves that both have the same key.
pub const ENCRYPTION_CHALLENGE_REQUEST: u32 = 8;
/// Payload type: its answer.
pub const ENCRYPTION_CHALLENGE_RESPONSE: u32 = 9;
/// Payload type: a [`Flag`].
pub const FLAG: u32 = 10;
/// Payload type: what a command wrote to its standard error.
pub const STD_ERR: u32 = 11;
/// Payload type: a command's exit code.
pub const EXIT_CODE: u32 = 12;

/// The action was done.
pub const ACTION_SUCCESS: u8 = 1;
/// The action was tried and failed.
pub const ACTION_FAILED: u8 = 2;
/// The action is not one that the client does.
pub const ACTION_UNSUPPORTED: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_written_by_hand_is_what_serde_would_write() {
        let id =
            MessageId([0xd2, 0xce, 0x93, 0xe2, 0x2f, 0x3b, 0x4a, 0x64, 0, 1, 2, 3, 4, 5, 6, 7]);
        for seq in [0, 7, 10, 1_234_567, i64::MAX, -1, i64::MIN] {
            let mut written = BytesMut::new();
            write_acknowledgement(&mut written, &MessageKind::OutputStreamData, id, seq);
            let meant = Acknowledgement {
                acknowledged_message_type: "output_stream_data".to_owned(),
                acknowledged_message_id: id.to_string(),
                acknowledged_message_sequence_number: seq,
                is_sequential_message: true,
            };
            assert_eq!(&written[..], &serde_json::to_vec(&meant).unwrap()[..]);
            assert_eq!(acknowledged_number(&written), Some(seq));
            assert_eq!(any_number(&written), Some(seq));
            assert_eq!(usual_number(&written), (seq >= 0).then_some(seq));
        }
    }

    #[test]
    fn an_acknowledgement_written_in_another_way_is_read_all_the_same() {
        for text in [
            r#"{"IsSequentialMessage":true,"AcknowledgedMessageSequenceNumber":7}"#,
            r#"{ "AcknowledgedMessageSequenceNumber" : 7 ,"IsSequentialMessage":true}"#,
            r#"{"AcknowledgedMessageSequenceNumber":7,"IsSequentialMessage":false}"#,
        ] {
            assert_eq!(acknowledged_number(text.as_bytes()), Some(7), "{text}");
        }
        for nonsense in ["", "{}", "7", r#"7,"IsSequentialMessage":true}"#] {
            assert_eq!(acknowledged_number(nonsense.as_bytes()), None, "{nonsense}");
        }
    }

    #[test]
    fn a_flag_read_back_is_the_flag_that_was_written() {
        for flag in [Flag::DisconnectToPort, Flag::TerminateSession, Flag::ConnectToPortError] {
            assert_eq!(Flag::decode(&flag.encode()), Some(flag));
        }
        for nonsense in [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 4], &[0, 0, 1], &[0, 0, 0, 1, 0]] {
            assert_eq!(Flag::decode(nonsense), None);
        }
    }

    #[test]
    fn a_list_that_go_wrote_as_null_is_empty() {
        let request: HandshakeRequest =
            serde_json::from_str(r#"{"AgentVersion":"3.3.0.0","RequestedClientActions":null}"#)
                .unwrap();
        assert!(request.requested_client_actions.is_empty());
    }
}
