//! Leave to dial one session's data channel, as the cloud gave it.

use std::fmt;

/// What one dial needs: where, with which token, signed by whom. Good once and soon.
#[derive(Clone)]
pub struct Grant {
    /// The websocket's address: StartSession's `StreamUrl`.
    pub url: String,
    /// The one-use token of the open message: StartSession's `TokenValue`.
    pub token: String,
    /// The region of the session, which the host must name and the signature is made for.
    pub region: String,
    /// What the upgrade is signed with; without keys it goes unsigned.
    pub keys: Option<Keys>,
}

/// Credentials for one signature.
#[derive(Clone)]
pub struct Keys {
    /// The access key's id.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: String,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A presigned address carries its signature in the query.
        let url = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("Grant")
            .field("url", &url)
            .field("token", &HIDDEN)
            .field("region", &self.region)
            .field("keys", &self.keys)
            .finish()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &HIDDEN)
            .field("session_token", &self.session_token.as_ref().map(|_| HIDDEN))
            .finish()
    }
}

/// What stands where a secret would.
const HIDDEN: &str = "***";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_prints_without_any_of_its_secrets() {
        let grant = Grant {
            url: "wss://h/v1/data-channel/s?X-Amz-Signature=SECRET-1".into(),
            token: "SECRET-2".into(),
            region: "ap-northeast-1".into(),
            keys: Some(Keys {
                access_key_id: "AKIDEXAMPLE".into(),
                secret_access_key: "SECRET-3".into(),
                session_token: Some("SECRET-4".into()),
            }),
        };

        let printed = format!("{grant:?} {grant:#?}");

        assert!(!printed.contains("SECRET"), "{printed}");
        assert!(printed.contains("wss://h/v1/data-channel/s"), "{printed}");
        assert!(printed.contains("AKIDEXAMPLE"), "{printed}");
    }
}
