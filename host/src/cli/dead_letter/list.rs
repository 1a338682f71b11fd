//! `amends dead-letter list`: what waits for a person.

use super::super::desk::At;
use super::super::output::{Exit, Format, plain, remark, say, say_json};
use super::super::text::{WIDTH, count, cut};
use crate::view::DeadLetterView;
use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  amends dead-letter list
  amends dead-letter list --data ./data --tenant acme --limit 100 --json";

/// Arguments of `dead-letter list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Most dead letters to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    at: At,
}

pub(super) fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    let limit = list.limit as usize;
    let found = list.at.desk()?.letters(limit)?;
    match format {
        Format::Json => say_json(&serde_json::json!({ "dead_letters": found.items, "more": found.more }))?,
        Format::Text => say_letters(&found.items)?,
    }
    if found.more && format == Format::Text {
        remark(format_args!("there are more: --limit {}", limit.saturating_mul(10)))?;
    }
    Ok(Exit::Done)
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
