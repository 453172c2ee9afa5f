//! Which bastions exist, who uses them, when they go away.
//!
//! ```text
//!   lease, end, silent ─▶ ┌──────┐   Input    ┌─────────┐
//!   answers of errands ─▶ │ Pool │ ─────────▶ │ Bastion │   several for each group: a target, or a site that shares
//!                 tick ─▶ └──────┘ ◀───────── └─────────┘
//!                            │         Deed
//!                            ▼
//!     Output: StartTask, StopTask, Grant, Revoke, … : the keeper runs the errand and tells how it went
//!
//!   Record ──▶ journal ──▶ Book: what may be out there ──┐
//!                       what the cloud shows ────────────┴─▶ adopt: keep, stop, forget, ask again
//! ```
//!
//! Nothing here opens anything or asks what time it is.

pub mod adopt;
mod backoff;
mod bastion;
mod book;
mod estimates;
mod leases;
mod pool;
mod record;
mod restraint;
mod watchdog;

use std::time::Duration;

pub use backoff::Backoff;
pub use bastion::{Bastion, Deed, Input, Phase, Timer, Why};
pub use book::{Book, Entry, OpenSession, Origin};
pub use estimates::Estimates;
pub use leases::{Claim, Mood};
pub use pool::{Output, Pool, Removal, View, Wish};
pub use record::{Finding, Intention, Raise, Record};
pub use watchdog::Watchdog;

/// A lease's number, unique while the daemon runs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LeaseId(pub u64);

/// A bastion's number, unique while the daemon runs.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BastionId(pub u64);

/// How long a bastion may take, how long it may be of no use, and how old it may become.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// From asking for a task to its agent's answer.
    pub start: Duration,
    /// From the end or the silence of the last lease to the task's end.
    pub idle: Duration,
    /// From asking a task to end to asking again.
    pub stop: Duration,
    /// From asking for a task to the end that it comes to by itself; none where it is somebody else's.
    pub life: Option<Duration>,
}

/// What a target's bastions are held to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Terms {
    /// How long each may take.
    pub limits: Limits,
    /// How many there may be at once for load (`max_bastions`); a person's `--fan-out` may ask for more.
    pub most: usize,
    /// With whom they are shared; none where the target keeps its own.
    pub share: Option<Share>,
}

/// The sharing of a site's bastions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Share {
    /// The site. Targets of the same site share.
    pub site: String,
    /// How many targets a bastion takes (`tunnels_per_bastion`).
    pub seats: usize,
}
