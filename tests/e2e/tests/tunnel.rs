//! The tunnel, alone and in the daemon, against the simulated AWS: cuts, losses, silence and readers that stopped, and
//! not a byte lost.
//!
//! ```text
//!   a story ─► Stream ─► Tunnel ══websocket══ gateway ══websocket══ ssm-session-worker ─► Destination
//!       └──────────────── sha256 of each block, either way ──────────────────────────────────┘
//! ```
//!
//! `BASTION_TEST_LONG=1` (`cargo xtask test --long tunnel`) runs the full counts, which end in one line; without it the
//! same stories are shorter.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test measures real time and has tasks of its own"
)]

#[path = "tunnel/cuts.rs"]
mod cuts;
#[path = "tunnel/destination.rs"]
mod destination;
#[path = "tunnel/lane.rs"]
mod lane;
#[path = "tunnel/readers.rs"]
mod readers;
#[path = "tunnel/resumes.rs"]
mod resumes;
#[path = "tunnel/silence.rs"]
mod silence;
#[path = "tunnel/talk.rs"]
mod talk;
#[path = "tunnel/visits.rs"]
mod visits;
#[path = "tunnel/wire.rs"]
mod wire;

use std::time::Duration;

/// Whether the full counts are wanted.
fn is_long() -> bool {
    std::env::var_os("BASTION_TEST_LONG").is_some()
}

/// Far more than anything takes that does not stall.
const LONG: Duration = Duration::from_secs(60);
