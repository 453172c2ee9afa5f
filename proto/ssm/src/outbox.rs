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
//! the order of sending is all the timer that it takes. Where nothing tells that a message is lost rather
//! than stuck, only the oldest few are sent again, ever more seldom ([`Outbox::expire`]). Nothing is ever
//! thrown away: whoever adds asks for room first.

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
    /// When the newest acknowledged message was sent: what was sent before it and is not acknowledged is
    /// lost, or will come any moment.
    heard_of: Option<Instant>,
    /// Those of the oldest that were sent again though no later one is acknowledged, and how many these
    /// are to be the next time.
    calling: Vec<i64>,
    calls: usize,
    /// Till when an answer to them is waited for.
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
        /// How long that took since it was sent first.
        took: Duration,
        /// Whether it was sent once: else it may have taken less.
        once: bool,
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
            heard_of: None,
            calling: Vec::new(),
            calls: CALLS,
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
        // Which sending of several it answers, nobody can tell: only that it was not sent before the first.
        let (took, once) = (now.saturating_duration_since(sent.first_at), sent.times == 1);
        if once {
            self.rtt.measured(took);
        }
        self.heard_of = self.heard_of.max(Some(sent.first_at));
        self.answered(number);
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first += 1;
        }
        self.drop_stale_waits();
        Acknowledged::Now { stream: sent.stream, payload: sent.payload, took, once }
    }

    /// When the next message will be due again.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        let first = self.waits.front().map(|wait| wait.since + self.rtt.wait())?;
        Some(self.quiet_until.map_or(first, |quiet| quiet.max(first)))
    }

    /// Finds what is due again at `now`; says whether there was anything.
    ///
    /// A message whose wait is over is lost if one that was sent later is acknowledged: a websocket
    /// keeps order. Otherwise all may be stuck somewhere, and copies of all would be stuck behind them.
    /// Then the oldest few are sent again; each time that all of them are answered, twice as many.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        if self.due_at().is_none_or(|due| due > now) {
            return false;
        }
        let wait = self.rtt.wait();
        while let Some(&Wait { since, number }) = self.waits.front()
            && since + wait <= now
        {
            if self.heard_of <= Some(since) {
                self.call(since, now);
                break;
            }
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
        self.calling.clear();
        (self.calls, self.quiet_until) = (CALLS, None);
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
        self.calling.clear();
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

    /// Sends the oldest few again.
    fn call(&mut self, since: Instant, now: Instant) {
        if !self.calling.is_empty() {
            self.calls = CALLS;
        }
        self.rtt.expired(since, now);
        self.quiet_until = Some(now + self.rtt.wait());
        self.calling = self.numbers().take(self.calls).collect();
        for index in 0..self.calling.len() {
            self.queue(self.calling[index]);
        }
    }

    /// Takes in that this message is acknowledged.
    fn answered(&mut self, number: i64) {
        if let Some(at) = self.calling.iter().position(|called| *called == number) {
            self.calling.swap_remove(at);
            if self.calling.is_empty() {
                self.calls = (self.calls * 2).min(MOST_CALLS);
                self.quiet_until = None;
            }
        }
        if self.waits.front().is_some_and(|wait| self.heard_of > Some(wait.since)) {
            self.quiet_until = None;
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

/// How many of the oldest messages are sent again where it is not known that they are lost: at first, and
/// at most.
const CALLS: usize = 4;
const MOST_CALLS: usize = 1024;
/// So many stale waits are left where they are.
const FEW: usize = 64;

fn as_number(count: usize) -> i64 {
    i64::try_from(count).expect("no memory holds so many")
}
