//! smux: one stream's two halves.
//!
//! ```text
//!   to the agent:    ┌─────┐ SYN sent ┌──────┐ finish() ┌────────┐ all sent, FIN sent ┌────────┐
//!                    │ New │ ───────▶ │ Open │ ───────▶ │ Ending │ ─────────────────▶ │ Ended  │
//!                    └─────┘          └──────┘          └────────┘                    └────────┘
//!   from the agent:  ┌──────┐ FIN came ┌───────┐
//!                    │ Open │ ───────▶ │ Ended │   and our own half is Ending, its data thrown away:
//!                    └──────┘          └───────┘   the agent has closed both ways
//! ```

use std::collections::VecDeque;
use std::mem;

use bytes::{Buf as _, Bytes, BytesMut};

use super::frame::{self, Command};
use crate::event::StreamEnd;

/// One stream.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
    /// Where it stands in the round of those that have something to send, and whether it stands there.
    pub(crate) mark: u64,
    pub(crate) in_round: bool,
    /// The payloads of the messages that it filled and that are not acknowledged.
    pub(crate) in_flight: usize,
}

/// The half towards the agent.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    buffer: BytesMut,
    opened: bool,
    end: OutgoingEnd,
    /// Whether the writer was told that there is too little room.
    writer_waits: bool,
    /// How many bytes were sent since the destination was last heard.
    pub(crate) unanswered: u64,
}

/// The half from the agent.
///
/// ```text
///   read ◀── chunks: parts of messages, uncopied ── tail: small parts, copied together ◀── came
/// ```
///
/// A part of a message keeps the memory of the whole message, and often that of its neighbours, which
/// may be other streams'. Where a reader is behind, its parts are therefore copied out: what it costs
/// to keep them is then what is counted.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    /// What it costs to keep what nobody has read yet.
    cost: usize,
    /// Whether data came, ever: the destination was reached.
    pub(crate) heard: bool,
    pub(crate) end: Option<StreamEnd>,
    /// Whether nobody will read any more.
    abandoned: bool,
}

/// How a turn in the round ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// Everything was sent.
    Done,
    /// There is more to send.
    More,
    /// There was too little room to send anything more.
    NoRoom,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum OutgoingEnd {
    #[default]
    NotYet,
    Wanted,
    Sent,
}

impl Stream {
    /// Whether nothing more can happen to it.
    pub(crate) fn is_over(&self) -> bool {
        self.incoming.end.is_some()
            && self.incoming.is_empty()
            && self.outgoing.end == OutgoingEnd::Sent
    }
}

impl Outgoing {
    /// Takes as much of the data as there is room for; `None` where the half has ended.
    pub(crate) fn write(&mut self, data: &[u8], bound: usize) -> Option<usize> {
        if self.end != OutgoingEnd::NotYet {
            return None;
        }
        let taken = data.len().min(bound.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(&data[..taken]);
        self.writer_waits = taken < data.len();
        Some(taken)
    }

    /// Ends the half behind what is buffered; says whether that is news.
    pub(crate) fn finish(&mut self) -> bool {
        let news = self.end == OutgoingEnd::NotYet;
        if news {
            self.end = OutgoingEnd::Wanted;
            self.writer_waits = false;
        }
        news
    }

    /// Throws away what is buffered.
    pub(crate) fn clear(&mut self) {
        self.buffer = BytesMut::new();
    }

    /// Writes one turn's frames to `out`, which has so much room.
    pub(crate) fn take_turn(&mut self, id: u32, out: &mut BytesMut, room: usize) -> Turn {
        let mut room = room;
        if !self.opened {
            let Some(left) = room.checked_sub(frame::HEADER) else { return Turn::NoRoom };
            frame::put_header(out, Command::Syn, id, 0);
            self.opened = true;
            room = left;
        }
        if !self.buffer.is_empty() {
            if room <= frame::HEADER {
                return Turn::NoRoom;
            }
            let most = (room - frame::HEADER).min(frame::MAX_DATA).min(self.buffer.len());
            frame::put_data(out, id, &self.buffer[..most]);
            self.buffer.advance(most);
            self.unanswered += most as u64;
            room -= frame::HEADER + most;
            if !self.buffer.is_empty() {
                return Turn::More;
            }
        }
        if self.end == OutgoingEnd::Wanted {
            if room < frame::HEADER {
                return Turn::NoRoom;
            }
            frame::put_header(out, Command::Fin, id, 0);
            self.end = OutgoingEnd::Sent;
        }
        Turn::Done
    }

    /// How many bytes wait to be sent.
    pub(crate) fn unsent(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the writer waits and has half of its bound again; it is told once.
    pub(crate) fn wake_writer(&mut self, bound: usize) -> bool {
        let wake = self.writer_waits && self.buffer.len() <= bound / 2;
        self.writer_waits &= !wake;
        wake
    }
}

impl Incoming {
    /// Keeps data that came; says whether there was nothing to read before. `None` where nobody will
    /// read it.
    pub(crate) fn push(&mut self, data: Bytes) -> Option<bool> {
        self.heard = true;
        if self.abandoned {
            return None;
        }
        let was_empty = self.is_empty();
        if self.cost < BEHIND || data.len() >= BLOCK {
            self.seal();
            self.cost += data.len() + CHUNK_COST;
            self.chunks.push_back(data);
            return Some(was_empty);
        }
        if self.tail.capacity() - self.tail.len() < data.len() {
            self.seal();
            self.tail.reserve(BLOCK);
            self.cost += CHUNK_COST;
        }
        self.cost += data.len();
        self.tail.extend_from_slice(&data);
        Some(was_empty)
    }

    /// The next bytes that lie together, at most `most`.
    pub(crate) fn pop(&mut self, most: usize) -> Option<Bytes> {
        if self.chunks.is_empty() {
            self.seal();
        }
        let chunk = self.chunks.front_mut()?;
        if chunk.len() > most {
            self.cost -= most;
            return Some(chunk.split_to(most));
        }
        let chunk = self.chunks.pop_front()?;
        self.cost -= chunk.len() + CHUNK_COST;
        Some(chunk)
    }

    /// Throws away what came and what will come.
    pub(crate) fn abandon(&mut self) {
        *self = Self { abandoned: true, heard: self.heard, end: self.end, ..Self::default() };
    }

    /// What it costs to keep what nobody has read yet.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// Whether there is nothing to read.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.tail.is_empty()
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push_back(mem::take(&mut self.tail).freeze());
        }
    }

    /// Whether nobody will read any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned
    }
}

/// What it costs to keep a piece of data, beside the data: its handle, and the header of the message
/// in which it lies. Counted so that a peer that sends single bytes cannot make us keep a hundred
/// times what we allow.
const CHUNK_COST: usize = 160;
/// From how much on a reader is behind: more than it takes at once.
const BEHIND: usize = 64 << 10;
/// Parts are copied together into pieces of this size.
const BLOCK: usize = 64 << 10;
