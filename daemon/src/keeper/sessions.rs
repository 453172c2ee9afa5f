//! Sessions in the journal: written before they are dialed, so that none outlives a crash unknown.

use async_trait::async_trait;
use bastion_cloud::{SessionId, TaskId};
use bastion_pool::Record;
use tracing::warn;

use crate::state::Journal;
use crate::tunnels::SessionBook;

/// Writes sessions into the journal.
#[derive(Clone, Debug)]
pub struct JournaledSessions(pub Journal);

#[async_trait]
impl SessionBook for JournaledSessions {
    async fn opened(&self, target: &str, task: &TaskId, session: &SessionId) {
        let record = Record::Session {
            session: session.clone(),
            task: task.clone(),
            target: target.to_owned(),
        };
        if let Err(err) = self.0.write(record).await {
            // The session goes on: what a crash leaves of it ends at the service's idle limit.
            warn!(%session, err = &err as &dyn std::error::Error, "a session was not written down");
        }
    }

    fn over(&self, session: &SessionId) {
        self.0.note(Record::SessionOver { session: session.clone() });
    }
}
