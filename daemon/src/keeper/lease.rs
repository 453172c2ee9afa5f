use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bastion_pool::LeaseId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Ask, Refusal};
use crate::tunnels::Route;

/// The right to go through one bastion; its drop gives the right back.
#[derive(Debug)]
pub struct Lease {
    claim: Claim,
    granted: Granted,
}

impl Lease {
    pub(super) fn new(claim: Claim, granted: Granted) -> Self {
        Self { claim, granted }
    }

    /// The way to the database.
    pub fn route(&self) -> &Arc<Route> {
        &self.granted.route
    }

    /// Waits until the lease is taken back, and tells why.
    pub async fn revoked(&self) -> Refusal {
        self.granted.revoked.wait().await
    }

    /// What is to beat whenever bytes move: a lease whose pulse stands still for long holds nothing.
    pub fn pulse(&self) -> &Pulse {
        &self.granted.pulse
    }

    /// The lease's number.
    pub fn id(&self) -> LeaseId {
        self.claim.id
    }
}

/// A lease's number, from the wish to the end; its drop tells the keeper.
#[derive(Debug)]
pub(super) struct Claim {
    id: LeaseId,
    asks: mpsc::UnboundedSender<Ask>,
}

impl Claim {
    pub(super) fn new(id: LeaseId, asks: mpsc::UnboundedSender<Ask>) -> Self {
        Self { id, asks }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A keeper that has ended keeps no leases.
        drop(self.asks.send(Ask::LeaseEnded { id: self.id }));
    }
}

/// What the keeper answers with.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) route: Arc<Route>,
    pub(super) revoked: Revoked,
    pub(super) pulse: Pulse,
}

/// Beats whenever a visit moves bytes; the keeper feels it now and then. Clones are the same pulse.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// Bytes have moved.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has beaten.
    pub(super) fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Tells a lease's holder, once, that it is taken back and why.
#[derive(Clone, Debug, Default)]
pub struct Revoked {
    token: CancellationToken,
    why: Arc<Mutex<Option<Refusal>>>,
}

impl Revoked {
    pub(super) fn revoke(&self, why: Refusal) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.token.cancel();
    }

    async fn wait(&self) -> Refusal {
        self.token.cancelled().await;
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        why.clone().unwrap_or(Refusal::Stopping)
    }
}
