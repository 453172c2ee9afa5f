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

    /// Takes in a message. `full` says that whoever it is handed on to has no room for more.
    pub(crate) fn arrived(&mut self, message: Message, full: bool) -> Arrival {
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
        if full {
            return Arrival::Refused;
        }
        if number == self.expected {
            self.acknowledgements.push_back((number, message.id));
            self.expected += 1;
            return Arrival::InTurn(message);
        }
        let ahead = usize::try_from(number - self.expected).unwrap_or(usize::MAX);
        let bytes = self.early_bytes + message.payload.len();
        if ahead > self.bounds.early_frames || bytes > self.bounds.early_bytes {
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

    /// The next acknowledgement to give: of which number, of which name.
    pub(crate) fn next_acknowledgement(&mut self) -> Option<(i64, MessageId)> {
        self.acknowledgements.pop_front()
    }

    /// Gives no more acknowledgements.
    pub(crate) fn forget_acknowledgements(&mut self) {
        self.acknowledgements.clear();
    }
}
