//! One session's worker process, as `amazon-ssm-agent` starts one for each session.
//!
//! ```text
//!   CreateDataChannel ─► token ─► websocket ─► [machine] ─► one task a stream ─► the destination
//!          ▲                         │ lost
//!          └──── 100–200 ms, doubling, five times ◄┘
//! ```
//!
//! It ends with its session, a few seconds later as the real one does, and at once when its standard input ends.

#![expect(
    clippy::disallowed_methods,
    reason = "a simulator's own tasks end with it, and it lives in real time"
)]

mod channel;
mod destination;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use ssm_proto::message::{Message as Frame, MessageId, MessageKind};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;

use self::channel::{Lost, Socket};
use self::destination::{Destinations, News};
use super::dice::Dice;
use super::machine::{Input, Machine, Now, Output, Wanted};
use super::settings::AgentSettings;

/// What a worker is told by its environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// `http://127.0.0.1:PORT`
    pub(crate) gateway: String,
    /// What the worker shows at CreateDataChannel, in place of its task role's signature.
    pub(crate) secret: String,
    pub(crate) host: String,
    pub(crate) port: String,
    pub(crate) local_port: String,
    pub(crate) hosts: BTreeMap<String, String>,
    pub(crate) agent: AgentSettings,
    pub(crate) seed: u64,
}

/// Runs one session's worker: `args` are the program's own name and the session's id.
pub fn run(args: impl IntoIterator<Item = String>) -> ExitCode {
    let Some(session) = args.into_iter().nth(1) else { return ExitCode::from(USAGE) };
    let order = std::env::var(ORDER).ok().and_then(|order| serde_json::from_str(&order).ok());
    let Some(order) = order else { return ExitCode::from(USAGE) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return ExitCode::FAILURE };
    runtime.block_on(async {
        tokio::select! {
            () = orphaned() => ExitCode::FAILURE,
            code = life(session, order) => code,
        }
    })
}

/// From the worker's start to its end.
async fn life(session: String, order: Order) -> ExitCode {
    tokio::time::sleep(order.agent.start_delay).await;
    let linger = order.agent.linger;
    let code = match Session::new(session, order).serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Lost) => ExitCode::FAILURE,
    };
    tokio::time::sleep(linger).await;
    code
}

struct Session {
    id: String,
    order: Order,
    machine: Machine,
    dice: Dice,
    socket: Option<Socket>,
    dialling: Option<Dialling>,
    destinations: Destinations,
    /// What the session ended with.
    done: Option<String>,
}

type Dialling = Pin<Box<dyn Future<Output = Result<Socket, Lost>>>>;

/// What the worker waits for.
enum Happened {
    Message(Option<Result<Message, Lost>>),
    Dialled(Result<Box<Socket>, Lost>),
    News(News),
    Timer,
}

impl Session {
    fn new(id: String, order: Order) -> Self {
        let wanted = Wanted {
            session: id.clone(),
            host: order.host.clone(),
            port: order.port.clone(),
            local_port: order.local_port.clone(),
        };
        let mut dice = Dice::new(order.seed);
        let machine = Machine::new(order.agent.clone(), wanted, dice.next(), now().instant);
        let dialling: Dialling = Box::pin(channel::open(
            order.gateway.clone(),
            id.clone(),
            order.secret.clone(),
            dice.next(),
        ));
        let dialling = Some(dialling);
        let destinations = Destinations::new(&order);
        Self { id, order, machine, dice, socket: None, dialling, destinations, done: None }
    }

    async fn serve(mut self) -> Result<(), Lost> {
        loop {
            self.act().await;
            if let Some(output) = self.done.take() {
                return self.close(output).await;
            }
            match self.wait().await {
                Happened::Message(Some(Ok(message))) => {
                    self.on_message(message);
                    self.read_more().await;
                }
                Happened::Message(Some(Err(Lost)) | None) => self.on_lost(),
                Happened::Dialled(socket) => {
                    self.dialling = None;
                    self.socket = Some(*socket?);
                    self.machine.handle(Input::Connected, now());
                }
                Happened::News(news) => self.on_news(news),
                Happened::Timer => self.on_timer().await,
            }
        }
    }

    async fn wait(&mut self) -> Happened {
        let wake = self.machine.timeout().map(|(at, _)| at);
        let wake = wake.into_iter().chain(self.socket.as_ref().map(Socket::timeout)).min();
        let reading = self.machine.reading();
        let (socket, dialling) = (&mut self.socket, &mut self.dialling);
        tokio::select! {
            biased;
            message = next(socket), if reading => Happened::Message(message),
            socket = dialled(dialling) => Happened::Dialled(socket.map(Box::new)),
            news = self.destinations.news(self.machine.has_room()) => Happened::News(news),
            () = sleep_until(wake) => Happened::Timer,
        }
    }

    /// All that has come already: one flush for many messages.
    async fn read_more(&mut self) {
        for _ in 0..BATCH {
            self.act_unflushed().await;
            if !self.machine.reading() || self.done.is_some() {
                return;
            }
            match next(&mut self.socket).now_or_never() {
                Some(Some(Ok(message))) => self.on_message(message),
                Some(Some(Err(Lost)) | None) => return self.on_lost(),
                None => return,
            }
        }
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::Binary(bytes) => self.machine.handle(Input::Message(bytes), now()),
            // As the real agent: what comes as text is treated like binary.
            Message::Text(text) => {
                self.machine.handle(Input::Message(Bytes::from(text)), now());
            }
            Message::Pong(_) => {
                if let Some(socket) = &mut self.socket {
                    socket.on_pong(now().instant);
                }
            }
            Message::Close(_) => self.on_lost(),
            Message::Ping(_) | Message::Frame(_) => {}
        }
    }

    fn on_lost(&mut self) {
        if self.socket.take().is_none() {
            return;
        }
        self.machine.handle(Input::Disconnected, now());
        self.dialling = Some(Box::pin(channel::reopen(
            self.order.gateway.clone(),
            self.id.clone(),
            self.order.secret.clone(),
            self.dice.next(),
        )));
    }

    fn on_news(&mut self, news: News) {
        let input = match news {
            News::Resolved(result) => Input::Resolved(result),
            News::Dialled(id, reached) => Input::Dialled(id, reached),
            News::Taken(id, count) => Input::Taken(id, count),
            News::Data(id, data) => Input::FromDestination(id, data),
            News::Closed(id) => Input::DestinationClosed(id),
        };
        self.machine.handle(input, now());
    }

    async fn on_timer(&mut self) {
        let alive = match &mut self.socket {
            Some(socket) => socket.on_timer(now().instant).await.is_ok(),
            None => true,
        };
        if !alive {
            self.on_lost();
        }
        self.machine.handle(Input::Timer, now());
    }

    /// Does what the machine says, and sends it off.
    async fn act(&mut self) {
        self.act_unflushed().await;
        let flushed = match &mut self.socket {
            Some(socket) => socket.ws.flush().await.is_ok(),
            None => true,
        };
        if !flushed {
            self.on_lost();
        }
    }

    async fn act_unflushed(&mut self) {
        while let Some(output) = self.machine.poll(now()) {
            match output {
                Output::Send(bytes, ticket) => {
                    let written = match &mut self.socket {
                        Some(socket) => socket.ws.feed(Message::Binary(bytes)).await.is_ok(),
                        None => false,
                    };
                    let input =
                        if written { Input::Written(ticket) } else { Input::NotWritten(ticket) };
                    self.machine.handle(input, now());
                    if !written {
                        self.on_lost();
                    }
                }
                Output::Resolve => self.destinations.resolve(),
                Output::Dial(id) => self.destinations.dial(id),
                Output::ToDestination(id, data) => self.destinations.write(id, data),
                Output::Close(id) => self.destinations.close(id),
                Output::Done(output) => self.done = Some(output),
            }
        }
    }

    /// The last word, and the websocket's close.
    async fn close(mut self, output: String) -> Result<(), Lost> {
        let Some(socket) = &mut self.socket else { return Err(Lost) };
        let status = if output.is_empty() { "Success" } else { "Failed" };
        let said = serde_json::json!({
            "SchemaVersion": 1, "TaskId": self.id, "FinalTaskStatus": status, "Output": output,
        });
        let frame = Frame {
            kind: MessageKind::Unknown(TASK_COMPLETE.to_owned()),
            created_ms: now().unix_ms,
            seq: 0,
            flags: 3,
            id: MessageId(self.dice.uuid()),
            payload_type: 0,
            payload: Bytes::from(said.to_string()),
        };
        let farewell = async {
            socket.ws.send(Message::Binary(frame.encode())).await?;
            socket.ws.close(None).await?;
            while let Some(Ok(_)) = socket.ws.next().await {}
            Ok::<_, tokio_tungstenite::tungstenite::Error>(())
        };
        // Whoever does not answer the close has heard it or is gone.
        let told = tokio::time::timeout(CLOSE_LIMIT, farewell).await;
        if let Ok(Err(_)) = told { Err(Lost) } else { Ok(()) }
    }
}

async fn next(socket: &mut Option<Socket>) -> Option<Result<Message, Lost>> {
    match socket {
        Some(socket) => socket.ws.next().await.map(|message| message.map_err(|_| Lost)),
        None => std::future::pending().await,
    }
}

async fn dialled(dialling: &mut Option<Dialling>) -> Result<Socket, Lost> {
    match dialling {
        Some(dialling) => dialling.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Comes back when standard input ends: whoever started the worker is gone.
async fn orphaned() {
    let (told, heard) = oneshot::channel::<()>();
    // A thread of its own, which ends with the process: the runtime's would be waited for.
    std::thread::spawn(move || {
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
        drop(told);
    });
    heard.await.ok();
}

fn now() -> Now {
    let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_millis());
    Now { instant: Instant::now(), unix_ms: u64::try_from(unix_ms).unwrap_or(u64::MAX) }
}

/// The environment's variable that holds a worker's orders.
pub(crate) const ORDER: &str = "BASTION_SIM_WORKER";
/// The type of the message that says how the session ended. The real agent says it on its control channel, which
/// does not exist here.
pub(crate) const TASK_COMPLETE: &str = "agent_task_complete";
/// How many messages are read before what they brought about is sent off.
const BATCH: usize = 256;
/// How long the websocket's close may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// The exit code of a program that was called wrongly.
const USAGE: u8 = 2;
