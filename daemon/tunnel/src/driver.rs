//! The one loop: socket, timer, calls and streams → `Channel` → socket.
//!
//! ```text
//!             agent shook hands       close(), or nobody holds the tunnel
//!  ┌─────────┐ ───────────▶ ┌──────┐ ──────────────────────▶ ┌─────────────┐
//!  │ Opening │              │ Open │                         │ Terminating │
//!  └─────────┘              └──────┘                         └─────────────┘
//!       │ channel over          │ channel over                     │ acknowledged, or waited enough
//!       ▼                       ▼                                  ▼
//!  ┌───────────────────────────────────────────────────────────────────────┐
//!  │ Parting: what is still to be sent, then the websocket's closing frame │
//!  └───────────────────────────────────────────────────────────────────────┘
//!       │ sent                         from everywhere: the socket is lost
//!       ▼                                              ▼
//!  ┌─────────┐  they closed too, or waited enough   ┌──────┐
//!  │ Leaving │ ───────────────────────────────────▶ │ Over │
//!  └─────────┘                                      └──────┘
//! ```
//!
//! Nothing in here waits for one thing alone. A socket that takes nothing is still read; a visitor that reads nothing
//! leaves its bytes in the channel, and when that is full, in the socket. All that can be sent goes into the
//! socket's buffer before one flush.
//!
//! This is the one place outside clock.rs that asks the time: a network's time need not count sleep.
#![expect(clippy::disallowed_methods, reason = "the driver is where the channel's time comes from")]

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::{Sink as _, Stream as _};
use ssm_proto::{Channel, Event, Now, StreamId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tracing::debug;
use uuid::Uuid;

use crate::error::{Closed, Lost, StreamEnd, StreamError};
use crate::resume::{self as tunnel, Clock};
use crate::socket::{Socket, ping};
use crate::stats::{Board, Meter};
use crate::stream::Stream;
use crate::switchboard::Switchboard;
use crate::{FirstByte, Options, Payload};

/// What makes a tunnel go: a future to be spawned, which ends with the reason for which the tunnel did.
#[must_use = "a tunnel goes only while its driver is polled"]
pub struct Driver {
    state: State,
    channel: Channel,
    socket: Socket,
    /// Something was put into the socket's buffer since the last flush.
    unflushed: bool,
    board: Switchboard,
    calls: mpsc::Receiver<Call>,
    news: mpsc::UnboundedReceiver<StreamId>,
    /// What lines tell their news by.
    teller: mpsc::UnboundedSender<StreamId>,
    /// Told once how the tunnel ended, and dropped when nothing more will happen.
    fate: Option<watch::Sender<Option<Closed>>>,
    alarm: Pin<Box<Sleep>>,
    ping_every: Duration,
    ping_due: Instant,
    /// When the silence after a ping has lasted too long.
    silence_due: Option<Instant>,
    keep: bool,
    tunnel: watch::Sender<tunnel::State>,
    payload: watch::Sender<Payload>,
    meter: Arc<Meter>,
}

/// What a driver tells its tunnel's handles.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) fate: watch::Receiver<Option<Closed>>,
    pub(crate) state: watch::Receiver<tunnel::State>,
    pub(crate) payload: watch::Receiver<Payload>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) streams: Arc<AtomicUsize>,
}

/// What a tunnel's handle asks of its driver.
#[derive(Debug)]
pub(crate) enum Call {
    /// A stream, please.
    OpenStream(FirstByte, oneshot::Sender<Result<Stream, StreamError>>),
    /// Keep the session alive though nobody uses it, or no longer.
    Keep(bool),
    /// Show that the websocket is alive.
    Prove,
    /// End the session in order.
    Close,
}

enum State {
    Opening,
    Open { agent_version: String },
    Terminating { until: Instant },
    Parting { closed: Closed, until: Instant },
    Leaving { closed: Closed, until: Instant },
    Over(Closed),
}

impl Driver {
    /// A driver for a socket on which the open message was sent. `count` is kept at the number of streams.
    pub(crate) fn new(
        socket: Socket,
        options: Options,
        calls: mpsc::Receiver<Call>,
    ) -> (Self, Told) {
        let (fate, fate_told) = watch::channel(None);
        let (state, state_told) = watch::channel(tunnel::State::default());
        let (payload, payload_told) = watch::channel(Payload::default());
        let (teller, news) = mpsc::unbounded_channel();
        let now = now().instant;
        let ping_due = now + options.ping;
        let streams = Arc::new(AtomicUsize::new(0));
        let meter = Arc::new(Meter::new(now));
        let told = Told {
            fate: fate_told,
            state: state_told,
            payload: payload_told,
            meter: Arc::clone(&meter),
            streams: Arc::clone(&streams),
        };
        let driver = Self {
            state: State::Opening,
            channel: Channel::new(options.channel, seed()),
            socket,
            unflushed: false,
            board: Switchboard::new(streams, options.linger),
            keep: false,
            tunnel: state,
            payload,
            meter,
            calls,
            news,
            teller,
            fate: Some(fate),
            alarm: Box::pin(tokio::time::sleep_until(ping_due.into())),
            ping_every: options.ping,
            ping_due,
            silence_due: None,
        };
        (driver, told)
    }

    /// Drives until the agent has shaken hands, and tells its version.
    pub(crate) async fn open(&mut self) -> Result<String, Closed> {
        poll_fn(|cx| {
            let over = Pin::new(&mut *self).poll(cx);
            if let State::Open { agent_version } = &self.state {
                return Poll::Ready(Ok(agent_version.clone()));
            }
            Poll::Ready(Err(ready!(over)))
        })
        .await
    }

    fn take_calls(&mut self, cx: &mut Context<'_>, now: Now) {
        while let Poll::Ready(Some(call)) = self.calls.poll_recv(cx) {
            match call {
                Call::OpenStream(_first, answer) => {
                    // Whoever asked may have given up: the stream is dropped and so finished.
                    let _stream_or_reason = answer.send(self.open_stream());
                }
                Call::Keep(keep) => self.keep = keep,
                Call::Prove => {
                    self.silence_due = Some(now.instant + PROOF);
                    self.put(ping(), now);
                }
                Call::Close => self.terminate(now),
            }
        }
        if self.calls.is_closed() && self.board.is_empty() {
            self.terminate(now);
        }
    }

    fn open_stream(&mut self) -> Result<Stream, StreamError> {
        match &self.state {
            State::Opening | State::Open { .. } => self
                .board
                .open(&mut self.channel, self.teller.clone())
                .map(Stream::new)
                .map_err(StreamError::Refused),
            State::Terminating { .. } => Err(StreamError::Closed(Closed::ByUs)),
            State::Parting { closed, .. } | State::Leaving { closed, .. } | State::Over(closed) => {
                Err(StreamError::Closed(closed.clone()))
            }
        }
    }

    fn take_news(&mut self, cx: &mut Context<'_>, now: Now) {
        while let Poll::Ready(Some(id)) = self.news.poll_recv(cx) {
            self.board.serve(&mut self.channel, id, now.instant);
        }
    }

    fn take_time(&mut self, now: Now) {
        if self.channel.timeout().is_some_and(|(at, _)| at <= now.instant) {
            self.channel.handle_timeout(now);
        }
        if self.board.due().is_some_and(|at| at <= now.instant) {
            self.board.expire(&mut self.channel, now.instant);
        }
        if self.ping_due <= now.instant {
            self.ping_due = now.instant + self.ping_every;
            self.silence_due.get_or_insert(now.instant + SILENCE);
            self.put(ping(), now);
        }
        if self.silence_due.is_some_and(|at| at <= now.instant) {
            self.lose(Lost::Silent { waited: SILENCE }, now);
        }
        self.state = match mem::replace(&mut self.state, State::Opening) {
            State::Terminating { until } if until <= now.instant => self.part(Closed::ByUs, now),
            State::Parting { closed, until } | State::Leaving { closed, until }
                if until <= now.instant =>
            {
                State::Over(closed)
            }
            waiting @ (State::Opening
            | State::Open { .. }
            | State::Terminating { .. }
            | State::Parting { .. }
            | State::Leaving { .. }
            | State::Over(_)) => waiting,
        };
    }

    /// Takes what has come; true where more may be there.
    fn receive(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        for _ in 0..BATCH {
            if matches!(self.state, State::Over(_)) {
                return false;
            }
            if self.channel.is_full() {
                // What is not taken now would come again at ten messages a second; in the socket it keeps. A visitor's
                // reading brings the next turn, and till then silence is our own.
                self.silence_due = None;
                return false;
            }
            match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Pending => return false,
                Poll::Ready(Some(Ok(message))) => self.hear(message, now),
                Poll::Ready(Some(Err(error))) => self.lose(Lost::Broken(Arc::new(error)), now),
                Poll::Ready(None) => self.lose(Lost::Ended, now),
            }
        }
        true
    }

    fn hear(&mut self, message: Message, now: Now) {
        self.silence_due = None;
        match message {
            Message::Binary(bytes) => self.channel.handle(bytes, now),
            // Both of Amazon's programs treat text as if it were binary.
            Message::Text(text) => self.channel.handle(Bytes::from(text), now),
            Message::Close(frame) => self.lose(Lost::from(frame), now),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }

    fn take_events(&mut self, now: Now) {
        while let Some(event) = self.channel.poll() {
            match event {
                Event::Opened { agent_version } => {
                    debug!(%agent_version, "tunnel open");
                    self.state = State::Open { agent_version };
                }
                Event::Readable(id) | Event::Writable(id) => {
                    self.board.serve(&mut self.channel, id, now.instant);
                }
                Event::StreamEnded(id, end) => {
                    self.board.end(&mut self.channel, id, StreamEnd::from(end), now.instant);
                }
                Event::PayloadSize(bytes) => debug!(bytes, "larger messages go through"),
                Event::ProbeFailed(bytes) => debug!(bytes, "messages of this size do not go through"),
                Event::Terminated => self.end(Closed::ByUs, now),
                Event::Closed(closed) => self.end(Closed::from(closed), now),
            }
        }
    }

    /// Sends all that may be sent, and flushes once.
    fn send(&mut self, cx: &mut Context<'_>, now: Now) {
        if let Poll::Ready(Err(error)) = self.try_send(cx, now) {
            self.lose(Lost::Broken(Arc::new(error)), now);
        }
    }

    fn try_send(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<Result<(), WsError>> {
        if let State::Leaving { .. } | State::Over(_) = self.state {
            return Pin::new(&mut self.socket).poll_flush(cx);
        }
        loop {
            ready!(Pin::new(&mut self.socket).poll_ready(cx))?;
            let Some(message) = self.channel.poll_send(now) else { break };
            Pin::new(&mut self.socket).start_send(Message::Binary(message))?;
            self.unflushed = true;
        }
        self.state = match mem::replace(&mut self.state, State::Opening) {
            State::Parting { closed, until } => {
                Pin::new(&mut self.socket).start_send(Message::Close(None))?;
                self.unflushed = true;
                State::Leaving { closed, until }
            }
            other @ (State::Opening
            | State::Open { .. }
            | State::Terminating { .. }
            | State::Leaving { .. }
            | State::Over(_)) => other,
        };
        if self.unflushed {
            ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Puts one message into the socket's buffer, whatever else waits there.
    fn put(&mut self, message: Message, now: Now) {
        if let State::Leaving { .. } | State::Over(_) = self.state {
            return;
        }
        self.unflushed = true;
        if let Err(error) = Pin::new(&mut self.socket).start_send(message) {
            self.lose(Lost::Broken(Arc::new(error)), now);
        }
    }

    /// Begins to end the session from our side.
    fn terminate(&mut self, now: Now) {
        if let State::Opening | State::Open { .. } = self.state {
            self.channel.terminate();
            self.state = State::Terminating { until: now.instant + FAREWELL };
        }
    }

    /// The channel is over.
    fn end(&mut self, closed: Closed, now: Now) {
        self.state = match mem::replace(&mut self.state, State::Opening) {
            State::Opening | State::Open { .. } => self.part(closed, now),
            // What we had asked for is not the service's doing.
            State::Terminating { .. } => self.part(Closed::ByUs, now),
            ending @ (State::Parting { .. } | State::Leaving { .. } | State::Over(_)) => ending,
        };
    }

    /// The socket is gone, and the tunnel with it.
    fn lose(&mut self, lost: Lost, now: Now) {
        // The service says why before it hangs up.
        self.take_events(now);
        self.end(Closed::Lost(lost), now);
        self.state = match mem::replace(&mut self.state, State::Opening) {
            State::Parting { closed, .. } | State::Leaving { closed, .. } => State::Over(closed),
            other @ (State::Opening
            | State::Open { .. }
            | State::Terminating { .. }
            | State::Over(_)) => other,
        };
    }

    /// Tells everybody that it is over, and how.
    fn part(&mut self, closed: Closed, now: Now) -> State {
        debug!(reason = &closed as &dyn Error, counters = ?self.channel.counters(), "tunnel over");
        self.board.end_all(&mut self.channel);
        if let Some(fate) = &self.fate {
            fate.send_replace(Some(closed.clone()));
        }
        State::Parting { closed, until: now.instant + FAREWELL }
    }

    /// Wakes at the next time that something is due; true where it is already.
    fn set_alarm(&mut self, cx: &mut Context<'_>) -> bool {
        let until = match &self.state {
            State::Opening | State::Open { .. } | State::Over(_) => None,
            State::Terminating { until }
            | State::Parting { until, .. }
            | State::Leaving { until, .. } => Some(*until),
        };
        let channel = self.channel.timeout().map(|(at, _)| at);
        let others = [until, channel, self.board.due(), self.silence_due];
        let due = others.into_iter().flatten().fold(self.ping_due, Instant::min).into();
        // An alarm that rings too early costs one turn; setting it anew for each message would cost more.
        if due < self.alarm.deadline() || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(due);
        }
        self.alarm.as_mut().poll(cx).is_ready()
    }
}

impl Future for Driver {
    type Output = Closed;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Closed> {
        let this = self.get_mut();
        for _ in 0..TURNS {
            let now = now();
            this.take_time(now);
            this.take_calls(cx, now);
            this.take_news(cx, now);
            let more = this.receive(cx, now);
            this.take_events(now);
            this.send(cx, now);
            this.meter.moved(0, 0, Board::default(), now.instant);
            if let State::Over(closed) = &this.state {
                let closed = closed.clone();
                this.fate = None;
                // Whoever asks from now on is answered by the closed queue; whoever asked before, here.
                this.calls.close();
                this.take_calls(cx, now);
                return Poll::Ready(closed);
            }
            if !this.set_alarm(cx) && !more {
                return Poll::Pending;
            }
        }
        // Others on this thread have waited long enough.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(fate) = &self.fate {
            fate.send_if_modified(|told| {
                let untold = told.is_none();
                told.get_or_insert(Closed::Undriven);
                untold
            });
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Opening => "opening",
            State::Open { .. } => "open",
            State::Terminating { .. } => "terminating",
            State::Parting { .. } => "parting",
            State::Leaving { .. } => "leaving",
            State::Over(_) => "over",
        };
        f.debug_struct("Driver")
            .field("state", &state)
            .field("keep", &self.keep)
            .field("payload", &self.payload)
            .field("tunnel", &self.tunnel)
            .finish_non_exhaustive()
    }
}

/// The time on the wall, for a signature.
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}

/// The clock where none is given: the driver's own, which stands still while the machine sleeps on Linux.
#[derive(Debug)]
pub(crate) struct AwakeClock;

impl Clock for AwakeClock {
    fn now(&self) -> Instant {
        now().instant
    }
}

pub(crate) fn now() -> Now {
    let since_1970 = wall_time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now {
        instant: tokio::time::Instant::now().into_std(),
        unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Dice for the channel: message ids only have to differ.
fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

/// Time for the agent to acknowledge the session's end, and again for the other side to close the websocket too: the
/// agent itself waits no longer than 2 s for what it still has to send.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// How long after a ping silence means that nobody is there; a round trip of the farthest region takes a tenth.
const SILENCE: Duration = Duration::from_secs(30);

/// How long an answer may take that is to prove a websocket alive.
const PROOF: Duration = Duration::from_secs(2);

/// Messages taken before what they brought is handed on: one read of the socket.
const BATCH: usize = 64;

/// Turns before the driver lets other tasks run: 1 MiB at most.
const TURNS: usize = 16;
