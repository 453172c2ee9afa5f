use serde::{Deserialize, Serialize};

use crate::Engine;

/// What a target's database said when it was spoken to, over the way that every visitor takes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestAnswer {
    /// The version of this shape.
    pub schema_version: u32,
    /// The target's name.
    pub target: String,
    /// What it speaks.
    #[serde(default)]
    pub engine: Engine,
    /// Where it was called: `127.0.0.1:15432`.
    #[serde(default)]
    pub address: String,
    /// The task that was its bastion, by its full name.
    #[serde(default)]
    pub task: Option<String>,
    /// The server's version, as it says it itself.
    #[serde(default)]
    pub server_version: Option<String>,
    /// Whether the talk was encrypted; none where the engine is none that we speak.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// How far the talk went.
    #[serde(default)]
    pub login: Login,
    /// As whom.
    #[serde(default)]
    pub user: Option<String>,
    /// Into which database of the server.
    #[serde(default)]
    pub database: Option<String>,
    /// From connecting to the database's first byte; none where it waits for a visitor's words that we do not know.
    #[serde(default)]
    pub answer_seconds: Option<f64>,
    /// From connecting to being logged in.
    #[serde(default)]
    pub login_seconds: Option<f64>,
    /// A question and its answer, the middle of several.
    #[serde(default)]
    pub round_trip_seconds: Option<f64>,
    /// Of how many.
    #[serde(default)]
    pub round_trips: u32,
}

/// How a talk was kept from others.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Not between the bastion and the database.
    None,
    /// Encrypted, with whoever answered: a test of reach believes any certificate.
    NotVerified,
    /// Anything that a newer daemon knows and this program does not.
    #[default]
    #[serde(other)]
    Unknown,
}

/// How far a talk with a database went.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// Logged in.
    Done,
    /// The server answers, and the config says no password to log in with.
    NoPassword,
    /// The server answers, and nobody says as whom to log in.
    NoUser,
    /// The server takes connections; what it speaks we do not.
    NotSpoken,
    /// Anything that a newer daemon knows and this program does not.
    #[default]
    #[serde(other)]
    Unknown,
}
