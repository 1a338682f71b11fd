//! Many runs that end one after the other: a line for each, and how many ended how.

use super::output::{Exit, Format, say, say_json_line};
use super::text::{count, span};
use amends_domain::event::Outcome;
use amends_domain::id::{RunId, TenantId};
use amends_domain::time::Span;
use serde::Serialize;

/// A run that ended.
#[derive(Debug, Serialize)]
pub(super) struct EndedRun<'a> {
    /// The line of its input, where it came from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
    /// Whose.
    pub(super) tenant: &'a TenantId,
    /// Which.
    pub(super) run: RunId,
    /// How.
    pub(super) outcome: Outcome,
}

/// How many runs ended how.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    succeeded: usize,
    compensated: usize,
    stuck: usize,
    killed: usize,
    /// Not started, or not driven on: an error was told for each.
    refused: usize,
}

impl Tally {
    /// Counts `ended` and prints it.
    pub(super) fn add(&mut self, ended: &EndedRun<'_>, format: Format) -> anyhow::Result<()> {
        *match ended.outcome {
            Outcome::Succeeded => &mut self.succeeded,
            Outcome::Compensated => &mut self.compensated,
            Outcome::Stuck => &mut self.stuck,
            Outcome::Killed => &mut self.killed,
        } += 1;
        match format {
            Format::Json => say_json_line(ended),
            Format::Text => Ok(say(ended.text())?),
        }
    }

    /// Counts one that was not started or not driven on.
    pub(super) fn refuse(&mut self) {
        self.refused += 1;
    }

    /// Prints the sum.
    pub(super) fn close(&self, took: Span, format: Format) -> anyhow::Result<()> {
        match format {
            Format::Json => say_json_line(&serde_json::json!({ "runs": self, "took_ms": took.0 })),
            Format::Text => Ok(say(self.text(took))?),
        }
    }

    /// 0 if all succeeded, or there were none.
    pub(super) fn exit(&self) -> Exit {
        let Self { succeeded: _, compensated, stuck, killed, refused } = self;
        if compensated + stuck + killed + refused == 0 { Exit::Done } else { Exit::NotSucceeded }
    }

    fn text(&self, took: Span) -> String {
        let Self { succeeded, compensated, stuck, killed, refused } = *self;
        let parts =
            [(succeeded, "succeeded"), (compensated, "compensated"), (stuck, "stuck"), (killed, "killed"), (refused, "refused")];
        let told: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        let runs = count(parts.iter().map(|(n, _)| n).sum(), "run");
        if told.is_empty() { runs } else { format!("{runs} in {}: {}", span(took), told.join(", ")) }
    }
}

impl EndedRun<'_> {
    fn text(&self) -> String {
        let Self { line: _, tenant, run, outcome } = self;
        let word = outcome.word();
        if tenant.as_str() == "local" { format!("run {run} {word}") } else { format!("run {run} {word} (tenant {tenant})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_names_what_there_is_and_one_bad_run_decides_the_exit_code() {
        let none = Tally::default();
        assert_eq!((none.text(Span(3)).as_str(), none.exit()), ("0 runs", Exit::Done));
        let good = Tally { succeeded: 2, ..Tally::default() };
        assert_eq!((good.text(Span(1_500)).as_str(), good.exit()), ("2 runs in 1.50s: 2 succeeded", Exit::Done));
        let mixed = Tally { succeeded: 1, stuck: 1, refused: 1, ..Tally::default() };
        assert_eq!(mixed.text(Span(3)), "3 runs in 3ms: 1 succeeded, 1 stuck, 1 refused");
        for bad in [Tally { compensated: 1, ..Tally::default() }, Tally { killed: 1, ..Tally::default() }, mixed] {
            assert_eq!(bad.exit(), Exit::NotSucceeded);
        }
    }
}
