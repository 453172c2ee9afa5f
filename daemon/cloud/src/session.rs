use std::fmt;

use crate::Secret;

/// A session's name at the service.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(String);

impl SessionId {
    /// The name as the service gave it.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as the service knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Leave to dial one session's data channel, once and soon.
#[derive(Clone, Debug)]
pub struct SessionGrant {
    /// Which session.
    pub session: SessionId,
    /// The websocket's address.
    pub url: String,
    /// The one-use token of the open message.
    pub token: Secret,
    /// The region that the upgrade is signed for.
    pub region: String,
    /// What the upgrade is signed with: resolved for this very call, so good for this very dial.
    pub keys: Keys,
}

/// Credentials to sign one request with.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The access key's id, which is no secret.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: Secret,
    /// The session token of temporary credentials.
    pub session_token: Option<Secret>,
}
