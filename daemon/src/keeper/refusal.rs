//! Why there is no bastion, as the keeper knows it; `explain.rs` has the words.

use std::time::Duration;

use bastion_api::Stage;
use bastion_cloud::CloudError;

use crate::state::NotWritten;
use crate::tunnels::TunnelFailure;

/// Why somebody did not get a lease, or why it was taken back.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// There is no such target.
    UnknownTarget,
    /// The cloud did not give a usable task.
    Cloud(CloudError),
    /// The task is there, and no tunnel through it could be opened.
    Tunnel(TunnelFailure),
    /// The start took longer than it may; the stage it hung in.
    TookTooLong(Stage),
    /// The task ended; the cloud's words why.
    TaskGone(String),
    /// The task before does not end, so that no other is started.
    NotStopped,
    /// Somebody asked for the bastion to be closed.
    Closed,
    /// It moved no byte for so long that its bastion was stopped; how long that takes.
    Silent(Duration),
    /// Its program comes back right after it was closed for silence, and asks for nothing.
    Reconnects,
    /// The bastion has reached the age at which it ends by itself; that age.
    TooOld(Duration),
    /// The target is no longer in the config, or its forward has ended.
    Removed,
    /// What was about to be done could not be written down, so it was not done.
    Journal(NotWritten),
    /// The daemon is stopping.
    Stopping,
}
