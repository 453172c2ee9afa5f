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

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ssm_proto::message::{Message, MessageId, MessageKind};
use ssm_proto::payload as types;

pub use super::payload::Wanted;

use super::dice::Dice;
use super::mux::{Event, Mux};
use super::outbox::Outbox;
use super::payload::{self, Response};
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

/// What the reader of the websocket is at.
#[derive(Debug)]
enum Reader {
    Idle,
    /// It writes into the mux, which has no room.
    Writing {
        rest: Bytes,
        then: Then,
    },
    /// It writes an acknowledgement.
    Acknowledging {
        seq: i64,
        advance: bool,
    },
}

/// What follows when a payload is in the mux.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// It is acknowledged, and then the next one is expected.
    Acknowledge(MessageId),
    /// It was acknowledged when it came early.
    Advance,
}

/// What became of a payload.
enum Processed {
    Taken,
    /// The port session does not stand yet: as if it had never come.
    NotReady,
    /// The rest waits for room.
    Rest(Bytes),
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
        match &self.phase {
            Phase::Serving { mux, .. } => mux.has_room(),
            Phase::Connecting
            | Phase::Shaking { .. }
            | Phase::Completing { .. }
            | Phase::Deaf { .. }
            | Phase::Preparing { .. }
            | Phase::Ending { .. }
            | Phase::Over => false,
        }
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        match &self.phase {
            Phase::Serving { mux, .. } => mux.streams(),
            Phase::Connecting
            | Phase::Shaking { .. }
            | Phase::Completing { .. }
            | Phase::Deaf { .. }
            | Phase::Preparing { .. }
            | Phase::Ending { .. }
            | Phase::Over => 0,
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

    /// Stored after it was written, and whether or not that went well.
    fn on_data_written(&mut self, number: i64, now: Now) {
        let Some((_, bytes)) = self.writing.take_if(|(writing, _)| *writing == number) else {
            return;
        };
        if self.dice.throw(self.settings.late_store) {
            self.late.push_back((now.instant + LATE, number, bytes));
        } else {
            self.store(number, bytes, now);
        }
        if let Phase::Completing { number: complete, keep_alive } = self.phase
            && complete == number
        {
            self.phase = Phase::Deaf { until: now.instant + self.settings.deaf, keep_alive };
        }
    }

    fn store(&mut self, number: i64, bytes: Bytes, now: Now) {
        if self.outbox.is_empty() {
            // The tick goes on while there is nothing to send again; only nobody was woken for it.
            while self.next_tick <= now.instant {
                self.next_tick += TICK;
            }
        }
        self.outbox.keep(number, bytes, now.instant);
    }

    fn on_acknowledgement_written(&mut self, number: i64, done: bool, now: Now) {
        let Reader::Acknowledging { seq, advance } = self.reader else { return };
        if seq != number {
            return;
        }
        self.reader = Reader::Idle;
        // A websocket that breaks here leaves the number expected that was taken: the client's next sending of it is
        // taken a second time.
        if advance && done {
            self.expected += 1;
            self.read_early(now);
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

    fn on_tick(&mut self, now: Now) {
        if self.paused || matches!(self.phase, Phase::Over) {
            return;
        }
        if let Some((number, bytes)) = self.outbox.due(now.instant) {
            self.outputs.push_back(Output::Send(bytes, Ticket::Again(number)));
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

    /// The websocket's reader: one message after the other while nothing holds it up.
    fn read_on(&mut self, now: Now) {
        while let Reader::Idle = self.reader
            && let Some(bytes) = self.unheard.pop_front()
        {
            // The digest is not looked at.
            let Ok(message) = Message::decode_unverified(bytes) else { continue };
            self.take(message, now);
        }
    }

    fn take(&mut self, message: Message, now: Now) {
        match &message.kind {
            MessageKind::InputStreamData => {
                self.paused = false;
                if message.created_ms != 0 {
                    self.take_data(message, now);
                }
            }
            MessageKind::Acknowledge => {
                self.paused = false;
                if let Some(number) = payload::acknowledged(&message.payload) {
                    self.outbox.acknowledged(number, now.instant);
                    self.step(now);
                }
            }
            MessageKind::PausePublication => self.paused = true,
            MessageKind::StartPublication => self.paused = false,
            MessageKind::ChannelClosed => {
                self.close_streams();
                self.over(String::new());
            }
            MessageKind::OutputStreamData
            | MessageKind::AgentSessionState
            | MessageKind::Unknown(_) => {}
        }
    }

    fn take_data(&mut self, message: Message, now: Now) {
        let (seq, id) = (message.seq, message.id);
        if seq < self.expected {
            self.acknowledge(seq, id, false, now);
        } else if seq > self.expected {
            let known = self.early.contains_key(&seq);
            if known || self.early.len() < MOST_EARLY {
                self.early.insert(seq, message);
                self.acknowledge(seq, id, false, now);
            }
        } else {
            match self.process(&message, now) {
                Processed::Taken => self.acknowledge(seq, id, true, now),
                Processed::NotReady => {}
                Processed::Rest(rest) => {
                    self.reader = Reader::Writing { rest, then: Then::Acknowledge(id) };
                }
            }
        }
    }

    /// What came before its turn and has it now: acknowledged already.
    fn read_early(&mut self, now: Now) {
        while let Reader::Idle = self.reader
            && let Some(message) = self.early.remove(&self.expected)
        {
            match self.process(&message, now) {
                Processed::Taken => self.expected += 1,
                Processed::NotReady => {
                    self.early.insert(self.expected, message);
                    return;
                }
                Processed::Rest(rest) => {
                    self.reader = Reader::Writing { rest, then: Then::Advance };
                }
            }
        }
    }

    /// The reader's write into the mux, once more.
    fn write(&mut self, rest: Bytes, then: Then, now: Now) {
        let Phase::Serving { mux, .. } = &mut self.phase else { return };
        match mux.write(rest) {
            Ok(rest) if rest.is_empty() => {
                match then {
                    Then::Acknowledge(id) => self.acknowledge(self.expected, id, true, now),
                    Then::Advance => {
                        self.expected += 1;
                        self.read_early(now);
                    }
                }
                self.after_mux(now);
            }
            Ok(rest) => {
                self.reader = Reader::Writing { rest, then };
            }
            Err(_) => self.end(INVALID_PROTOCOL.to_owned(), now),
        }
    }

    fn process(&mut self, message: &Message, now: Now) -> Processed {
        match (&mut self.phase, message.payload_type) {
            (Phase::Shaking { since }, types::HANDSHAKE_RESPONSE) => {
                let since = *since;
                self.on_response(&message.payload, since, now);
                Processed::Taken
            }
            (
                Phase::Connecting
                | Phase::Shaking { .. }
                | Phase::Completing { .. }
                | Phase::Deaf { .. },
                _,
            ) => Processed::Taken, // start race (a): acknowledged and thrown away
            (Phase::Serving { mux, .. }, types::OUTPUT) => {
                let written = mux.write(message.payload.clone());
                self.after_mux(now);
                match written {
                    Ok(rest) if rest.is_empty() => Processed::Taken,
                    Ok(rest) => Processed::Rest(rest),
                    Err(_) => {
                        self.end(INVALID_PROTOCOL.to_owned(), now);
                        Processed::Taken
                    }
                }
            }
            (Phase::Serving { .. }, types::FLAG) => {
                if message.payload[..] == [0, 0, 0, 2] {
                    self.end(String::new(), now);
                }
                Processed::Taken
            }
            (Phase::Serving { .. }, _) => Processed::Taken,
            (Phase::Preparing { .. } | Phase::Ending { .. } | Phase::Over, _) => {
                Processed::NotReady // start race (b)
            }
        }
    }

    fn on_response(&mut self, payload: &[u8], since: Instant, now: Now) {
        // What cannot be read is no answer: the limit ends the session.
        let Some(response) = Response::read(payload) else { return };
        if let Some(why) = response.refusal() {
            return self.end(why, now);
        }
        if !payload::at_least(&response.client_version, LEAST_FOR_MUX) {
            return self.end(NO_BASIC_MODE.to_owned(), now);
        }
        let keep_alive = !payload::at_least(&response.client_version, LEAST_WITHOUT_KEEP_ALIVE);
        let took = now.instant.saturating_duration_since(since);
        let complete = payload::handshake_complete(took);
        let number = self.next_number + i64::try_from(self.controls.len()).unwrap_or(0);
        self.controls.push_back((types::HANDSHAKE_COMPLETE, complete));
        self.phase = Phase::Completing { number, keep_alive };
    }

    fn acknowledge(&mut self, seq: i64, id: MessageId, advance: bool, now: Now) {
        let message = Message {
            kind: MessageKind::Acknowledge,
            created_ms: now.unix_ms,
            seq: 0,
            flags: 3,
            id: MessageId(self.dice.uuid()),
            payload_type: 0,
            payload: payload::acknowledgement(id, seq),
        };
        self.reader = Reader::Acknowledging { seq, advance };
        self.outputs.push_back(Output::Send(message.encode(), Ticket::Acknowledgement(seq)));
    }

    fn send_other(&mut self, kind: MessageKind, payload: Bytes, now: Now) {
        let message = Message {
            kind,
            created_ms: now.unix_ms,
            seq: 0,
            flags: 3,
            id: MessageId(self.dice.uuid()),
            payload_type: 0,
            payload,
        };
        self.outputs.push_back(Output::Send(message.encode(), Ticket::Other));
    }

    fn has_output(&self) -> bool {
        let mux = match &self.phase {
            Phase::Serving { mux, .. } => mux.has_output(),
            Phase::Connecting
            | Phase::Shaking { .. }
            | Phase::Completing { .. }
            | Phase::Deaf { .. }
            | Phase::Preparing { .. }
            | Phase::Ending { .. }
            | Phase::Over => false,
        };
        mux || !self.controls.is_empty()
    }

    /// The sender: the handshake and flags at once, data one message at a time with a pause after each.
    fn send_data(&mut self, now: Now) -> Option<Output> {
        if self.writing.is_some() {
            return None;
        }
        if let Some((payload_type, payload)) = self.controls.pop_front() {
            return Some(self.number(payload_type, payload, now));
        }
        // It neither reads its smux while it is told to pause nor while it rests.
        let Phase::Serving { mux, .. } = &mut self.phase else { return None };
        if self.paused || now.instant < self.rests_until {
            return None;
        }
        let payload = mux.read(self.settings.message_bytes)?;
        // Counted from when the last rest was over: a timer that came late does not slow the agent down twice.
        let late = now.instant.saturating_duration_since(self.rests_until);
        let from = if late > TIMER_SLACK { now.instant } else { self.rests_until };
        self.rests_until = from + self.settings.pause;
        Some(self.number(types::OUTPUT, payload, now))
    }

    fn number(&mut self, payload_type: u32, payload: Bytes, now: Now) -> Output {
        let seq = self.next_number;
        self.next_number += 1;
        let message = Message {
            kind: MessageKind::OutputStreamData,
            created_ms: now.unix_ms,
            seq,
            flags: u64::from(seq == 0), // SYN on the first one
            id: MessageId(self.dice.uuid()),
            payload_type,
            payload,
        };
        let bytes = message.encode();
        self.writing = Some((seq, bytes.clone()));
        Output::Send(bytes, Ticket::Data(seq))
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
/// How many early messages are kept (the agent's IncomingMessageBufferCapacity).
const MOST_EARLY: usize = 100_000;
/// How long a session that ends waits for its last acknowledgements.
const ENDING_LIMIT: Duration = Duration::from_secs(2);
/// smux's KeepAliveInterval.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// smux's KeepAliveTimeout.
const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(30);
/// How late a message is stored that is stored late: longer than a local acknowledgement takes.
const LATE: Duration = Duration::from_millis(20);
/// How late a timer may be; tokio's wheel turns once a millisecond.
const TIMER_SLACK: Duration = Duration::from_millis(3);
/// From this client version on a port session is a mux session (port.go).
const LEAST_FOR_MUX: [u64; 4] = [1, 1, 70, 0];
/// From the version after 1.2.331.0 on clients do not want smux's keep-alive (port_mux.go).
const LEAST_WITHOUT_KEEP_ALIVE: [u64; 4] = [1, 2, 331, 1];
/// The agent's own text.
const HANDSHAKE_TIMED_OUT: &str = "Handshake timed out. Please ensure that you have the latest version of the session manager plugin.";
/// smux's own text.
const INVALID_PROTOCOL: &str = "invalid protocol";
/// Not the agent's: it would carry on in basic mode, which no client of ours speaks.
const NO_BASIC_MODE: &str =
    "the client's version asks for the basic mode, which this agent does not have";
