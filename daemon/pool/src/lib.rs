//! Which bastions exist, who uses them, when they go away.
//!
//! ```text
//!   lease ─▶ ┌──────┐   Input    ┌─────────┐
//!     end ─▶ │ Pool │ ─────────▶ │ Bastion │   one for each target
//!    tick ─▶ └──────┘ ◀───────── └─────────┘
//!               │        Output
//!               ▼
//!     StartTask, StopTask, Grant, Revoke: the keeper runs the errand and tells how it went
//! ```
//!
//! Nothing here opens anything or asks what time it is.

mod book;
mod record;
pub mod single;

pub use book::{Book, Entry, OpenSession, Origin};
pub use record::{Finding, Intention, Raise, Record};

/// A lease's number, unique while the daemon runs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LeaseId(pub u64);
