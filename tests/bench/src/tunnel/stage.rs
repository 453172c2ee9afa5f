//! One simulated AWS, and on it the daemon and aws-ssm-bridge, each in a process of its own, in front of one destination.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bastion_e2e::{House, Plan, configs, plan};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use xtask::process::Process;

/// What the contenders share, and their ports.
pub(crate) struct Stage {
    // Ends before its session does.
    bridge: Option<Bridge>,
    pub(crate) house: House,
    pub(crate) ours: u16,
    relay: Relay,
}

/// How a stage is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set {
    /// Whether the daemon may try larger messages.
    pub(crate) probing: bool,
    /// Whether the agent rests after each message.
    pub(crate) pacing: bool,
    /// How many tunnels one bastion may have.
    pub(crate) tunnels: usize,
    /// How many bastions.
    pub(crate) bastions: usize,
    /// The destination is a PostgreSQL.
    pub(crate) postgres: bool,
}

impl Default for Set {
    fn default() -> Self {
        Self { probing: true, pacing: true, tunnels: 2, bastions: 1, postgres: false }
    }
}

/// aws-ssm-bridge as a process: one session of its own to the daemon's own bastion.
struct Bridge {
    process: Process,
    port: u16,
}

/// Copies bytes, and nothing else.
struct Relay {
    port: u16,
    _serving: JoinSet<()>,
}

impl Stage {
    /// Sets it in front of a port of this machine, with a bastion that is ready.
    pub(crate) async fn set(set: Set, destination: u16) -> Self {
        let mut config = configs::SCRIPT_WAY.replace(
            "idle_timeout",
            &format!(
                "payload_probing = {}\ntunnels_per_bastion = {}\nmax_bastions = {}\nidle_timeout",
                set.probing, set.tunnels, set.bastions
            ),
        );
        // The benches are visitors themselves, who may have another account than the daemon.
        config.push_str("allow = [\"any\"]\n");
        if !set.postgres {
            config = config.replace("engine = \"postgres\"", "engine = \"other\"");
        }
        let house = Plan::new(&config)
            .route(plan::PROD_DB, destination)
            .sim(|sim| {
                sim.session.pacing = set.pacing;
                // Room for others' sessions beside the daemon's.
                sim.session.workers_limit = set.tunnels + OTHERS;
            })
            .build()
            .await;
        house.ctl(&["open", "prod-db"]).await.ok();
        let relay = Relay::start(destination).await;
        let ours = house.port("prod-db");
        Self { bridge: None, house, ours, relay }
    }

    /// The bridge's port; it is started when it is first asked for.
    pub(crate) fn bridge(&mut self) -> u16 {
        let Self { house, bridge, .. } = self;
        bridge.get_or_insert_with(|| Bridge::start(house)).port
    }

    pub(crate) fn bridge_process(&mut self) -> u32 {
        let Self { house, bridge, .. } = self;
        bridge.get_or_insert_with(|| Bridge::start(house)).process.id()
    }

    pub(crate) fn relay(&self) -> u16 {
        self.relay.port
    }
}

impl Bridge {
    fn start(house: &House) -> Self {
        let task = house.task();
        let container = task.container("proxy").expect("the definition has it");
        let target = format!("ecs:{}_{}_{}", task.cluster, task.id, container.runtime_id);
        let (host, port) = plan::PROD_DB.split_once(':').expect("a host and a port");
        let dir = std::env::var_os("BASTION_PEERS_DIR").map(PathBuf::from);
        let dir = dir.expect("BASTION_PEERS_DIR is set (cargo xtask bench builds what is in it)");
        let mut command = Command::new(dir.join("peer-ssm-bridge"));
        command.args([&target, host, port]).envs(house.sim().env());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command).expect("the bridge starts");
        let out = process.child().stdout.take().expect("it was asked for");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("it says where it is");
        let said: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
        let port = said["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        Self { process, port: port.expect("a port") }
    }
}

impl Relay {
    async fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut visits = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                visits.spawn(async move {
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                    if near.set_nodelay(true).is_ok() && far.set_nodelay(true).is_ok() {
                        // However it ends, it is over.
                        drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                    }
                });
                while visits.try_join_next().is_some() {}
            }
        });
        Self { port, _serving: serving }
    }
}

/// The bridge's session, and those of bare clients whose workers are on their way out.
const OTHERS: usize = 8;
