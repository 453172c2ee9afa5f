//! All lines of one tunnel, joined to the channel: bytes across, ends across, and how long what is due is waited for.
//!
//! ```text
//!              visitor shuts down or goes
//!   talking ───────────────────────────────▶ lingering ── nothing moved for `linger` ──▶ FIN, gone
//!      │                                        │
//!      │ destination closes, all was read       ├── destination closes, all was read ──▶ gone
//!      ├──▶ gone                                └── visitor gone, all was sent ───────▶ FIN, gone
//!      │
//!      └── asked, and not a byte in time ──▶ FIN, gone
//! ```
//!
//! A stream of which nothing was ever heard is remembered until the agent has answered its FIN: the agent dials for one
//! stream after the other, and for as long it may still be dialing for this one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ssm_proto::{Channel, Refused, StreamGone, StreamId};
use tokio::sync::mpsc::UnboundedSender;

use crate::FirstByte;
use crate::error::StreamEnd;
use crate::line::{Line, Pulled, Visitor};
use crate::stats::Meter;

/// The lines of one tunnel.
#[derive(Debug)]
pub(crate) struct Switchboard {
    lines: BTreeMap<StreamId, Joined>,
    /// When what is due of which line.
    dues: BTreeSet<(Instant, StreamId)>,
    /// Streams that ended without a sign from the destination, and whose end the agent has not answered.
    ghosts: BTreeSet<StreamId>,
    count: Arc<AtomicUsize>,
    meter: Arc<Meter>,
    patience: Patience,
    moved: Moved,
}

/// How long things are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) linger: Duration,
    pub(crate) first_byte: Duration,
}

/// Bytes that went across, since somebody asked last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moved {
    /// From visitors.
    pub(crate) up: usize,
    /// To visitors.
    pub(crate) down: usize,
}

/// A line and what the driver alone knows of its stream.
#[derive(Debug)]
struct Joined {
    line: Arc<Line>,
    /// How the far end ended; bytes may still be on their way to the visitor.
    far_end: Option<StreamEnd>,
    sign: Sign,
    first: FirstByte,
    /// Its visitor leaves bytes in the channel.
    starved: bool,
    due: Option<(Instant, Due)>,
}

/// What is known of the destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sign {
    /// Nothing, and it was asked for nothing.
    Unasked,
    /// Nothing, though it was asked.
    Asked,
    /// It has sent something.
    Given,
}

/// What a line's time is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Due {
    FirstByte,
    Linger,
}

impl Switchboard {
    /// A switchboard without lines. `count` is kept at how many there are.
    pub(crate) fn new(count: Arc<AtomicUsize>, meter: Arc<Meter>, patience: Patience) -> Self {
        Self {
            lines: BTreeMap::new(),
            dues: BTreeSet::new(),
            ghosts: BTreeSet::new(),
            count,
            meter,
            patience,
            moved: Moved::default(),
        }
    }

    /// Whether there is no line.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What went across since this was asked last.
    pub(crate) fn take_moved(&mut self) -> Moved {
        std::mem::take(&mut self.moved)
    }

    /// Opens a stream and a line to it, whose visitor tells its news by `news`.
    pub(crate) fn open(
        &mut self,
        channel: &mut Channel,
        first: FirstByte,
        news: UnboundedSender<StreamId>,
        now: Instant,
    ) -> Result<Arc<Line>, Refused> {
        let id = channel.open_stream()?;
        let line = Arc::new(Line::new(id, news));
        let joined = Joined {
            line: Arc::clone(&line),
            far_end: None,
            sign: Sign::Unasked,
            first,
            starved: false,
            due: None,
        };
        self.lines.insert(id, joined);
        self.count.store(self.lines.len(), Ordering::Relaxed);
        if first == FirstByte::AtOnce {
            self.asked(id, now);
        }
        Ok(line)
    }

    /// Moves what can be moved between one line and the channel.
    pub(crate) fn serve(&mut self, channel: &mut Channel, id: StreamId, now: Instant) {
        let Some(joined) = self.lines.get_mut(&id) else { return self.lay(channel, id) };
        let visitor = joined.line.look();
        let mut up = 0;
        // What is written to a stream that the far end has closed is lost, as on any socket.
        let pulled = joined.line.pull(|data| {
            let taken = channel.write(id, data).unwrap_or(data.len());
            up = taken;
            taken
        });
        let was_starved = joined.starved;
        let (down, drained) = joined.drain(channel, id);
        self.moved.up += up;
        self.moved.down += down;
        let (starved, sign) = (joined.starved, joined.sign);
        if starved != was_starved {
            self.meter.starved(id, starved.then_some(now));
        }
        match sign {
            Sign::Unasked | Sign::Asked if down > 0 => self.given(id),
            Sign::Unasked if up > 0 => self.asked(id, now),
            Sign::Unasked | Sign::Asked | Sign::Given => {}
        }
        match (visitor, pulled, drained) {
            (_, _, Some(end)) => self.finish(channel, id, end),
            (Visitor::Gone, Pulled::All, None) => self.finish(channel, id, StreamEnd::Finished),
            (Visitor::Gone, Pulled::Some, None) | (Visitor::Listening, _, None) => {
                self.linger(id, now);
            }
            (Visitor::Talking, _, None) => {}
        }
    }

    /// The far end of a stream has ended: so does its line, once its visitor was given all that had come.
    pub(crate) fn end(
        &mut self,
        channel: &mut Channel,
        id: StreamId,
        end: StreamEnd,
        now: Instant,
    ) {
        if let Some(joined) = self.lines.get_mut(&id) {
            joined.far_end = Some(end);
            self.serve(channel, id, now);
        } else {
            self.lay(channel, id);
        }
    }

    /// When the first of what is due will be.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.dues.first().map(|(at, _)| *at)
    }

    /// Ends the streams of which something was due.
    pub(crate) fn expire(&mut self, channel: &mut Channel, now: Instant) {
        while let Some(&(at, id)) = self.dues.first()
            && at <= now
        {
            let due = self.lines.get(&id).and_then(|joined| joined.due);
            match due {
                Some((_, Due::FirstByte)) => self.finish(channel, id, StreamEnd::NoFirstByte),
                Some((_, Due::Linger)) => self.finish(channel, id, StreamEnd::Lingered),
                None => drop(self.dues.pop_first()),
            }
        }
    }

    /// We were away: nobody could say anything in that time, so all that is due is due later.
    pub(crate) fn forgive(&mut self, now: Instant) {
        self.dues.clear();
        for (id, joined) in &mut self.lines {
            if let Some((at, due)) = &mut joined.due {
                *at = now + self.patience.of(*due);
                self.dues.insert((*at, *id));
            }
        }
    }

    /// The channel is over: every line ends, after all that had come for it.
    pub(crate) fn end_all(&mut self, channel: &mut Channel) {
        for (id, joined) in std::mem::take(&mut self.lines) {
            // No bound here: the bytes only move from the channel's keeping, which is bounded, to the line's.
            while let Ok(Some(bytes)) = channel.read(id, usize::MAX) {
                self.moved.down += bytes.len();
                joined.line.deliver(bytes);
            }
            joined.line.finish(joined.far_end.unwrap_or(StreamEnd::TunnelClosed));
        }
        self.dues.clear();
        self.ghosts.clear();
        self.meter.forget_all();
        self.count.store(0, Ordering::Relaxed);
    }

    /// The destination was asked for something.
    fn asked(&mut self, id: StreamId, now: Instant) {
        let Some(joined) = self.lines.get_mut(&id) else { return };
        joined.sign = Sign::Asked;
        self.meter.asked(id, now);
        match joined.first {
            FirstByte::AnyTime => {}
            FirstByte::AfterVisitor | FirstByte::AtOnce => {
                self.set_due(id, Some((now + self.patience.first_byte, Due::FirstByte)));
            }
        }
    }

    /// The destination has given a sign.
    fn given(&mut self, id: StreamId) {
        let Some(joined) = self.lines.get_mut(&id) else { return };
        joined.sign = Sign::Given;
        self.meter.answered(id);
        if let Some((_, Due::FirstByte)) = joined.due {
            self.set_due(id, None);
        }
    }

    /// The visitor has said all it will; the destination's first byte is not waited for any longer for that.
    fn linger(&mut self, id: StreamId, now: Instant) {
        if let Some((_, Due::FirstByte)) = self.lines.get(&id).and_then(|joined| joined.due) {
            return;
        }
        self.set_due(id, Some((now + self.patience.linger, Due::Linger)));
    }

    fn set_due(&mut self, id: StreamId, due: Option<(Instant, Due)>) {
        let Some(joined) = self.lines.get_mut(&id) else { return };
        if let Some((at, _)) = std::mem::replace(&mut joined.due, due) {
            self.dues.remove(&(at, id));
        }
        if let Some((at, _)) = due {
            self.dues.insert((at, id));
        }
    }

    fn finish(&mut self, channel: &mut Channel, id: StreamId, end: StreamEnd) {
        self.set_due(id, None);
        let Some(joined) = self.lines.remove(&id) else { return };
        self.meter.starved(id, None);
        if joined.far_end.is_none() && joined.sign != Sign::Given {
            // Its end is awaited, to know when the agent has done with it.
            channel.finish(id);
            self.ghosts.insert(id);
        } else {
            channel.abandon(id);
            self.meter.answered(id);
        }
        joined.line.finish(end);
        self.count.store(self.lines.len(), Ordering::Relaxed);
    }

    /// A stream whose visitor is gone has given a sign: its dial is over.
    fn lay(&mut self, channel: &mut Channel, id: StreamId) {
        if self.ghosts.remove(&id) {
            channel.abandon(id);
            self.meter.answered(id);
        }
    }
}

impl Drop for Switchboard {
    fn drop(&mut self) {
        for joined in self.lines.values() {
            joined.line.finish(StreamEnd::TunnelClosed);
        }
        self.count.store(0, Ordering::Relaxed);
    }
}

impl Joined {
    /// Hands over what has come and fits, and says how much it was; the far end's end once all has.
    fn drain(&mut self, channel: &mut Channel, id: StreamId) -> (usize, Option<StreamEnd>) {
        let mut moved = 0;
        loop {
            let room = self.line.room();
            self.starved = room == 0;
            if self.starved {
                return (moved, None);
            }
            match channel.read(id, room) {
                Ok(Some(bytes)) => {
                    moved += bytes.len();
                    self.line.deliver(bytes);
                }
                // Where all was read and the far end is not known, the channel is about to tell it.
                Ok(None) | Err(StreamGone) => return (moved, self.far_end),
            }
        }
    }
}

impl Patience {
    fn of(self, due: Due) -> Duration {
        match due {
            Due::FirstByte => self.first_byte,
            Due::Linger => self.linger,
        }
    }
}
