//! A cloud that gives sessions as it is told, and agents behind them that do what their test says.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bastion_cloud::{
    Bastion, Cloud, CloudError, Database, DatabaseRef, Identity, Keys, Kind, Login, LoginWay,
    Place, Progress, Remote, Scaled, Secret, SecretRef, Seen, SessionGrant, SessionId, TaskId,
    TaskSpec,
};
use bastiond::clock::{Clock, Hand};
use bastiond::config;
use bastiond::events::Events;
use bastiond::tasks::Tasks;
use bastiond::tunnels::{Parts, Route, SessionBook, Trouble, Tunnels};
use ssm_proto::mux::frame::Command;
use ssm_proto::payload::Flag;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::agent::{Agent, Gate, Heard};

/// What an agent does with its client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Does {
    /// Sends back what comes.
    Echo,
    /// Takes everything and says nothing, as while it dials.
    Dial,
    /// Sends about a megabyte a second on the first stream, and echoes the others.
    Pump,
    /// Does not reach the database.
    Refuse,
    /// Never shakes hands, as one whose places are taken.
    Ignore,
}

/// Tunnels through one bastion, and whom they meet.
pub(crate) struct Yard {
    pub(crate) tunnels: Tunnels,
    pub(crate) route: Route,
    pub(crate) aws: Arc<Aws>,
    pub(crate) hand: Hand,
    pub(crate) events: Events,
    pub(crate) troubles: mpsc::UnboundedReceiver<(Arc<config::Target>, Trouble)>,
    tasks: Tasks,
}

impl Yard {
    /// A yard whose site says `rules`, and whose agents do these things in the order of their sessions; the last for
    /// all that follow.
    pub(crate) async fn lay(rules: &str, agents: &[Does]) -> Self {
        let gate = Gate::open().await;
        let aws = Arc::new(Aws::new(&gate));
        let (clock, hand) = Clock::by_hand();
        let tasks = Tasks::new();
        let events = Events::new(clock.clone());
        let (tell, troubles) = mpsc::unbounded_channel();
        let mut parts = Parts::new(tasks.clone(), clock, events.clone());
        parts.troubles = tell;
        parts.book = Arc::clone(&aws) as Arc<dyn SessionBook>;
        parts.options.handshake = HANDSHAKE;
        let text = format!(
            "[site.s]\nregion = \"eu-west-1\"\ncluster = \"c\"\ntask_definition = \"t\"\nsubnets = [\"subnet-1\"]\n\
             security_groups = [\"sg-1\"]\npayload_probing = false\n{rules}\n\
             [target.db]\nsite = \"s\"\nrds = \"db\"\nlisten = \"unix\"\n"
        );
        let config = config::parse(std::path::Path::new("c.toml"), &text).unwrap();
        let route = Route {
            target: Arc::new(config.targets.into_iter().next().unwrap()),
            cloud: Arc::clone(&aws) as Arc<dyn Cloud>,
            bastion: Bastion {
                task: TaskId::new("t1"),
                container: "proxy".to_owned(),
                runtime_id: "r".to_owned(),
            },
            remote: remote("10.0.0.1"),
        };
        let agents = agents.to_vec();
        let doors = Arc::clone(&aws);
        tasks.spawn("gate", async move {
            for number in 0.. {
                let does = agents[number.min(agents.len() - 1)];
                let agent = gate.agent().await;
                doors.dialed.fetch_add(1, Ordering::SeqCst);
                let (cut, frozen) = (doors.wire(), doors.frozen.clone());
                tokio::spawn(async move {
                    let mut serving = pin!(serve(agent, does));
                    tokio::select! {
                        () = &mut serving => {}
                        () = cut.cancelled() => {}
                        // It still holds its websocket, and does nothing with it.
                        () = frozen.cancelled() => cut.cancelled().await,
                    }
                });
            }
        });
        Self { tunnels: Tunnels::new(parts), route, aws, hand, events, troubles, tasks }
    }

    pub(crate) fn task(&self) -> TaskId {
        self.route.bastion.task.clone()
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.aws.stop.cancel();
        self.tasks.stop_token().cancel();
    }
}

/// Waits until it is so, and says so where it never is.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came: {what}");
}

pub(crate) fn remote(host: &str) -> Remote {
    Remote { host: host.to_owned(), port: 5432 }
}

async fn serve(mut agent: Agent, does: Does) {
    if does == Does::Ignore {
        while !matches!(agent.hear().await, Heard::Closed(_) | Heard::Gone) {}
        return;
    }
    agent.shake_hands("3.3.0.0").await;
    match does {
        Does::Echo => agent.echo().await,
        Does::Dial => while !agent.frames().await.is_empty() {},
        Does::Pump => pump(agent).await,
        Does::Refuse => loop {
            let frames = agent.frames().await;
            if frames.is_empty() {
                return;
            }
            for frame in frames.into_iter().filter(|frame| frame.command == Command::Syn) {
                agent.flag(Flag::ConnectToPortError).await;
                agent.finish(frame.stream).await;
            }
        },
        Does::Ignore => unreachable!("served above"),
    }
}

async fn pump(mut agent: Agent) {
    let mut pumped = None;
    loop {
        match timeout(Duration::from_millis(8), agent.hear()).await {
            Ok(Heard::Closed(_) | Heard::Gone) => return,
            Ok(Heard::Frames(frames)) => {
                for frame in frames {
                    match frame.command {
                        Command::Syn => {
                            pumped.get_or_insert(frame.stream);
                        }
                        Command::Fin if pumped == Some(frame.stream) => pumped = Some(0),
                        Command::Psh if pumped != Some(frame.stream) => {
                            agent.say(frame.stream, &frame.data).await;
                        }
                        Command::Psh | Command::Fin | Command::Nop => {}
                    }
                }
            }
            Ok(_) => {}
            Err(_) => {
                if let Some(stream) = pumped.filter(|stream| *stream != 0) {
                    agent.say(stream, &[7; 8 * 1024]).await;
                }
            }
        }
    }
}

/// A cloud of one bastion.
#[derive(Debug)]
pub(crate) struct Aws {
    url: String,
    told: Mutex<Told>,
    dialed: AtomicUsize,
    /// Cuts every websocket that stands.
    wires: Mutex<CancellationToken>,
    frozen: CancellationToken,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Told {
    started: Vec<Remote>,
    ended: Vec<String>,
    /// What was written down, with how many had been dialed by then.
    written: Vec<(String, usize)>,
    over: Vec<String>,
    /// Where the database is said to be by now.
    database: Option<Remote>,
    needs_login: bool,
    resumed: usize,
}

impl Aws {
    fn new(gate: &Gate) -> Self {
        let (told, stop) = (Mutex::default(), CancellationToken::new());
        let wires = Mutex::new(stop.child_token());
        let (dialed, frozen) = (AtomicUsize::new(0), CancellationToken::new());
        Self { url: gate.grant().url, told, dialed, wires, frozen, stop }
    }

    /// Has every agent do nothing from now on.
    pub(crate) fn freeze(&self) {
        self.frozen.cancel();
    }

    /// Cuts every websocket that stands.
    pub(crate) fn cut(&self) {
        let next = self.stop.child_token();
        std::mem::replace(&mut *self.wires.lock().unwrap(), next).cancel();
    }

    fn wire(&self) -> CancellationToken {
        self.wires.lock().unwrap().clone()
    }

    pub(crate) fn started(&self) -> Vec<Remote> {
        self.told().started.clone()
    }

    pub(crate) fn ended(&self) -> Vec<String> {
        self.told().ended.clone()
    }

    pub(crate) fn written(&self) -> Vec<(String, usize)> {
        self.told().written.clone()
    }

    pub(crate) fn over(&self) -> Vec<String> {
        self.told().over.clone()
    }

    pub(crate) fn dialed(&self) -> usize {
        self.dialed.load(Ordering::SeqCst)
    }

    pub(crate) fn resumed(&self) -> usize {
        self.told().resumed
    }

    /// The database is here from now on.
    pub(crate) fn move_database(&self, to: Remote) {
        self.told().database = Some(to);
    }

    pub(crate) fn need_login(&self, needed: bool) {
        self.told().needs_login = needed;
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    fn grant(&self, session: SessionId) -> SessionGrant {
        SessionGrant {
            session,
            url: self.url.clone(),
            token: Secret::new("TOKEN"),
            region: "eu-west-1".to_owned(),
            keys: Keys {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: Secret::new("secret"),
                session_token: None,
            },
        }
    }
}

#[async_trait]
impl SessionBook for Aws {
    async fn opened(&self, _: &str, _: &TaskId, session: &SessionId) {
        // A disk takes its time; a dial in between would be seen.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let dialed = self.dialed();
        self.told().written.push((session.to_string(), dialed));
    }

    fn over(&self, session: &SessionId) {
        self.told().over.push(session.to_string());
    }
}

#[async_trait]
impl Cloud for Aws {
    async fn start_session(
        &self,
        _: &Bastion,
        remote: &Remote,
        _: Duration,
    ) -> Result<SessionGrant, CloudError> {
        let mut told = self.told();
        if told.needs_login {
            return Err(no_login());
        }
        told.started.push(remote.clone());
        let number = told.started.len();
        drop(told);
        Ok(self.grant(SessionId::new(format!("s{number}"))))
    }

    async fn resume_session(&self, session: &SessionId) -> Result<SessionGrant, CloudError> {
        let mut told = self.told();
        told.resumed += 1;
        if told.needs_login {
            return Err(no_login());
        }
        drop(told);
        Ok(self.grant(session.clone()))
    }

    async fn end_session(&self, session: &SessionId) -> Result<(), CloudError> {
        self.told().ended.push(session.to_string());
        Ok(())
    }

    async fn find_database(&self, _: &DatabaseRef) -> Result<Database, CloudError> {
        let remote = self.told().database.clone().unwrap_or_else(|| remote("10.0.0.1"));
        Ok(Database { remote, engine: None, managed_secret: None })
    }

    async fn identity(&self) -> Result<Identity, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn find_place(&self) -> Result<Place, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn run_task(&self, _: &TaskSpec) -> Result<TaskId, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn service_task(&self) -> Result<TaskId, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn scale_service(&self, _: u32, _: u32) -> Result<Scaled, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn agent_ready(
        &self,
        _: &TaskId,
        _: Progress<'_>,
        _: Duration,
    ) -> Result<Bastion, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn see_tasks(&self, _: &[TaskId]) -> Result<Vec<Seen>, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn task_logs(&self, _: &TaskId) -> Result<Vec<String>, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn list_tasks(&self, _: &str) -> Result<Vec<TaskId>, CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn stop_task(&self, _: &TaskId, _: &str) -> Result<(), CloudError> {
        Err(fault(Kind::Invalid))
    }

    async fn secret(&self, _: &SecretRef) -> Result<Login, CloudError> {
        Err(fault(Kind::Invalid))
    }
}

fn no_login() -> CloudError {
    fault(Kind::Login { profile: Some("prod".to_owned()), way: LoginWay::Unknown })
}

fn fault(kind: Kind) -> CloudError {
    CloudError { call: "a call", kind, message: "as told".to_owned(), request_id: None }
}

/// Short, so that two refusals of an agent do not take half a minute.
const HANDSHAKE: Duration = Duration::from_millis(400);
