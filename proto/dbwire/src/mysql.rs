//! What a MySQL client is told in place of the server's greeting: one ERR packet, and then the end.
//!
//! ```text
//!    0        3          4      5      7
//!   ┌────────┬──────────┬──────┬──────┬──────────────┐
//!   │ length │ number 0 │ 0xff │ code │ text          │
//!   └────────┴──────────┴──────┴──────┴──────────────┘
//!    little-endian; the length does not count its own four bytes
//! ```
//!
//! Before the greeting neither side has said what it can, so the packet is the oldest form: without an SQLSTATE,
//! which clients would show as part of the text.

use bytes::{BufMut, Bytes, BytesMut};

use crate::Refusal;
use crate::refusal::fitting;

/// The packet that says it. Message, detail and hint are one text here; where it would be too long, the detail gives way.
pub fn error_packet(refusal: &Refusal<'_>) -> Bytes {
    let text = text(refusal);
    let mut packet = BytesMut::with_capacity(text.len() + 7);
    packet.put_uint_le(text.len() as u64 + 3, 3);
    packet.put_u8(0);
    packet.put_u8(0xff);
    packet.put_u16_le(UNKNOWN_ERROR);
    packet.put_slice(text.as_bytes());
    packet.freeze()
}

/// The message and the hint; between them as much of the detail as there is room for.
fn text(refusal: &Refusal<'_>) -> String {
    let hint = match refusal.hint {
        "" => String::new(),
        hint => format!("; hint: {}", fitting(hint, LONGEST_HINT)),
    };
    let message = fitting(refusal.message, LONGEST_TEXT - hint.len());
    let room = LONGEST_TEXT - hint.len() - message.len();
    let detail = match refusal.detail {
        "" => String::new(),
        detail => fitting(&format!("; because: {detail}"), room).to_owned(),
    };
    [message, &detail, &hint].concat()
}

/// ER_UNKNOWN_ERROR: none of MySQL's own codes is about what stands before a server.
const UNKNOWN_ERROR: u16 = 1105;

/// The longest text, in bytes: libmysql keeps 512 with the closing zero (MYSQL_ERRMSG_SIZE), and MariaDB's puts 125
/// before what it is told ahead of TLS ("Received error packet before completion of TLS handshake. …", measured).
const LONGEST_TEXT: usize = 384;

/// The longest hint, in bytes: a command is no shorter for being cut, so that it gets most of the room.
const LONGEST_HINT: usize = 270;
