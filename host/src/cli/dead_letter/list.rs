//! `amends dead-letter list`: what waits for a person.

use super::super::argument::{Data, Tenant};
use super::super::journal::Journal;
use super::super::output::{Exit, Format, plain, remark, say, say_json};
use super::super::text::{WIDTH, count, cut};
use crate::compose::Reader;
use crate::store::{PAGE_LEN_MAX, Store};
use crate::view::DeadLetterView;
use amends_domain::id::{RunId, TenantId};
use clap::Args;
use std::collections::VecDeque;

pub(super) const EXAMPLES: &str = "\
Examples:
  amends dead-letter list --data ./data
  amends dead-letter list --data ./data --tenant acme --limit 100 --json";

/// Arguments of `dead-letter list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    tenant: Tenant,
    /// Most dead letters to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(super) fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    let reader = Reader::open(&list.data.dir)?;
    let limit = list.limit as usize;
    let mut letters = Vec::new();
    // One run more than there can be room for, to know whether there are more.
    for run in newest(&*reader, &list.tenant.id, limit.saturating_add(1))? {
        if letters.len() > limit {
            break;
        }
        let journal = Journal::read(&*reader, &list.tenant.id, run)?;
        letters.extend(DeadLetterView::all(&journal.replay()?, &journal.entries));
    }
    let more = letters.len() > limit;
    letters.truncate(limit);
    match format {
        Format::Json => say_json(&serde_json::json!({ "dead_letters": letters, "more": more }))?,
        Format::Text => say_letters(&letters)?,
    }
    if more && format == Format::Text {
        remark(format_args!("there are more: --limit {}", limit.saturating_mul(10)))?;
    }
    Ok(Exit::Done)
}

/// The newest runs that have dead letters, newest first. The store has them oldest first.
fn newest(store: &dyn Store, tenant: &TenantId, runs_max: usize) -> anyhow::Result<Vec<RunId>> {
    let mut newest = VecDeque::new();
    let mut after = None;
    loop {
        let page = store.runs_with_dead_letters(tenant, after, PAGE_LEN_MAX)?;
        let Some(last) = page.last() else { return Ok(newest.into_iter().rev().collect()) };
        after = Some(*last);
        newest.extend(page);
        newest.drain(..newest.len().saturating_sub(runs_max));
    }
}

fn say_letters(letters: &[DeadLetterView]) -> anyhow::Result<()> {
    if letters.is_empty() {
        return Ok(remark("no dead letters")?);
    }
    for letter in letters {
        let DeadLetterView { id, saga, since, attempts, .. } = letter;
        say(format_args!("{id}  {saga}  {}  {}, since {since}", letter.way(), count(*attempts as usize, "attempt")))?;
        say(format_args!("    {}", cut(&plain(&letter.said()), WIDTH - 4)))?;
        if let Some(proposed) = letter.proposal() {
            say(format_args!("    {}", cut(&plain(&proposed), WIDTH - 4)))?;
        }
    }
    Ok(())
}
