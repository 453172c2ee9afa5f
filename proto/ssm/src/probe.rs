//! How large a message may be: tried out with messages that say nothing.
//!
//! ```text
//!   ┌──────┐ somebody has much to send ┌──────┐ no sign of it in time ┌──────────┐
//!   │ Calm │ ────────────────────────▶ │ Sent │ ────────────────────▶ │ Replaced │
//!   └──────┘                           └──────┘                       └──────────┘
//!      ▲                                  │                                │
//!      │◀── acknowledged: it is proven ───┤                                │
//!      │◀── the websocket is lost: failed, and replaced on the next one; a ┤
//!      │    size that went through before has failed when it happens twice │
//!      └◀── acknowledged by the large one's name: proven; by the small one's: lost, and failed
//!           when that happens twice ───────────────────────────────────────┘
//! ```
//!
//! The gateway's limit is unknown, and it may answer a message that is too large by dropping it or by
//! closing the websocket. What tries it out is therefore a numbered message full of smux frames that
//! do nothing: lost or taken twice, it changes nothing.
//!
//! But a number that never arrives would hold up all that comes behind it. So a probe of which there
//! is no sign is *replaced*: the same number is sent again with one such frame in it. Whichever of the
//! two the agent takes for that number, it ignores the other, and the stream of bytes is the same.
//! An acknowledgement names the message that it answers, so it tells which of them came through.
//!
//! Data cannot be replaced so. Whether a large message with data was taken, and only its
//! acknowledgement got lost, nobody can tell; sent again in smaller parts under its own and later
//! numbers, its bytes would be there twice in the one case and out of order in the other. So data
//! grow only behind a proof on the very same websocket, go out small again on the next one until it
//! is given anew, and a message that is out stays as it is for ever. Where the limit falls while some
//! are out, the channel ends and says so: see `Channel`'s canary.

use crate::config::Config;
use crate::message::MessageId;
use crate::mux::frame;

/// What is known of the size that messages may have.
#[derive(Debug)]
pub(crate) struct Probe {
    enabled: bool,
    least: usize,
    most: usize,
    /// What goes through on this websocket.
    proven: usize,
    /// What is tried first, because it went through before.
    hint: usize,
    /// What does not go through.
    failed: usize,
    state: State,
    /// How often the size that is tried was lost.
    losses: u32,
}

#[derive(Debug)]
enum State {
    Calm,
    Sent {
        number: i64,
        size: usize,
        id: MessageId,
        /// How many messages that were sent behind it are acknowledged.
        overtaken: u32,
    },
    Replaced {
        number: i64,
        size: usize,
        id: MessageId,
    },
    /// It has failed, and is to be replaced where the next websocket begins.
    Condemned {
        number: i64,
    },
}

/// What an acknowledgement says about the size that is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing.
    None,
    /// It seems lost: replace it now.
    Overdue(i64),
    /// It goes through.
    Proven(usize),
    /// It does not.
    Failed(usize),
}

impl Probe {
    /// Nothing tried yet.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            enabled: config.probing,
            least: config.payload_size,
            most: whole_frames(config.payload_max),
            proven: config.payload_size,
            hint: whole_frames(config.payload_start),
            failed: usize::MAX,
            state: State::Calm,
            losses: 0,
        }
    }

    /// How much payload a message with data may carry.
    pub(crate) fn room(&self) -> usize {
        self.proven
    }

    /// Whether a message with so much payload is one that not every road takes.
    pub(crate) fn is_large(&self, payload: usize) -> bool {
        payload > self.least
    }

    /// The size to be tried next.
    pub(crate) fn wanted(&self) -> Option<usize> {
        let State::Calm = self.state else { return None };
        let steps = STEPS.into_iter().filter(|step| *step < self.most);
        let hint = Some(self.hint.min(self.most)).filter(|hint| self.fits(*hint));
        hint.or_else(|| steps.chain([self.most]).find(|step| self.fits(*step)))
    }

    /// Takes in that a size is tried with the message of this number and name.
    pub(crate) fn sent(&mut self, number: i64, id: MessageId, size: usize) {
        self.state = State::Sent { number, size, id, overtaken: 0 };
    }

    /// Whether this number is to be sent again as a small message, if at all: it was a probe.
    pub(crate) fn replace(&mut self, number: i64) -> bool {
        match self.state {
            State::Sent { number: probe, size, id, .. } if probe == number => {
                self.state = State::Replaced { number, size, id };
                true
            }
            State::Condemned { number: probe } if probe == number => {
                self.state = State::Calm;
                true
            }
            State::Calm | State::Sent { .. } | State::Replaced { .. } | State::Condemned { .. } => {
                false
            }
        }
    }

    /// Takes in the first acknowledgement of a number; `names` tells whether it is for the message of
    /// that name.
    pub(crate) fn acknowledged(
        &mut self,
        acknowledged: i64,
        names: impl FnOnce(MessageId) -> bool,
    ) -> Verdict {
        match &mut self.state {
            State::Sent { number, size, .. } if *number == acknowledged => {
                let size = *size;
                self.prove(size)
            }
            State::Sent { number, overtaken, .. } if *number < acknowledged => {
                *overtaken += 1;
                if *overtaken == REORDERED {
                    return Verdict::Overdue(*number);
                }
                Verdict::None
            }
            State::Replaced { number, size, id } if *number == acknowledged => {
                let (size, id) = (*size, *id);
                if names(id) {
                    return self.prove(size);
                }
                self.lose(size, LOSSES)
            }
            State::Condemned { number } if *number == acknowledged => {
                self.state = State::Calm;
                Verdict::None
            }
            State::Calm | State::Sent { .. } | State::Replaced { .. } | State::Condemned { .. } => {
                Verdict::None
            }
        }
    }

    /// Takes in that the websocket is lost: on the next one nothing is proven, and what was tried on
    /// this one may have been the end of it.
    pub(crate) fn road_lost(&mut self) -> Verdict {
        self.hint = self.hint.max(self.proven);
        self.proven = self.least;
        match self.state {
            State::Calm | State::Condemned { .. } => Verdict::None,
            State::Sent { number, size, .. } => {
                let verdict = self.lose_with_road(size);
                self.state = State::Condemned { number };
                verdict
            }
            State::Replaced { size, .. } => self.lose_with_road(size),
        }
    }

    fn fits(&self, size: usize) -> bool {
        self.enabled && size > self.proven && size < self.failed
    }

    fn prove(&mut self, size: usize) -> Verdict {
        self.state = State::Calm;
        self.losses = 0;
        self.proven = size;
        Verdict::Proven(size)
    }

    /// A size that went through before is not given up for one websocket that ended when it did.
    fn lose_with_road(&mut self, size: usize) -> Verdict {
        let losses = if size <= self.hint { LOSSES } else { 1 };
        self.lose(size, losses)
    }

    fn lose(&mut self, size: usize, most: u32) -> Verdict {
        self.state = State::Calm;
        self.losses += 1;
        if self.losses < most {
            return Verdict::None;
        }
        self.losses = 0;
        self.failed = self.failed.min(size);
        Verdict::Failed(size)
    }
}

/// A probe is made of whole frames.
fn whole_frames(bytes: usize) -> usize {
    bytes - bytes % frame::HEADER
}

/// From 1 KiB, which all take, to the most that is useful.
const STEPS: [usize; 3] = [4 << 10, 16 << 10, 32 << 10];
/// So many later messages acknowledged mean that the probe is not merely late: a websocket keeps order.
const REORDERED: u32 = 3;
/// One loss may be the acknowledgement's.
const LOSSES: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: MessageId = MessageId([1; 16]);
    const SMALL: MessageId = MessageId([2; 16]);

    fn probe(config: Config) -> Probe {
        Probe::new(&config)
    }

    /// Tries the next size as this number.
    fn tried(probe: &mut Probe, number: i64) -> usize {
        let size = probe.wanted().unwrap();
        probe.sent(number, LARGE, size);
        assert_eq!(probe.wanted(), None, "one at a time");
        size
    }

    fn acknowledge(probe: &mut Probe, number: i64, named: MessageId) -> Verdict {
        probe.acknowledged(number, |id| id == named)
    }

    #[test]
    fn sizes_grow_step_by_step_each_behind_a_proof() {
        let mut probe = probe(Config::default());
        for (number, size) in [(5, 4096), (9, 16_384), (30, 32_768)] {
            assert_eq!(tried(&mut probe, number), size);
            assert!(probe.room() < size);
            assert_eq!(acknowledge(&mut probe, number, LARGE), Verdict::Proven(size));
            assert_eq!(probe.room(), size);
        }
        assert_eq!(probe.wanted(), None);
    }

    #[test]
    fn nothing_is_tried_where_that_is_switched_off_and_nothing_beyond_the_most() {
        assert_eq!(probe(Config { probing: false, ..Config::default() }).wanted(), None);
        let mut probe = probe(Config { payload_max: 5007, ..Config::default() });
        assert_eq!(tried(&mut probe, 1), 4096);
        acknowledge(&mut probe, 1, LARGE);
        assert_eq!(tried(&mut probe, 2), 5000);
        acknowledge(&mut probe, 2, LARGE);
        assert_eq!(probe.wanted(), None);
    }

    #[test]
    fn a_size_that_is_known_from_before_is_tried_first() {
        let mut probe = probe(Config { payload_start: 16_384, ..Config::default() });
        assert_eq!((probe.room(), tried(&mut probe, 1)), (1024, 16_384));
        acknowledge(&mut probe, 1, LARGE);
        assert_eq!(probe.wanted(), Some(32_768));
        assert_eq!(probe.road_lost(), Verdict::None);
        assert_eq!((probe.room(), probe.wanted()), (1024, Some(16_384)), "proven anew, at once");
    }

    #[test]
    fn a_probe_that_is_lost_twice_has_failed_and_nothing_larger_is_tried_again() {
        let mut probe = probe(Config { payload_start: 16_384, ..Config::default() });
        for (number, expected) in [(1, Verdict::None), (2, Verdict::Failed(16_384))] {
            assert_eq!(tried(&mut probe, number), 16_384);
            assert!(probe.replace(number) && !probe.replace(number));
            assert_eq!(acknowledge(&mut probe, number, SMALL), expected);
        }
        assert_eq!((probe.room(), tried(&mut probe, 3)), (1024, 4096));
        acknowledge(&mut probe, 3, LARGE);
        assert_eq!((probe.room(), probe.wanted()), (4096, None));
    }

    #[test]
    fn a_probe_that_comes_through_late_is_proven_by_its_name() {
        let mut probe = probe(Config::default());
        tried(&mut probe, 1);
        assert!(probe.replace(1));
        assert_eq!(acknowledge(&mut probe, 1, LARGE), Verdict::Proven(4096));
    }

    #[test]
    fn a_probe_that_others_overtake_is_overdue_once() {
        let mut probe = probe(Config::default());
        tried(&mut probe, 5);
        let verdicts = [3, 6, 7, 8, 9].map(|number| acknowledge(&mut probe, number, SMALL));
        let none = Verdict::None;
        assert_eq!(verdicts, [none, none, none, Verdict::Overdue(5), none]);
    }

    #[test]
    fn a_size_that_went_through_before_survives_one_websocket_and_not_two() {
        let mut probe = probe(Config { payload_start: 16_384, ..Config::default() });
        for (number, verdict) in [(1, Verdict::None), (2, Verdict::Failed(16_384))] {
            assert_eq!(tried(&mut probe, number), 16_384);
            assert_eq!(probe.road_lost(), verdict);
            assert!(probe.replace(number));
        }
        assert_eq!(probe.wanted(), Some(4096));
    }

    #[test]
    fn a_probe_on_a_lost_websocket_has_failed_and_is_replaced_on_the_next() {
        let mut probe = probe(Config::default());
        tried(&mut probe, 5);
        assert_eq!(probe.road_lost(), Verdict::Failed(4096));
        assert_eq!((probe.wanted(), probe.road_lost()), (None, Verdict::None));
        assert!(!probe.replace(4) && probe.replace(5) && !probe.replace(5));
        assert_eq!(probe.wanted(), None, "everything is larger");
    }
}
