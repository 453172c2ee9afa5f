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
    /// When each that is not due was sent last, oldest first. An entry whose message was
    /// acknowledged since is stale; the first one never is.
    waits: VecDeque<Wait>,
    /// What is due again, in order; acknowledged ones are skipped.
    due: VecDeque<i64>,
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
        let (first_at, at, times) = (now, now, 1);
        self.slots.push_back(Some(Sent { message, payload, stream, first_at, at, times }));
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
        Acknowledged::Now { stream: sent.stream, payload: sent.payload }
    }

    /// When the next message will be due again.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.waits.front().map(|wait| wait.since + self.rtt.wait())
    }

    /// Finds what is due again at `now`.
    pub(crate) fn expire(&mut self, now: Instant) {
        let wait = self.rtt.wait();
        while let Some(oldest) = self.waits.front()
            && oldest.since + wait <= now
        {
            self.due.push_back(oldest.number);
            self.rtt.expired(oldest.since, now);
            self.waits.pop_front();
            self.drop_stale_waits();
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
            let message = sent.message.clone();
            self.waits.push_back(Wait { since: now, number });
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
        while let Some(&Wait { number, .. }) = self.waits.front() {
            if let Some(Some(_)) = self.slot(number) {
                return;
            }
            self.waits.pop_front();
        }
    }
}

fn as_number(count: usize) -> i64 {
    i64::try_from(count).expect("no memory holds so many")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const NOW: Acknowledged = Acknowledged::Now { stream: 3, payload: 1 };

    /// An outbox with `count` messages of one byte, one sent each millisecond from `start` on.
    fn sent(count: u8, start: Instant) -> Outbox {
        let mut outbox = Outbox::new(200 * MS, 5000 * MS);
        for number in 0..count {
            let message = Bytes::copy_from_slice(&[number]);
            outbox.sent(message, 1, 3, start + u32::from(number) * MS);
        }
        outbox
    }

    fn resent(outbox: &mut Outbox, now: Instant) -> Vec<u8> {
        std::iter::from_fn(|| outbox.resend(now)).map(|message| message[0]).collect()
    }

    fn start() -> Instant {
        crate::event::tests::now().instant
    }

    #[test]
    fn a_message_is_sent_again_when_its_own_wait_is_over_and_not_before() {
        let start = start();
        let mut outbox = sent(3, start);
        outbox.expire(start + 199 * MS);
        assert!(resent(&mut outbox, start).is_empty());
        assert_eq!(outbox.due_at(), Some(start + 200 * MS));
        outbox.expire(start + 201 * MS);
        assert_eq!(resent(&mut outbox, start + 201 * MS), [0, 1]);
        assert_eq!(outbox.frames(), 3);
    }

    #[test]
    fn only_what_is_missing_is_sent_again_wherever_it_stands() {
        let start = start();
        let mut outbox = sent(6, start);
        for number in [0, 1, 3, 5] {
            assert_eq!(outbox.acknowledged(number, start + 20 * MS), NOW);
        }
        outbox.expire(start + 1000 * MS);
        assert_eq!(resent(&mut outbox, start + 1000 * MS), [2, 4]);
    }

    #[test]
    fn what_is_acknowledged_between_due_and_sent_is_not_sent() {
        let start = start();
        let mut outbox = sent(2, start);
        outbox.expire(start + 300 * MS);
        outbox.acknowledged(0, start + 300 * MS);
        assert_eq!(resent(&mut outbox, start + 300 * MS), [1]);
    }

    #[test]
    fn silence_doubles_the_wait_between_two_sendings() {
        let start = start();
        let mut outbox = sent(1, start);
        let mut now = start;
        let mut gaps = Vec::new();
        for _ in 0..6 {
            let due = outbox.due_at().unwrap();
            gaps.push((due - now).as_millis());
            now = due;
            outbox.expire(now);
            assert_eq!(resent(&mut outbox, now), [0]);
        }
        assert_eq!(gaps, [200, 400, 800, 1600, 3200, 5000]);
    }

    #[test]
    fn an_acknowledgement_of_a_message_sent_twice_measures_nothing() {
        let start = start();
        let mut outbox = sent(2, start);
        outbox.acknowledged(0, start + 10 * MS);
        let wait = outbox.rtt.wait();
        outbox.expire(start + 500 * MS);
        assert_eq!(resent(&mut outbox, start + 500 * MS), [1]);
        outbox.acknowledged(1, start + 900 * MS);
        assert_eq!(outbox.rtt.wait(), 2 * wait, "doubled by the silence, and by nothing else");
    }

    #[test]
    fn a_lost_road_makes_all_due_in_order_and_at_once() {
        let start = start();
        let mut outbox = sent(5, start);
        outbox.acknowledged(1, start + 10 * MS);
        outbox.expire(start + 203 * MS);
        assert_eq!(outbox.resend(start + 203 * MS).unwrap()[0], 0);
        outbox.resend_all();
        assert_eq!(outbox.due_at(), None);
        assert_eq!(resent(&mut outbox, start + 210 * MS), [0, 2, 3, 4]);
        assert_eq!(outbox.due_at(), Some(start + 410 * MS), "the new road is not to blame");
    }

    #[test]
    fn an_acknowledgement_counts_once_and_only_for_what_was_sent() {
        let start = start();
        let mut outbox = sent(2, start);
        assert_eq!(outbox.acknowledged(2, start), Acknowledged::NeverSent);
        assert_eq!(outbox.acknowledged(-1, start), Acknowledged::NeverSent);
        assert_eq!(outbox.acknowledged(i64::MIN, start), Acknowledged::NeverSent);
        assert_eq!(outbox.acknowledged(1, start), NOW);
        assert_eq!(outbox.acknowledged(1, start), Acknowledged::Before);
        assert_eq!((outbox.frames(), outbox.bytes(), outbox.span()), (1, 1, 2));
        assert_eq!(outbox.acknowledged(0, start), NOW);
        assert_eq!(outbox.acknowledged(0, start), Acknowledged::Before);
        assert_eq!((outbox.frames(), outbox.bytes(), outbox.span()), (0, 0, 0));
        assert_eq!(outbox.due_at(), None);
        assert_eq!(outbox.next_number(), 2);
    }

    #[test]
    fn a_burst_of_losses_is_over_as_soon_as_all_are_sent_again() {
        let start = start();
        let mut outbox = sent(200, start);
        let mut now = start + 200 * MS;
        let mut last = 0;
        while outbox.frames() > 0 {
            outbox.expire(now);
            for number in resent(&mut outbox, now) {
                last = (now - start).as_millis();
                outbox.acknowledged(i64::from(number), now + MS);
            }
            now += MS;
        }
        assert!(last <= 600, "the last one was sent again after {last} ms");
    }

    #[test]
    fn waits_do_not_pile_up_behind_one_message_that_is_never_acknowledged() {
        let start = start();
        let mut outbox = sent(1, start);
        let mut now = start;
        for number in 1..10_000 {
            now += 10 * MS;
            outbox.sent(Bytes::from_static(b"x"), 1, 3, now);
            outbox.acknowledged(number, now + MS);
            outbox.expire(now + MS);
            resent(&mut outbox, now + MS);
        }
        assert_eq!(outbox.frames(), 1);
        assert!(outbox.waits.len() <= 1000, "{} waits", outbox.waits.len());
    }
}
