use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Problem;

/// Something that happened, worth a line to a person.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// Its number: they rise by one while the daemon runs, and begin again when it starts.
    pub seq: u64,
    /// When it happened.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub time: Timestamp,
    /// The target that it happened to; none where it concerns the daemon.
    #[serde(default)]
    pub target: Option<String>,
    /// What sort of thing.
    #[serde(default)]
    pub kind: EventKind,
    /// What happened, in words.
    pub message: String,
    /// What is wrong, where something is.
    #[serde(default)]
    pub problem: Option<Problem>,
}

/// What sort of thing happened.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The daemon started.
    DaemonStarted,
    /// The daemon is stopping.
    DaemonStopping,
    /// Somebody asked through the control socket: open, close.
    Asked,
    /// A bastion is being started.
    BastionStarting,
    /// A start has come a stage further.
    BastionStage,
    /// A bastion is ready.
    BastionReady,
    /// A bastion is no longer used and will be stopped when its time is up.
    BastionIdle,
    /// A bastion of an earlier daemon was found and is used on.
    BastionAdopted,
    /// A bastion takes no new visits, because it will have run for its longest time.
    BastionRetiring,
    /// A bastion is being stopped.
    BastionStopping,
    /// A bastion has stopped.
    BastionStopped,
    /// A tunnel was opened.
    TunnelOpened,
    /// A tunnel is away, and what goes through it stands still.
    TunnelPaused,
    /// A tunnel that was away is back.
    TunnelResumed,
    /// A tunnel was closed.
    TunnelClosed,
    /// A visit came.
    VisitOpened,
    /// A visit has moved no byte for so long that it keeps its bastion no longer.
    VisitSilent,
    /// A visit ended.
    VisitClosed,
    /// A visit was sent away.
    VisitRefused,
    /// A hold was put on a bastion.
    HoldPlaced,
    /// A hold ended.
    HoldEnded,
    /// The config was read again.
    ConfigReloaded,
    /// A problem came up.
    ProblemFound,
    /// A problem went away.
    ProblemCleared,
    /// Anything that a newer daemon tells and this program does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl EventKind {
    /// The word for it, as it stands in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::DaemonStarted => "daemon_started",
            Self::DaemonStopping => "daemon_stopping",
            Self::Asked => "asked",
            Self::BastionStarting => "bastion_starting",
            Self::BastionStage => "bastion_stage",
            Self::BastionReady => "bastion_ready",
            Self::BastionIdle => "bastion_idle",
            Self::BastionAdopted => "bastion_adopted",
            Self::BastionRetiring => "bastion_retiring",
            Self::BastionStopping => "bastion_stopping",
            Self::BastionStopped => "bastion_stopped",
            Self::TunnelOpened => "tunnel_opened",
            Self::TunnelPaused => "tunnel_paused",
            Self::TunnelResumed => "tunnel_resumed",
            Self::TunnelClosed => "tunnel_closed",
            Self::VisitOpened => "visit_opened",
            Self::VisitSilent => "visit_silent",
            Self::VisitClosed => "visit_closed",
            Self::VisitRefused => "visit_refused",
            Self::HoldPlaced => "hold_placed",
            Self::HoldEnded => "hold_ended",
            Self::ConfigReloaded => "config_reloaded",
            Self::ProblemFound => "problem_found",
            Self::ProblemCleared => "problem_cleared",
            Self::Unknown => "unknown",
        }
    }
}
