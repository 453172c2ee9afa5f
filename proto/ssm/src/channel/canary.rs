//! A message that asks whether the road lives where large ones do not come through.
//!
//! ```text
//!              the oldest message is a large one,
//!   ┌───────┐  sent ten times more than when last asked  ┌─────┐
//!   │ Quiet │ ─────────────────────────────────────────▶ │ Out │   all others wait for it
//!   └───────┘ ◀───────────────────────────────────────── └─────┘
//!                acknowledged: the road lives; and where the large one
//!                was sent thirty times by now, the channel is over
//! ```
//!
//! A large message with data can be made no smaller (`probe.rs` says why). If the road has come to take
//! less than it did, whether it drops such a message or breaks at it, the channel must not try for ever;
//! nor may it give up merely because nobody is there. A message of a few bytes tells the two apart.

/// Whether one is out, and what was learnt last.
#[derive(Debug, Default)]
pub(super) struct Canary {
    out: Option<i64>,
    /// The large message, as it was when the last one was heard.
    last: Option<Head>,
}

/// The oldest message that is not acknowledged: a large one with data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) number: i64,
    pub(super) payload: usize,
    pub(super) times: u32,
}

impl Canary {
    /// Whether one is to be sent.
    pub(super) fn is_wanted(&self, head: Option<Head>) -> bool {
        let Some(Head { number, times, .. }) = head else { return false };
        let before = self.last.filter(|last| last.number == number).map_or(0, |last| last.times);
        self.out.is_none() && times >= before + DOUBT
    }

    /// Takes in that one is sent as this number.
    pub(super) fn sent(&mut self, number: i64) {
        self.out = Some(number);
    }

    /// Its number while it is out.
    pub(super) fn out(&self) -> Option<i64> {
        self.out
    }

    /// Takes in that a number is acknowledged; says whether it was its own.
    pub(super) fn acknowledged(&mut self, number: i64) -> bool {
        self.out.take_if(|out| *out == number).is_some()
    }

    /// Takes in that the road lives, and which message is the oldest now. The size of one that will
    /// never come through.
    pub(super) fn heard(&mut self, head: Option<Head>) -> Option<usize> {
        self.last = head;
        head.filter(|head| head.times >= HOPELESS).map(|head| head.payload)
    }
}

/// Sent so often, a message is in doubt.
const DOUBT: u32 = 10;
/// Sent so often, it is given up: of messages of which a third gets lost, one in 10^14 is.
const HOPELESS: u32 = 30;
