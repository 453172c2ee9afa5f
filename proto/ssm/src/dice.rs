//! Dice that a seed decides: enough for names, not for secrets.

use crate::message::MessageId;

/// SplitMix64, which passes every test of randomness in three lines.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice that fall as the seed says.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A new name for a message: a UUID of version 4.
    pub(crate) fn message_id(&mut self) -> MessageId {
        let mut id = (u128::from(self.throw()) << 64 | u128::from(self.throw())).to_be_bytes();
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        MessageId(id)
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_uuids_of_version_four_and_differ() {
        let mut dice = Dice::new(1);
        let first = dice.message_id().to_string();
        assert_eq!(&first[14..15], "4");
        assert!(matches!(&first[19..20], "8" | "9" | "a" | "b"));
        assert_ne!(first, dice.message_id().to_string());
        assert_eq!(first, Dice::new(1).message_id().to_string());
    }
}
