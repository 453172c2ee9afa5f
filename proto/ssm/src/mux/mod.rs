//! smux: many streams on one channel.
//!
//! Streams that have something to send stand in a round; each turn fills at most one message. So a
//! short query waits for one message of each busy stream, not for all that they have.

pub mod frame;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use crate::config::Config;
use crate::error::{Misbehaved, Refused, StreamGone};
use crate::event::{Event, StreamEnd, StreamId};
use frame::{Command, Decoder, Frame};
use stream::{Stream, Turn};

/// All streams of a channel.
#[derive(Debug)]
pub(crate) struct Mux {
    streams: BTreeMap<u32, Stream>,
    /// The number of the next stream; `None` when all are used up.
    next: Option<u32>,
    round: VecDeque<u32>,
    decoder: Decoder,
    /// What it costs to keep what nobody has read yet.
    unread: usize,
    /// How many dials failed whose streams have not ended yet.
    failed_dials: u32,
    keepalive_wanted: bool,
    most_streams: usize,
    send_bound: usize,
}

impl Mux {
    /// No streams yet.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            streams: BTreeMap::new(),
            next: Some(FIRST_STREAM),
            round: VecDeque::new(),
            decoder: Decoder::new(),
            unread: 0,
            failed_dials: 0,
            keepalive_wanted: false,
            most_streams: config.streams,
            send_bound: config.stream_send_bytes,
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
        let Some((data, saved)) = stream.incoming.pop(most) else {
            let gone = stream.incoming.end.is_some() || stream.incoming.is_abandoned();
            return if gone { Err(StreamGone) } else { Ok(None) };
        };
        self.unread -= saved;
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
        self.unread -= stream.incoming.abandon();
        self.finish(id);
        self.forget_if_over(id.0);
    }

    /// Takes in that the agent could not reach the destination for one of the streams.
    pub(crate) fn dial_failed(&mut self) {
        self.failed_dials = self.failed_dials.saturating_add(1);
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
    pub(crate) fn want_keepalive(&mut self) {
        self.keepalive_wanted = true;
    }

    /// Whether there is anything to send.
    pub(crate) fn has_output(&self) -> bool {
        self.keepalive_wanted || !self.round.is_empty()
    }

    /// Writes what there is to send to `out`, at most `room` bytes.
    pub(crate) fn pack(&mut self, out: &mut BytesMut, room: usize, events: &mut VecDeque<Event>) {
        let full = out.len() + room;
        if self.keepalive_wanted && room >= frame::HEADER {
            frame::put_header(out, Command::Nop, 0, 0);
            self.keepalive_wanted = false;
        }
        while let Some(id) = self.round.pop_front() {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let turn = stream.outgoing.take_turn(id, out, full - out.len());
            if stream.outgoing.wake_writer(self.send_bound) {
                events.push_back(Event::Writable(StreamId(id)));
            }
            match turn {
                Turn::Done => {
                    stream.in_round = false;
                    self.forget_if_over(id);
                }
                Turn::More => self.round.push_back(id),
                Turn::NoRoom => {
                    self.round.push_front(id);
                    return;
                }
            }
        }
    }

    fn receive_data(&mut self, id: u32, data: Bytes, events: &mut VecDeque<Event>) -> usize {
        let length = data.len();
        if length == 0 {
            return 0;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return length };
        let Some((was_empty, cost)) = stream.incoming.push(data) else { return length };
        self.unread += cost;
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
        // may be that of a stream that has ended well; but one that was heard from was reached.
        let failed = self.failed_dials > 0 && !stream.incoming.heard;
        let end = if failed { StreamEnd::DialFailed } else { StreamEnd::Finished };
        self.failed_dials -= u32::from(failed);
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
            self.round.push_back(id);
        }
    }

    fn forget_if_over(&mut self, id: u32) {
        if self.streams.get(&id).is_some_and(Stream::is_over) {
            self.streams.remove(&id);
        }
    }
}

/// As Amazon's plugin: smux counts by two from 1, and leaves out the first.
const FIRST_STREAM: u32 = 3;
