//! When a failed attempt is tried again.

use crate::digest::Digest;
use crate::event::Direction;
use crate::id::{RunId, StepIndex};
use crate::time::Span;
use serde::{Deserialize, Serialize};

/// How often and how soon a step is tried again in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How many attempts there are in all, the first included; crashes count. None: as many as it takes.
    pub attempts: Option<u32>,
    /// Wait after the first failed attempt.
    pub initial: Span,
    /// Longest wait, before jitter.
    pub max: Span,
    /// What the wait is multiplied with after each attempt, in thousandths (2000 doubles it). Whole numbers, so that every machine
    /// agrees on the result.
    pub factor_thousandths: u32,
    /// The wait is moved by up to this much either way, so that runs that failed together do not come back together.
    pub jitter: Span,
    /// How long after the start of the first attempt another one may start.
    pub total: Option<Span>,
}

/// Which wait is asked for; the jitter depends on nothing else, so a replay agrees.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    /// Whose.
    pub run: RunId,
    /// Which step.
    pub step: StepIndex,
    /// Which way.
    pub direction: Direction,
    /// How many attempts have failed, from 1.
    pub failed: u32,
}

impl Retry {
    /// `min(max, initial · factor^(failed-1)) ± jitter`.
    pub fn wait(&self, pause: &Pause) -> Span {
        let mut wait = self.initial.0.min(self.max.0);
        for _ in 1..pause.failed {
            if wait >= self.max.0 || self.factor_thousandths == 1000 {
                break;
            }
            wait = (wait.saturating_mul(u64::from(self.factor_thousandths)) / 1000).min(self.max.0);
        }
        let range = self.jitter.0.saturating_mul(2).saturating_add(1);
        Span((wait.saturating_add(chance(pause) % range)).saturating_sub(self.jitter.0))
    }
}

/// 64 bits that look random and depend on `pause` alone.
fn chance(pause: &Pause) -> u64 {
    let backward = [u8::from(pause.direction == Direction::Backward)];
    let parts: [&[u8]; 4] = [&pause.run.0.to_be_bytes(), &pause.step.0.to_be_bytes(), &backward, &pause.failed.to_be_bytes()];
    let Digest(bytes) = Digest::of_parts(&parts);
    u64::from_be_bytes(*bytes.first_chunk().expect("32 bytes have a first 8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pause(failed: u32) -> Pause {
        Pause { run: RunId(1), step: StepIndex(0), direction: Direction::Forward, failed }
    }

    fn retry(initial: u64, max: u64, factor_thousandths: u32, jitter: u64) -> Retry {
        Retry { attempts: Some(3), total: None, initial: Span(initial), max: Span(max), factor_thousandths, jitter: Span(jitter) }
    }

    #[test]
    fn waits_grow_by_the_factor_up_to_the_limit() {
        let waits = |r: Retry| (1..=6).map(|n| r.wait(&pause(n)).0).collect::<Vec<_>>();
        assert_eq!(waits(retry(1000, 10_000, 2000, 0)), [1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(waits(retry(1000, 10_000, 1500, 0)), [1000, 1500, 2250, 3375, 5062, 7593]);
        assert_eq!(waits(retry(1000, 10_000, 1000, 0)), [1000; 6]);
        assert_eq!(waits(retry(5000, 1000, 2000, 0)), [1000; 6]);
    }

    #[test]
    fn jitter_differs_between_runs_and_steps_and_directions() {
        let r = retry(1_000_000, 1_000_000, 2000, 100_000);
        let mut waits = std::collections::HashSet::new();
        for run in 0..10 {
            for step in 0..5 {
                for direction in [Direction::Forward, Direction::Backward] {
                    waits.insert(r.wait(&Pause { run: RunId(run), step: StepIndex(step), direction, failed: 1 }));
                }
            }
        }
        assert!(waits.len() > 95, "{} of 100 waits differ", waits.len());
    }

    proptest! {
        #[test]
        fn a_wait_is_within_the_jitter_and_the_same_each_time(
            initial in 0..u64::MAX, max in 0..u64::MAX, factor in 1000..100_000_u32, jitter in 0..u64::MAX, failed in 1..2000_u32, run: u128,
        ) {
            let r = retry(initial, max, factor, jitter);
            let plain = retry(initial, max, factor, 0).wait(&Pause { run: RunId(run), ..pause(failed) }).0;
            let wait = r.wait(&Pause { run: RunId(run), ..pause(failed) }).0;
            prop_assert!(wait >= plain.saturating_sub(jitter) && wait <= plain.saturating_add(jitter));
            prop_assert!(plain <= max);
            prop_assert_eq!(wait, r.wait(&Pause { run: RunId(run), ..pause(failed) }).0);
        }
    }
}
