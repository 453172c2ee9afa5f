use serde::{Deserialize, Serialize};

use crate::{Problem, TargetInfo};

/// What clients have to be told about targets, beyond where they are found on this machine.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Info {
    /// The version of this shape.
    pub schema_version: u32,
    /// Whom a client may trust that verifies certificates.
    pub roots: Roots,
    /// The targets that were asked for, in the order of the config.
    pub targets: Vec<Contact>,
}

/// Whom a client may trust that verifies certificates.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Roots {
    /// Where the file with the authorities of RDS is looked for.
    pub bundle: String,
    /// That file and the daemon's own authority in one; none where one of them is not there.
    #[serde(default)]
    pub file: Option<String>,
    /// Why there is none, where it is not that nobody has fetched the bundle yet.
    #[serde(default)]
    pub problem: Option<Problem>,
}

/// What a client has to be told about one target.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Contact {
    /// Its name, and where it is found on this machine.
    pub target: TargetInfo,
    /// The number of the AWS account that it lies in, where that could be asked.
    #[serde(default)]
    pub account: Option<String>,
    /// The region that its site names.
    #[serde(default)]
    pub region: Option<String>,
    /// The database's own name, as its bastion dials it and as its certificate says it.
    #[serde(default)]
    pub remote_host: Option<String>,
    /// The database's own port.
    #[serde(default)]
    pub remote_port: Option<u16>,
    /// How its user proves who he is.
    #[serde(default)]
    pub proof: ProofKind,
    /// What is known of the database's TLS.
    #[serde(default)]
    pub tls: TlsKnown,
    /// The port at which containers find it, where the config lets them.
    #[serde(default)]
    pub docker_port: Option<u16>,
    /// The address of Docker's bridge, where there is one and containers find the target there.
    #[serde(default)]
    pub docker_host: Option<String>,
    /// Why something above is missing that AWS would have told.
    #[serde(default)]
    pub problem: Option<Problem>,
}

/// How a target's user proves who he is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ProofKind {
    /// By a password that a secret holds.
    Secret,
    /// By a token that lasts some minutes.
    Iam,
    /// The config says nothing of it; also any way that a newer daemon knows and this program does not.
    #[default]
    #[serde(other)]
    Unsaid,
}

/// What is known of a database's TLS without asking it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TlsKnown {
    /// It speaks TLS, and its certificate is of an authority of RDS and says `remote_host`.
    Rds,
    /// It speaks TLS; who certified it is not known.
    Spoken,
    /// Nothing; also anything that a newer daemon knows and this program does not.
    #[default]
    #[serde(other)]
    Unknown,
}
