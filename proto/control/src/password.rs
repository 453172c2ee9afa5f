use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A target's password, or a token that stands for it: the one type that may serialise a secret.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Password {
    /// The version of this shape.
    pub schema_version: u32,
    /// Whose password it is.
    #[serde(default)]
    pub user: Option<String>,
    /// The password itself.
    pub password: String,
    /// Until when it opens the door, where it is a token.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Moment>"))]
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Password")
            .field("schema_version", &self.schema_version)
            .field("user", &self.user)
            .field("password", &format_args!("***"))
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Password;

    #[test]
    fn a_password_prints_as_three_stars() {
        let password = Password {
            schema_version: 1,
            user: Some("amy".into()),
            password: "hunter2".into(),
            expires_at: None,
        };
        let text = format!("{password:?} {password:#?}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("***"), "{text}");
    }
}
