//! An AWS in a box, spoken to over real HTTP and WebSocket by the real SDK.
//!
//! ```text
//!   SDK ─ HTTP ─► server ─► api: ecs · ec2 · iam · rds · ssm · secretsmanager · sts ─► realm: world, tasks, record, faults
//!                   │         └─ every call: sigv4, the script of faults, what policies allow (guard, iam), the action
//!                   ├─ WebSocket ─► gateway ◄─ WebSocket ─ ssm-session-worker (agent) ─► the database
//!                   └─ /_sim/* ─► admin                         in the container (container), of a task (tasks)
//! ```
//!
//! One loopback port, one account, one region. Everything ends when [`Sim`] is dropped.
//!
//! # Making things go wrong
//!
//! | what | by |
//! |---|---|
//! | a call is refused, late, cut; its answer is held | [`Sim::faults`]: [`Fault::once`]`("RunTask", What::Held { … })` |
//! | a crash between call and answer | hold the answer, [`Faults::until_held`], kill the caller; `release` acts for nobody any more |
//! | a crash before the call is acted upon | the same with `before: true`; [`Faults::drop_held`] has it never happen |
//! | a task dies, its agent never comes, its image cannot be pulled | [`Fault::on`]`("RunTask", What::TaskDies { … })` |
//! | a zone or `FARGATE_SPOT` without capacity | [`Sim::world`]: `subnets[…].full`, `clusters[…].exhausted` |
//! | lists lag | [`Timings::list_lag_ms`] |
//! | AWS stops a task; a service replaces its own | [`Sim::stop_task`], [`Sim::replace_service_task`] |
//! | somebody else's tasks | [`Sim::start_foreign_task`]; nobody may stop them: [`Sim::asked_to_stop`] |
//! | credentials end, others come | [`Sim::keys`] |
//! | somebody may not do something | [`Sim::world`]: `users[…]` and `roles[…]` have policies, and every call is judged by them |
//! | a box opens TLS, a filter refuses WebSockets | [`SimConfig::between`] |
//! | no way out of a subnet | [`Sim::world`]: `route_tables`, `nat_gateways`, `vpc_endpoints`, `security_groups` |
//! | a resume is refused | [`Fault::on`]`("ResumeSession", What::Expired)`, `What::AccessDenied`, or [`gateway::Mishap::End`] |
//! | a websocket is cut, black-holed, stalled; the agent stopped; one acknowledgement lost | [`gateway::Gateway::befall`] |
//! | loss, doubling, reordering, delay, jitter, a cap; payload limits; "Bye"; the idle limit; pacing | [`gateway::Gateway::alter`] |
//! | a destination that nobody answers for; a name that changes its address | `hosts` of [`gateway::GatewaySettings`]: `silent`, or another address |
//!
//! What was asked, what runs and what it costs: [`Sim::calls`], [`Sim::tasks`], [`Sim::bill`], each also over `/_sim/*`.
//! Time: [`SimConfig::speed`] shortens all waits but a container's own; [`Timings::quick`] has a bastion ready in a tenth of
//! a second. The simulator keeps no connection to a caller and minds no caller's death.

mod admin;
pub mod agent;
mod api;
pub mod between;
mod bill;
mod channel;
mod clock;
mod config;
pub mod container;
pub mod faults;
pub mod gateway;
mod guard;
pub mod iam;
mod interfere;
mod realm;
mod record;
mod seconds;
mod server;
pub mod sigv4;
mod tasks;
pub mod world;

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;

pub use api::{AwsError, ForeignTask};
pub use bill::Charge;
pub use config::{Key, SessionSettings, SimConfig, Timings};
pub use faults::{Fault, Faults, Stage, What};
use realm::Realm;
pub use record::{Call, Outcome};
pub use tasks::{ContainerView, Launch, Status, TaskView, Times};
use world::World;

/// A simulated AWS that runs until this is dropped.
pub struct Sim {
    realm: Realm,
}

/// Why a simulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or may not be.
    #[error("listening on 127.0.0.1:{port}")]
    Listen {
        /// Which one.
        port: u16,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The patch of the world makes no world.
    #[error("altering the default world")]
    World(#[source] serde_json::Error),
}

impl Sim {
    /// Starts a simulated AWS; it answers from this moment on.
    pub async fn start(config: SimConfig) -> Result<Self, StartError> {
        let port = config.port;
        let listen = |source| StartError::Listen { port, source };
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(listen)?;
        let own = listener.local_addr().map_err(listen)?;
        let world = patched_world(&config)?;
        let Some(between) = config.between else {
            let endpoint = format!("http://{own}");
            return Ok(Self::begin(config, world, (endpoint.clone(), endpoint), listener));
        };
        let front = TcpListener::bind(("127.0.0.1", 0)).await;
        let front = front.map_err(|source| StartError::Listen { port: 0, source })?;
        let endpoint = between.endpoint(front.local_addr().map_err(listen)?);
        let endpoints = (endpoint, format!("http://{own}"));
        let sim = Self::begin(config, world, endpoints, listener);
        sim.realm.spawn(between.serve(sim.realm.clone(), front, own));
        Ok(sim)
    }

    fn begin(
        config: SimConfig,
        world: World,
        (endpoint, own): (String, String),
        listener: TcpListener,
    ) -> Self {
        let realm = Realm::new(config, world, endpoint, &own);
        realm.spawn(server::serve(realm.clone(), listener));
        realm.spawn(api::schedule(realm.clone()));
        Self { realm }
    }

    /// `http://127.0.0.1:PORT`; the address of whoever stands between, where somebody does.
    pub fn endpoint(&self) -> String {
        self.realm.endpoint().to_owned()
    }

    /// The environment in which AWS's SDKs and command line find this simulator and may use it.
    pub fn env(&self) -> Vec<(String, String)> {
        let key = self.realm.keys(|keys| keys.first().cloned()).unwrap_or_default();
        let region = self.realm.config().region.clone();
        let mut env = vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", key.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", key.secret_access_key),
            ("AWS_REGION", region.clone()),
            ("AWS_DEFAULT_REGION", region),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        env.extend(key.session_token.map(|token| ("AWS_SESSION_TOKEN", token)));
        env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.realm.record().calls()
    }

    /// How many calls of that action were done.
    pub fn count(&self, action: &str) -> usize {
        self.realm.record().count(action)
    }

    /// Every task there is or was.
    pub fn tasks(&self) -> Vec<TaskView> {
        self.realm.tasks().all()
    }

    /// How many tasks that someone asked for by RunTask are not STOPPED; those that services keep do not count.
    pub fn running(&self) -> usize {
        self.tasks()
            .iter()
            .filter(|task| !task.of_service() && task.last_status != Status::Stopped)
            .count()
    }

    /// The script of what goes wrong.
    pub fn faults(&self) -> &Faults {
        self.realm.faults()
    }

    /// The message gateway: sessions, their frames, and what befalls them.
    pub fn gateway(&self) -> &gateway::Gateway {
        self.realm.gateway()
    }

    /// A client that does no more than it must, on a session of its own to `host:port` by a task's container: what a
    /// question takes here by itself.
    ///
    /// # Panics
    /// When the container does not run.
    pub async fn bare_client(
        &self,
        task: &str,
        container: &str,
        remote: &str,
    ) -> Result<gateway::Bare, gateway::BareEnd> {
        let found = self.realm.tasks().container(task, container);
        let (host, port) = remote.rsplit_once(':').unwrap_or((remote, "0"));
        let spec = gateway::SessionSpec {
            id: format!("bare-{}", uuid::Uuid::new_v4().simple()),
            task: task.to_owned(),
            container: found.expect("the container runs"),
            host: host.to_owned(),
            port: port.to_owned(),
            local_port: "0".to_owned(),
        };
        self.gateway().bare(spec).await
    }

    /// Reads or alters the account; services then start or stop tasks to match.
    pub fn world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let answer = self.realm.world(act);
        self.realm.touch();
        answer
    }

    /// Reads or alters the access keys that are known.
    pub fn keys<T>(&self, act: impl FnOnce(&mut Vec<Key>) -> T) -> T {
        self.realm.keys(act)
    }

    /// What each task has cost so far, in billed seconds.
    pub fn bill(&self) -> Vec<Charge> {
        bill::bill(&self.realm)
    }

    /// Judges signatures as this simulator does.
    pub fn verifier(&self) -> sigv4::Verifier {
        sigv4::Verifier::new(self.realm.clone())
    }

    /// Has a service start another task in place of that which runs, and stop the old one once the new one runs.
    pub fn replace_service_task(&self, cluster: &str, service: &str) -> bool {
        api::replace_service_task(&self.realm, cluster, service)
    }

    /// Starts a task of somebody else's and says its ARN.
    ///
    /// # Panics
    /// When the account holds no such task definition.
    pub fn start_foreign_task(&self, wanted: ForeignTask) -> String {
        api::start_foreign_task(&self.realm, wanted).expect("the account holds the definition")
    }

    /// The tasks that somebody asked to stop by StopTask and was not refused, each as the caller named it.
    pub fn asked_to_stop(&self) -> Vec<String> {
        let stops = |call: &Call| call.action == "StopTask" && call.outcome == Outcome::Done;
        let calls = self.calls().into_iter().filter(stops);
        calls.filter_map(|call| Some(call.parameters["task"].as_str()?.to_owned())).collect()
    }

    /// Stops a task as AWS itself does: with this code and reason, such as `SpotInterruption`.
    pub fn stop_task(&self, arn: &str, code: &str, reason: &str) -> bool {
        let wish = tasks::StopWish { code: code.to_owned(), reason: reason.to_owned() };
        self.realm.tasks().wish(arn, wish)
    }

    /// Waits until `holds` does, and says whether it came to that within `limit`.
    pub async fn until(&self, limit: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let mut changed = self.realm.watch();
        let wait = async {
            while !holds(self) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }

    /// Ends everything in order; dropping does the same without waiting.
    pub async fn stop(self) {
        self.realm.shut().await;
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.realm.stop();
    }
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("endpoint", &self.realm.endpoint()).finish_non_exhaustive()
    }
}

fn patched_world(config: &SimConfig) -> Result<World, StartError> {
    let world = World::standard(&config.account, &config.region);
    if config.world.is_null() {
        return Ok(world);
    }
    world.patched(config.world.clone()).map_err(StartError::World)
}
