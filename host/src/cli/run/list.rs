//! `amends run list`: runs, newest first.

use super::super::argument::{Data, Tenant};
use super::super::output::{Exit, Format, remark, say, say_json};
use super::super::text::{count, span};
use crate::compose::Reader;
use crate::store::{PAGE_LEN_MAX, Store, StoreError};
use crate::view::{RunRow, Status};
use amends_domain::id::{RunId, TenantId};
use amends_domain::run::RunHead;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

pub(super) const EXAMPLES: &str = "\
Examples:
  amends run list --data ./data
  amends run list --data ./data --status stuck --limit 100 --json";

/// Arguments of `run list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    tenant: Tenant,
    /// Only runs that stand so
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Most runs to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(super) fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    let reader = Reader::open(&list.data.dir)?;
    let limit = list.limit as usize;
    let mut rows = Vec::new();
    // One more than asked for, to know whether there are more.
    for found in runs(&*reader, &list.tenant.id).filter(|found| wanted(found, list.status)).take(limit.saturating_add(1)) {
        let (id, head) = found?;
        rows.push(RunRow::of(id, &head));
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    match format {
        Format::Json => say_json(&serde_json::json!({ "runs": rows, "more": more }))?,
        Format::Text => say_rows(&rows)?,
    }
    if more && format == Format::Text {
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

fn wanted(found: &Result<(RunId, RunHead), StoreError>, status: Option<Status>) -> bool {
    match (found, status) {
        (Ok((_, head)), Some(status)) => status.is(head.status),
        (Ok(_), None) | (Err(_), _) => true,
    }
}

/// All runs of a tenant, newest first, page by page.
fn runs(store: &dyn Store, tenant: &TenantId) -> impl Iterator<Item = Result<(RunId, RunHead), StoreError>> {
    let mut page = Vec::new().into_iter();
    let mut before = None;
    std::iter::from_fn(move || {
        if page.len() == 0 {
            match store.runs(tenant, before, PAGE_LEN_MAX) {
                Ok(next) => page = next.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        let (run, head) = page.next()?;
        before = Some(run);
        Some(Ok((run, head)))
    })
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
