//! What a PostgreSQL client is told in place of being served: one ErrorResponse, and then the end.
//!
//! ```text
//!    0     1        5
//!   ┌─────┬────────┬──────────────────────────────────────┬───┐
//!   │ 'E' │ length │ S severity\0 V severity\0 C code\0 …  │ 0 │
//!   └─────┴────────┴──────────────────────────────────────┴───┘
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use crate::Refusal;
use crate::refusal::fitting;

/// Why the server speaks up: the five letters that a client's program goes by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SqlState {
    /// 57P03: not now. libpq tries the next host of its list, and asks nothing again without TLS; with any other code
    /// it would, and the password would go in the clear (measured with libpq 15 and 18).
    CannotConnectNow,
    /// 57P01: a session that was served has ended, and not by the client's wish.
    AdminShutdown,
}

impl SqlState {
    /// As it stands in the packet.
    pub fn code(self) -> &'static str {
        match self {
            Self::CannotConnectNow => "57P03",
            Self::AdminShutdown => "57P01",
        }
    }
}

/// The packet that says it, at most [`MOST`] bytes long. A zero byte in a text would end it early, and is left out.
pub fn error_response(state: SqlState, refusal: &Refusal<'_>) -> Bytes {
    let mut packet = BytesMut::with_capacity(256);
    packet.put_u8(b'E');
    packet.put_u32(0);
    field(&mut packet, b'S', "FATAL");
    // The same, never translated: what programs read since 9.6.
    field(&mut packet, b'V', "FATAL");
    field(&mut packet, b'C', state.code());
    field(&mut packet, b'M', refusal.message);
    for (name, text) in [(b'D', refusal.detail), (b'H', refusal.hint)] {
        if !text.is_empty() {
            field(&mut packet, name, text);
        }
    }
    packet.put_u8(0);
    let length = u32::try_from(packet.len() - 1).expect("three bounded texts are short");
    packet[1..5].copy_from_slice(&length.to_be_bytes());
    packet.freeze()
}

fn field(packet: &mut BytesMut, name: u8, text: &str) {
    packet.put_u8(name);
    packet.extend(fitting(text, LONGEST_TEXT).bytes().filter(|&byte| byte != 0));
    packet.put_u8(0);
}

/// The longest packet, in bytes: before authentication libpq takes a longer one for a server of another age
/// (fe-connect.c: 30 000).
pub const MOST: usize = 30_000;

/// The longest single text, in bytes: three of them and the rest stay below [`MOST`].
const LONGEST_TEXT: usize = 8_192;
