//! Chance from a seed: the same seed throws the same dice. When a process is killed is chance as well, but how far it got by then is the
//! machine's: a seed repeats the inputs and the plan, not the run.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// `SplitMix64` (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators").
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
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

    /// Any time up to `max`, all alike.
    pub(crate) fn uniform(&mut self, max: Duration) -> Duration {
        Duration::from_nanos(self.below(u64::try_from(max.as_nanos()).expect("minutes at most").max(1)))
    }

    /// Mostly much less than `mean`, at times much more: exponential.
    pub(crate) fn exponential(&mut self, mean: Duration) -> Duration {
        // 53 bits are what a double holds; 1 is added so that there is no logarithm of 0.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let share = (self.below(1 << 53) + 1) as f64 / (1_u64 << 53) as f64;
        mean.mul_f64(-share.ln())
    }
}

/// A seed that nobody chose.
pub(crate) fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
