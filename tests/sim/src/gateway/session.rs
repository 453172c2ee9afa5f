//! One session: two websockets, a wire each way between them, one task that owns it all.
//!
//! ```text
//!    client ══read══► [up: delay, loss, cap] ══write══► agent          Open ─ End, idle, worker gone ─► Ending
//!    client ◄══write══ [down: the same] ◄══read══ agent                  channel_closed behind what is on its way
//!                                                                        both closed ─► Over
//!    absent client: what is due is dropped; the agent is told to pause
//! ```
//!
//! Each turn reads and writes all that can be, then flushes once: no system call for each frame.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use ssm_proto::message::MessageKind;
use tokio::sync::{mpsc, watch};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use uuid::Uuid;

use super::peer::{Gone, Peer, Write};
use super::record::{Direction, Facts, FrameKind, FrameRecord, peek};
use super::settings::{GatewaySettings, PayloadLimitKind};
use super::wire::{Fate, Wire};
use super::words::{channel_closed, output_of, service_frame};
use crate::agent::{ORDER, Order};
use crate::container::Container;

/// What a session is told.
pub(super) enum Command {
    Client(Box<Peer>),
    Agent(Box<Peer>),
    End(String),
    WorkerGone,
    CutClient,
    CutAgent,
    BlackHole(bool),
    Bye,
    /// The settings are other ones.
    Altered,
}

/// One session, from its opening to its end.
pub(super) struct Session {
    facts: Arc<Facts>,
    settings: watch::Receiver<GatewaySettings>,
    /// The settings as this session last saw them.
    now_set: GatewaySettings,
    commands: mpsc::UnboundedReceiver<Command>,
    client: Option<Peer>,
    agent: Option<Peer>,
    up: Wire,
    down: Wire,
    /// The highest number seen, each way: what repeats is no activity.
    highest: [i64; 2],
    active: Instant,
    /// The agent was told to pause.
    pausing: bool,
    /// Until when a session that ends waits for what is on its way.
    ending: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

/// What ends a turn.
enum Happened {
    Told(Command),
    ClientGone,
    AgentGone,
    TooLarge,
    Complete(String),
    Alarm,
    AllSaid,
}

impl Session {
    pub(super) fn new(
        facts: Arc<Facts>,
        settings: watch::Receiver<GatewaySettings>,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Self {
        let (seed, other) = Uuid::new_v4().as_u64_pair();
        let now_set = settings.borrow().clone();
        let active = facts.began;
        Self {
            facts,
            settings,
            now_set,
            commands,
            client: None,
            agent: None,
            up: Wire::new(seed),
            down: Wire::new(other),
            highest: [-1; 2],
            active,
            pausing: false,
            ending: None,
            alarm: Box::pin(tokio::time::sleep(Duration::ZERO)),
        }
    }

    /// Runs the session, and its worker where it has one.
    pub(super) async fn run(
        mut self,
        worker: Option<(Container, Order)>,
        commands: mpsc::UnboundedSender<Command>,
    ) {
        let facts = Arc::clone(&self.facts);
        let linger = worker.as_ref().map_or(Duration::ZERO, |(_, order)| order.agent.linger);
        let mut caring = pin!(look_after(worker, &facts, commands));
        let mut relay = pin!(self.relay());
        tokio::select! {
            () = caring.as_mut() => relay.await,
            () = relay.as_mut() => {
                // One that is stuck, its destination taking nothing, ends when this lets go of it.
                tokio::time::timeout(linger + WORKER_LIMIT, caring).await.ok();
            }
        }
        facts.set_worker(false);
    }

    async fn relay(&mut self) {
        loop {
            match std::future::poll_fn(|cx| self.poll_turn(cx)).await {
                Happened::Told(command) => self.on_command(command),
                Happened::ClientGone => self.on_client_gone(),
                Happened::AgentGone => {
                    self.agent = None;
                    self.facts.change(|view| view.agent = false);
                }
                Happened::TooLarge => {
                    self.farewell_client(CloseCode::Size, "the message is too large");
                }
                Happened::Complete(output) => self.end(output),
                Happened::Alarm => self.on_alarm(),
                Happened::AllSaid => break,
            }
        }
        // The farewells are said side by side: neither side waits for the other's answer.
        let client = self.client.take();
        let agent = self.agent.take();
        let close = async |peer: Option<Peer>| {
            if let Some(peer) = peer {
                peer.close(CloseCode::Normal, "").await;
            }
        };
        tokio::join!(close(client), close(agent));
        self.facts.change(|view| (view.client, view.agent) = (false, false));
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        loop {
            if let Poll::Ready(Some(command)) = self.commands.poll_recv(cx) {
                return Poll::Ready(Happened::Told(command));
            }
            let now = Instant::now();
            let mut moved = false;
            for step in [
                Self::poll_client_in,
                Self::poll_agent_in,
                Self::poll_agent_out,
                Self::poll_client_out,
            ] {
                match step(self, cx, now) {
                    Ok(progress) => moved |= progress,
                    Err(happened) => return Poll::Ready(happened),
                }
            }
            if !moved {
                return self.poll_rest(cx, now);
            }
        }
    }

    /// Nothing more can be read or written: flush, and wait.
    fn poll_rest(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Happened> {
        if let Some(agent) = &mut self.agent
            && let Poll::Ready(Err(Gone)) = agent.poll_flush(cx)
        {
            return Poll::Ready(Happened::AgentGone);
        }
        if let Some(client) = self.client.as_mut().filter(|client| !client.black_hole)
            && let Poll::Ready(Err(Gone)) = client.poll_flush(cx)
        {
            return Poll::Ready(Happened::ClientGone);
        }
        if self.ending.is_some() && self.down.is_empty() {
            let flushed = self.client.as_ref().is_none_or(|client| !client.unflushed);
            if flushed {
                return Poll::Ready(Happened::AllSaid);
            }
        }
        let wake = self.wake(now);
        if wake <= now {
            return Poll::Ready(Happened::Alarm);
        }
        self.alarm.as_mut().reset(wake.into());
        ready!(self.alarm.as_mut().poll(cx));
        Poll::Ready(Happened::Alarm)
    }

    /// When something is due without anybody's doing.
    fn wake(&self, now: Instant) -> Instant {
        let bye = self.now_set.bye_every.zip(self.client.as_ref());
        let bye = bye.map(|(every, client)| client.since + every);
        // A frame that is due already could not be written: it waits for its socket, not for the clock.
        let due = |wire: &Wire| wire.timeout().filter(|due| *due > now);
        let last = self.ending.unwrap_or(self.active + self.now_set.session_idle);
        [bye, due(&self.up), due(&self.down)].into_iter().flatten().fold(last, Instant::min)
    }

    fn poll_client_in(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Happened> {
        let mut moved = false;
        while self.up.has_room() && self.ending.is_none() {
            let Some(client) = self.client.as_mut().filter(|client| !client.black_hole) else {
                break;
            };
            match client.ws.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(Message::Binary(frame)))) => {
                    moved = true;
                    self.take_from_client(frame, now)?;
                }
                Poll::Ready(Some(Ok(Message::Ping(_)))) => {
                    client.unflushed = true; // the pong waits for a flush
                    moved = true;
                }
                Poll::Ready(Some(Ok(Message::Close(_)) | Err(_)) | None) => {
                    return Err(Happened::ClientGone);
                }
                Poll::Ready(Some(Ok(Message::Text(_) | Message::Pong(_) | Message::Frame(_)))) => {}
                Poll::Pending => break,
            }
        }
        Ok(moved)
    }

    fn take_from_client(&mut self, frame: Bytes, now: Instant) -> Result<(), Happened> {
        let (kind, seq, payload_type) = peek(&frame);
        self.note(Direction::Up, &frame, kind, seq, payload_type, now);
        if let Some(limit) = self.now_set.payload_limit
            && frame.len() > limit.bytes
        {
            self.facts.count(Direction::Up, |counters, _| counters.too_large += 1);
            return match limit.kind {
                PayloadLimitKind::Close => Err(Happened::TooLarge),
                PayloadLimitKind::Drop => Ok(()),
            };
        }
        if self.up.push(frame, &self.now_set.up, now) == Fate::Lost {
            self.facts.count(Direction::Up, |counters, _| counters.lost += 1);
        }
        Ok(())
    }

    fn poll_agent_in(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Happened> {
        let mut moved = false;
        while self.down.has_room() {
            let Some(agent) = &mut self.agent else { break };
            match agent.ws.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(Message::Binary(frame)))) => {
                    moved = true;
                    self.take_from_agent(frame, now)?;
                }
                Poll::Ready(Some(Ok(Message::Ping(_)))) => {
                    agent.unflushed = true;
                    moved = true;
                }
                Poll::Ready(Some(Ok(Message::Close(_)) | Err(_)) | None) => {
                    return Err(Happened::AgentGone);
                }
                Poll::Ready(Some(Ok(Message::Text(_) | Message::Pong(_) | Message::Frame(_)))) => {}
                Poll::Pending => break,
            }
        }
        Ok(moved)
    }

    fn take_from_agent(&mut self, frame: Bytes, now: Instant) -> Result<(), Happened> {
        let (kind, seq, payload_type) = peek(&frame);
        self.note(Direction::Down, &frame, kind, seq, payload_type, now);
        match kind {
            FrameKind::TaskComplete => return Err(Happened::Complete(output_of(frame))),
            FrameKind::SessionState => return Ok(()), // it is for the service
            FrameKind::Data | FrameKind::Acknowledgement | FrameKind::Other => {}
        }
        if self.ending.is_none() && self.down.push(frame, &self.now_set.down, now) == Fate::Lost {
            self.facts.count(Direction::Down, |counters, _| counters.lost += 1);
        }
        Ok(())
    }

    fn poll_agent_out(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Happened> {
        let mut moved = false;
        while self.up.is_due(now) {
            let Some(agent) = &mut self.agent else {
                moved |= drop_due(&mut self.up, now, &self.facts, Direction::Up);
                break;
            };
            match agent.poll_write(cx, || self.up.pop(now)) {
                Write::Done => moved = true,
                Write::Nothing | Write::Full => break,
                Write::Gone => return Err(Happened::AgentGone),
            }
        }
        Ok(moved)
    }

    fn poll_client_out(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Happened> {
        let mut moved = false;
        while self.down.is_due(now) {
            let Some(client) = self.client.as_mut().filter(|client| !client.black_hole) else {
                moved |= drop_due(&mut self.down, now, &self.facts, Direction::Down);
                break;
            };
            match client.poll_write(cx, || self.down.pop(now)) {
                Write::Done => moved = true,
                Write::Nothing | Write::Full => break,
                Write::Gone => return Err(Happened::ClientGone),
            }
        }
        Ok(moved)
    }

    fn note(
        &mut self,
        direction: Direction,
        frame: &Bytes,
        kind: FrameKind,
        seq: i64,
        payload_type: u32,
        now: Instant,
    ) {
        let highest = match direction {
            Direction::Up => &mut self.highest[0],
            Direction::Down => &mut self.highest[1],
        };
        let repeated = kind == FrameKind::Data && seq <= *highest;
        if kind == FrameKind::Data && !repeated {
            // Stream data either way, NOPs among them, keep a session alive; acknowledgements and pings do not.
            *highest = seq;
            self.active = now;
        }
        let at = now.saturating_duration_since(self.facts.began);
        let bytes = frame.len();
        let most = self.now_set.record;
        self.facts.count(direction, |counters, latest| {
            counters.frames += 1;
            counters.bytes += bytes as u64;
            counters.data += u64::from(kind == FrameKind::Data);
            counters.repeated += u64::from(repeated);
            counters.acknowledgements += u64::from(kind == FrameKind::Acknowledgement);
            latest.add(FrameRecord { at, direction, kind, seq, payload_type, bytes }, most);
        });
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Client(peer) => {
                let old = self.client.replace(*peer);
                part(old, CloseCode::Normal, "another client took its place");
                self.active = Instant::now(); // a resumption counts as activity
                self.facts.change(|view| {
                    view.client = true;
                    view.clients += 1;
                });
                if std::mem::take(&mut self.pausing) {
                    self.tell_agent(MessageKind::StartPublication);
                }
            }
            Command::Agent(peer) => {
                let old = self.agent.replace(*peer);
                part(old, CloseCode::Normal, "another took its place");
                self.facts.change(|view| {
                    view.agent = true;
                    view.agents += 1;
                });
                self.pausing = self.client.is_none();
                if self.pausing {
                    self.tell_agent(MessageKind::PausePublication);
                }
            }
            Command::End(output) => self.end(output),
            // No text comes: its channel_closed says nothing.
            Command::WorkerGone => self.end(String::new()),
            Command::CutClient => {
                if let Some(client) = self.client.take() {
                    client.cut();
                    self.on_client_gone();
                }
            }
            Command::CutAgent => {
                if let Some(agent) = self.agent.take() {
                    agent.cut();
                    self.facts.change(|view| view.agent = false);
                }
            }
            Command::BlackHole(on) => {
                if let Some(client) = &mut self.client {
                    client.black_hole = on;
                }
            }
            Command::Bye => self.farewell_client(CloseCode::Normal, "Bye"),
            Command::Altered => self.now_set = self.settings.borrow_and_update().clone(),
        }
    }

    fn on_alarm(&mut self) {
        let now = Instant::now();
        if let Some(limit) = self.ending {
            if limit <= now {
                // Whoever does not read in all that time hears nothing of the end.
                self.client.take().into_iter().for_each(Peer::cut);
                self.down = Wire::new(0);
            }
            return;
        }
        if self.active + self.now_set.session_idle <= now {
            return self.end(IDLE.to_owned());
        }
        let since = self.client.as_ref().map(|client| client.since);
        if let Some((every, since)) = self.now_set.bye_every.zip(since)
            && since + every <= now
        {
            self.farewell_client(CloseCode::Normal, "Bye");
        }
    }

    fn on_client_gone(&mut self) {
        self.client = None;
        self.facts.change(|view| view.client = false);
        if self.ending.is_none() && !self.pausing {
            self.pausing = true;
            self.tell_agent(MessageKind::PausePublication);
        }
    }

    fn farewell_client(&mut self, code: CloseCode, reason: &'static str) {
        let client = self.client.take();
        if client.is_some() {
            part(client, code, reason);
            self.on_client_gone();
        }
    }

    fn tell_agent(&mut self, kind: MessageKind) {
        let frame = service_frame(kind, Bytes::new());
        self.up.push_sure(frame, &self.now_set.up, Instant::now());
    }

    /// The service ends the session: both are told, the client behind what is on its way to it.
    fn end(&mut self, output: String) {
        if self.ending.is_some() {
            return;
        }
        let now = Instant::now();
        let id = self.facts.view().id;
        let closed = service_frame(MessageKind::ChannelClosed, channel_closed(&id, &output));
        if self.client.as_ref().is_some_and(|client| !client.black_hole) {
            self.down.push_sure(closed.clone(), &self.now_set.down, now);
        }
        self.up.push_sure(closed, &self.now_set.up, now);
        self.ending = Some(now + ENDING_LIMIT);
        self.facts.change(|view| view.ended = Some(output));
    }
}

/// Drops what is due for somebody who is not there.
fn drop_due(wire: &mut Wire, now: Instant, facts: &Facts, direction: Direction) -> bool {
    let mut dropped = 0;
    while wire.pop(now).is_some() {
        dropped += 1;
    }
    facts.count(direction, |counters, _| counters.absent += dropped);
    dropped > 0
}

/// Starts the worker, waits for its end and tells the session.
async fn look_after(
    worker: Option<(Container, Order)>,
    facts: &Facts,
    commands: mpsc::UnboundedSender<Command>,
) {
    let Some((container, order)) = worker else {
        return; // nobody ever answers, and the session goes idle
    };
    let order = serde_json::to_string(&order).expect("an order is plain data");
    match container.worker(&facts.view().id, &[(ORDER, order)]) {
        Ok(mut worker) => {
            if let Err(error) = worker.wait().await {
                tracing::warn!(%error, "waiting for a session's worker");
            }
        }
        Err(error) => tracing::warn!(%error, "starting a session's worker"),
    }
    facts.set_worker(false);
    commands.send(Command::WorkerGone).ok();
}

/// Says farewell on the side; the session goes on.
fn part(peer: Option<Peer>, code: CloseCode, reason: &'static str) {
    if let Some(peer) = peer {
        tokio::spawn(peer.close(code, reason));
    }
}

/// Why an idle session ended.
pub(super) const IDLE: &str = "Your session has been terminated because it was idle for too long.";
/// How long a session that ends waits for what is on its way to the client.
const ENDING_LIMIT: Duration = Duration::from_secs(5);
/// How long a worker may live beyond its linger when its session is over.
const WORKER_LIMIT: Duration = Duration::from_secs(3);
