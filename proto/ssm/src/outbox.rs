//! Sent and not acknowledged: numbers, retransmission, the window.
//!
//! ```text
//!               sent                    wait is over
//!   (new) ─────────────▶ ┌───────────┐ ─────────────▶ ┌────────────┐
//!                        │ on its way│                │ due again  │
//!                        └───────────┘ ◀───────────── └────────────┘
//!                              │        sent again          │
//!                              ▼ acknowledged               ▼ acknowledged
//!                            (gone)                       (gone)
//! ```
//!
//! Each message has its own wait, unlike in Amazon's plugin and agent, which look after their oldest
//! only. The wait is the same for all, so the one sent longest ago is the next to be due: a queue in
//! the order of sending is all the timer that it takes. Nothing is ever thrown away: whoever adds
//! asks for room first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::rtt::Rtt;

/// The numbered messages that the peer may not have.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// The number of the first slot.
    first: i64,
    /// What is not acknowledged, by number; an acknowledged message between others leaves a hole.
    slots: VecDeque<Option<Sent>>,
    /// How many slots are no holes, and their payloads' bytes.
    frames: usize,
    bytes: usize,
    /// When each was sent, oldest first. An entry whose message was acknowledged or sent again
    /// since is stale; the first one never is.
    waits: VecDeque<Wait>,
    /// What is due again, in order; acknowledged ones are skipped.
    due: VecDeque<i64>,
    rtt: Rtt,
}

/// What an acknowledgement was good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Acknowledged {
    /// The message had not been acknowledged before.
    Now,
    /// It had.
    Before,
    /// There is no message of this number.
    NeverSent,
}

#[derive(Debug)]
struct Sent {
    message: Bytes,
    payload: usize,
    at: Instant,
    times: u32,
}

#[derive(Debug)]
struct Wait {
    since: Instant,
    number: i64,
    times: u32,
}

impl Outbox {
    /// Nothing sent yet: the first number is 0.
    pub(crate) fn new(rto_floor: Duration, rto_ceiling: Duration) -> Self {
        Self {
            first: 0,
            slots: VecDeque::new(),
            frames: 0,
            bytes: 0,
            waits: VecDeque::new(),
            due: VecDeque::new(),
            rtt: Rtt::new(rto_floor, rto_ceiling),
        }
    }

    /// The number of the next message.
    pub(crate) fn next_number(&self) -> i64 {
        self.first + as_number(self.slots.len())
    }

    /// How many messages are not acknowledged.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// How many bytes of payload are not acknowledged.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many numbers there are from the oldest unacknowledged message to the newest.
    pub(crate) fn span(&self) -> usize {
        self.slots.len()
    }

    /// Keeps a message, with so many bytes of payload, that is sent now as [`Outbox::next_number`].
    pub(crate) fn sent(&mut self, message: Bytes, payload: usize, now: Instant) {
        self.waits.push_back(Wait { since: now, number: self.next_number(), times: 1 });
        self.slots.push_back(Some(Sent { message, payload, at: now, times: 1 }));
        self.frames += 1;
        self.bytes += payload;
    }

    /// Lets go of an acknowledged message.
    pub(crate) fn acknowledged(&mut self, number: i64, now: Instant) -> Acknowledged {
        if number >= self.next_number() || number < 0 {
            return Acknowledged::NeverSent;
        }
        let Some(sent) = self.slot(number).and_then(Option::take) else {
            return Acknowledged::Before;
        };
        self.frames -= 1;
        self.bytes -= sent.payload;
        if sent.times == 1 {
            self.rtt.measured(now.saturating_duration_since(sent.at));
        }
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first += 1;
        }
        self.drop_stale_waits();
        Acknowledged::Now
    }

    /// When the next message will be due again.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.waits.front().map(|wait| wait.since + self.rtt.wait())
    }

    /// Finds what is due again at `now`.
    pub(crate) fn expire(&mut self, now: Instant) {
        let wait = self.rtt.wait();
        let before = self.due.len();
        while self.waits.front().is_some_and(|oldest| oldest.since + wait <= now) {
            let oldest = self.waits.pop_front().expect("there is an oldest");
            self.due.push_back(oldest.number);
            self.drop_stale_waits();
        }
        if self.due.len() > before {
            self.rtt.expired();
        }
    }

    /// Makes all due again, in order: the road that they were sent on is lost.
    pub(crate) fn resend_all(&mut self) {
        self.waits.clear();
        self.due.clear();
        let numbers = (self.first..).zip(&self.slots);
        self.due.extend(numbers.filter(|(_, slot)| slot.is_some()).map(|(number, _)| number));
        self.rtt.forgive();
    }

    /// The next message to be sent again.
    pub(crate) fn resend(&mut self, now: Instant) -> Option<Bytes> {
        while let Some(number) = self.due.pop_front() {
            let Some(Some(sent)) = self.slot(number) else { continue };
            sent.at = now;
            sent.times += 1;
            let (message, times) = (sent.message.clone(), sent.times);
            self.waits.push_back(Wait { since: now, number, times });
            return Some(message);
        }
        None
    }

    /// Lets go of everything: nobody will acknowledge any more.
    pub(crate) fn clear(&mut self) {
        self.first = self.next_number();
        self.slots.clear();
        self.waits.clear();
        self.due.clear();
        (self.frames, self.bytes) = (0, 0);
    }

    fn slot(&mut self, number: i64) -> Option<&mut Option<Sent>> {
        let index = usize::try_from(number - self.first).ok()?;
        self.slots.get_mut(index)
    }

    fn drop_stale_waits(&mut self) {
        while let Some(&Wait { number, times, .. }) = self.waits.front() {
            if let Some(Some(sent)) = self.slot(number)
                && sent.times == times
            {
                return;
            }
            self.waits.pop_front();
        }
    }
}

fn as_number(count: usize) -> i64 {
    i64::try_from(count).expect("no memory holds so many")
}
