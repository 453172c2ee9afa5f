//! How long to wait after a failure, and after the next one.

use std::time::Duration;

/// Waits that double from the first to the longest, each shortened by up to a quarter so that many do not come at once.
///
/// Two that were made with the same seed wait the same.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    strikes: u32,
    dice: u64,
}

impl Backoff {
    /// Waits from `first` to `longest`, with dice that are thrown from `seed`.
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest, strikes: 0, dice: seed }
    }

    /// Something failed: how long to wait now.
    pub fn strike(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1 << self.strikes.min(MOST_DOUBLINGS));
        self.strikes = self.strikes.saturating_add(1);
        let whole = whole.min(self.longest);
        whole - whole.mul_f64(self.roll() / 4.0)
    }

    /// How often it has failed since it last worked.
    pub fn strikes(&self) -> u32 {
        self.strikes
    }

    /// It worked: the next wait is the first again.
    pub fn clear(&mut self) {
        self.strikes = 0;
    }

    /// From 0 to 1.
    fn roll(&mut self) -> f64 {
        // SplitMix64: any seed will do, however like another's it is.
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = u32::try_from((mixed ^ (mixed >> 31)) >> 32).expect("32 bits are left");
        f64::from(bits) / f64::from(u32::MAX)
    }
}

/// Beyond this a multiplication would overflow, and every longest wait is long past.
const MOST_DOUBLINGS: u32 = 20;
