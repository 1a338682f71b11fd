//! What came of the parts of a test run: how many tests, which parts, how long. Apart from `test`, which runs them, so that the
//! counting can be tested.

use std::fmt;

use crate::process::Elapsed;

/// How many tests there were, by their results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// How a part ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    Failed {
        why: String,
    },
    /// Not run, because what it needs failed.
    Skipped {
        needs: &'static str,
    },
}

/// A part that is over.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) title: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) elapsed: Elapsed,
    pub(crate) tally: Tally,
}

/// All parts that are over, in their order.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) lines: Vec<Line>,
}

impl Tally {
    /// Sums up the `test result:` lines in what `cargo test` printed.
    pub(crate) fn of(output: &str) -> Self {
        output.lines().filter_map(Self::of_line).fold(Self::default(), Self::plus)
    }

    fn of_line(line: &str) -> Option<Self> {
        // With `--nocapture` a test may have left an unfinished line before it.
        let (_, counts) = line.split_once("test result: ")?;
        let count = |result: &str| {
            let (before, _) = counts.split_once(&format!(" {result};"))?;
            before.rsplit(' ').next()?.parse().ok()
        };
        Some(Self { passed: count("passed")?, failed: count("failed")? })
    }

    fn plus(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl Summary {
    pub(crate) fn passed(&self) -> bool {
        self.lines.iter().all(|line| matches!(line.verdict, Verdict::Passed))
    }

    /// True unless the part called `title` was run and passed.
    pub(crate) fn lacks(&self, title: &str) -> bool {
        !self.lines.iter().any(|line| line.title == title && matches!(line.verdict, Verdict::Passed))
    }

    fn tally(&self) -> Tally {
        self.lines.iter().map(|line| line.tally).fold(Tally::default(), Tally::plus)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl fmt::Display for Summary {
    /// A table, what did not pass and why, and the number of tests as the last line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{:<12} {:<8} {:>13}  tests", "part", "result", "time")?;
        for line in &self.lines {
            let result = match line.verdict {
                Verdict::Passed => "passed",
                Verdict::Failed { .. } => "FAILED",
                Verdict::Skipped { .. } => "skipped",
            };
            write!(formatter, "{:<12} {result:<8} {:>13}", line.title, line.elapsed)?;
            let tests = if line.tally == Tally::default() { String::new() } else { format!("  {}", line.tally) };
            writeln!(formatter, "{tests}")?;
        }
        for line in &self.lines {
            match &line.verdict {
                Verdict::Passed => {}
                Verdict::Failed { why } => writeln!(formatter, "failed: {}: {why}", line.title)?,
                Verdict::Skipped { needs } => writeln!(formatter, "skipped: {}: it needs the part `{needs}`", line.title)?,
            }
        }
        write!(formatter, "{}", self.tally())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(title: &'static str, verdict: Verdict, tally: Tally) -> Line {
        Line { title, verdict, elapsed: Elapsed::default(), tally }
    }

    #[test]
    fn results_of_all_test_binaries_are_summed_up() {
        let output = "\
running 2 tests
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.41s
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 12.00s
unfinished linetest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        assert_eq!(Tally::of(output), Tally { passed: 16, failed: 2 });
    }

    #[test]
    fn lines_that_only_look_like_results_count_nothing() {
        for output in ["", "test result: ok.", "test result: ok. many passed; 0 failed;", "result: 1 passed; 1 failed;"] {
            assert_eq!(Tally::of(output), Tally::default(), "{output}");
        }
    }

    #[test]
    fn the_summary_names_what_failed_and_ends_with_the_number_of_tests() {
        let summary = Summary {
            lines: vec![
                line("formatting", Verdict::Failed { why: "`cargo fmt` failed".into() }, Tally::default()),
                line("rules", Verdict::Passed, Tally { passed: 40, failed: 0 }),
                line("host", Verdict::Failed { why: "`cargo build` failed".into() }, Tally::default()),
                line("tests", Verdict::Skipped { needs: "host" }, Tally::default()),
            ],
        };
        let text = summary.to_string();
        assert!(text.contains("rules        passed           0.0 s  40 passed, 0 failed\n"), "{text}");
        assert!(text.contains("failed: formatting: `cargo fmt` failed\n"), "{text}");
        assert!(text.ends_with("skipped: tests: it needs the part `host`\n40 passed, 0 failed"), "{text}");
        assert!(!summary.passed());
        assert!(summary.lacks("host") && summary.lacks("guests") && !summary.lacks("rules"));
    }
}
