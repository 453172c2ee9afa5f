//! The data channel: the machine that joins numbers, handshake and streams.
//!
//! ```text
//!   ┌─────────┐ handshake complete ┌──────┐ terminate() ┌────────┐
//!   │ Opening │ ─────────────────▶ │ Open │ ──────────▶ │ Ending │ all acknowledged: Terminated
//!   └─────────┘                    └──────┘             └────────┘
//!        │ what we refuse,            │ channel_closed,     │ channel_closed,
//!        │ channel_closed, nonsense   │ nonsense            │ nonsense
//!        ▼                            ▼                     ▼
//!   ┌────────────────────────────────────────────────────────────┐
//!   │ Over                                                       │
//!   └────────────────────────────────────────────────────────────┘
//! ```
//!
//! A channel opens no socket and reads no clock. Its user hands it what the websocket brings
//! ([`Channel::handle`]), sends what it wants sent ([`Channel::poll_send`]), is told what happened
//! ([`Channel::poll`]), and comes back when it wants to be asked again ([`Channel::timeout`],
//! [`Channel::handle_timeout`]). After any of these, and after any call on a stream, there may be
//! something to send and something to be told.

mod canary;
mod incoming;
mod outgoing;

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::canary::Canary;
use crate::config::Config;
use crate::error::{Refused, StreamGone};
use crate::event::{Closed, Counters, Event, Now, StreamId, Timer};
use crate::handshake::Handshake;
use crate::inbox::Inbox;
use crate::message::{Message, MessageKind};
use crate::mux::Mux;
use crate::outbox::Outbox;
use crate::payload;
use crate::pen::Pen;
use crate::probe::Probe;
use crate::stats::{Stats, StreamStats};
use crate::window::Window;

/// One data channel, for as many websockets as its session lives through.
#[derive(Debug)]
pub struct Channel {
    config: Config,
    state: State,
    road: Road,
    window: Window,
    inbox: Inbox,
    outbox: Outbox,
    mux: Mux,
    /// Numbered messages that are not data; they do not wait for room in the window.
    notes: VecDeque<Note>,
    events: VecDeque<Event>,
    agent_version: Option<String>,
    /// When an old agent is to hear from us.
    keepalive: Option<Instant>,
    counters: Counters,
    pen: Pen,
    probe: Probe,
    /// Whether somebody would fill larger messages.
    much_waits: bool,
    canary: Canary,
}

impl Channel {
    /// A channel on a websocket that stands, before the agent's first message.
    pub fn new(config: Config, seed: u64) -> Self {
        let config = Config { payload_size: config.payload_size.max(LEAST_PAYLOAD), ..config };
        Self {
            state: State::Opening(Handshake::default()),
            road: Road::Free,
            window: Window::new(&config),
            inbox: Inbox::new(&config),
            outbox: Outbox::new(config.rto_floor, config.rto_ceiling),
            mux: Mux::new(&config),
            notes: VecDeque::new(),
            events: VecDeque::new(),
            agent_version: None,
            keepalive: None,
            counters: Counters::default(),
            pen: Pen::new(seed),
            probe: Probe::new(&config),
            much_waits: false,
            canary: Canary::default(),
            config,
        }
    }

    /// Takes in one message off the websocket. What is no message, or makes no sense, is ignored
    /// and counted. While the channel [is full](Channel::is_full) no data are taken.
    pub fn handle(&mut self, message: Bytes, now: Now) {
        if let State::Over = self.state {
            return;
        }
        let Ok(message) = Message::decode(message) else {
            self.counters.ignored += 1;
            return;
        };
        match message.kind {
            MessageKind::OutputStreamData => {
                self.end_pause();
                self.take(message, now);
            }
            MessageKind::Acknowledge => {
                self.end_pause();
                self.acknowledged(&message.payload, now);
            }
            MessageKind::ChannelClosed => {
                // Whatever else it says, the session is over.
                let closed = serde_json::from_slice::<payload::ChannelClosed>(&message.payload);
                self.inbox.forget_acknowledgements();
                self.over(Closed::ByService { output: closed.unwrap_or_default().output });
            }
            MessageKind::PausePublication => {
                if let Road::Free = self.road {
                    self.road = Road::Paused { until: now.instant + self.config.pause_limit };
                }
            }
            MessageKind::StartPublication => self.end_pause(),
            // The agent says it to the service.
            MessageKind::AgentSessionState => {}
            MessageKind::InputStreamData | MessageKind::Unknown(_) => self.counters.ignored += 1,
        }
    }

    /// Takes in that time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        if let State::Over = self.state {
            return;
        }
        match self.road {
            Road::Paused { until } if until <= now.instant => self.road = Road::Free,
            Road::Free => {}
            Road::Paused { .. } | Road::Lost => return,
        }
        let due = self.outbox.expire(now.instant);
        if let Some(canary) = self.canary.out().filter(|_| due) {
            self.outbox.hasten(canary);
        }
        if self.keepalive.is_some_and(|due| due <= now.instant) {
            self.mux.want_nop();
            self.keepalive = Some(now.instant + KEEPALIVE);
        }
    }

    /// When it next wants [`Channel::handle_timeout`], and what for.
    pub fn timeout(&self) -> Option<(Instant, Timer)> {
        match (&self.state, self.road) {
            (State::Over, _) | (_, Road::Lost) => None,
            (_, Road::Paused { until }) => Some((until, Timer::Pause)),
            (_, Road::Free) => {
                let resend = self.outbox.due_at().map(|at| (at, Timer::Resend));
                let keepalive = self.keepalive.map(|at| (at, Timer::Keepalive));
                resend.into_iter().chain(keepalive).min_by_key(|(at, _)| *at)
            }
        }
    }

    /// The next message for the websocket, as binary: acknowledgements first, then what is sent
    /// again, then what is new.
    pub fn poll_send(&mut self, now: Now) -> Option<Bytes> {
        if let Road::Lost = self.road {
            return None;
        }
        if let Some((number, id)) = self.inbox.next_acknowledgement() {
            let (of, answer) = (MessageKind::OutputStreamData, MessageKind::Acknowledge);
            return self.pen.write(&answer, 0, 0, now, 0, |out| {
                payload::write_acknowledgement(out, &of, id, number);
            });
        }
        if let Road::Paused { .. } = self.road {
            return None;
        }
        if let Some(canary) = self.send_canary(now) {
            return Some(canary);
        }
        if let Some(message) = self.resend(now) {
            return Some(message);
        }
        if let Some(note) = self.notes.pop_front() {
            return self.send_note(note, now);
        }
        self.send_data(now)
    }

    /// The next thing that its user must know.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Opens a stream: one TCP connection from the agent to the destination.
    pub fn open_stream(&mut self) -> Result<StreamId, Refused> {
        match self.state {
            State::Opening(_) => Err(Refused::NotOpen),
            State::Open => self.mux.open(),
            State::Ending { .. } | State::Over => Err(Refused::Closed),
        }
    }

    /// Writes to a stream; says how many bytes were taken. Where that is not all of them,
    /// [`Event::Writable`] follows.
    pub fn write(&mut self, id: StreamId, data: &[u8]) -> Result<usize, StreamGone> {
        match self.state {
            State::Open => self.mux.write(id, data),
            State::Opening(_) | State::Ending { .. } | State::Over => Err(StreamGone),
        }
    }

    /// Reads at most so many bytes of a stream. `None` means that there is nothing now:
    /// [`Event::Readable`] follows. [`StreamGone`] means that there will be nothing ever again.
    pub fn read(&mut self, id: StreamId, most: usize) -> Result<Option<Bytes>, StreamGone> {
        match self.mux.read(id, most) {
            Ok(None) if matches!(self.state, State::Over) => Err(StreamGone),
            read => read,
        }
    }

    /// Ends a stream behind what was written to it. The agent closes *both* ways as soon as it hears
    /// of this: what the destination has not said by then is lost. What has come can still be read.
    pub fn finish(&mut self, id: StreamId) {
        self.mux.finish(id);
    }

    /// Ends a stream behind what was written to it, and throws away what came and comes for it.
    /// Nobody is told when it has ended.
    pub fn abandon(&mut self, id: StreamId) {
        self.mux.abandon(id);
    }

    /// Ends the session. What was written and not sent yet is lost. [`Event::Terminated`] follows
    /// when the agent has acknowledged it; at once where there is no session to end.
    pub fn terminate(&mut self) {
        self.state = match mem::take(&mut self.state) {
            State::Open => {
                self.notes.push_back(Note::Terminate);
                State::Ending { flag_sent: false }
            }
            State::Opening(handshake) => {
                self.events.push_back(Event::Terminated);
                State::Opening(handshake)
            }
            ending @ State::Ending { .. } => ending,
            State::Over => {
                self.events.push_back(Event::Terminated);
                State::Over
            }
        };
    }

    /// Takes in that the websocket is lost. Nothing is forgotten: numbers, streams and what is not
    /// acknowledged wait for the next one.
    pub fn socket_lost(&mut self, _now: Now) {
        self.road = Road::Lost;
        let verdict = self.probe.road_lost();
        self.heed(verdict);
    }

    /// Takes in that there is a websocket again: all that is not acknowledged is sent again, in order.
    pub fn socket_ready(&mut self, now: Now) {
        // Whether or not anybody said that the one before was lost.
        self.socket_lost(now);
        self.road = Road::Free;
        self.window.road_ready(self.outbox.next_number());
        self.outbox.resend_all();
        if self.keepalive.is_some() {
            self.keepalive = Some(now.instant + KEEPALIVE);
        }
    }

    /// Sends a frame that says nothing, with the next messages: what the service sees of it keeps the
    /// session from being idle. An agent whose version needs it gets one every 10 s without being
    /// asked.
    pub fn nop(&mut self) {
        if let State::Open = self.state {
            self.mux.want_nop();
        }
    }

    /// Whether so much waits to be read that no data are taken from the websocket. Best not to read
    /// from it while this is so: the agent repairs only ten messages a second of those that it must
    /// send again.
    pub fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// How many more bytes may come.
    fn room(&self) -> usize {
        let full = self.mux.is_full();
        if full { 0 } else { self.config.unread_in_all.saturating_sub(self.mux.unread()) }
    }

    /// The agent's version, once the handshake is complete.
    pub fn agent_version(&self) -> Option<&str> {
        self.agent_version.as_deref()
    }

    /// How many of our messages are not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.outbox.frames()
    }

    /// How many streams there are, those included that the agent has not answered the end of.
    pub fn streams(&self) -> usize {
        self.mux.len()
    }

    /// How the channel is doing.
    pub fn stats(&self) -> Stats {
        let (bytes_sent, bytes_received) = self.mux.bytes();
        Stats {
            streams: self.mux.len(),
            unread: self.mux.unread() + self.inbox.early_bytes(),
            unacknowledged: self.outbox.frames(),
            unacknowledged_bytes: self.outbox.bytes(),
            oldest_unacknowledged: self.outbox.oldest(),
            payload_size: self.probe.room(),
            bytes_sent,
            bytes_received,
        }
    }

    /// How one stream is doing; `None` where it is not there (any more).
    pub fn stream_stats(&self, id: StreamId) -> Option<StreamStats> {
        self.mux.stream_stats(id)
    }

    /// How each stream is doing, in the order of their numbers.
    pub fn each_stream(&self) -> impl Iterator<Item = (StreamId, StreamStats)> + '_ {
        self.mux.stats()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

/// How far the session has come.
#[derive(Debug, Default)]
enum State {
    /// The handshake.
    Opening(Handshake),
    /// Streams carry data.
    Open,
    /// We end the session; whether the flag that says so is sent.
    Ending { flag_sent: bool },
    /// Nothing more is taken in.
    #[default]
    Over,
}

/// Whether messages can be sent.
#[derive(Clone, Copy, Debug)]
enum Road {
    /// They can.
    Free,
    /// The service asked for a pause, or forgot to end it.
    Paused { until: Instant },
    /// There is no websocket.
    Lost,
}

/// A numbered message that is not data.
#[derive(Debug)]
enum Note {
    /// The answer to the handshake request.
    Response(Bytes),
    /// The flag that ends the session.
    Terminate,
}

/// The agent's smux gives up after 30 s of silence; three tries are enough.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Room for a few frames; less makes headers of everything.
const LEAST_PAYLOAD: usize = 64;
