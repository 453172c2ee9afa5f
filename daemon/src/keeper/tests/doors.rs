//! Tunnels that do as they are told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bastion_cloud::{Kind, Remote, TaskId};
use tokio::sync::Notify;

use super::told::fault;
use crate::tunnels::{Route, TunnelFailure, Ways};

/// Tunnels that stand at once, unless they are refused.
#[derive(Debug, Default)]
pub(super) struct Doors(Mutex<Manner>);

#[derive(Debug, Default)]
struct Manner {
    refuse: bool,
    /// Set while tunnels do not answer after a sleep; the notice lets them.
    silent: Option<Arc<Notify>>,
    closed: Vec<String>,
    proved: Vec<String>,
}

impl Doors {
    fn manner(&self) -> std::sync::MutexGuard<'_, Manner> {
        self.0.lock().unwrap()
    }

    pub(super) fn refuse(&self) {
        self.manner().refuse = true;
    }

    /// Whoever asks whether a tunnel lives waits for the notice.
    pub(super) fn keep_silent(&self) -> Arc<Notify> {
        Arc::clone(self.manner().silent.insert(Arc::default()))
    }

    pub(super) fn closed(&self) -> Vec<String> {
        self.manner().closed.clone()
    }

    /// Where the tunnels led that were opened.
    pub(super) fn proved(&self) -> Vec<String> {
        self.manner().proved.clone()
    }
}

#[async_trait]
impl Ways for Doors {
    async fn prove(&self, route: &Route, _: Duration) -> Result<(), TunnelFailure> {
        let mut manner = self.manner();
        if manner.refuse {
            return Err(TunnelFailure::Session(fault(Kind::NotConnected)));
        }
        manner.proved.push(route.remote.host.clone());
        Ok(())
    }

    async fn close(&self, task: &TaskId) {
        self.manner().closed.push(task.as_str().to_owned());
    }

    async fn close_route(&self, task: &TaskId, _: &Remote) {
        self.close(task).await;
    }

    fn crowded(&self, _: &TaskId) -> bool {
        false
    }

    fn tunnels(&self, _: &TaskId) -> usize {
        1
    }

    async fn fan(&self, _: &Route, tunnels: usize) -> Result<usize, TunnelFailure> {
        Ok(tunnels)
    }

    async fn prove_alive(&self, _: &TaskId) -> bool {
        let silent = self.manner().silent.clone();
        if let Some(silent) = silent {
            silent.notified().await;
            self.manner().silent = None;
        }
        true
    }

    fn keep(&self, _: &TaskId, _: bool) {}
}
