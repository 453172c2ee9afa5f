//! Who is told of sessions: the journal, so that none outlives a crash unknown, and the ledger.

use std::fmt::Debug;

use async_trait::async_trait;
use bastion_cloud::{SessionId, TaskId};

/// Where sessions are written down.
#[async_trait]
pub trait SessionBook: Debug + Send + Sync {
    /// A session was given for this target and will be dialed as soon as this returns: once it is on disk.
    async fn opened(&self, target: &str, task: &TaskId, session: &SessionId);

    /// A session is over, or the service has taken the order to end it.
    fn over(&self, session: &SessionId);
}

/// Who hears of tunnels, for the record.
pub trait TunnelLog: Debug + Send + Sync {
    /// A tunnel for this target stands.
    fn opened(&self, target: &str, task: &TaskId, session: &SessionId);

    /// It has ended, and why.
    fn closed(&self, session: &SessionId, why: &str);
}

/// Writes nothing down.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

#[async_trait]
impl SessionBook for Nowhere {
    async fn opened(&self, _: &str, _: &TaskId, _: &SessionId) {}

    fn over(&self, _: &SessionId) {}
}

impl TunnelLog for Nowhere {
    fn opened(&self, _: &str, _: &TaskId, _: &SessionId) {}

    fn closed(&self, _: &SessionId, _: &str) {}
}
