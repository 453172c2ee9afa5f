use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Problem, SCHEMA_VERSION, Stage, State, TargetStatus, VisitStatus};

/// Starts a target's bastion, as a visit would.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenRequest {
    /// Keep the bastion for so long, whether anybody visits or not.
    #[serde(default)]
    pub hold_seconds: Option<u64>,
    /// Have so many tunnels stand before it is called ready, so that as many transfers at once each have their own.
    #[serde(default)]
    pub tunnels: Option<u32>,
}

/// One line of the answer to an [`OpenRequest`]: stages, then one `ready` or one `failed`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a few lines an answer, each dropped once it is told"
)]
pub enum OpenEvent {
    /// The start has come so far.
    Stage {
        /// How far.
        stage: Stage,
        /// How long the start has taken so far.
        #[serde(default)]
        elapsed_seconds: f64,
        /// How long starts take, learned from earlier ones.
        #[serde(default)]
        estimate_seconds: Option<f64>,
    },
    /// A bastion is ready, and more tunnels were asked for: so many stand.
    Tunnels {
        /// How many stand.
        #[serde(default)]
        standing: u32,
        /// How many were asked for.
        #[serde(default)]
        wanted: u32,
    },
    /// Visits go through; no line follows.
    Ready {
        /// The target as it is now.
        target: TargetStatus,
        /// How long this start took; about nothing where the bastion was there.
        #[serde(default)]
        elapsed_seconds: f64,
        /// Until when the bastion is held, where that was asked for.
        #[serde(default)]
        #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Moment>"))]
        hold_until: Option<Timestamp>,
    },
    /// The start failed; no line follows.
    Failed {
        /// Why.
        problem: Problem,
    },
    /// Something that a newer daemon tells and this program does not know.
    #[serde(other)]
    Unknown,
}

/// Ends a target's visits and holds, and stops its bastion.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CloseRequest {
    /// Also when somebody is connected.
    #[serde(default)]
    pub force: bool,
}

/// What a [`CloseRequest`] did.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CloseAnswer {
    /// The version of this shape.
    pub schema_version: u32,
    /// The target's name.
    pub target: String,
    /// How the target was before.
    pub was: State,
    /// How many visits were ended.
    #[serde(default)]
    pub visits_ended: u32,
}

/// The body of the 409 that answers a [`CloseRequest`] without `force` while somebody is connected.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refused {
    /// The version of this shape.
    pub schema_version: u32,
    /// What is in the way, in words.
    pub problem: Problem,
    /// Who is connected.
    pub visits: Vec<VisitStatus>,
}

impl Refused {
    /// A refusal because of these visits.
    pub fn new(problem: Problem, visits: Vec<VisitStatus>) -> Self {
        Self { schema_version: SCHEMA_VERSION, problem, visits }
    }
}
