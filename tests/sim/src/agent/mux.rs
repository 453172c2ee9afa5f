//! The agent's smux server: many streams, one buffer.
//!
//! ```text
//!   messages ─► internal socket ─► smux ─► stream: Waiting ─► Dialling ─┬─► Open ─► gone (FIN either way)
//!               (208 KiB)          (4 MiB                                └─► gone (flag 3, FIN)
//!                                   unread                one dial at a time, each as long as it takes
//!                                   for all)
//!   messages ◄─ internal socket ◄─ smux ◄─ the destinations
//! ```
//!
//! While 4 MiB lie unread, smux does not read on, the internal socket fills up, and who writes into it waits: the
//! reader of the websocket.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use ssm_proto::Misbehaved;
use ssm_proto::mux::frame::{Command, Decoder, Frame};

#[derive(Debug)]
pub(super) struct Mux {
    decoder: Decoder,
    /// The internal socket towards smux.
    inbound: VecDeque<Bytes>,
    inbound_bytes: usize,
    streams: BTreeMap<u32, Stream>,
    /// Streams that nobody accepted yet.
    backlog: VecDeque<u32>,
    dialling: Option<u32>,
    /// What all streams hold that their destinations have not taken.
    unread: usize,
    /// The internal socket away from smux.
    outbound: VecDeque<Bytes>,
    outbound_bytes: usize,
    events: VecDeque<Event>,
    /// Whether a frame came since the last look of the keep-alive.
    heard: bool,
}

/// What smux makes the agent do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Dial(u32),
    ToDestination(u32, Bytes),
    Close(u32),
    /// A destination cannot be reached: flag 3, which names no stream.
    Unreachable,
}

#[derive(Debug)]
struct Stream {
    side: Side,
    /// What came for it and was not taken.
    unread: usize,
    /// The client's FIN is here: it closes once all is taken.
    finished: bool,
}

/// The destination's side of a stream.
#[derive(Debug)]
enum Side {
    /// Not dialled yet, or still ringing: its data wait.
    Ringing(VecDeque<Bytes>),
    Open,
}

impl Mux {
    pub(super) fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            inbound: VecDeque::new(),
            inbound_bytes: 0,
            streams: BTreeMap::new(),
            backlog: VecDeque::new(),
            dialling: None,
            unread: 0,
            outbound: VecDeque::new(),
            outbound_bytes: 0,
            events: VecDeque::new(),
            heard: false,
        }
    }

    /// Writes into the internal socket; what it gives back did not fit yet.
    pub(super) fn write(&mut self, mut data: Bytes) -> Result<Bytes, Misbehaved> {
        loop {
            let room = SOCKET_BYTES.saturating_sub(self.inbound_bytes);
            let part = data.split_to(data.len().min(room));
            if !part.is_empty() {
                self.inbound_bytes += part.len();
                self.inbound.push_back(part);
            }
            let before = self.inbound_bytes;
            self.read_on()?;
            if data.is_empty() || self.inbound_bytes == before {
                return Ok(data);
            }
        }
    }

    /// The destination took so much of what it was given.
    pub(super) fn taken(&mut self, id: u32, count: usize) -> Result<(), Misbehaved> {
        if let Some(stream) = self.streams.get_mut(&id) {
            let count = count.min(stream.unread);
            stream.unread -= count;
            self.unread -= count;
            self.close_if_finished(id);
        }
        self.read_on()
    }

    /// How the dial that was asked for ended.
    pub(super) fn dialled(&mut self, id: u32, reached: bool) -> Result<(), Misbehaved> {
        if self.dialling == Some(id) {
            self.dialling = None;
        }
        if reached {
            if let Some(stream) = self.streams.get_mut(&id)
                && let Side::Ringing(held) = std::mem::replace(&mut stream.side, Side::Open)
            {
                self.events.extend(held.into_iter().map(|data| Event::ToDestination(id, data)));
            }
            self.close_if_finished(id);
        } else {
            self.events.push_back(Event::Unreachable);
            self.close(id);
        }
        self.accept();
        self.read_on()
    }

    /// The destination sent something.
    pub(super) fn heard_from(&mut self, id: u32, data: Bytes) {
        if self.streams.contains_key(&id) {
            self.send(&Frame { command: Command::Psh, stream: id, data });
        }
    }

    /// The destination closed: both directions are over, whatever it had not taken is lost.
    pub(super) fn destination_closed(&mut self, id: u32) -> Result<(), Misbehaved> {
        self.close(id);
        self.read_on()
    }

    /// Ends every stream, as the session's end does.
    pub(super) fn end(&mut self) {
        for id in std::mem::take(&mut self.streams).into_keys() {
            self.events.push_back(Event::Close(id));
        }
    }

    /// A frame that says nothing.
    pub(super) fn keep_alive(&mut self) {
        self.send(&Frame { command: Command::Nop, stream: 0, data: Bytes::new() });
    }

    /// Whether the client was silent since the last time this was asked, and it is not we who do not listen.
    pub(super) fn was_silent(&mut self) -> bool {
        !std::mem::replace(&mut self.heard, false) && self.unread < RECEIVE_BUFFER
    }

    pub(super) fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Reads at most `most` bytes off the internal socket.
    pub(super) fn read(&mut self, most: usize) -> Option<Bytes> {
        let first = self.outbound.front_mut()?;
        let data = if first.len() > most {
            first.split_to(most)
        } else {
            let first = self.outbound.pop_front()?;
            let together = self.outbound_bytes.min(most);
            if first.len() < together { self.join(first, together) } else { first }
        };
        self.outbound_bytes -= data.len();
        Some(data)
    }

    pub(super) fn has_output(&self) -> bool {
        self.outbound_bytes > 0
    }

    /// Whether the destinations are read: their data wait in front of the internal socket when it is full.
    pub(super) fn has_room(&self) -> bool {
        self.outbound_bytes < SOCKET_BYTES
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// smux's reader: frame after frame while less than 4 MiB lie unread.
    fn read_on(&mut self) -> Result<(), Misbehaved> {
        while self.unread < RECEIVE_BUFFER && self.backlog.len() < ACCEPT_BACKLOG {
            if let Some(frame) = self.decoder.next()? {
                self.take(frame);
                continue;
            }
            let Some(data) = self.inbound.pop_front() else { break };
            self.inbound_bytes -= data.len();
            self.decoder.push(&data);
        }
        Ok(())
    }

    fn take(&mut self, frame: Frame) {
        self.heard = true;
        let id = frame.stream;
        match frame.command {
            Command::Syn => {
                if self.streams.contains_key(&id) {
                    return;
                }
                let side = Side::Ringing(VecDeque::new());
                self.streams.insert(id, Stream { side, unread: 0, finished: false });
                self.backlog.push_back(id);
                self.accept();
            }
            Command::Psh => {
                // Data of a stream that is gone count for nothing.
                let Some(stream) = self.streams.get_mut(&id) else { return };
                stream.unread += frame.data.len();
                self.unread += frame.data.len();
                match &mut stream.side {
                    Side::Ringing(held) => held.push_back(frame.data),
                    Side::Open => self.events.push_back(Event::ToDestination(id, frame.data)),
                }
            }
            Command::Fin => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.finished = true;
                    self.close_if_finished(id);
                }
            }
            Command::Nop => {}
        }
    }

    /// The accept loop: it dials inside, one after the other.
    fn accept(&mut self) {
        if self.dialling.is_none()
            && let Some(id) = self.backlog.pop_front()
        {
            self.dialling = Some(id);
            self.events.push_back(Event::Dial(id));
        }
    }

    fn close_if_finished(&mut self, id: u32) {
        let Some(stream) = self.streams.get(&id) else { return };
        // Finished while it rings: the dial goes on, and what came is delivered first.
        if stream.finished && stream.unread == 0 && matches!(stream.side, Side::Open) {
            self.close(id);
        }
    }

    fn close(&mut self, id: u32) {
        let Some(stream) = self.streams.remove(&id) else { return };
        self.unread -= stream.unread;
        self.events.push_back(Event::Close(id));
        self.send(&Frame { command: Command::Fin, stream: id, data: Bytes::new() });
    }

    fn send(&mut self, frame: &Frame) {
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        self.outbound_bytes += out.len();
        self.outbound.push_back(out.freeze());
    }

    /// Puts together what one read takes from several writes.
    fn join(&mut self, first: Bytes, together: usize) -> Bytes {
        let mut data = BytesMut::with_capacity(together);
        data.extend_from_slice(&first);
        while data.len() < together {
            let Some(next) = self.outbound.front_mut() else { break };
            let part = next.split_to(next.len().min(together - data.len()));
            data.extend_from_slice(&part);
            if next.is_empty() {
                self.outbound.pop_front();
            }
        }
        data.freeze()
    }
}

/// smux's MaxReceiveBuffer: all streams together.
pub(super) const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// What Linux lets a Unix socket hold (net.core.wmem_default).
pub(super) const SOCKET_BYTES: usize = 212_992;
/// smux's defaultAcceptBacklog.
const ACCEPT_BACKLOG: usize = 1024;
