//! All lines of one tunnel, joined to the channel: bytes across, ends across, and how long an unfinished end is waited for.
//!
//! ```text
//!              visitor shuts down or goes
//!   talking ───────────────────────────────▶ lingering ── nothing moved for `linger` ──▶ FIN, gone
//!      │                                        │
//!      │ destination closes, all was read       ├── destination closes, all was read ──▶ gone
//!      └──▶ gone                                └── visitor gone, all was sent ───────▶ FIN, gone
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ssm_proto::{Channel, Refused, StreamGone, StreamId};
use tokio::sync::mpsc::UnboundedSender;

use crate::error::StreamEnd;
use crate::line::{Line, Pulled, Visitor};

/// The lines of one tunnel.
#[derive(Debug)]
pub(crate) struct Switchboard {
    lines: BTreeMap<StreamId, Joined>,
    count: Arc<AtomicUsize>,
    linger: Duration,
}

/// A line and what the driver alone knows of its stream.
#[derive(Debug)]
struct Joined {
    line: Arc<Line>,
    /// How the far end ended; bytes may still be on their way to the visitor.
    far_end: Option<StreamEnd>,
    /// When an unfinished end is no longer waited for; `None` while the visitor talks.
    due: Option<Instant>,
}

impl Switchboard {
    /// A switchboard without lines. `count` is kept at how many there are.
    pub(crate) fn new(count: Arc<AtomicUsize>, linger: Duration) -> Self {
        Self { lines: BTreeMap::new(), count, linger }
    }

    /// Whether there is no line.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Opens a stream and a line to it, whose visitor tells its news by `news`.
    pub(crate) fn open(
        &mut self,
        channel: &mut Channel,
        news: UnboundedSender<StreamId>,
    ) -> Result<Arc<Line>, Refused> {
        let id = channel.open_stream()?;
        let line = Arc::new(Line::new(id, news));
        self.lines.insert(id, Joined { line: Arc::clone(&line), far_end: None, due: None });
        self.count.store(self.lines.len(), Ordering::Relaxed);
        Ok(line)
    }

    /// Moves what can be moved between one line and the channel.
    pub(crate) fn serve(&mut self, channel: &mut Channel, id: StreamId, now: Instant) {
        let Some(joined) = self.lines.get_mut(&id) else { return };
        let visitor = joined.line.look();
        // What is written to a stream that the far end has closed is lost, as on any socket.
        let pulled = joined.line.pull(|data| channel.write(id, data).unwrap_or(data.len()));
        let drained = drain(joined, channel, id);
        match (visitor, pulled, drained) {
            (_, _, Some(end)) => self.finish(channel, id, end),
            (Visitor::Gone, Pulled::All, None) => self.finish(channel, id, StreamEnd::Finished),
            (Visitor::Gone, Pulled::Some, None) | (Visitor::Listening, _, None) => {
                joined.due = Some(now + self.linger);
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
        }
    }

    /// When the first of the unfinished ends is no longer waited for.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.lines.values().filter_map(|joined| joined.due).min()
    }

    /// Ends the streams whose unfinished ends were waited for long enough.
    pub(crate) fn expire(&mut self, channel: &mut Channel, now: Instant) {
        let is_due = |joined: &Joined| joined.due.is_some_and(|due| due <= now);
        let due: Vec<StreamId> =
            self.lines.iter().filter(|(_, joined)| is_due(joined)).map(|(id, _)| *id).collect();
        for id in due {
            self.finish(channel, id, StreamEnd::Lingered);
        }
    }

    /// The channel is over: every line ends, after all that had come for it.
    pub(crate) fn end_all(&mut self, channel: &mut Channel) {
        for (id, joined) in std::mem::take(&mut self.lines) {
            // No bound here: the bytes only move from the channel's keeping, which is bounded, to the line's.
            while let Ok(Some(bytes)) = channel.read(id, usize::MAX) {
                joined.line.deliver(bytes);
            }
            joined.line.finish(joined.far_end.unwrap_or(StreamEnd::TunnelClosed));
        }
        self.count.store(0, Ordering::Relaxed);
    }

    fn finish(&mut self, channel: &mut Channel, id: StreamId, end: StreamEnd) {
        channel.abandon(id);
        if let Some(joined) = self.lines.remove(&id) {
            joined.line.finish(end);
        }
        self.count.store(self.lines.len(), Ordering::Relaxed);
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

/// Hands over what has come and fits; the far end's end once all has.
fn drain(joined: &Joined, channel: &mut Channel, id: StreamId) -> Option<StreamEnd> {
    loop {
        let room = joined.line.room();
        if room == 0 {
            return None;
        }
        match channel.read(id, room) {
            Ok(Some(bytes)) => joined.line.deliver(bytes),
            // Where all was read and the far end is not known, the channel is about to tell it.
            Ok(None) | Err(StreamGone) => return joined.far_end,
        }
    }
}
