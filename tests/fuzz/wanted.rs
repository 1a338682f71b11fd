//! What is to be fuzzed, and for how long, as the environment says.

use crate::dice::any_seed;
use std::io::Write;
use std::time::{Duration, Instant};

/// What is to be played.
pub(crate) struct Wanted {
    only: Option<String>,
    one: Option<u64>,
    from: Option<u64>,
    time: Option<Duration>,
}

/// What is to be played of one target.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cases {
    /// One, shown.
    One(u64),
    /// As many, from a seed on.
    Seeds { from: u64, number: u64 },
    /// Fresh ones, from a seed on, for as long.
    For { from: u64, time: Duration },
}

impl Wanted {
    pub(crate) fn of_environment() -> Self {
        let time = variable("AMENDS_FUZZ_FOR").map(|span| {
            let span = span.parse::<amends_domain::time::Span>().unwrap_or_else(|error| panic!("AMENDS_FUZZ_FOR: {error}"));
            span.to_std()
        });
        let number = |name| variable(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")));
        Self { only: variable("AMENDS_FUZZ_ONLY"), one: number("AMENDS_SEED"), from: number("AMENDS_SEEDS_FROM"), time }
    }

    /// Whether this target is wanted.
    pub(crate) fn wants(&self, target: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == target)
    }

    /// What is to be played of one of so many targets, which share the time. `number`: as many as the test command plays.
    pub(crate) fn of_one(&self, number: u64, targets: usize) -> Cases {
        match (self.one, self.time) {
            (Some(seed), _) => Cases::One(seed),
            (None, Some(time)) => {
                Cases::For { from: self.from.unwrap_or_else(any_seed), time: time / u32::try_from(targets).expect("a few") }
            }
            (None, None) => Cases::Seeds { from: self.from.unwrap_or(0), number },
        }
    }
}

impl Cases {
    pub(crate) fn from(self) -> u64 {
        match self {
            Self::One(from) | Self::Seeds { from, .. } | Self::For { from, .. } => from,
        }
    }

    /// Whether case number `played` is still wanted.
    pub(crate) fn wants(self, played: u64, began: Instant) -> bool {
        match self {
            Self::One(_) => played == 0,
            Self::Seeds { number, .. } => played < number,
            Self::For { time, .. } => began.elapsed() < time,
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Past the test runner, which would keep it until the end.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}
