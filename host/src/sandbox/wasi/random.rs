//! Chance for one attempt: seeded from what names it, so that an attempt in a simulation or a test can be had again. Nobody can guess it
//! who does not know the run's id, which is itself drawn from the system's randomness; a guest that makes keys for others to trust should
//! not make them from this.

use super::streams::Moved;
use crate::sandbox::access::Context;
use amends_domain::digest::Digest;
use amends_domain::event::Direction;
use rand::rngs::StdRng;
use rand::{SeedableRng, TryRng};
use std::convert::Infallible;

/// Most bytes that one call gives.
pub(super) const RANDOM_LEN_MAX: u64 = 64 * 1024;

/// What a guest draws from.
pub(super) struct AttemptRandom {
    source: StdRng,
    moved: Moved,
}

/// What the draws are for: each has numbers of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Draw {
    Secure,
    Insecure,
    Seed,
}

impl AttemptRandom {
    pub(super) fn new(context: &Context, direction: Direction, draw: Draw, moved: Moved) -> Self {
        Self { source: StdRng::from_seed(seed(context, direction, draw)), moved }
    }
}

fn seed(context: &Context, direction: Direction, draw: Draw) -> [u8; 32] {
    let Context { tenant, run, step, attempt, .. } = context;
    Digest::of(format!("{tenant} {run} {step} {direction:?} {attempt} {draw:?}").as_bytes()).0
}

/// A number of its own for hash tables of the guest.
pub(super) fn insecure_seed(context: &Context, direction: Direction) -> u128 {
    let seed = seed(context, direction, Draw::Seed);
    u128::from_le_bytes(seed[size_of::<u128>()..].try_into().expect("half of 32 bytes"))
}

impl TryRng for AttemptRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.moved.add(size_of::<u32>());
        self.source.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.moved.add(size_of::<u64>());
        self.source.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.moved.add(bytes.len());
        self.source.try_fill_bytes(bytes)
    }
}
