//! Chance from a seed: the same seed throws the same dice.

use std::hash::{BuildHasher, Hasher, RandomState};

/// `SplitMix64` (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators").
pub(crate) struct Dice(u64);

impl Dice {
    /// Neighbours among seeds throw unlike dice.
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed);
        Self(dice.throw())
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.throw() % end
    }

    /// Whether something happens that does so `percent` times of a hundred.
    pub(crate) fn hits(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`.
    pub(crate) fn one<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        let choice = self.below(choices.len() as u64);
        &choices[usize::try_from(choice).expect("it is below a length")]
    }
}

/// A seed that nobody chose.
pub(crate) fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
