//! The time of an attempt. It begins with the attempt and moves in steps of a millisecond: enough for time-outs, too coarse to measure
//! what a neighbour does to a cache.

use amends_domain::time::Timestamp;
use std::time::{Duration, Instant};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

const STEP: Duration = Duration::from_millis(1);

/// What time it is for one attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttemptClock {
    start: Timestamp,
    begun: Instant,
    /// It stands still then: nothing of the attempt runs any more.
    span_max: Duration,
}

impl AttemptClock {
    /// For an attempt that begins now, at host time `start`, and lasts no longer than `span_max`.
    pub(super) fn new(start: Timestamp, span_max: Duration) -> Self {
        Self { start, begun: Instant::now(), span_max }
    }

    fn elapsed(&self) -> Duration {
        let elapsed = self.begun.elapsed().min(self.span_max);
        Duration::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }
}

impl HostWallClock for AttemptClock {
    fn resolution(&self) -> Duration {
        STEP
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.start.0).saturating_add(self.elapsed())
    }
}

impl HostMonotonicClock for AttemptClock {
    fn resolution(&self) -> u64 {
        nanoseconds(STEP)
    }

    fn now(&self) -> u64 {
        nanoseconds(self.elapsed())
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_begins_with_the_attempt_moves_in_milliseconds_and_ends_with_it() {
        let clock = |ago_ms, max_ms| {
            let begun = Instant::now().checked_sub(Duration::from_millis(ago_ms)).expect("the machine has been up for longer");
            AttemptClock { start: Timestamp(1_000), begun, span_max: Duration::from_millis(max_ms) }
        };
        let now = HostWallClock::now(&clock(20, 10_000));
        assert!(now >= Duration::from_millis(1_020) && now < Duration::from_secs(11), "{now:?}");
        assert_eq!(HostWallClock::now(&clock(20, 5)), Duration::from_millis(1_005));
        assert_eq!(HostMonotonicClock::now(&clock(20, 5)), 5_000_000);
        assert_eq!(HostMonotonicClock::now(&clock(20, 10_000)) % 1_000_000, 0);
    }
}
