//! What a tunnel whose websocket is lost asks of its owner, and what it tells of itself meanwhile.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use thiserror::Error;

use crate::error::Lost;
use crate::grant::Grant;

/// Gets leave to dial a session again. One for each session.
#[async_trait]
pub trait Resume: fmt::Debug + Send + Sync {
    /// A fresh token, and credentials resolved afresh: those that the session began with may have expired. An empty
    /// address means the one that the session was dialed at before.
    async fn resume(&self) -> Result<Grant, ResumeError>;
}

/// For a session that nobody can resume: its tunnel ends with its websocket.
#[derive(Clone, Copy, Debug)]
pub struct Never;

#[async_trait]
impl Resume for Never {
    async fn resume(&self) -> Result<Grant, ResumeError> {
        Err(ResumeError::Over("it cannot be resumed".to_owned()))
    }
}

/// What stands behind a refusal.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why there is no leave to dial again.
#[derive(Clone, Debug, Error)]
pub enum ResumeError {
    /// The session is over: nothing can bring it back.
    #[error("the session is over: {0}")]
    Over(String),
    /// A person has to log in first. The tunnel waits, and asks again.
    #[error("a login is needed")]
    Login(#[source] Cause),
    /// It may go better next time.
    #[error("asking for another token")]
    Transient(#[source] Cause),
    /// The person may not resume sessions. A few more tries are made: credentials on the verge of expiring look the same.
    #[error("resuming is not permitted")]
    Refused(#[source] Cause),
}

/// How a tunnel is.
#[derive(Clone, Debug, Default)]
pub enum State {
    /// Its websocket stands.
    #[default]
    Live,
    /// Its websocket was lost, and another is being dialed.
    Resuming {
        /// Since when, by the tunnel's [`Clock`].
        since: Instant,
        /// How the websocket was lost.
        why: Lost,
        /// What the last try failed with; `None` during the first.
        trouble: Option<Cause>,
    },
    /// Its websocket was lost, and another can be dialed only after somebody has logged in.
    WaitingForLogin {
        /// Since when the websocket is lost, by the tunnel's [`Clock`].
        since: Instant,
        /// How the websocket was lost.
        why: Lost,
        /// What is wrong with the login.
        trouble: Cause,
    },
}

/// What time it is, counting time asleep: a session's idle limit does.
pub trait Clock: fmt::Debug + Send + Sync {
    /// This moment.
    fn now(&self) -> Instant;
}
