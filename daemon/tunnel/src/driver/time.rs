//! The driver's time: what it is, what is due, and when to wake.
//!
//! This is the one place outside clock.rs that asks it: a network's time need not count sleep.
#![expect(clippy::disallowed_methods, reason = "the driver is where the channel's time comes from")]

use std::future::Future as _;
use std::task::Context;
use std::time::{Instant, SystemTime};

use ssm_proto::Now;

use super::{Driver, Stage};
use crate::resume::Clock;

impl Driver {
    /// Does what is due.
    pub(super) fn take_time(&mut self, now: Now) {
        if self.channel.timeout().is_some_and(|(at, _)| at <= now.instant) {
            self.channel.handle_timeout(now);
        }
        self.link.expire(now.instant);
        if self.link.is_up() {
            self.take_time_up(now);
        }
        self.take_time_to_part(now);
    }

    /// Wakes at the next time that something is due; true where it is already.
    pub(super) fn set_alarm(&mut self, cx: &mut Context<'_>) -> bool {
        let until = match &self.stage {
            Stage::Opening | Stage::Open { .. } | Stage::Over(_) => None,
            Stage::Terminating { until }
            | Stage::Parting { until, .. }
            | Stage::Leaving { until, .. } => Some(*until),
        };
        let channel = self.channel.timeout().map(|(at, _)| at);
        let up = self.link.is_up();
        let open = up && self.is_open();
        let board = self.board.due().filter(|_| up);
        let nop = self.nop_due().filter(|_| open);
        let pulse = open.then(|| self.pulse.due(!self.board.is_empty()));
        let all = [until, channel, self.link.due(), board, nop, pulse];
        let Some(due) = all.into_iter().flatten().min() else { return false };
        let due = due.into();
        // An alarm that rings too early costs one turn; setting it anew for each message would cost more.
        if due < self.alarm.deadline() || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(due);
        }
        self.alarm.as_mut().poll(cx).is_ready()
    }
}

/// The time on the wall, for a signature.
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}

/// The clock where none is given: the driver's own, which stands still while the machine sleeps on Linux.
#[derive(Debug)]
pub(crate) struct AwakeClock;

impl Clock for AwakeClock {
    fn now(&self) -> Instant {
        now().instant
    }
}

pub(crate) fn now() -> Now {
    let since_1970 = wall_time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now {
        instant: tokio::time::Instant::now().into_std(),
        unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
    }
}
