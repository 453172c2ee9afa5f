//! The driver's way out: the drawing's lower half.

use std::error::Error;
use std::mem;
use std::time::Duration;

use ssm_proto::Now;
use tracing::debug;

use super::{Driver, Stage};
use crate::error::Closed;

impl Driver {
    /// Begins to end the session from our side.
    pub(super) fn terminate(&mut self, now: Now) {
        if let Stage::Opening | Stage::Open { .. } = self.stage {
            self.channel.terminate();
            self.stage = Stage::Terminating { until: now.instant + FAREWELL };
            if !self.link.is_up() {
                // There is nobody to tell.
                self.end(Closed::ByUs, now);
            }
        }
    }

    /// The channel is over.
    pub(super) fn end(&mut self, closed: Closed, now: Now) {
        self.stage = match mem::replace(&mut self.stage, Stage::Opening) {
            Stage::Opening | Stage::Open { .. } => self.part(closed, now),
            // What we had asked for is not the service's doing.
            Stage::Terminating { .. } => self.part(Closed::ByUs, now),
            ending @ (Stage::Parting { .. } | Stage::Leaving { .. } | Stage::Over(_)) => ending,
        };
    }

    /// Waits no longer for a farewell than it is worth.
    pub(super) fn take_time_to_part(&mut self, now: Now) {
        self.stage = match mem::replace(&mut self.stage, Stage::Opening) {
            Stage::Terminating { until } if until <= now.instant => self.part(Closed::ByUs, now),
            Stage::Parting { closed, until } | Stage::Leaving { closed, until }
                if until <= now.instant =>
            {
                Stage::Over(closed)
            }
            waiting @ (Stage::Opening
            | Stage::Open { .. }
            | Stage::Terminating { .. }
            | Stage::Parting { .. }
            | Stage::Leaving { .. }
            | Stage::Over(_)) => waiting,
        };
    }

    /// Tells everybody that it is over, and how.
    pub(super) fn part(&mut self, closed: Closed, now: Now) -> Stage {
        debug!(reason = &closed as &dyn Error, counters = ?self.channel.counters(), "tunnel over");
        self.board.end_all(&mut self.channel);
        if let Some(fate) = &self.fate {
            fate.send_replace(Some(closed.clone()));
        }
        if !self.link.is_up() {
            return Stage::Over(closed);
        }
        Stage::Parting { closed, until: now.instant + FAREWELL }
    }

    /// Without a websocket, nothing is left to be said.
    pub(super) fn leave(&mut self) {
        self.stage = match mem::replace(&mut self.stage, Stage::Opening) {
            Stage::Parting { closed, .. } | Stage::Leaving { closed, .. } => Stage::Over(closed),
            other @ (Stage::Opening
            | Stage::Open { .. }
            | Stage::Terminating { .. }
            | Stage::Over(_)) => other,
        };
    }
}

/// Time for the agent to acknowledge the session's end, and again for the other side to close the websocket too: the
/// agent itself waits no longer than 2 s for what it still has to send.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);
