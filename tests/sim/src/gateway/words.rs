//! What the service itself says, and what the agent says to it.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ssm_proto::message::{Message as Frame, MessageId, MessageKind};
use uuid::Uuid;

/// The reason in the agent's word that its session is over.
pub(super) fn output_of(frame: Bytes) -> String {
    let Ok(frame) = Frame::decode_unverified(frame) else { return String::new() };
    let said: Option<serde_json::Value> = serde_json::from_slice(&frame.payload).ok();
    let output = said.as_ref().and_then(|said| said["Output"].as_str());
    output.unwrap_or_default().to_owned()
}

/// A message of the service's own.
pub(super) fn service_frame(kind: MessageKind, payload: Bytes) -> Bytes {
    let id = MessageId(Uuid::new_v4().into_bytes());
    Frame { kind, created_ms: unix_ms(), seq: 0, flags: 3, id, payload_type: 0, payload }.encode()
}

/// The payload of the last message.
pub(super) fn channel_closed(session: &str, output: &str) -> Bytes {
    let closed = serde_json::json!({
        "MessageType": "channel_closed",
        "MessageId": Uuid::new_v4().to_string(),
        "CreatedDate": unix_ms().to_string(),
        "DestinationId": session,
        "SessionId": session,
        "SchemaVersion": 1,
        "Output": output,
    });
    Bytes::from(closed.to_string())
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_millis());
    u64::try_from(since).unwrap_or(u64::MAX)
}
