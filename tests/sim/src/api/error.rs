//! A refusal in AWS's words: code, text, status.

use serde_json::Value;

/// What AWS answers in place of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AwsError {
    /// The HTTP status.
    pub status: u16,
    /// The code, such as `AccessDeniedException`.
    pub code: String,
    /// The text for people.
    pub message: String,
    /// Further members of the error's JSON, such as `resourceIds`.
    pub more: Option<Value>,
}

impl AwsError {
    /// A refusal with HTTP 400, as most are.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self::status(400, code, message)
    }

    /// A refusal with that status.
    pub fn status(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), more: None }
    }

    pub(crate) fn with(mut self, more: Value) -> Self {
        self.more = Some(more);
        self
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(crate) fn client(message: impl Into<String>) -> Self {
        Self::new("ClientException", message)
    }
}
