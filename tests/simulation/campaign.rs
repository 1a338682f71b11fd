//! Many worlds, on all cores, for a number of seeds or for a time.

use crate::coverage::Coverage;
use crate::dice::any_seed;
use crate::seed;
use crate::trace::Reader;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// How many worlds the test command plays.
const SEEDS: u64 = 6_000;
/// What must happen is asked of as many at least.
const COVERED_BY: u64 = 5_000;
/// After as many violations nobody looks for more.
const VIOLATIONS_MAX: usize = 5;
/// How often a long campaign says how far it is.
const PROGRESS: Duration = Duration::from_mins(1);

/// What is to be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One world, told.
    One(u64),
    /// As many, from a seed on.
    Seeds { from: u64, number: u64 },
    /// Fresh ones, from a seed on, for as long.
    For { from: u64, time: Duration },
}

/// What became of them.
pub(crate) struct Campaign {
    pub(crate) coverage: Coverage,
    /// By seed.
    pub(crate) violations: Vec<(u64, String)>,
    seeds: u64,
    took: Duration,
    wanted: Wanted,
}

impl Wanted {
    pub(crate) fn of_environment() -> Self {
        if let Some(seed) = variable("AMENDS_SEED") {
            return Self::One(number(&seed));
        }
        let from = variable("AMENDS_SEEDS_FROM").map(|from| number(&from));
        match variable("AMENDS_SIMULATE_FOR") {
            Some(span) => {
                let time = span.parse::<amends_domain::time::Span>().unwrap_or_else(|error| panic!("AMENDS_SIMULATE_FOR: {error}"));
                Self::For { from: from.unwrap_or_else(any_seed), time: time.to_std() }
            }
            None => Self::Seeds { from: from.unwrap_or(0), number: variable("AMENDS_SEEDS").map_or(SEEDS, |seeds| number(&seeds)) },
        }
    }

    fn from(self) -> u64 {
        match self {
            Self::One(from) | Self::Seeds { from, .. } | Self::For { from, .. } => from,
        }
    }

    /// Whether world number `played` is still wanted.
    fn wants(self, played: u64, began: Instant) -> bool {
        match self {
            Self::One(_) => played == 0,
            Self::Seeds { number, .. } => played < number,
            Self::For { time, .. } => began.elapsed() < time,
        }
    }
}

impl Campaign {
    pub(crate) fn run(wanted: Wanted) -> Self {
        let (began, next, stop) = (Instant::now(), AtomicU64::new(0), AtomicBool::new(false));
        let found = Mutex::new((Coverage::default(), Vec::new(), 0));
        say(&format!("simulation: {wanted:?}"));
        let work = |first: bool| {
            let mut told = Instant::now();
            loop {
                let played = next.fetch_add(1, Ordering::Relaxed);
                if stop.load(Ordering::Relaxed) || !wanted.wants(played, began) {
                    return;
                }
                let seed = wanted.from().wrapping_add(played);
                let (coverage, violation) = play(seed);
                let mut found = found.lock().expect("nobody panics with it");
                found.0.take_in(&coverage);
                found.2 += 1;
                if let Some(violation) = violation {
                    say(&format!("simulation: AMENDS_SEED={seed}: {violation}"));
                    found.1.push((seed, violation));
                    stop.store(found.1.len() >= VIOLATIONS_MAX, Ordering::Relaxed);
                }
                if first && told.elapsed() > PROGRESS {
                    told = Instant::now();
                    say(&format!("simulation: {} worlds in {:.0?}, {} violations", found.2, began.elapsed(), found.1.len()));
                }
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..available_parallelism().map_or(1, usize::from) {
                let work = &work;
                scope.spawn(move || work(thread == 0));
            }
        });
        let (coverage, violations, seeds) = found.into_inner().expect("nobody panicked with it");
        Self { coverage, violations, seeds, took: began.elapsed(), wanted }
    }

    pub(crate) fn summary(&self) -> String {
        let Self { coverage, violations, seeds, took, .. } = self;
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = *seeds as f64 / took.as_secs_f64();
        let seconds = took.as_secs_f64();
        format!("simulation: {seeds} worlds in {seconds:.1} s ({rate:.0} a second), {} violations\n{coverage}", violations.len())
    }

    /// The violations, and how to see each.
    pub(crate) fn told(&self) -> String {
        let told = self.violations.iter().map(|(seed, violation)| format!("AMENDS_SEED={seed} tells the course: {violation}"));
        told.collect::<Vec<_>>().join("\n")
    }

    /// What never happened and should have.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let enough = match self.wanted {
            Wanted::One(_) => false,
            Wanted::Seeds { .. } | Wanted::For { .. } => self.seeds >= COVERED_BY,
        };
        if enough { self.coverage.missing() } else { Vec::new() }
    }
}

/// One world; a panic is a violation, too.
fn play(seed: u64) -> (Coverage, Option<String>) {
    match catch_unwind(AssertUnwindSafe(|| seed::play(seed, None, Reader::Nobody))) {
        Ok(course) => (course.coverage, course.violation.map(|violation| violation.to_string())),
        Err(_) => (Coverage::default(), Some("it panicked; see above".to_owned())),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("a seed is a number, and so is how many there are, not `{text}`"))
}

/// Past the test runner, which would keep it until the end.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}
