#![expect(
    clippy::disallowed_methods,
    reason = "the one place that asks the machine what time it is"
)]

use std::time::Instant;

use bastion_api::Timestamp;

/// The time of day.
pub(crate) fn today() -> Timestamp {
    Timestamp::now()
}

/// A moment to measure from.
pub(crate) fn now() -> Instant {
    Instant::now()
}
