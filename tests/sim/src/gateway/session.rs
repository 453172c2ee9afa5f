//! One session: two websockets, a wire each way between them, one task that owns it all.
//!
//! ```text
//!    client ══read══► [up: delay, loss, cap] ══write══► agent          Open ─ End, idle, worker gone ─► Ending
//!    client ◄══write══ [down: the same] ◄══read══ agent                  channel_closed behind what is on its way
//!                                                                        both closed ─► Over
//!    absent client: what is due is dropped; the agent is told to pause
//! ```
//!
//! What passes is `relay`; what is told, and what the clock brings, is here.

mod relay;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ssm_proto::message::MessageKind;
use tokio::sync::{mpsc, watch};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use uuid::Uuid;

use super::peer::Peer;
use super::record::{Direction, Facts, FrameKind};
use super::settings::GatewaySettings;
use super::wire::Wire;
use super::words::{channel_closed, service_frame};
use crate::agent::{ORDER, Order};
use crate::container::{self, Container};

/// What a session is told.
pub(super) enum Command {
    Client(Box<Peer>),
    Agent(Box<Peer>),
    End(String),
    WorkerGone,
    CutClient,
    CutAgent,
    /// Cut the client once so many frames have passed.
    CutAt(u64),
    BlackHole(bool),
    Stall(bool),
    /// So many frames of this kind vanish.
    Lose(Direction, FrameKind, u32),
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
    /// How many frames have passed, both ways together.
    passed: u64,
    cut_at: Option<u64>,
    /// The gateway takes nothing and gives nothing.
    stalled: bool,
    losses: Vec<(Direction, FrameKind, u32)>,
    /// Clients' websockets in a black hole whose place was taken: they stand, and nobody is told.
    graves: Vec<Peer>,
    /// Until when a session that ends waits for what is on its way.
    ending: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

/// What ends a turn.
enum Happened {
    Told(Command),
    ClientGone,
    AgentGone,
    /// As many frames have passed as were to pass before a cut.
    CutHere,
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
            passed: 0,
            cut_at: None,
            stalled: false,
            losses: Vec::new(),
            graves: Vec::new(),
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
                // One that is stuck, its destination taking nothing, ends when this lets go of it; one that was stopped
                // must run to end.
                container::freeze_worker(facts.group, &facts.view().id, false);
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
                Happened::CutHere => {
                    self.cut_at = None;
                    self.cut_client();
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

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Client(peer) => {
                match self.client.replace(*peer) {
                    Some(old) if old.black_hole => self.graves.push(old),
                    old => part(old, CloseCode::Normal, "another client took its place"),
                }
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
            Command::CutClient => self.cut_client(),
            Command::CutAt(frame) => self.cut_at = Some(frame),
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
            Command::Stall(on) => self.stalled = on,
            Command::Lose(direction, kind, count) => self.losses.push((direction, kind, count)),
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

    fn cut_client(&mut self) {
        if let Some(client) = self.client.take() {
            client.cut();
            self.on_client_gone();
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
