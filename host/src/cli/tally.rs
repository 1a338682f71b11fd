//! Many runs that end or are left open one after the other: a line for each, and how many went how.

use super::output::{Exit, Format, say, say_json_line};
use super::standing::{Left, outcome};
use super::text::{count, span};
use amends_domain::event::Outcome;
use amends_domain::id::{RunId, TenantId};
use amends_domain::run::Run;
use amends_domain::time::Span;
use serde::Serialize;

/// A run that ended or is left open.
#[derive(Debug, Serialize)]
pub(super) struct RunLine<'a> {
    /// The line of its input, where it came from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    tenant: &'a TenantId,
    run: RunId,
    /// How it ended; none if it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    /// The outcome, or why it is open.
    status: &'static str,
    #[serde(skip)]
    end: End,
}

/// How a run ended, or why it is left open.
#[derive(Debug, Clone, Copy)]
enum End {
    Ended(Outcome),
    Left(Left),
}

impl<'a> RunLine<'a> {
    /// How `run` stands.
    pub(super) fn of(line: Option<usize>, tenant: &'a TenantId, run: &Run) -> Self {
        let end = outcome(run).map_or_else(|| End::Left(Left::of(run)), End::Ended);
        let (outcome, status) = match end {
            End::Ended(outcome) => (Some(outcome), outcome.word()),
            End::Left(left) => (None, left.word()),
        };
        Self { line, tenant, run: run.id(), outcome, status, end }
    }

    fn text(&self) -> String {
        let Self { tenant, run, status, .. } = self;
        if tenant.as_str() == "local" { format!("run {run} {status}") } else { format!("run {run} {status} (tenant {tenant})") }
    }
}

/// How many runs went how.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    succeeded: usize,
    compensated: usize,
    stuck: usize,
    killed: usize,
    /// Left open: they wait for longer than the command does.
    waiting: usize,
    /// Left open: somebody must have them go on.
    paused: usize,
    /// Not started, or not driven on: an error was told for each.
    refused: usize,
}

impl Tally {
    /// Counts a run and prints it.
    pub(super) fn add(&mut self, line: &RunLine<'_>, format: Format) -> anyhow::Result<()> {
        *match line.end {
            End::Ended(Outcome::Succeeded) => &mut self.succeeded,
            End::Ended(Outcome::Compensated) => &mut self.compensated,
            End::Ended(Outcome::Stuck) => &mut self.stuck,
            End::Ended(Outcome::Killed) => &mut self.killed,
            End::Left(Left::Waiting) => &mut self.waiting,
            End::Left(Left::Paused) => &mut self.paused,
        } += 1;
        match format {
            Format::Json => say_json_line(line),
            Format::Text => Ok(say(line.text())?),
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
        let Self { succeeded: _, compensated, stuck, killed, waiting, paused, refused } = self;
        let others = compensated + stuck + killed + waiting + paused + refused;
        if others == 0 { Exit::Done } else { Exit::NotSucceeded }
    }

    fn text(&self, took: Span) -> String {
        let Self { succeeded, compensated, stuck, killed, waiting, paused, refused } = *self;
        let parts = [
            (succeeded, "succeeded"),
            (compensated, "compensated"),
            (stuck, "stuck"),
            (killed, "killed"),
            (waiting, "waiting"),
            (paused, "paused"),
            (refused, "refused"),
        ];
        let told: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        let runs = count(parts.iter().map(|(n, _)| n).sum(), "run");
        if told.is_empty() { runs } else { format!("{runs} in {}: {}", span(took), told.join(", ")) }
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
        let mixed = Tally { succeeded: 1, stuck: 1, waiting: 1, refused: 1, ..Tally::default() };
        assert_eq!(mixed.text(Span(3)), "4 runs in 3ms: 1 succeeded, 1 stuck, 1 waiting, 1 refused");
        let (paused, waiting) = (Tally { paused: 1, ..Tally::default() }, Tally { waiting: 1, ..Tally::default() });
        for bad in [Tally { compensated: 1, ..Tally::default() }, Tally { killed: 1, ..Tally::default() }, paused, waiting, mixed] {
            assert_eq!(bad.exit(), Exit::NotSucceeded);
        }
    }
}
