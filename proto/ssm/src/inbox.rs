//! Arrived: order, duplicates, acknowledgements to give.
//!
//! ```text
//!   number below the expected one, or kept already ──▶ acknowledged again, otherwise ignored
//!   the expected number                            ──▶ acknowledged, handed on
//!   a later number                                 ──▶ acknowledged, kept until its turn
//!   no room                                        ──▶ not acknowledged: the agent sends it again
//! ```
//!
//! To acknowledge *again* is what Amazon's plugin omits, and what makes its sessions stall for good:
//! the agent repairs only the head of its queue, so a head whose acknowledgement got lost must not stay.

use std::collections::{BTreeMap, VecDeque};

use crate::config::Config;
use crate::message::{Message, MessageId};

/// The numbered messages of the peer.
#[derive(Debug)]
pub(crate) struct Inbox {
    expected: i64,
    early: BTreeMap<i64, Message>,
    /// The payloads' bytes in `early`.
    early_bytes: usize,
    acknowledgements: VecDeque<(i64, MessageId)>,
    bounds: Bounds,
}

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It is its turn. Then ask [`Inbox::next`] for those that waited for it.
    InTurn(Message),
    /// It waits for its turn.
    Early,
    /// It was here before.
    Repeated,
    /// There is no room for it.
    Refused,
    /// It has no number that a message can have.
    Nonsense,
}

/// What a peer can make us keep.
#[derive(Debug)]
struct Bounds {
    early_frames: usize,
    early_bytes: usize,
    acknowledgements: usize,
}

impl Inbox {
    /// Nothing arrived yet: number 0 is expected.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            expected: 0,
            early: BTreeMap::new(),
            early_bytes: 0,
            acknowledgements: VecDeque::new(),
            bounds: Bounds {
                early_frames: config.early_frames,
                early_bytes: config.early_bytes,
                acknowledgements: config.pending_acknowledgements,
            },
        }
    }

    /// Takes in a message. `room` says how many more bytes may be kept by whoever it is handed on to; a
    /// message whose turn it is is taken while there is any, and those that wait for it take none of
    /// its.
    pub(crate) fn arrived(&mut self, message: Message, room: usize) -> Arrival {
        let number = message.seq;
        if number < 0 {
            return Arrival::Nonsense;
        }
        if self.acknowledgements.len() >= self.bounds.acknowledgements {
            return Arrival::Refused;
        }
        if number < self.expected || self.early.contains_key(&number) {
            self.acknowledgements.push_back((number, message.id));
            return Arrival::Repeated;
        }
        if room == 0 {
            return Arrival::Refused;
        }
        if number == self.expected {
            self.acknowledgements.push_back((number, message.id));
            self.expected += 1;
            return Arrival::InTurn(message);
        }
        let ahead = usize::try_from(number - self.expected).unwrap_or(usize::MAX);
        let bytes = self.early_bytes + message.payload.len();
        if ahead > self.bounds.early_frames || bytes > self.bounds.early_bytes.min(room) {
            return Arrival::Refused;
        }
        self.acknowledgements.push_back((number, message.id));
        self.early_bytes = bytes;
        self.early.insert(number, message);
        Arrival::Early
    }

    /// The next message whose turn has come.
    pub(crate) fn next(&mut self) -> Option<Message> {
        let message = self.early.remove(&self.expected)?;
        self.early_bytes -= message.payload.len();
        self.expected += 1;
        Some(message)
    }

    /// How many bytes of payload wait for their turn.
    pub(crate) fn early_bytes(&self) -> usize {
        self.early_bytes
    }

    /// The next acknowledgement to give: of which number, of which name.
    pub(crate) fn next_acknowledgement(&mut self) -> Option<(i64, MessageId)> {
        self.acknowledgements.pop_front()
    }

    /// Gives no more acknowledgements.
    pub(crate) fn forget_acknowledgements(&mut self) {
        self.acknowledgements.clear();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::MessageKind;

    fn message(seq: i64) -> Message {
        Message {
            kind: MessageKind::OutputStreamData,
            created_ms: 1,
            seq,
            flags: 0,
            id: MessageId([7; 16]),
            payload_type: 1,
            payload: Bytes::from_static(b"data"),
        }
    }

    fn inbox(config: Config) -> Inbox {
        Inbox::new(&config)
    }

    /// What is handed on, and which acknowledgements are given, when these arrive.
    fn deliver(inbox: &mut Inbox, numbers: &[i64], full: bool) -> (Vec<i64>, Vec<i64>) {
        let mut handed_on = Vec::new();
        for number in numbers {
            if let Arrival::InTurn(message) =
                inbox.arrived(message(*number), if full { 0 } else { usize::MAX })
            {
                handed_on.push(message.seq);
                handed_on.extend(std::iter::from_fn(|| inbox.next()).map(|message| message.seq));
            }
        }
        let acknowledged = std::iter::from_fn(|| inbox.next_acknowledgement());
        (handed_on, acknowledged.map(|(number, _)| number).collect())
    }

    #[test]
    fn messages_in_any_order_are_handed_on_in_theirs_and_acknowledged_as_they_come() {
        let (handed_on, acknowledged) =
            deliver(&mut inbox(Config::default()), &[2, 0, 4, 1, 3], false);
        assert_eq!(handed_on, [0, 1, 2, 3, 4]);
        assert_eq!(acknowledged, [2, 0, 4, 1, 3]);
    }

    #[test]
    fn a_message_that_was_here_before_is_acknowledged_again_and_handed_on_once() {
        let mut inbox = inbox(Config::default());
        let (handed_on, acknowledged) = deliver(&mut inbox, &[0, 0, 2, 2, 1, 0, 2], false);
        assert_eq!(handed_on, [0, 1, 2]);
        assert_eq!(acknowledged, [0, 0, 2, 2, 1, 0, 2]);
        let (_, acknowledged) = deliver(&mut inbox, &[1, 5], true);
        assert_eq!(acknowledged, [1], "even while there is no room for anything new");
    }

    #[test]
    fn what_has_no_room_is_not_acknowledged_and_is_taken_when_it_comes_again() {
        let bounds = Config { early_frames: 2, early_bytes: 8, ..Config::default() };
        let mut inbox = inbox(bounds);
        assert_eq!(deliver(&mut inbox, &[3], false), (vec![], vec![]), "too far ahead");
        assert_eq!(deliver(&mut inbox, &[1, 2], false), (vec![], vec![1, 2]));
        assert_eq!(deliver(&mut inbox, &[0], true), (vec![], vec![]), "nobody can take it");
        assert_eq!(deliver(&mut inbox, &[0], false), (vec![0, 1, 2], vec![0]));
        assert_eq!(deliver(&mut inbox, &[3], false), (vec![3], vec![3]));
    }

    #[test]
    fn early_bytes_are_bounded() {
        let mut inbox = inbox(Config { early_bytes: 7, ..Config::default() });
        assert_eq!(deliver(&mut inbox, &[1, 2], false), (vec![], vec![1]));
        assert_eq!(deliver(&mut inbox, &[0, 3], false), (vec![0, 1], vec![0, 3]));
    }

    #[test]
    fn what_comes_early_counts_as_unread_and_never_keeps_out_the_one_that_it_waits_for() {
        let mut inbox = inbox(Config::default());
        assert!(matches!(inbox.arrived(message(1), 8), Arrival::Early));
        assert!(matches!(inbox.arrived(message(2), 8), Arrival::Early));
        assert!(matches!(inbox.arrived(message(3), 8), Arrival::Refused));
        assert!(matches!(inbox.arrived(message(0), 1), Arrival::InTurn(_)));
    }

    #[test]
    fn an_early_message_that_comes_again_takes_no_more_room() {
        let mut inbox = inbox(Config { early_bytes: 8, ..Config::default() });
        assert_eq!(deliver(&mut inbox, &[1, 1, 1, 1, 2], false), (vec![], vec![1, 1, 1, 1, 2]));
    }

    #[test]
    fn nothing_is_taken_while_too_many_acknowledgements_wait_to_be_sent() {
        let mut inbox = inbox(Config { pending_acknowledgements: 2, ..Config::default() });
        assert_eq!(deliver(&mut inbox, &[0, 1, 2], false), (vec![0, 1], vec![0, 1]));
        assert_eq!(deliver(&mut inbox, &[2], false), (vec![2], vec![2]));
    }

    #[test]
    fn a_number_below_zero_is_nonsense() {
        let mut inbox = inbox(Config::default());
        assert!(matches!(inbox.arrived(message(-1), 1000), Arrival::Nonsense));
        assert!(matches!(inbox.arrived(message(i64::MIN), 1000), Arrival::Nonsense));
        assert!(matches!(inbox.arrived(message(i64::MAX), 1000), Arrival::Refused));
    }
}
