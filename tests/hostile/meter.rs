//! What something took: wall time, and the most that the memory of this process grew by meanwhile.

use crate::attack::Attack;
use std::fmt;
use std::time::{Duration, Instant};

/// What was measured.
pub(crate) struct Measured {
    wall: Duration,
    grown: u64,
}

/// Measures.
pub(crate) struct Meter;

impl Meter {
    /// Does something and measures it.
    pub(crate) fn around<T>(work: impl FnOnce() -> T) -> (T, Measured) {
        // The highest mark starts again at what is resident now.
        std::fs::write("/proc/self/clear_refs", "5").expect("Linux lets a process do this to itself");
        let (before, began) = (kib("VmRSS:"), Instant::now());
        let done = work();
        let wall = began.elapsed();
        (done, Measured { wall, grown: kib("VmHWM:").saturating_sub(before) * 1024 })
    }
}

/// A line of what Linux says about this process, in KiB.
fn kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("Linux says it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

impl Measured {
    /// That it stayed within the bounds of `attack`.
    pub(crate) fn check(&self, attack: &Attack) {
        assert!(self.wall <= attack.wall_max, "{} took {:?}", attack.name, self.wall);
        assert!(self.grown <= attack.memory_max, "{} took {} bytes", attack.name, self.grown);
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wall, grown } = self;
        write!(f, "{:>7} ms {:>7} KiB", wall.as_millis(), grown / 1024)
    }
}
