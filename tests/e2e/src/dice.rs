//! Dice that fall the same for the same seed.

use std::time::Duration;

/// SplitMix64: any seed will do, however like another's it is.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// The dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `sides` - 1.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.number() % sides
    }

    /// One of them.
    pub fn one_of<T: Clone>(&mut self, things: &[T]) -> T {
        things[usize::try_from(self.roll(things.len() as u64)).unwrap()].clone()
    }

    /// Up to so many milliseconds.
    pub fn pause(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.roll(most))
    }
}
