//! What became of many cases, and how it is told.

use crate::campaign::{Target, Verdict, again};
use std::collections::BTreeMap;
use std::time::Duration;

/// Verdicts that are told of each target.
const TOLD_MAX: usize = 9;
/// Most characters of a find that are told.
const FIND_LEN_MAX: usize = 1500;
/// What every case should be asked of is asked of as many at least.
const FLOORS_FROM: u64 = 50;

/// What a case took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bill {
    pub(crate) time: Duration,
    /// Bytes.
    pub(crate) memory: usize,
}

/// What became of them.
pub(crate) struct Played {
    target: &'static str,
    pub(crate) cases: u64,
    verdicts: BTreeMap<Verdict, u64>,
    /// By seed.
    pub(crate) finds: Vec<(u64, String)>,
    most: Bill,
    pub(crate) took: Duration,
}

impl Played {
    pub(crate) fn new(target: &'static str) -> Self {
        Self { target, cases: 0, verdicts: BTreeMap::new(), finds: Vec::new(), most: Bill::default(), took: Duration::ZERO }
    }

    pub(crate) fn take(&mut self, seed: u64, outcome: Result<(Verdict, Bill), String>) {
        self.cases += 1;
        match outcome {
            Ok((verdict, bill)) => {
                *self.verdicts.entry(verdict).or_default() += 1;
                self.most = Bill { time: self.most.time.max(bill.time), memory: self.most.memory.max(bill.memory) };
            }
            Err(find) => self.finds.push((seed, find)),
        }
    }

    pub(crate) fn summary(&self) -> String {
        let Self { target, cases, verdicts, finds, most, took } = self;
        let mut verdicts: Vec<_> = verdicts.iter().collect();
        verdicts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let told: Vec<_> = verdicts.iter().take(TOLD_MAX).map(|(verdict, count)| format!("{verdict} {count}")).collect();
        let more = verdicts.len().saturating_sub(TOLD_MAX);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        format!(
            "fuzz: {target}: {cases} cases in {:.1} s, {} finds; at most {:.0?} and {} KiB\n      {}{more}",
            took.as_secs_f64(),
            finds.len(),
            most.time,
            most.memory / 1024,
            told.join(", ")
        )
    }

    /// What is wrong: what was found, and what was never come to.
    pub(crate) fn wrong(&self, target: &dyn Target) -> Vec<String> {
        let found =
            self.finds.iter().map(|(seed, find)| format!("{}: {}", again(self.target, &seed.to_string()), cut(find, FIND_LEN_MAX)));
        let missed = target.floors().iter().filter_map(|(verdict, permille)| {
            let (count, least) = (self.verdicts.get(*verdict).copied().unwrap_or(0), self.cases * permille / 1000);
            let is_missed = self.cases >= FLOORS_FROM && count < least.max(1);
            is_missed.then(|| format!("{}: only {count} of {} cases are `{verdict}`: {least} should be", self.target, self.cases))
        });
        found.chain(missed).collect()
    }
}

/// The beginning of a find, on one line.
pub(crate) fn short(find: &str) -> String {
    cut(find.lines().next().unwrap_or_default(), 100)
}

fn cut(text: &str, len_max: usize) -> String {
    if text.len() <= len_max { text.to_owned() } else { format!("{}…", &text[..text.floor_char_boundary(len_max)]) }
}
