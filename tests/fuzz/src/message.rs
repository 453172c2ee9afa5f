//! Bytes off the websocket are no message, or are one that can be written again.

use bytes::Bytes;
use ssm_proto::{Message, MessageKind};

/// Reads them both ways, and writes what was read.
pub fn run(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let verified = Message::decode(bytes.clone());
    let Ok(message) = Message::decode_unverified(bytes) else {
        assert!(verified.is_err(), "the stricter one took it");
        return;
    };
    if let Ok(verified) = verified {
        assert_eq!(verified, message);
    }
    let again = Message::decode(message.encode()).expect("we can read what we write");
    // A name in the header is cut at its room, and its padding is no part of it.
    if let MessageKind::Unknown(_) = &message.kind {
        assert_eq!(again.payload, message.payload);
    } else {
        assert_eq!(again, message);
    }
}
