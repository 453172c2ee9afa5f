//! Everything that one simulated AWS consists of, as its server, its tasks and its owner's handle share it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{Sessions, Tokens};
use crate::channel;
use crate::clock::Clock;
use crate::config::{Key, SimConfig};
use crate::faults::Faults;
use crate::gateway::Gateway;
use crate::record::Record;
use crate::tasks::Tasks;
use crate::world::World;

/// A handle on the whole; cheap to clone.
#[derive(Clone)]
pub(crate) struct Realm(Arc<Inner>);

/// A handle that does not keep the whole alive, for what the whole owns itself.
#[derive(Clone)]
pub(crate) struct Owner(Weak<Inner>);

impl Owner {
    pub(crate) fn realm(&self) -> Option<Realm> {
        self.0.upgrade().map(Realm)
    }
}

struct Inner {
    config: SimConfig,
    clock: Clock,
    endpoint: String,
    world: Mutex<World>,
    keys: Mutex<Vec<Key>>,
    tasks: Tasks,
    tokens: Tokens,
    sessions: Sessions,
    gateway: Gateway,
    faults: Faults,
    record: Record,
    tracker: TaskTracker,
    stop: CancellationToken,
    changed: watch::Sender<u64>,
}

impl Realm {
    /// Callers come to `endpoint`, agents to `own`: nobody stands between those.
    pub(crate) fn new(config: SimConfig, world: World, endpoint: String, own: &str) -> Self {
        let faults = Faults::default();
        for fault in &config.faults {
            faults.add(fault.clone());
        }
        Self(Arc::new_cyclic(|weak| {
            let owner = Owner(weak.clone());
            let gateway = channel::gateway(&config, own, owner);
            Inner {
                clock: Clock::new(config.clock_offset_seconds, config.speed),
                endpoint,
                world: Mutex::new(world),
                keys: Mutex::new(config.keys.clone()),
                tasks: Tasks::default(),
                tokens: Tokens::default(),
                sessions: Sessions::default(),
                gateway,
                faults,
                record: Record::default(),
                tracker: TaskTracker::new(),
                stop: CancellationToken::new(),
                changed: watch::Sender::new(0),
                config,
            }
        }))
    }

    pub(crate) fn config(&self) -> &SimConfig {
        &self.0.config
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// `http://127.0.0.1:PORT`, or the address of whoever stands between.
    pub(crate) fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.0.faults
    }

    pub(crate) fn record(&self) -> &Record {
        &self.0.record
    }

    /// Ends everything, now.
    pub(crate) fn stop(&self) {
        self.0.gateway.stop();
        self.0.stop.cancel();
    }

    /// Reads or alters the account.
    pub(crate) fn world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.0.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads or alters the known access keys.
    pub(crate) fn keys<T>(&self, act: impl FnOnce(&mut Vec<Key>) -> T) -> T {
        act(&mut self.0.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `work` until it ends or the simulator does.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.0.stop.clone();
        self.0.tracker.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }

    /// Ends everything and waits for it.
    pub(crate) async fn shut(&self) {
        self.stop();
        self.0.tracker.close();
        self.0.tracker.wait().await;
    }

    /// Tells who waits that something is different now.
    pub(crate) fn touch(&self) {
        self.0.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// `arn:aws:<service>:<region>:<account>:<rest>`.
    pub(crate) fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.config().region, self.config().account)
    }
}
