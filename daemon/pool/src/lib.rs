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

mod bastion;
mod pool;

pub use bastion::{Bastion, Input, LeaseId, Limits, Output, Phase, Timer, Why};
pub use pool::Pool;
