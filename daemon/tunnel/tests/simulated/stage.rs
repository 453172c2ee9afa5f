//! The stage of every story: a simulator, a container with an agent in it, destinations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bastion_sim::container::{Container, ContainerSpec};
use bastion_sim::gateway::{Gateway, GatewaySettings, SessionSpec};
use bastion_sim::{Sim, SimConfig};
use ssm_tunnel::{Closed, FirstByte, Grant, Keys, Never, Options, Resume, ResumeError, Tunnel};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A simulator with one container in which an agent serves.
pub(crate) struct Stage {
    pub(crate) sim: Sim,
    container: Container,
}

impl Stage {
    pub(crate) async fn set(alter: impl FnOnce(&mut GatewaySettings)) -> Self {
        let sim = Sim::start(SimConfig::default()).await.unwrap();
        sim.gateway().alter(|settings| {
            settings.agent.pause = Duration::ZERO;
            settings.agent.linger = Duration::ZERO;
            alter(settings);
        });
        let spec = ContainerSpec {
            name: "proxy".into(),
            command: vec!["sleep".into(), "600".into()],
            environment: BTreeMap::new(),
            worker_exe: std::env::current_exe().unwrap(),
        };
        let container = Container::start(spec).await.unwrap();
        Self { sim, container }
    }

    pub(crate) fn grant(&self, host: &str, port: u16) -> Grant {
        let id = format!("tunnel-{}", self.sim.gateway().sessions().len());
        let token = self.sim.gateway().open(SessionSpec {
            id: id.clone(),
            task: "task".into(),
            container: self.container.clone(),
            host: host.into(),
            port: port.to_string(),
            local_port: "0".into(),
        });
        let env: BTreeMap<String, String> = self.sim.env().into_iter().collect();
        let gateway = self.sim.endpoint().replace("http://", "ws://");
        Grant {
            url: format!("{gateway}/v1/data-channel/{id}?role=publish_subscribe"),
            token,
            region: env["AWS_REGION"].clone(),
            keys: Some(Keys {
                access_key_id: env["AWS_ACCESS_KEY_ID"].clone(),
                secret_access_key: env["AWS_SECRET_ACCESS_KEY"].clone(),
                session_token: env.get("AWS_SESSION_TOKEN").cloned(),
            }),
        }
    }

    /// A tunnel whose websocket is replaced when it is lost, and its session's id.
    pub(crate) async fn lasting_tunnel(
        &self,
        port: u16,
        options: Options,
    ) -> (Tunnel, JoinHandle<Closed>, String) {
        let grant = self.grant("127.0.0.1", port);
        let id = self.sim.gateway().sessions().last().unwrap().id.clone();
        let gateway = self.sim.gateway().clone();
        let again = Arc::new(Again { gateway, id: id.clone(), grant: grant.clone() });
        let (tunnel, driver) = Tunnel::open(grant, options, again).await.unwrap();
        (tunnel, tokio::spawn(driver), id)
    }

    pub(crate) async fn tunnel(&self, host: &str, port: u16) -> (Tunnel, JoinHandle<Closed>) {
        let opened =
            Tunnel::open(self.grant(host, port), Options::default(), Arc::new(Never)).await;
        let (tunnel, driver) = opened.unwrap();
        (tunnel, tokio::spawn(driver))
    }
}

/// The way back to a session: another token of the gateway.
#[derive(Debug)]
pub(crate) struct Again {
    gateway: Gateway,
    id: String,
    grant: Grant,
}

#[async_trait]
impl Resume for Again {
    async fn resume(&self) -> Result<Grant, ResumeError> {
        let token = self.gateway.resume(&self.id);
        let token = token.ok_or_else(|| ResumeError::Over("no such session".to_owned()))?;
        Ok(Grant { token, ..self.grant.clone() })
    }
}

/// A destination that says what it hears; its port.
pub(crate) async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(tokio::spawn(async move {
        loop {
            let (tcp, _from) = listener.accept().await.unwrap();
            drop(tokio::spawn(say_again(tcp)));
        }
    }));
    port
}

async fn say_again(mut tcp: TcpStream) {
    tcp.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = tcp.split();
    // However the visit ends, the echo has nothing to add.
    let _how = tokio::io::copy(&mut reader, &mut writer).await;
}

pub(crate) async fn there_and_back(tunnel: &Tunnel, length: usize) {
    let sent = pattern(length);
    let mut received = vec![0; length];
    let (mut reader, mut writer) =
        tokio::io::split(tunnel.open_stream(FirstByte::AnyTime).await.unwrap());
    let (wrote, read) = tokio::join!(writer.write_all(&sent), reader.read_exact(&mut received));
    wrote.unwrap();
    read.unwrap();
    assert!(sent == received, "the echo came back changed");
}

/// Bytes that tell their own place.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251 + at / 251 % 256).to_le_bytes()[0]).collect()
}

/// Longest that a story may take, on a machine busy with others.
pub(crate) const STORY: Duration = Duration::from_secs(60);
