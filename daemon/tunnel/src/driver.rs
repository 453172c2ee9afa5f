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

mod away;
mod parting;
mod time;

pub(crate) use parting::FAREWELL;
pub(crate) use time::{AwakeClock, now, wall_time};

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ssm_proto::{Channel, Event, Now, StreamId};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tracing::debug;
use uuid::Uuid;

use crate::budget::Part;
use crate::comeback::Comeback;
use crate::error::{Closed, Lost, StreamEnd, StreamError};
use crate::link::{Brought, Link};
use crate::pulse::Pulse;
use crate::resume::{Resume, State};
use crate::socket::Socket;
use crate::stats::Meter;
use crate::stream::Stream;
use crate::switchboard::{Patience, Switchboard};
use crate::{FirstByte, Grant, Options, Payload};

/// What makes a tunnel go: a future to be spawned, which ends with the reason for which the tunnel did.
#[must_use = "a tunnel goes only while its driver is polled"]
pub struct Driver {
    stage: Stage,
    channel: Channel,
    link: Link,
    pulse: Pulse,
    board: Switchboard,
    calls: mpsc::Receiver<Call>,
    news: mpsc::UnboundedReceiver<StreamId>,
    /// What lines tell their news by.
    teller: mpsc::UnboundedSender<StreamId>,
    /// Told once how the tunnel ended, and dropped when nothing more will happen.
    fate: Option<watch::Sender<Option<Closed>>>,
    payload: watch::Sender<Payload>,
    meter: Arc<Meter>,
    budget: Part,
    /// What the meter was told last.
    unread: usize,
    comeback: Arc<Comeback>,
    /// How the websocket was lost, while there is none.
    lost: Option<Lost>,
    /// Something has begun in this turn that nobody has been asked about yet.
    restless: bool,
    /// How many websockets in a row were lost as soon as they stood, and when the present one stood.
    tries: u32,
    stood: Instant,
    /// When anything was heard last, by the tunnel's clock.
    heard: Instant,
    alarm: Pin<Box<Sleep>>,
    keep: bool,
    /// When a visitor said something last.
    fed: Instant,
}

/// What a driver tells its tunnel's handles.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) fate: watch::Receiver<Option<Closed>>,
    pub(crate) state: watch::Receiver<State>,
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

enum Stage {
    Opening,
    Open { agent_version: String },
    Terminating { until: Instant },
    Parting { closed: Closed, until: Instant },
    Leaving { closed: Closed, until: Instant },
    Over(Closed),
}

impl Driver {
    /// A driver for a socket on which the open message was sent, and that was dialed with `grant` for `client_id`.
    pub(crate) fn new(
        socket: Socket,
        (grant, client_id): (&Grant, Uuid),
        options: Options,
        resumer: Arc<dyn Resume>,
        calls: mpsc::Receiver<Call>,
    ) -> (Self, Told) {
        let (fate, fate_told) = watch::channel(None);
        let (state, state_told) = watch::channel(State::default());
        let (payload, payload_told) = watch::channel(Payload::default());
        let (teller, news) = mpsc::unbounded_channel();
        let now = now().instant;
        let streams = Arc::new(AtomicUsize::new(0));
        let meter = Arc::new(Meter::new(now));
        let told = Told {
            fate: fate_told,
            state: state_told,
            payload: payload_told,
            meter: Arc::clone(&meter),
            streams: Arc::clone(&streams),
        };
        let patience = Patience { linger: options.linger, first_byte: options.first_byte_timeout };
        let pulse = Pulse::new(options.ping, now);
        let driver = Self {
            stage: Stage::Opening,
            channel: Channel::new(options.channel.clone(), seed()),
            link: Link::new(socket),
            alarm: Box::pin(tokio::time::sleep_until(pulse.due(false).into())),
            pulse,
            board: Switchboard::new(streams, Arc::clone(&meter), patience),
            calls,
            news,
            teller,
            fate: Some(fate),
            payload,
            meter,
            budget: options.budget.part(),
            unread: 0,
            lost: None,
            restless: false,
            tries: 0,
            stood: now,
            heard: options.clock.now(),
            keep: false,
            fed: now,
            comeback: Arc::new(Comeback {
                options,
                resumer,
                client_id,
                url: grant.url.clone(),
                state,
                hurry: Notify::new(),
            }),
        };
        (driver, told)
    }

    /// Drives until the agent has shaken hands, and tells its version.
    pub(crate) async fn open(&mut self) -> Result<String, Closed> {
        poll_fn(|cx| {
            let over = Pin::new(&mut *self).poll(cx);
            if let Stage::Open { agent_version } = &self.stage {
                return Poll::Ready(Ok(agent_version.clone()));
            }
            Poll::Ready(Err(ready!(over)))
        })
        .await
    }

    /// How the websocket was lost, while there is none.
    pub(crate) fn lost(&self) -> Option<&Lost> {
        self.lost.as_ref()
    }

    fn take_calls(&mut self, cx: &mut Context<'_>, now: Now) {
        while let Poll::Ready(Some(call)) = self.calls.poll_recv(cx) {
            match call {
                Call::OpenStream(first, answer) => {
                    // Whoever asked may have given up: the stream is dropped and so finished.
                    let _stream_or_reason = answer.send(self.open_stream(first, now));
                }
                Call::Keep(keep) => self.keep = keep,
                Call::Prove => self.prove(now),
                Call::Close => self.terminate(now),
            }
        }
        if self.calls.is_closed() && self.board.is_empty() {
            self.terminate(now);
        }
    }

    fn open_stream(&mut self, first: FirstByte, now: Now) -> Result<Stream, StreamError> {
        match &self.stage {
            Stage::Opening | Stage::Open { .. } => {
                self.fed = now.instant;
                self.board
                    .open(&mut self.channel, first, self.teller.clone(), now.instant)
                    .map(Stream::new)
                    .map_err(StreamError::Refused)
            }
            Stage::Terminating { .. } => Err(StreamError::Closed(Closed::ByUs)),
            Stage::Parting { closed, .. } | Stage::Leaving { closed, .. } | Stage::Over(closed) => {
                Err(StreamError::Closed(closed.clone()))
            }
        }
    }

    fn take_news(&mut self, cx: &mut Context<'_>, now: Now) {
        while let Poll::Ready(Some(id)) = self.news.poll_recv(cx) {
            self.board.serve(&mut self.channel, id, now.instant);
        }
    }

    /// Takes what has come; true where more may be there.
    fn receive(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        for _ in 0..BATCH {
            if matches!(self.stage, Stage::Over(_)) {
                return false;
            }
            self.budget.keep(self.channel.stats().unread);
            if self.channel.is_full() || self.budget.is_used_up(cx) {
                // What is not taken now would come again at ten messages a second; in the socket it keeps. A visitor's
                // reading brings the next turn, and till then silence is our own.
                self.pulse.deaf(now.instant);
                return false;
            }
            match self.link.poll_next(cx) {
                Poll::Pending => return false,
                Poll::Ready(Brought::Message(message)) => self.hear(message, now),
                Poll::Ready(Brought::Late(message)) => self.hear_late(message, now),
                Poll::Ready(Brought::Lost(lost)) => self.lose(lost, now),
            }
        }
        true
    }

    fn hear(&mut self, message: Message, now: Now) {
        self.pulse.heard(now.instant);
        if now.instant - self.stood >= STOOD {
            self.tries = 0;
        }
        match message {
            Message::Binary(bytes) => {
                // The token was good, at least.
                self.tries = self.tries.min(1);
                self.channel.handle(bytes, now);
            }
            // Both of Amazon's programs treat text as if it were binary.
            Message::Text(text) => self.channel.handle(Bytes::from(text), now),
            Message::Pong(_) => self.pulse.answered(now.instant),
            Message::Close(_) | Message::Ping(_) | Message::Frame(_) => {}
        }
    }

    fn take_events(&mut self, now: Now) {
        while let Some(event) = self.channel.poll() {
            match event {
                Event::Opened { agent_version } => {
                    debug!(%agent_version, "tunnel open");
                    self.stage = Stage::Open { agent_version };
                }
                Event::Readable(id) | Event::Writable(id) => {
                    self.board.serve(&mut self.channel, id, now.instant);
                }
                Event::StreamEnded(id, end) => {
                    self.board.end(&mut self.channel, id, StreamEnd::from(end), now.instant);
                }
                Event::PayloadSize(size) => {
                    self.payload.send_modify(|payload| payload.proven = size);
                }
                Event::ProbeFailed(size) => {
                    self.payload.send_modify(|payload| payload.failed = Some(size));
                }
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
        self.pulse.owes(self.channel.unacknowledged() > 0, now.instant);
    }

    fn try_send(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<Result<(), WsError>> {
        if let Stage::Leaving { .. } | Stage::Over(_) = self.stage {
            return self.link.poll_flush(cx);
        }
        loop {
            ready!(self.link.poll_ready(cx))?;
            let Some(message) = self.channel.poll_send(now) else { break };
            self.link.put(Message::Binary(message))?;
        }
        self.stage = match mem::replace(&mut self.stage, Stage::Opening) {
            Stage::Parting { closed, until } => {
                self.link.put(Message::Close(None))?;
                Stage::Leaving { closed, until }
            }
            other @ (Stage::Opening
            | Stage::Open { .. }
            | Stage::Terminating { .. }
            | Stage::Leaving { .. }
            | Stage::Over(_)) => other,
        };
        self.link.poll_flush(cx)
    }

    /// Puts one message into the socket's buffer, whatever else waits there.
    fn put(&mut self, message: Message, now: Now) {
        if let Err(error) = self.link.put(message) {
            self.lose(Lost::Broken(Arc::new(error)), now);
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    /// What was moved in this turn.
    fn measure(&mut self, now: Now) {
        if self.pulse.heard_at() == now.instant {
            self.heard = self.comeback.options.clock.now();
        }
        let moved = self.board.take_moved();
        let unread = self.channel.stats().unread;
        self.budget.keep(unread);
        if moved.up > 0 {
            self.fed = now.instant;
        }
        if moved.up + moved.down > 0 || unread != self.unread {
            self.unread = unread;
            self.meter.moved(moved, unread, now.instant);
        }
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
            this.take_return(cx, now);
            let more = this.receive(cx, now);
            this.take_events(now);
            this.send(cx, now);
            this.measure(now);
            if let Stage::Over(closed) = &this.stage {
                let closed = closed.clone();
                this.fate = None;
                // Whoever asks from now on is answered by the closed queue; whoever asked before, here.
                this.calls.close();
                this.take_calls(cx, now);
                return Poll::Ready(closed);
            }
            let restless = mem::take(&mut this.restless);
            if !this.set_alarm(cx) && !more && !restless {
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
        let stage = match self.stage {
            Stage::Opening => "opening",
            Stage::Open { .. } => "open",
            Stage::Terminating { .. } => "terminating",
            Stage::Parting { .. } => "parting",
            Stage::Leaving { .. } => "leaving",
            Stage::Over(_) => "over",
        };
        f.debug_struct("Driver").field("stage", &stage).finish_non_exhaustive()
    }
}

/// Dice for the channel: message ids only have to differ.
fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

/// How long a websocket must have stood for its loss not to count as another failed try.
const STOOD: Duration = Duration::from_secs(2);

/// Messages taken before what they brought is handed on: one read of the socket.
const BATCH: usize = 64;

/// Turns before the driver lets other tasks run: 1 MiB at most.
const TURNS: usize = 16;
