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
//! the order of sending is all the timer that it takes. While nobody answers at all, only the oldest few
//! are sent again, ever more seldom; the first answer makes all due that are. Nothing is ever thrown
//! away: whoever adds asks for room first.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem;
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
    /// When each that is not due was sent last, oldest first. An entry whose message was
    /// acknowledged since is stale; the first one never is.
    waits: VecDeque<Wait>,
    /// What is due again, in order; acknowledged ones are skipped.
    due: VecDeque<i64>,
    /// When something was last acknowledged.
    heard_at: Option<Instant>,
    /// Till when nothing more becomes due, because nobody answers.
    quiet_until: Option<Instant>,
    rtt: Rtt,
}

/// What an acknowledgement was good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Acknowledged {
    /// The message had not been acknowledged before.
    Now {
        /// The stream that filled it; 0 where none did.
        stream: u32,
        /// Its payload's bytes.
        payload: usize,
        /// How long that took, where it can be told: the message was sent once.
        took: Option<Duration>,
    },
    /// It had.
    Before,
    /// There is no message of this number.
    NeverSent,
}

#[derive(Debug)]
struct Sent {
    message: Bytes,
    payload: usize,
    /// The stream that filled it; 0 where none did.
    stream: u32,
    first_at: Instant,
    at: Instant,
    times: u32,
    /// Whether it is due again.
    queued: bool,
}

#[derive(Debug)]
struct Wait {
    since: Instant,
    number: i64,
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
            heard_at: None,
            quiet_until: None,
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

    /// When the oldest unacknowledged message was sent first.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.slots.front()?.as_ref().map(|sent| sent.first_at)
    }

    /// Keeps a message, with so many bytes of payload, which that stream filled and which is sent now
    /// as [`Outbox::next_number`].
    pub(crate) fn sent(&mut self, message: Bytes, payload: usize, stream: u32, now: Instant) {
        self.waits.push_back(Wait { since: now, number: self.next_number() });
        let (first_at, at, times, queued) = (now, now, 1, false);
        self.slots.push_back(Some(Sent { message, payload, stream, first_at, at, times, queued }));
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
        // Which sending of several it answers, nobody can tell.
        let took = (sent.times == 1).then(|| now.saturating_duration_since(sent.at));
        if let Some(took) = took {
            self.rtt.measured(took);
        }
        self.heard_at = Some(now);
        self.quiet_until = None;
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first += 1;
        }
        self.drop_stale_waits();
        Acknowledged::Now { stream: sent.stream, payload: sent.payload, took }
    }

    /// When the next message will be due again.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        let first = self.waits.front().map(|wait| wait.since + self.rtt.wait())?;
        Some(self.quiet_until.map_or(first, |quiet| quiet.max(first)))
    }

    /// Finds what is due again at `now`. Where nothing at all was acknowledged meanwhile, these are the
    /// oldest few: more would only wait behind them, wherever they are stuck.
    /// Says whether there was anything.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let wait = self.rtt.wait();
        if self.due_at().is_none_or(|due| due > now) {
            return false;
        }
        let oldest = self.waits.front().map(|wait| wait.since);
        if self.heard_at < oldest {
            if let Some(oldest) = oldest {
                self.rtt.expired(oldest, now);
            }
            self.quiet_until = Some(now + self.rtt.wait());
            let numbers = self.numbers().take(CALLS).collect::<Vec<_>>();
            numbers.into_iter().for_each(|number| self.queue(number));
            return true;
        }
        while let Some(oldest) = self.waits.front()
            && oldest.since + wait <= now
        {
            let Wait { since, number } = *oldest;
            self.rtt.expired(since, now);
            self.waits.pop_front();
            self.queue(number);
            self.drop_stale_waits();
        }
        true
    }

    /// Makes one message due at once, before all others.
    pub(crate) fn hasten(&mut self, number: i64) {
        if let Some(Some(sent)) = self.slot(number)
            && !mem::replace(&mut sent.queued, true)
        {
            self.due.push_front(number);
        }
    }

    /// Makes all due again, in order: the road that they were sent on is lost.
    pub(crate) fn resend_all(&mut self) {
        self.waits.clear();
        self.due = self.numbers().collect();
        self.slots.iter_mut().flatten().for_each(|sent| sent.queued = true);
        self.quiet_until = None;
        self.rtt.forgive();
    }

    /// The number of the next message to be sent again.
    pub(crate) fn next_due(&mut self) -> Option<i64> {
        while let Some(&number) = self.due.front() {
            if self.is_due(number) {
                return Some(number);
            }
            self.due.pop_front();
        }
        None
    }

    /// Whether this message is to be sent again.
    pub(crate) fn is_due(&mut self, number: i64) -> bool {
        matches!(self.slot(number), Some(Some(Sent { queued: true, .. })))
    }

    /// A message that is sent again now.
    pub(crate) fn resend(&mut self, number: i64, now: Instant) -> Option<Bytes> {
        let sent = self.slot(number)?.as_mut()?;
        sent.at = now;
        sent.times = sent.times.saturating_add(1);
        sent.queued = false;
        let message = sent.message.clone();
        self.waits.push_back(Wait { since: now, number });
        if self.waits.len() > 2 * self.frames + FEW {
            let (first, slots) = (self.first, &self.slots);
            self.waits.retain(|wait| wait.is_valid(first, slots));
        }
        self.drop_stale_waits();
        Some(message)
    }

    /// Puts another message in the place of one that is not acknowledged.
    pub(crate) fn replace(&mut self, number: i64, message: Bytes, payload: usize) {
        if let Some(Some(sent)) = self.slot(number) {
            let before = mem::replace(&mut sent.payload, payload);
            sent.message = message;
            self.bytes = self.bytes + payload - before;
        }
    }

    /// The oldest message: its number, its payload's bytes if a stream filled it, how often it was
    /// sent.
    pub(crate) fn head(&self) -> Option<(i64, usize, u32)> {
        let sent = self.slots.front()?.as_ref()?;
        let payload = if sent.stream == 0 { 0 } else { sent.payload };
        Some((self.first, payload, sent.times))
    }

    /// Lets go of everything: nobody will acknowledge any more.
    pub(crate) fn clear(&mut self) {
        self.first = self.next_number();
        self.slots.clear();
        self.waits.clear();
        self.due.clear();
        (self.frames, self.bytes) = (0, 0);
    }

    /// The numbers that are not acknowledged, in order.
    fn numbers(&self) -> impl Iterator<Item = i64> + '_ {
        let slots = (self.first..).zip(&self.slots);
        slots.filter(|(_, slot)| slot.is_some()).map(|(number, _)| number)
    }

    fn slot(&mut self, number: i64) -> Option<&mut Option<Sent>> {
        let index = usize::try_from(number - self.first).ok()?;
        self.slots.get_mut(index)
    }

    fn drop_stale_waits(&mut self) {
        while let Some(wait) = self.waits.front() {
            if wait.is_valid(self.first, &self.slots) {
                return;
            }
            self.waits.pop_front();
        }
    }

    /// Makes a message due behind those that are.
    fn queue(&mut self, number: i64) {
        if let Some(Some(sent)) = self.slot(number)
            && !mem::replace(&mut sent.queued, true)
        {
            self.due.push_back(number);
        }
    }
}

impl Wait {
    /// Whether the message is neither acknowledged nor sent again since.
    fn is_valid(&self, first: i64, slots: &VecDeque<Option<Sent>>) -> bool {
        let slot = usize::try_from(self.number - first).ok().and_then(|index| slots.get(index));
        matches!(slot, Some(Some(sent)) if sent.at == self.since)
    }
}

/// How many of the oldest messages are sent again while nobody answers.
const CALLS: usize = 4;
/// So many stale waits are left where they are.
const FEW: usize = 64;

fn as_number(count: usize) -> i64 {
    i64::try_from(count).expect("no memory holds so many")
}
