//! Whatever an agent asks for in its handshake, it gets one answer for each action, or none at all.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ssm_proto::payload::{self, HandshakeRequest, HandshakeResponse};
use ssm_proto::{Channel, Config, Event, Message, MessageId, MessageKind, Now};

/// The bytes are the request; what stands behind a zero byte is the completion.
pub fn run(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let request = parts.next().unwrap_or_default();
    let complete = parts.next().unwrap_or(b"{}");
    let mut channel = Channel::new(Config::default(), 1);
    let now = Now { instant: start(), unix_ms: 1 };
    channel.handle(message(0, payload::HANDSHAKE_REQUEST, request), now);
    let mut answers = Vec::new();
    while let Some(bytes) = channel.poll_send(now) {
        let sent = Message::decode(bytes).expect("we send what can be read");
        if sent.payload_type == payload::HANDSHAKE_RESPONSE {
            answers.push(sent.payload);
        }
    }
    let asked = serde_json::from_slice::<HandshakeRequest>(request);
    assert_eq!(answers.len(), usize::from(asked.is_ok()));
    if let (Ok(asked), Some(answer)) = (asked, answers.first()) {
        let answer: HandshakeResponse = serde_json::from_slice(answer).expect("it is JSON");
        let (asked, done) = (asked.requested_client_actions, answer.processed_client_actions);
        assert_eq!(asked.len(), done.len());
        for (asked, done) in asked.iter().zip(&done) {
            assert_eq!(asked.action_type, done.action_type);
            assert!((1..=3).contains(&done.action_status));
            assert_eq!(done.action_status == 1, done.error.is_empty());
        }
    }
    channel.handle(message(1, payload::HANDSHAKE_COMPLETE, complete), now);
    let events: Vec<Event> = std::iter::from_fn(|| channel.poll()).collect();
    let opened = events.iter().any(|event| matches!(event, Event::Opened { .. }));
    assert_eq!(opened, channel.open_stream().is_ok());
    assert!(events.len() <= 1);
    let later = Now { instant: now.instant + Duration::from_secs(60), unix_ms: 2 };
    channel.handle_timeout(later);
    assert!(channel.timeout().is_none_or(|(at, _)| at > later.instant));
}

fn message(seq: i64, payload_type: u32, payload: &[u8]) -> Bytes {
    let kind = MessageKind::OutputStreamData;
    let (id, payload) = (MessageId([7; 16]), Bytes::copy_from_slice(payload));
    Message { kind, created_ms: 1, seq, flags: 0, id, payload_type, payload }.encode()
}

#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
fn start() -> Instant {
    Instant::now()
}
