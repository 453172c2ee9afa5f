//! What the agent does in one session: inputs and the time in, outputs out.
//!
//! ```text
//!   Connecting ─Connected─► Shaking ─response─► Completing ─written─► Deaf ─20 µs─► Preparing ─resolved─► Serving
//!                              │                                  data: acked,     data: neither     data: into
//!                              │                                  thrown away      taken nor acked   the mux
//!                              └─15 s, refused─┐         not resolved─┐                    flag 2, mux error─┐
//!                                              ▼                     ▼                                      ▼
//!          channel_closed ──► Over ◄─2 s, or all acknowledged─ Ending (the output is told to the service)
//!
//!   the reader: Idle ─data─► Writing (the mux has no room: it reads nothing meanwhile, acknowledgements neither)
//!                    └─────► Acknowledging ─written─► Idle, and only now the next number is expected
//! ```
//!
//! The reader of the websocket, the sender of data and the tick of 100 ms are goroutines of their own in the real
//! agent; here each is a field, and [`Machine::handle`] gives each its turn.

mod reader;
mod sender;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ssm_proto::message::{Message, MessageKind};
use ssm_proto::payload as types;

use self::reader::Reader;

pub use super::payload::Wanted;

use super::dice::Dice;
use super::mux::{Event, Mux};
use super::outbox::Outbox;
use super::payload;
use super::settings::AgentSettings;

/// What time it is: for waits, and for people.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For waits.
    pub instant: Instant,
    /// Milliseconds since 1970, for the messages' headers.
    pub unix_ms: u64,
}

/// What happens to an agent.
#[derive(Debug)]
pub enum Input {
    /// Its websocket is open (again).
    Connected,
    /// Its websocket is gone.
    Disconnected,
    /// A binary message came.
    Message(Bytes),
    /// What was sent under this ticket is written.
    Written(Ticket),
    /// What was sent under this ticket could not be written.
    NotWritten(Ticket),
    /// The host's name was looked up, or why it could not be, or may not be forwarded to.
    Resolved(Result<(), String>),
    /// The destination was reached for a stream, or was not.
    Dialled(u32, bool),
    /// The destination sent something on a stream.
    FromDestination(u32, Bytes),
    /// The destination took so many bytes of a stream.
    Taken(u32, usize),
    /// The destination closed a stream.
    DestinationClosed(u32),
    /// Time has passed.
    Timer,
}

/// What an agent does.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this on the websocket, and say how it went.
    Send(Bytes, Ticket),
    /// Look the host's name up, this once.
    Resolve,
    /// Dial the destination for this stream.
    Dial(u32),
    /// Write to the destination, and say when it took it.
    ToDestination(u32, Bytes),
    /// Close the destination's socket.
    Close(u32),
    /// Tell the service that the session is over, and why.
    Done(String),
}

/// Which sending it is that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ticket {
    /// Numbered data for the first time.
    Data(i64),
    /// Numbered data again.
    Again(i64),
    /// An acknowledgement.
    Acknowledgement(i64),
    /// Something that nobody waits for.
    Other,
}

/// Why an agent wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The handshake's limit.
    Handshake,
    /// The port session's next step.
    Preparing,
    /// The tick on which the oldest message may be sent again.
    Tick,
    /// The pause after a message is over.
    Pause,
    /// A message is stored late.
    LateStore,
    /// smux's keep-alive, for old clients.
    KeepAlive,
    /// The wait for the last acknowledgements.
    Ending,
}

/// One session's agent.
#[derive(Debug)]
pub struct Machine {
    settings: AgentSettings,
    wanted: Wanted,
    dice: Dice,
    phase: Phase,
    connected: bool,
    outputs: VecDeque<Output>,
    // The reader.
    reader: Reader,
    unheard: VecDeque<Bytes>,
    expected: i64,
    early: BTreeMap<i64, Message>,
    // The sender.
    next_number: i64,
    controls: VecDeque<(u32, Bytes)>,
    writing: Option<(i64, Bytes)>,
    rests_until: Instant,
    paused: bool,
    // The tick.
    outbox: Outbox,
    late: VecDeque<(Instant, i64, Bytes)>,
    next_tick: Instant,
}

#[derive(Debug)]
enum Phase {
    Connecting,
    Shaking { since: Instant },
    Completing { number: i64, keep_alive: bool },
    Deaf { until: Instant, keep_alive: bool },
    Preparing { until: Instant, resolved: bool, keep_alive: bool },
    Serving { mux: Box<Mux>, keep_alive: Option<KeepAlive> },
    Ending { until: Instant, output: String },
    Over,
}

#[derive(Debug)]
struct KeepAlive {
    next: Instant,
    check: Instant,
}

impl Machine {
    /// An agent whose session's worker has just started.
    pub fn new(settings: AgentSettings, wanted: Wanted, seed: u64, now: Instant) -> Self {
        Self {
            settings,
            wanted,
            dice: Dice::new(seed),
            phase: Phase::Connecting,
            connected: false,
            outputs: VecDeque::new(),
            reader: Reader::Idle,
            unheard: VecDeque::new(),
            expected: 0,
            early: BTreeMap::new(),
            next_number: 0,
            controls: VecDeque::new(),
            writing: None,
            rests_until: now,
            paused: false,
            outbox: Outbox::new(),
            late: VecDeque::new(),
            next_tick: now + TICK,
        }
    }

    /// Takes what happened; [`Machine::poll`] says what to do about it.
    pub fn handle(&mut self, input: Input, now: Now) {
        match input {
            Input::Connected => self.on_connected(now),
            Input::Disconnected => self.connected = false,
            Input::Message(bytes) => self.unheard.push_back(bytes),
            Input::Written(ticket) => self.on_written(ticket, true, now),
            Input::NotWritten(ticket) => self.on_written(ticket, false, now),
            Input::Resolved(result) => self.on_resolved(result, now),
            Input::Dialled(id, reached) => self.with_mux(now, |mux| mux.dialled(id, reached)),
            Input::FromDestination(id, data) => self.with_mux(now, |mux| {
                mux.heard_from(id, data);
                Ok(())
            }),
            Input::Taken(id, count) => self.with_mux(now, |mux| mux.taken(id, count)),
            Input::DestinationClosed(id) => self.with_mux(now, |mux| mux.destination_closed(id)),
            Input::Timer => self.on_timer(now),
        }
        self.step(now);
        self.read_on(now);
    }

    /// What to do next; data are made into messages only now.
    pub fn poll(&mut self, now: Now) -> Option<Output> {
        self.outputs.pop_front().or_else(|| self.send_data(now))
    }

    /// Whether the websocket is read; messages handed in all the same wait.
    pub fn reading(&self) -> bool {
        self.unheard.is_empty() && matches!(self.reader, Reader::Idle)
    }

    /// Whether the destinations are read.
    pub fn has_room(&self) -> bool {
        self.mux().is_some_and(Mux::has_room)
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.mux().map_or(0, Mux::streams)
    }

    /// The streams, while they are served.
    fn mux(&self) -> Option<&Mux> {
        match &self.phase {
            Phase::Serving { mux, .. } => Some(mux),
            Phase::Connecting
            | Phase::Shaking { .. }
            | Phase::Completing { .. }
            | Phase::Deaf { .. }
            | Phase::Preparing { .. }
            | Phase::Ending { .. }
            | Phase::Over => None,
        }
    }

    /// How many of its messages wait for their acknowledgement.
    pub fn unacknowledged(&self) -> usize {
        self.outbox.len()
    }

    /// Whether the session is over.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// When to come back with [`Input::Timer`], and why.
    pub fn timeout(&self) -> Option<(Instant, Timer)> {
        let limit = self.settings.handshake_limit;
        let phase = match &self.phase {
            Phase::Connecting | Phase::Completing { .. } | Phase::Over => None,
            Phase::Shaking { since } => Some((*since + limit, Timer::Handshake)),
            Phase::Deaf { until, .. } => Some((*until, Timer::Preparing)),
            Phase::Preparing { until, resolved, .. } => {
                resolved.then_some((*until, Timer::Preparing))
            }
            Phase::Serving { keep_alive, .. } => {
                keep_alive.as_ref().map(|due| (due.next.min(due.check), Timer::KeepAlive))
            }
            Phase::Ending { until, .. } => Some((*until, Timer::Ending)),
        };
        let tick = !self.paused && !self.outbox.is_empty();
        let pause = self.writing.is_none() && !self.paused && self.has_output();
        [
            phase,
            tick.then_some((self.next_tick, Timer::Tick)),
            pause.then_some((self.rests_until, Timer::Pause)),
            self.late.front().map(|(at, _, _)| (*at, Timer::LateStore)),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }

    fn on_connected(&mut self, now: Now) {
        self.connected = true;
        if matches!(self.phase, Phase::Connecting) {
            let request = payload::handshake_request(&self.settings.version, &self.wanted);
            self.controls.push_back((types::HANDSHAKE_REQUEST, request));
            self.phase = Phase::Shaking { since: now.instant };
        }
    }

    fn on_written(&mut self, ticket: Ticket, done: bool, now: Now) {
        match ticket {
            Ticket::Data(number) => self.on_data_written(number, now),
            Ticket::Acknowledgement(number) => self.on_acknowledgement_written(number, done, now),
            Ticket::Again(_) | Ticket::Other => {}
        }
    }

    fn on_resolved(&mut self, result: Result<(), String>, now: Now) {
        let Phase::Preparing { resolved, .. } = &mut self.phase else { return };
        match result {
            Ok(()) => *resolved = true,
            Err(output) => self.end(output, now),
        }
    }

    fn on_timer(&mut self, now: Now) {
        while self.late.front().is_some_and(|(at, _, _)| *at <= now.instant) {
            if let Some((_, number, bytes)) = self.late.pop_front() {
                self.store(number, bytes, now);
            }
        }
        if self.next_tick <= now.instant {
            // One look for each tick, and none made up for when we were late.
            while self.next_tick <= now.instant {
                self.next_tick += TICK;
            }
            self.on_tick(now);
        }
        if let Phase::Serving { mux, keep_alive: Some(due) } = &mut self.phase {
            if due.next <= now.instant {
                due.next = now.instant + KEEP_ALIVE;
                mux.keep_alive();
            }
            if due.check <= now.instant {
                due.check = now.instant + KEEP_ALIVE_LIMIT;
                if mux.was_silent() {
                    self.end("session timed out: the client sent no keep-alive".to_owned(), now);
                }
            }
        }
    }

    /// The steps that time alone brings about.
    fn step(&mut self, now: Now) {
        match &self.phase {
            Phase::Shaking { since } => {
                if *since + self.settings.handshake_limit <= now.instant {
                    self.end(HANDSHAKE_TIMED_OUT.to_owned(), now);
                }
            }
            Phase::Deaf { until, keep_alive } => {
                if *until <= now.instant {
                    let (until, keep_alive) = (*until + self.settings.preparing, *keep_alive);
                    self.phase = Phase::Preparing { until, resolved: false, keep_alive };
                    let state = payload::session_state(&self.wanted.session, "Connected");
                    self.send_other(MessageKind::AgentSessionState, state, now);
                    self.outputs.push_back(Output::Resolve);
                }
            }
            Phase::Preparing { until, resolved, keep_alive } => {
                if *resolved && *until <= now.instant {
                    let keep_alive = keep_alive.then(|| KeepAlive {
                        next: now.instant + KEEP_ALIVE,
                        check: now.instant + KEEP_ALIVE_LIMIT,
                    });
                    self.phase = Phase::Serving { mux: Box::new(Mux::new()), keep_alive };
                }
            }
            Phase::Ending { until, output } => {
                let quiet = self.outbox.is_empty() && self.writing.is_none();
                if *until <= now.instant || quiet && self.controls.is_empty() {
                    let output = output.clone();
                    self.over(output);
                }
            }
            Phase::Connecting | Phase::Completing { .. } | Phase::Serving { .. } | Phase::Over => {}
        }
    }

    fn with_mux(
        &mut self,
        now: Now,
        act: impl FnOnce(&mut Mux) -> Result<(), ssm_proto::Misbehaved>,
    ) {
        let Phase::Serving { mux, .. } = &mut self.phase else { return };
        let done = act(mux);
        self.after_mux(now);
        if done.is_err() {
            self.end(INVALID_PROTOCOL.to_owned(), now);
        }
    }

    fn after_mux(&mut self, now: Now) {
        let Phase::Serving { mux, .. } = &mut self.phase else { return };
        while let Some(event) = mux.poll() {
            match event {
                Event::Dial(id) => self.outputs.push_back(Output::Dial(id)),
                Event::ToDestination(id, data) => {
                    self.outputs.push_back(Output::ToDestination(id, data));
                }
                Event::Close(id) => self.outputs.push_back(Output::Close(id)),
                Event::Unreachable => {
                    let flag = Bytes::from_static(&[0, 0, 0, 3]); // ConnectToPortError
                    self.controls.push_back((types::FLAG, flag));
                }
            }
        }
        if let Reader::Writing { .. } = self.reader
            && let Reader::Writing { rest, then } =
                std::mem::replace(&mut self.reader, Reader::Idle)
        {
            self.write(rest, then, now);
        }
    }

    /// The session's end from the agent's side: the streams at once, the rest when all is acknowledged or 2 s later.
    fn end(&mut self, output: String, now: Now) {
        self.close_streams();
        if let Reader::Writing { .. } = self.reader {
            // The write into the closed session fails, and what it wrote is not acknowledged.
            self.reader = Reader::Idle;
        }
        if !matches!(self.phase, Phase::Ending { .. } | Phase::Over) {
            let state = payload::session_state(&self.wanted.session, "Terminating");
            self.send_other(MessageKind::AgentSessionState, state, now);
            self.phase = Phase::Ending { until: now.instant + ENDING_LIMIT, output };
        }
    }

    fn close_streams(&mut self) {
        if let Phase::Serving { mux, .. } = &mut self.phase {
            mux.end();
            while let Some(event) = mux.poll() {
                if let Event::Close(id) = event {
                    self.outputs.push_back(Output::Close(id));
                }
            }
        }
    }

    fn over(&mut self, output: String) {
        if !matches!(self.phase, Phase::Over) {
            self.phase = Phase::Over;
            self.outputs.push_back(Output::Done(output));
        }
    }
}

/// mgsConfig.ResendSleepInterval.
const TICK: Duration = Duration::from_millis(100);
/// How long a session that ends waits for its last acknowledgements.
const ENDING_LIMIT: Duration = Duration::from_secs(2);
/// smux's KeepAliveInterval.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// smux's KeepAliveTimeout.
const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(30);
/// The agent's own text.
const HANDSHAKE_TIMED_OUT: &str = "Handshake timed out. Please ensure that you have the latest version of the session manager plugin.";
/// smux's own text.
const INVALID_PROTOCOL: &str = "invalid protocol";
