//! smux: many streams on one channel.
//!
//! Streams that have something to send stand in a round, each at a mark: how much it was served. The
//! lowest mark has the next turn, and a turn fills at most one message. A stream that comes back to
//! the round is put at the mark of the turn before: so a short query goes before all that busy streams
//! have waiting, and nobody, however busy, waits for more than one message of each other.

pub mod frame;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};

use crate::config::Config;
use crate::error::{Misbehaved, Refused, StreamGone};
use crate::event::{Event, StreamEnd, StreamId};
use crate::stats::StreamStats;
use frame::{Command, Decoder, Frame};
use stream::{Stream, Turn};

/// All streams of a channel.
#[derive(Debug)]
pub(crate) struct Mux {
    streams: BTreeMap<u32, Stream>,
    /// The number of the next stream; `None` when all are used up.
    next: Option<u32>,
    /// The streams that have something to send, by mark; at one mark those first that have come back.
    round: BTreeSet<(u64, bool, u32)>,
    /// The mark of the turn before.
    mark: u64,
    decoder: Decoder,
    /// What it costs to keep what nobody has read yet, and how many streams have too much of it.
    unread: usize,
    full: usize,
    /// The dials that failed and whose streams have not ended yet: for each, the highest stream that
    /// was heard when we were told. Dials are made one after the other: it was a later one.
    failed_dials: VecDeque<u32>,
    highest_heard: u32,
    nop_wanted: bool,
    bytes_sent: u64,
    bytes_received: u64,
    most_streams: usize,
    send_bound: usize,
    unread_bound: usize,
}

/// What a message was filled with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Packed {
    /// The stream that has the largest part in it; 0 where none has any.
    pub(crate) stream: u32,
    /// Whether somebody would have filled a larger one.
    pub(crate) more: bool,
}

impl Mux {
    /// No streams yet.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            streams: BTreeMap::new(),
            next: Some(FIRST_STREAM),
            round: BTreeSet::new(),
            mark: 0,
            decoder: Decoder::new(),
            unread: 0,
            full: 0,
            failed_dials: VecDeque::new(),
            highest_heard: 0,
            nop_wanted: false,
            bytes_sent: 0,
            bytes_received: 0,
            most_streams: config.streams,
            send_bound: config.stream_send_bytes,
            unread_bound: config.unread_per_stream.max(1),
        }
    }

    /// How many streams there are.
    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// What it costs to keep what nobody has read yet.
    pub(crate) fn unread(&self) -> usize {
        self.unread
    }

    /// Whether a stream has as much unread as one may have.
    pub(crate) fn is_full(&self) -> bool {
        self.full > 0
    }

    /// How many bytes of streams were sent and came, ever.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.bytes_sent, self.bytes_received)
    }

    /// How the streams are doing, in the order of their numbers.
    pub(crate) fn stats(&self) -> impl Iterator<Item = (StreamId, StreamStats)> + '_ {
        self.streams.iter().map(|(id, stream)| (StreamId(*id), self.stats_of(stream)))
    }

    /// How one stream is doing.
    pub(crate) fn stream_stats(&self, id: StreamId) -> Option<StreamStats> {
        self.streams.get(&id.0).map(|stream| self.stats_of(stream))
    }

    fn stats_of(&self, stream: &Stream) -> StreamStats {
        StreamStats {
            answered: stream.incoming.heard,
            unread: stream.incoming.cost(),
            full: stream.incoming.cost() >= self.unread_bound,
            unsent: stream.outgoing.unsent(),
            unacknowledged: stream.in_flight,
            unanswered: stream.outgoing.unanswered,
        }
    }

    /// A new stream. The agent hears of it with the next message.
    pub(crate) fn open(&mut self) -> Result<StreamId, Refused> {
        if self.streams.len() >= self.most_streams {
            return Err(Refused::TooMany);
        }
        let id = self.next.ok_or(Refused::Exhausted)?;
        self.next = id.checked_add(2);
        self.streams.insert(id, Stream::default());
        self.enter_round(id);
        Ok(StreamId(id))
    }

    /// Takes as much of the data as there is room for.
    pub(crate) fn write(&mut self, id: StreamId, data: &[u8]) -> Result<usize, StreamGone> {
        let stream = self.streams.get_mut(&id.0).ok_or(StreamGone)?;
        let taken = stream.outgoing.write(data, self.send_bound).ok_or(StreamGone)?;
        if taken > 0 {
            self.enter_round(id.0);
        }
        Ok(taken)
    }

    /// The next bytes of the stream; `None` where there is nothing now.
    pub(crate) fn read(&mut self, id: StreamId, most: usize) -> Result<Option<Bytes>, StreamGone> {
        let stream = self.streams.get_mut(&id.0).ok_or(StreamGone)?;
        let before = stream.incoming.cost();
        let Some(data) = stream.incoming.pop(most) else {
            let gone = stream.incoming.end.is_some() || stream.incoming.is_abandoned();
            return if gone { Err(StreamGone) } else { Ok(None) };
        };
        let after = stream.incoming.cost();
        self.unread_changed(before, after);
        self.forget_if_over(id.0);
        Ok(Some(data))
    }

    /// Ends the stream behind what was written.
    pub(crate) fn finish(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id.0) else { return };
        if stream.outgoing.finish() {
            self.enter_round(id.0);
        }
    }

    /// Ends the stream behind what was written; what comes for it is thrown away.
    pub(crate) fn abandon(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id.0) else { return };
        let before = stream.incoming.cost();
        stream.incoming.abandon();
        self.unread_changed(before, 0);
        self.finish(id);
        self.forget_if_over(id.0);
    }

    /// Takes in that the agent could not reach the destination for one of the streams.
    pub(crate) fn dial_failed(&mut self) {
        if self.failed_dials.len() < self.most_streams {
            self.failed_dials.push_back(self.highest_heard);
        }
    }

    /// Takes in the next bytes from the agent; says how many were for streams that are not there.
    pub(crate) fn receive(
        &mut self,
        bytes: &Bytes,
        events: &mut VecDeque<Event>,
    ) -> Result<usize, Misbehaved> {
        let mut stray = 0;
        self.decoder.push(bytes);
        while let Some(Frame { command, stream, data }) = self.decoder.next()? {
            match command {
                Command::Psh => stray += self.receive_data(stream, data, events),
                Command::Fin => self.receive_end(stream, events),
                // Only we open streams; smux ignores what it cannot place, and so do we.
                Command::Syn | Command::Nop => {}
            }
        }
        Ok(stray)
    }

    /// Asks for a frame that says nothing.
    pub(crate) fn want_nop(&mut self) {
        self.nop_wanted = true;
    }

    /// Whether there is anything to send by a stream that has less than `bound` in flight.
    pub(crate) fn has_output(&self, bound: usize) -> bool {
        self.nop_wanted || self.next_turn(bound).is_some()
    }

    /// Writes what there is to send to `out`, at most `room` bytes, of the streams that have less than
    /// `bound` in flight.
    pub(crate) fn pack(
        &mut self,
        out: &mut BytesMut,
        room: usize,
        bound: usize,
        events: &mut VecDeque<Event>,
    ) -> Packed {
        let start = out.len();
        let full = start + room;
        if self.nop_wanted && room >= frame::HEADER {
            frame::put_header(out, Command::Nop, 0, 0);
            self.nop_wanted = false;
        }
        let (mut packed, mut largest) = (Packed::default(), 0);
        while let Some(place @ (mark, _, id)) = self.next_turn(bound) {
            self.round.remove(&place);
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            self.mark = mark;
            let (before, unsent) = (out.len(), stream.outgoing.unsent());
            let turn = stream.outgoing.take_turn(id, out, full - before);
            let part = out.len() - before;
            self.bytes_sent += (unsent - stream.outgoing.unsent()) as u64;
            if part > largest {
                (packed.stream, largest) = (id, part);
            }
            if stream.outgoing.wake_writer(self.send_bound) {
                events.push_back(Event::Writable(StreamId(id)));
            }
            stream.mark = mark + part as u64;
            match turn {
                Turn::Done => {
                    stream.in_round = false;
                    self.forget_if_over(id);
                }
                Turn::More => {
                    self.round.insert((stream.mark, true, id));
                }
                Turn::NoRoom => {
                    self.round.insert(if part == 0 { place } else { (stream.mark, true, id) });
                    break;
                }
            }
        }
        packed.more =
            self.streams.get(&packed.stream).is_some_and(|stream| stream.outgoing.unsent() >= MUCH);
        if let Some(stream) = self.streams.get_mut(&packed.stream) {
            stream.in_flight += out.len() - start;
        }
        packed
    }

    /// Takes in that a message that was filled by this stream is acknowledged.
    pub(crate) fn acknowledged(&mut self, stream: u32, bytes: usize) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.in_flight = stream.in_flight.saturating_sub(bytes);
        }
    }

    /// Whose turn is next, of those that have less than `bound` in flight.
    fn next_turn(&self, bound: usize) -> Option<(u64, bool, u32)> {
        let may = |id: &u32| self.streams.get(id).is_none_or(|stream| stream.in_flight < bound);
        self.round.iter().find(|(_, _, id)| may(id)).copied()
    }

    fn receive_data(&mut self, id: u32, data: Bytes, events: &mut VecDeque<Event>) -> usize {
        let length = data.len();
        if length == 0 {
            return 0;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return length };
        stream.outgoing.unanswered = 0;
        self.highest_heard = self.highest_heard.max(id);
        let before = stream.incoming.cost();
        let Some(was_empty) = stream.incoming.push(data) else { return length };
        let after = stream.incoming.cost();
        self.bytes_received += length as u64;
        self.unread_changed(before, after);
        if was_empty {
            events.push_back(Event::Readable(StreamId(id)));
        }
        0
    }

    fn receive_end(&mut self, id: u32, events: &mut VecDeque<Event>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.incoming.end.is_some() {
            return;
        }
        // The flag overtakes what other streams still have in the agent's socket, so the next FIN
        // may be that of a stream that has ended well; but one that was heard from was reached, and so
        // was one that stood before another that was heard from when the flag came.
        let failed = self.failed_dials.iter().position(|heard| *heard < id);
        let failed = failed.filter(|_| !stream.incoming.heard);
        let end = match failed.and_then(|at| self.failed_dials.remove(at)) {
            Some(_) => StreamEnd::DialFailed,
            None => StreamEnd::Finished,
        };
        stream.incoming.end = Some(end);
        if !stream.incoming.is_abandoned() {
            events.push_back(Event::StreamEnded(StreamId(id), end));
        }
        // The agent has closed the other way, too: it reads nothing more. It is answered with a FIN
        // as Amazon's plugin does.
        stream.outgoing.clear();
        if stream.outgoing.finish() {
            self.enter_round(id);
        }
        self.forget_if_over(id);
    }

    fn enter_round(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id)
            && !stream.in_round
        {
            stream.in_round = true;
            stream.mark = stream.mark.max(self.mark);
            self.round.insert((stream.mark, false, id));
        }
    }

    fn unread_changed(&mut self, before: usize, after: usize) {
        self.unread = self.unread + after - before;
        self.full += usize::from(after >= self.unread_bound);
        self.full -= usize::from(before >= self.unread_bound);
    }

    fn forget_if_over(&mut self, id: u32) {
        if self.streams.get(&id).is_some_and(Stream::is_over) {
            self.streams.remove(&id);
        }
    }
}

/// As Amazon's plugin: smux counts by two from 1, and leaves out the first.
const FIRST_STREAM: u32 = 3;
/// A stream that has so much waiting would fill larger messages.
const MUCH: usize = 2 << 10;
