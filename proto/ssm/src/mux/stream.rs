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

use bytes::{Buf as _, Bytes, BytesMut};

use super::frame::{self, Command};
use crate::event::StreamEnd;

/// One stream.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
    /// Whether it stands in the round of those that have something to send.
    pub(crate) in_round: bool,
}

/// The half towards the agent.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    buffer: BytesMut,
    opened: bool,
    end: OutgoingEnd,
    /// Whether the writer was told that there is too little room.
    writer_waits: bool,
}

/// The half from the agent.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    chunks: VecDeque<Bytes>,
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
            && self.incoming.chunks.is_empty()
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

    /// Whether the writer waits and has half of its bound again; it is told once.
    pub(crate) fn wake_writer(&mut self, bound: usize) -> bool {
        let wake = self.writer_waits && self.buffer.len() <= bound / 2;
        self.writer_waits &= !wake;
        wake
    }
}

impl Incoming {
    /// Keeps data that came; says whether there was nothing to read before, and what it costs to
    /// keep. `None` where nobody will read it.
    pub(crate) fn push(&mut self, data: Bytes) -> Option<(bool, usize)> {
        self.heard = true;
        if self.abandoned {
            return None;
        }
        let was_empty = self.chunks.is_empty();
        let cost = data.len() + CHUNK_COST;
        self.chunks.push_back(data);
        Some((was_empty, cost))
    }

    /// The next bytes that lie together, at most `most`, and what is saved by not keeping them.
    pub(crate) fn pop(&mut self, most: usize) -> Option<(Bytes, usize)> {
        let chunk = self.chunks.front_mut()?;
        if chunk.len() > most {
            return Some((chunk.split_to(most), most));
        }
        let chunk = self.chunks.pop_front()?;
        let saved = chunk.len() + CHUNK_COST;
        Some((chunk, saved))
    }

    /// Throws away what came and what will come; says what is saved by it.
    pub(crate) fn abandon(&mut self) -> usize {
        self.abandoned = true;
        self.chunks.drain(..).map(|chunk| chunk.len() + CHUNK_COST).sum()
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
