//! A conversation between a PostgreSQL client and its server, followed just far enough to know when a third may speak.
//!
//! ```text
//!            SSLRequest, GSSENCRequest       'N'
//!   ┌─────────┐ ─────────────▶ ┌───────┐ ───────────▶ back to Opening
//!   │ Opening │                │ Asked │
//!   └─────────┘                └───────┘ ───────────▶ Sealed
//!        │ startup                        any other answer
//!        ▼
//!   ┌─────────┐  a message that cannot be
//!   │ Talking │ ─────────────────────────▶ Sealed
//!   └─────────┘
//! ```
//!
//! Sealed is what nobody but the two can read, or what is no conversation: a third never speaks there.

use std::mem;

use super::{MOST, Prologue, prologue};

/// How far the two have come, and whether the server's last message is whole.
#[derive(Debug)]
pub struct Talk {
    state: State,
}

impl Talk {
    /// Nothing was said yet.
    pub fn new() -> Self {
        Self { state: State::Opening(Vec::new()) }
    }

    /// Takes in what the client has said; what it says once they talk is not looked at.
    pub fn client(&mut self, bytes: &[u8]) {
        self.state = match mem::replace(&mut self.state, State::Sealed) {
            State::Opening(mut said) => {
                let room = MOST.saturating_sub(said.len()).min(bytes.len());
                said.extend_from_slice(&bytes[..room]);
                match prologue(&said) {
                    Prologue::More => State::Opening(said),
                    Prologue::SslRequest | Prologue::GssEncRequest => State::Asked,
                    Prologue::Startup(_) => State::Talking(Message::default()),
                    Prologue::CancelRequest | Prologue::DirectTls | Prologue::Not => State::Sealed,
                }
            }
            // It asks one thing at a time; who says more before the answer means it for somebody else.
            State::Asked | State::Sealed => State::Sealed,
            talking @ State::Talking(_) => talking,
        };
    }

    /// Takes in what the server has said.
    pub fn server(&mut self, bytes: &[u8]) {
        self.state = match mem::replace(&mut self.state, State::Sealed) {
            asked @ State::Asked if bytes.is_empty() => asked,
            State::Asked if bytes == [REFUSED] => State::Opening(Vec::new()),
            State::Talking(message) => message.go_on(bytes).map_or(State::Sealed, State::Talking),
            opening @ State::Opening(_) if bytes.is_empty() => opening,
            State::Opening(_) | State::Asked | State::Sealed => State::Sealed,
        };
    }

    /// Whether an ErrorResponse put in now would be read as one: in the clear, and between two messages.
    pub fn may_interrupt(&self) -> bool {
        match &self.state {
            State::Talking(message) => message.is_whole(),
            State::Opening(_) | State::Asked | State::Sealed => false,
        }
    }
}

impl Default for Talk {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
enum State {
    /// The client's first packet, as far as it has come.
    Opening(Vec<u8>),
    /// The server has to say in one byte whether it encrypts.
    Asked,
    /// Messages in the clear.
    Talking(Message),
    Sealed,
}

/// The server's message under way: a type, a length that counts itself, the rest.
#[derive(Debug, Default)]
struct Message {
    header: [u8; HEADER],
    /// How much of the header has come.
    known: usize,
    /// How much of the rest is still to come.
    left: usize,
}

impl Message {
    fn is_whole(&self) -> bool {
        self.known == 0 && self.left == 0
    }

    /// Goes on over `bytes`; `None` where they are no messages.
    fn go_on(mut self, mut bytes: &[u8]) -> Option<Self> {
        loop {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return Some(self);
            }
            let taken = (HEADER - self.known).min(bytes.len());
            self.header[self.known..self.known + taken].copy_from_slice(&bytes[..taken]);
            self.known += taken;
            bytes = &bytes[taken..];
            if self.known < HEADER {
                return Some(self);
            }
            let [kind, length @ ..] = self.header;
            self.known = 0;
            self.left = usize::try_from(u32::from_be_bytes(length)).ok()?.checked_sub(LENGTH)?;
            if !kind.is_ascii_graphic() || self.left > LONGEST {
                return None;
            }
        }
    }
}

/// `N`: the server does not encrypt, and the client goes on in the clear.
const REFUSED: u8 = b'N';

const HEADER: usize = 5; // bytes: the type and the length
const LENGTH: usize = 4; // bytes
const LONGEST: usize = 0x3fff_ffff; // bytes: MaxAllocSize, the server can make no longer one
