//! What is sent again, and when.

use super::*;

const MS: Duration = Duration::from_millis(1);

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
    let next = |outbox: &mut Outbox| outbox.next_due().and_then(|at| outbox.resend(at, now));
    std::iter::from_fn(|| next(outbox)).map(|message| message[0]).collect()
}

fn start() -> Instant {
    crate::event::tests::now().instant
}

#[test]
fn a_message_is_sent_again_when_its_own_wait_is_over_and_not_before() {
    let start = start();
    let mut outbox = sent(4, start);
    outbox.acknowledged(3, start + 150 * MS);
    outbox.expire(start + 199 * MS);
    assert!(resent(&mut outbox, start).is_empty());
    assert_eq!(outbox.due_at(), Some(start + 200 * MS));
    outbox.expire(start + 201 * MS);
    assert_eq!(resent(&mut outbox, start + 201 * MS), [0, 1]);
    assert_eq!(outbox.frames(), 3);
}

#[test]
fn while_nobody_answers_only_the_oldest_few_are_sent_again_and_more_with_every_answer() {
    let start = start();
    let mut outbox = sent(100, start);
    let mut now = start;
    for _ in 0..5 {
        now = outbox.due_at().unwrap();
        assert!(outbox.expire(now));
        assert!(outbox.due_at().unwrap() > now, "it would be asked again and again");
        assert_eq!(resent(&mut outbox, now), [0, 1, 2, 3]);
    }
    for (answered, next) in [(0..4, 4..12), (4..12, 12..28), (12..28, 28..60), (28..60, 60..100)] {
        now += 10 * MS;
        for number in answered {
            assert!(resent(&mut outbox, now).is_empty());
            outbox.acknowledged(number, now);
            outbox.expire(now);
        }
        assert_eq!(resent(&mut outbox, now), next.collect::<Vec<u8>>());
    }
}

#[test]
fn what_is_slow_is_not_sent_again_as_if_it_were_lost() {
    let start = start();
    let mut outbox = sent(100, start);
    let (mut now, mut copies) = (start + 300 * MS, 0);
    for number in 0..100 {
        now += 20 * MS;
        outbox.acknowledged(number, now);
        outbox.expire(now);
        copies += resent(&mut outbox, now).len();
    }
    assert!(copies < 20, "{copies} of 100 were sent again");
}

#[test]
fn waits_do_not_pile_up_while_nobody_answers() {
    let mut outbox = sent(100, start());
    for _ in 0..10_000 {
        let now = outbox.due_at().unwrap();
        outbox.expire(now);
        resent(&mut outbox, now);
    }
    assert!(outbox.waits.len() <= 300, "{} waits", outbox.waits.len());
}

#[test]
fn a_message_can_be_replaced_until_it_is_acknowledged() {
    let start = start();
    let mut outbox = sent(3, start);
    outbox.hasten(1);
    outbox.replace(1, Bytes::from_static(b"y"), 5);
    assert_eq!((outbox.bytes(), outbox.next_due()), (7, Some(1)));
    assert_eq!(resent(&mut outbox, start), [b'y']);
    outbox.acknowledged(1, start);
    outbox.hasten(1);
    outbox.replace(1, Bytes::from_static(b"z"), 9);
    assert_eq!((outbox.bytes(), outbox.next_due()), (2, None));
}

#[test]
fn only_what_is_missing_is_sent_again_wherever_it_stands() {
    let start = start();
    let mut outbox = sent(6, start);
    for number in [0, 1, 3, 5] {
        let told = outbox.acknowledged(number, start + 20 * MS);
        assert!(matches!(told, Acknowledged::Now { stream: 3, payload: 1, once: true, .. }));
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
    assert_eq!(outbox.next_due(), Some(0));
    outbox.resend(0, start + 203 * MS).unwrap();
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
    assert!(matches!(outbox.acknowledged(1, start), Acknowledged::Now { .. }));
    assert_eq!(outbox.acknowledged(1, start), Acknowledged::Before);
    assert_eq!((outbox.frames(), outbox.bytes(), outbox.span()), (1, 1, 2));
    assert!(matches!(outbox.acknowledged(0, start), Acknowledged::Now { .. }));
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
