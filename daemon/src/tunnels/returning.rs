//! The way back to a session whose websocket is lost.

use std::sync::Arc;

use async_trait::async_trait;
use bastion_cloud::{Cloud, Kind, LoginState, SessionGrant, SessionId};
use ssm_tunnel::{Grant, Keys, Resume, ResumeError};

/// Asks the cloud for leave to dial a session again.
#[derive(Debug)]
pub(super) struct Returning {
    cloud: Arc<dyn Cloud>,
    session: SessionId,
}

impl Returning {
    /// The way back to this session.
    pub(super) fn to(cloud: Arc<dyn Cloud>, session: SessionId) -> Self {
        Self { cloud, session }
    }
}

#[async_trait]
impl Resume for Returning {
    async fn resume(&self) -> Result<Grant, ResumeError> {
        // What the files tell needs no call, however long somebody takes to log in.
        if let LoginState::Hopeless(err) = self.cloud.login_state().await {
            return Err(ResumeError::Login(Arc::new(err)));
        }
        let resumed = self.cloud.resume_session(&self.session).await;
        resumed.map(grant).map_err(|err| match err.kind {
            Kind::SessionOver => ResumeError::Over(err.message),
            Kind::Login { .. } => {
                // A failure is remembered, too; the next try is for who has logged in meanwhile.
                self.cloud.forget_login();
                ResumeError::Login(Arc::new(err))
            }
            Kind::Denied { .. } => ResumeError::Refused(Arc::new(err)),
            Kind::ClockSkew { .. }
            | Kind::Throttled
            | Kind::NoCapacity
            | Kind::NotFound { .. }
            | Kind::Ambiguous { .. }
            | Kind::NotAvailable { .. }
            | Kind::TaskStopped { .. }
            | Kind::ExecDisabled
            | Kind::AgentStopped
            | Kind::NotConnected
            | Kind::ScaledToZero
            | Kind::Conflict { .. }
            | Kind::Unreachable
            | Kind::Intercepted { .. }
            | Kind::TimedOut
            | Kind::Invalid
            | Kind::Service => ResumeError::Transient(Arc::new(err)),
        })
    }
}

/// What the cloud gave, as a tunnel takes it.
pub(super) fn grant(session: SessionGrant) -> Grant {
    Grant {
        url: session.url,
        token: session.token.reveal().to_owned(),
        region: session.region,
        keys: Some(Keys {
            access_key_id: session.keys.access_key_id,
            secret_access_key: session.keys.secret_access_key.reveal().to_owned(),
            session_token: session.keys.session_token.map(|token| token.reveal().to_owned()),
        }),
    }
}
