//! A simulated AWS with one container, and tunnels through it that may be resumed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bastion_sim::container::{Container, ContainerSpec};
use bastion_sim::gateway::{Gateway, GatewaySettings, Mishap, SessionSpec, SessionView};
use bastion_sim::{Sim, SimConfig};
use ssm_tunnel::{Closed, Grant, Keys, OpenError, Options, Resume, ResumeError, Tunnel};
use tokio::task::JoinHandle;

use super::LONG;

/// The simulated AWS of one story.
pub(crate) struct Lane {
    pub(crate) sim: Sim,
    container: Container,
    sessions: AtomicUsize,
}

/// A tunnel, and leave to dial its session again.
pub(crate) struct Way {
    pub(crate) tunnel: Tunnel,
    pub(crate) leave: Arc<Leave>,
    pub(crate) driving: JoinHandle<Closed>,
}

/// What is answered to who asks for leave to dial again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As the gateway does.
    Grants,
    /// A person has to log in.
    Login,
    /// Not permitted.
    Refuses,
    /// No answer came.
    Fails,
}

/// Leave to dial a session again, from the gateway itself.
#[derive(Debug)]
pub(crate) struct Leave {
    gateway: Gateway,
    session: String,
    grant: Grant,
    mood: Mutex<Mood>,
    asked: AtomicUsize,
}

impl Lane {
    /// One whose agents do not rest and leave at once; `alter` has the last word.
    pub(crate) async fn lay(alter: impl FnOnce(&mut GatewaySettings)) -> Self {
        let sim = Sim::start(SimConfig::default()).await.unwrap();
        sim.gateway().alter(|settings| {
            settings.agent.pause = Duration::ZERO;
            settings.agent.linger = Duration::ZERO;
            settings.sessions_per_container = usize::MAX;
            alter(settings);
        });
        let container = Container::start(ContainerSpec {
            name: "proxy".into(),
            command: vec!["sleep".into(), "3600".into()],
            environment: BTreeMap::new(),
            worker_exe: xtask::place::program("bastion-sim").unwrap(),
        });
        Self { sim, container: container.await.unwrap(), sessions: AtomicUsize::new(0) }
    }

    /// Leave to dial a new session to a port of this machine.
    pub(crate) fn session(&self, port: u16) -> (Grant, Arc<Leave>) {
        let session = format!("dev-{:017}", self.sessions.fetch_add(1, Ordering::Relaxed));
        let gateway = self.sim.gateway().clone();
        let token = gateway.open(SessionSpec {
            id: session.clone(),
            task: "task".into(),
            container: self.container.clone(),
            host: "127.0.0.1".into(),
            port: port.to_string(),
            local_port: "0".into(),
        });
        let env: BTreeMap<String, String> = self.sim.env().into_iter().collect();
        let address = self.sim.endpoint().replace("http://", "ws://");
        let grant = Grant {
            url: format!("{address}/v1/data-channel/{session}?role=publish_subscribe"),
            token,
            region: env["AWS_REGION"].clone(),
            keys: Some(Keys {
                access_key_id: env["AWS_ACCESS_KEY_ID"].clone(),
                secret_access_key: env["AWS_SECRET_ACCESS_KEY"].clone(),
                session_token: None,
            }),
        };
        let mood = Mutex::new(Mood::Grants);
        let asked = AtomicUsize::new(0);
        (grant.clone(), Arc::new(Leave { gateway, session, grant, mood, asked }))
    }

    /// Opens a tunnel to a port of this machine.
    pub(crate) async fn way(&self, port: u16) -> Way {
        self.way_with(port, Options::default()).await
    }

    pub(crate) async fn way_with(&self, port: u16, options: Options) -> Way {
        let (grant, leave) = self.session(port);
        Way::open(grant, leave, options).await.unwrap()
    }
}

impl Way {
    pub(crate) async fn open(
        grant: Grant,
        leave: Arc<Leave>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let resumer: Arc<dyn Resume> = leave.clone();
        let (tunnel, driver) = Tunnel::open(grant, options, resumer).await?;
        let driving = tokio::spawn(driver);
        Ok(Self { tunnel, leave, driving })
    }

    /// Has something befall its session.
    pub(crate) fn befall(&self, mishap: Mishap) {
        self.leave.befall(mishap);
    }

    /// Its session as the gateway sees it.
    pub(crate) fn view(&self) -> SessionView {
        self.leave.gateway.session(&self.leave.session).unwrap()
    }

    /// Waits until its session is as said, and tells how long that took.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&SessionView) -> bool) -> Duration {
        let began = Instant::now();
        while !holds(&self.view()) {
            let state = self.tunnel.state().borrow().clone();
            assert!(began.elapsed() < LONG, "{what}: {:?}, {state:?}", self.view());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        began.elapsed()
    }
}

impl Leave {
    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Has something befall its session.
    pub(crate) fn befall(&self, mishap: Mishap) {
        assert!(self.gateway.befall(&self.session, mishap), "the session is over");
    }

    /// How often somebody asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Resume for Leave {
    async fn resume(&self) -> Result<Grant, ResumeError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let cause = |words: &str| Arc::new(std::io::Error::other(words.to_owned()));
        match *self.mood.lock().unwrap() {
            Mood::Grants => match self.gateway.resume(&self.session) {
                Some(token) => Ok(Grant { token, ..self.grant.clone() }),
                None => Err(ResumeError::Over("no token".to_owned())),
            },
            Mood::Login => Err(ResumeError::Login(cause("the token has expired"))),
            Mood::Refuses => Err(ResumeError::Refused(cause("403"))),
            Mood::Fails => Err(ResumeError::Transient(cause("no route to host"))),
        }
    }
}
