//! `amends run list`: runs, newest first.

use super::super::desk::At;
use super::super::output::{Exit, Format, remark, say, say_json};
use super::super::text::{count, span};
use crate::view::{RunFilter, RunRow, Status};
use amends_domain::id::SagaName;
use amends_domain::time::Timestamp;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

pub(super) const EXAMPLES: &str = "\
Examples:
  amends run list --status stuck --limit 100 --json
  amends run list --saga order.fulfillment --since 2026-01-31T09:00:00Z --until 2026-01-31T12:00:00+01:00
  amends run list --data ./data";

/// Arguments of `run list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Only runs that stand so
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only runs of this saga
    #[arg(long, value_name = "SAGA")]
    saga: Option<SagaName>,
    /// Only runs that were started at this instant (RFC 3339) or later
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only runs that were started before this instant (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Most runs to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    at: At,
}

pub(super) fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    let limit = list.limit as usize;
    let List { status, saga, since, until, .. } = list;
    let filter = RunFilter { status: *status, saga: saga.clone(), since: *since, until: *until };
    let found = list.at.desk()?.runs(&filter, limit)?;
    match format {
        Format::Json => say_json(&serde_json::json!({ "runs": found.items, "more": found.more }))?,
        Format::Text => say_rows(&found.items)?,
    }
    if found.more && format == Format::Text {
        remark(format_args!("there are more: --limit {}", limit.saturating_mul(10)))?;
    }
    Ok(Exit::Done)
}

impl ValueEnum for Status {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Open,
            Self::Running,
            Self::Waiting,
            Self::Paused,
            Self::Compensating,
            Self::Succeeded,
            Self::Compensated,
            Self::Stuck,
            Self::Killed,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (word, says) = match self {
            Self::Open => ("open", "Without an outcome"),
            Self::Running => ("running", "Going forward"),
            Self::Waiting => ("waiting", "Going forward, and all that is live waits"),
            Self::Paused => ("paused", "Standing still until somebody has it go on"),
            Self::Compensating => ("compensating", "Going backward"),
            Self::Succeeded => ("succeeded", "Every step completed"),
            Self::Compensated => ("compensated", "Everything that was done was taken back"),
            Self::Stuck => ("stuck", "A compensation ran out of attempts"),
            Self::Killed => ("killed", "Ended without compensation"),
        };
        Some(PossibleValue::new(word).help(says))
    }
}

fn say_rows(rows: &[RunRow]) -> anyhow::Result<()> {
    if rows.is_empty() {
        return Ok(remark("no runs")?);
    }
    let sagas = rows.iter().map(|row| row.saga.as_str().len()).max().unwrap_or_default();
    for RunRow { id, saga, version, status, started_at, ended_at, dead_letters } in rows {
        let took = ended_at.map_or_else(|| "open".to_owned(), |ended| span(ended.since(*started_at)));
        // Names and numbers have no characters that could be taken for anything else.
        let letters =
            if *dead_letters == 0 { String::new() } else { format!("  {}", count(*dead_letters as usize, "dead letter")) };
        say(format_args!("{id}  {status:<12}  {:<sagas$}  v{version:<3}  {started_at}  {took:>6}{letters}", saga.as_str()))?;
    }
    Ok(())
}
