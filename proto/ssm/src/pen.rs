//! Writes our messages: each with a new name and the time, all on shared memory.

use bytes::{Bytes, BytesMut};

use crate::dice::Dice;
use crate::event::Now;
use crate::message::{HEADER, Head, MessageKind};

/// What our messages are written with.
#[derive(Debug)]
pub(crate) struct Pen {
    dice: Dice,
    /// One piece of memory serves several messages.
    paper: BytesMut,
}

impl Pen {
    /// A pen; the seed decides the messages' names.
    pub(crate) fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), paper: BytesMut::new() }
    }

    /// Writes a message whose payload, of about `room` bytes, `fill` appends; none where it appends
    /// nothing.
    pub(crate) fn write(
        &mut self,
        kind: &MessageKind,
        seq: i64,
        payload_type: u32,
        now: Now,
        room: usize,
        fill: impl FnOnce(&mut BytesMut),
    ) -> Option<Bytes> {
        let most = HEADER + room.max(ROOM_FOR_NOTES);
        if self.paper.capacity() < most {
            self.paper.reserve(most.max(PAPER));
        }
        self.paper.resize(HEADER, 0);
        fill(&mut self.paper);
        if self.paper.len() == HEADER {
            self.paper.clear();
            return None;
        }
        // As Amazon's plugin: an acknowledgement is a beginning and an end, data are neither.
        let flags = if let MessageKind::Acknowledge = kind { 3 } else { 0 };
        let id = self.dice.message_id();
        // The agent drops a message that says it was made at 0.
        let created_ms = now.unix_ms.max(1);
        Head { kind, created_ms, seq, flags, id, payload_type }.seal(&mut self.paper);
        Some(self.paper.split().freeze())
    }
}

/// Acknowledgements, flags and the handshake fit in here without asking for more memory.
const ROOM_FOR_NOTES: usize = 256;
/// How much memory is asked for at once, for about 14 messages: not more, because one
/// unacknowledged message keeps it all.
const PAPER: usize = 16 << 10;
