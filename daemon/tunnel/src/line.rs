//! One stream's two bounded buffers, between its visitor's task and the driver.
//!
//! ```text
//!    visitor                     Line                        driver
//!   poll_write ──▶ │ outgoing, at most OUTGOING bytes │ ──▶ pull     ──▶ Channel::write
//!   poll_read  ◀── │ incoming, at most INCOMING bytes │ ◀── deliver  ◀── Channel::read
//! ```
//!
//! A full buffer stops whoever fills it: the visitor by its waker, the driver by leaving the bytes in the channel. The
//! visitor tells the driver of news by its stream's number in the driver's queue, once until the driver has looked.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes, BytesMut};
use ssm_proto::StreamId;
use tokio::io::ReadBuf;
use tokio::sync::mpsc::UnboundedSender;

use crate::error::StreamEnd;

/// What a stream's visitor and the driver share.
#[derive(Debug)]
pub(crate) struct Line {
    id: StreamId,
    news: UnboundedSender<StreamId>,
    state: Mutex<State>,
}

/// Whether the visitor is still there, and wants to say more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Visitor {
    /// It may write and read.
    Talking,
    /// It has written all it will, and may still read.
    Listening,
    /// It is gone.
    Gone,
}

/// What the driver made of a line's outgoing bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pulled {
    /// All were taken.
    All,
    /// The channel takes no more for now.
    Some,
}

#[derive(Debug)]
struct State {
    visitor: Visitor,
    outgoing: BytesMut,
    incoming: VecDeque<Bytes>,
    /// Bytes in `incoming`.
    unread: usize,
    /// More is waiting in the channel for room in `incoming`.
    starved: bool,
    /// The stream's number stands in the driver's queue.
    told: bool,
    end: Option<StreamEnd>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Line {
    /// A line without a byte in it. `news` is the driver's queue.
    pub(crate) fn new(id: StreamId, news: UnboundedSender<StreamId>) -> Self {
        let state = State {
            visitor: Visitor::Talking,
            outgoing: BytesMut::new(),
            incoming: VecDeque::new(),
            unread: 0,
            starved: false,
            told: false,
            end: None,
            reader: None,
            writer: None,
        };
        Self { id, news, state: Mutex::new(state) }
    }

    /// How the stream ended; `None` while it has not.
    pub(crate) fn end(&self) -> Option<StreamEnd> {
        self.lock().end
    }

    // The visitor's side.

    /// Takes what there is to read; nothing at all once the destination has finished.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.lock();
        if state.unread == 0 {
            return match state.end {
                None => {
                    keep(&mut state.reader, cx);
                    Poll::Pending
                }
                Some(StreamEnd::Finished) => Poll::Ready(Ok(())),
                Some(end) => Poll::Ready(Err(end.into())),
            };
        }
        while let Some(front) = state.incoming.front_mut() {
            let part = front.len().min(into.remaining());
            into.put_slice(&front[..part]);
            front.advance(part);
            if front.has_remaining() {
                state.unread -= part;
                break;
            }
            state.incoming.pop_front();
            state.unread -= part;
        }
        if state.starved && state.unread <= INCOMING / 2 {
            state.starved = false;
            self.tell(&mut state);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes as much of `data` as there is room for.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if let Some(end) = state.end {
            return Poll::Ready(Err(end.into()));
        }
        if state.visitor != Visitor::Talking {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = OUTGOING - state.outgoing.len();
        if room == 0 && !data.is_empty() {
            keep(&mut state.writer, cx);
            return Poll::Pending;
        }
        let part = data.len().min(room);
        state.outgoing.extend_from_slice(&data[..part]);
        self.tell(&mut state);
        Poll::Ready(Ok(part))
    }

    /// The visitor has written all it will.
    pub(crate) fn listen(&self) {
        let mut state = self.lock();
        if state.visitor == Visitor::Talking {
            state.visitor = Visitor::Listening;
            self.tell(&mut state);
        }
    }

    /// The visitor goes; what it wrote is still sent.
    pub(crate) fn leave(&self) {
        let mut state = self.lock();
        state.visitor = Visitor::Gone;
        state.incoming.clear();
        state.unread = 0;
        (state.reader, state.writer) = (None, None);
        self.tell(&mut state);
    }

    // The driver's side.

    /// Whether the visitor is still there. From now on its news are told again.
    pub(crate) fn look(&self) -> Visitor {
        let mut state = self.lock();
        state.told = false;
        state.visitor
    }

    /// Offers the outgoing bytes to `channel`, which says how many it took.
    pub(crate) fn pull(&self, channel: impl FnOnce(&[u8]) -> usize) -> Pulled {
        let mut state = self.lock();
        if state.outgoing.is_empty() {
            return Pulled::All;
        }
        let taken = channel(&state.outgoing);
        state.outgoing.advance(taken);
        if state.outgoing.len() <= OUTGOING / 2 {
            wake(&mut state.writer);
        }
        if state.outgoing.is_empty() { Pulled::All } else { Pulled::Some }
    }

    /// How many bytes may be delivered; where none, the visitor's reading will be told.
    pub(crate) fn room(&self) -> usize {
        let mut state = self.lock();
        if state.visitor == Visitor::Gone {
            return INCOMING;
        }
        let room = INCOMING.saturating_sub(state.unread);
        state.starved = room == 0;
        room
    }

    /// Hands bytes to the visitor, in order.
    pub(crate) fn deliver(&self, bytes: Bytes) {
        let mut state = self.lock();
        if state.visitor == Visitor::Gone {
            return;
        }
        state.unread += bytes.len();
        state.incoming.push_back(bytes);
        wake(&mut state.reader);
    }

    /// The stream is over; what was delivered can still be read.
    pub(crate) fn finish(&self, end: StreamEnd) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        wake(&mut state.reader);
        wake(&mut state.writer);
    }

    fn tell(&self, state: &mut State) {
        if !state.told && state.end.is_none() {
            state.told = true;
            // Without a driver there is an end as well, which the visitor finds by itself.
            let _gone = self.news.send(self.id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<StreamEnd> for io::Error {
    fn from(end: StreamEnd) -> Self {
        match end {
            StreamEnd::Finished => io::ErrorKind::BrokenPipe.into(),
            StreamEnd::DialFailed => io::ErrorKind::ConnectionRefused.into(),
            StreamEnd::NoFirstByte | StreamEnd::Lingered => io::ErrorKind::TimedOut.into(),
            StreamEnd::TunnelClosed => io::ErrorKind::ConnectionReset.into(),
        }
    }
}

fn keep(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

fn wake(slot: &mut Option<Waker>) {
    if let Some(waker) = slot.take() {
        waker.wake();
    }
}

/// Bytes that a visitor may write ahead of the channel: as much as one batch of the socket.
pub(crate) const OUTGOING: usize = 64 * 1024;

/// Bytes that may wait for a visitor to read them, beside what waits in the channel.
pub(crate) const INCOMING: usize = 64 * 1024;
