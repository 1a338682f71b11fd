//! `amends saga apply|list|show`: the sagas of a tenant on a server. Apart from `saga check`, which needs none.

use super::desk::{Server, There};
use super::hosted::definition;
use super::output::{Exit, Format, plain, remark, say, say_json};
use super::text::count;
use crate::client::{Ask, segment};
use amends_domain::definition::Definition;
use amends_domain::id::SagaName;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;

pub(super) const APPLY_EXAMPLES: &str = "\
Examples:
  amends saga apply saga.yaml
  amends saga apply examples/order-fulfillment/saga.yaml --profile production --json

What is different from the version before is told. A document that is the newest version already makes no other. Runs that are open keep the version that they were started with. Exit code 3 if it
is refused, with all mistakes at once, each with its place.";

pub(super) const LIST_EXAMPLES: &str = "\
Example:
  amends saga list --json";

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  amends saga show order.fulfillment
  amends saga show order.fulfillment --version 2
  amends saga show order.fulfillment --against 1      # what is different, and whether it breaks something";

/// Arguments of `saga apply`.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The saga: YAML or JSON
    #[arg(value_name = "SAGA.yaml")]
    saga: PathBuf,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `saga list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Most sagas to list
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `saga show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The saga
    saga: SagaName,
    /// Which version; without it, the newest
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Show what is different from this version
    #[arg(long, value_name = "N")]
    against: Option<u32>,
    #[command(flatten)]
    server: Server,
}

/// A version of a saga.
#[derive(Deserialize)]
struct Row {
    saga: String,
    version: u32,
    definition: String,
    #[serde(default)]
    document: Value,
    /// Where it was applied and is new: what is different from the version before.
    #[serde(default)]
    changes: Vec<Change>,
}

/// What is different, and whether others may have to change something, too.
#[derive(Deserialize)]
struct Change {
    path: String,
    what: String,
    weight: String,
}

/// What is different between two versions.
#[derive(Deserialize)]
struct Compared {
    from: u32,
    to: u32,
    changes: Vec<Change>,
}

pub(super) fn apply(apply: &Apply, format: Format) -> anyhow::Result<Exit> {
    // Read here first: mistakes are told with the file, and nothing is sent that is none.
    let definition = definition(&apply.saga)?;
    let there = apply.server.there()?;
    let applied = put(&there, &definition)?;
    match format {
        Format::Json => say_json(&applied)?,
        Format::Text => {
            let Row { saga, version, changes, .. } = serde_json::from_value(applied)?;
            say_changes(&changes)?;
            say(plain(&format!("{saga} version {version}")))?;
        }
    }
    Ok(Exit::Done)
}

/// Applies a saga and gives its version.
pub(super) fn applied(there: &There, definition: &Definition) -> anyhow::Result<u32> {
    let row: Row = serde_json::from_value(put(there, definition)?)?;
    Ok(row.version)
}

fn put(there: &There, definition: &Definition) -> anyhow::Result<Value> {
    let path = there.path(&format!("/sagas/{}", definition.saga))?;
    Ok(there.ask(&Ask::put(path, "application/json", definition.document.0.clone()))?.json()?)
}

pub(super) fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    let there = list.server.there()?;
    let limit = list.limit as usize;
    let found = there.items::<Value>(&there.path("/sagas")?, limit)?;
    match format {
        Format::Json => say_json(&json!({ "sagas": found.items, "more": found.more }))?,
        Format::Text if found.items.is_empty() => remark("no sagas")?,
        Format::Text => {
            for item in found.items {
                let Row { saga, version, definition, .. } = serde_json::from_value(item)?;
                say(plain(&format!("{saga:<32}  v{version:<4}  {definition}")))?;
            }
        }
    }
    if found.more && format == Format::Text {
        remark(format_args!("there are more: --limit {}", limit.saturating_mul(10)))?;
    }
    Ok(Exit::Done)
}

pub(super) fn show(show: &Show, format: Format) -> anyhow::Result<Exit> {
    let there = show.server.there()?;
    let path = there.path(&format!("/sagas/{}", segment(show.saga.as_str())))?;
    if let Some(against) = show.against {
        return compare(&there, &path, show, against, format);
    }
    let version = show.version.map(|version| format!("?version={version}")).unwrap_or_default();
    let shown: Value = there.ask(&Ask::get(format!("{path}{version}")))?.json()?;
    match format {
        Format::Json => say_json(&shown)?,
        Format::Text => {
            let Row { saga, version, definition, document, .. } = serde_json::from_value(shown)?;
            say(plain(&format!("saga        {saga} v{version}")))?;
            say(plain(&format!("definition  {definition}")))?;
            say_json(&document)?;
        }
    }
    Ok(Exit::Done)
}

/// Shows what is different between two versions.
fn compare(there: &There, path: &str, show: &Show, against: u32, format: Format) -> anyhow::Result<Exit> {
    let to = show.version.map(|version| format!("&to={version}")).unwrap_or_default();
    let said: Value = there.ask(&Ask::get(format!("{path}/diff?from={against}{to}")))?.json()?;
    match format {
        Format::Json => say_json(&said)?,
        Format::Text => {
            let Compared { from, to, changes } = serde_json::from_value(said)?;
            say_changes(&changes)?;
            remark(format_args!("v{from} and v{to}: {}", count(changes.len(), "difference")))?;
        }
    }
    Ok(Exit::Done)
}

fn say_changes(changes: &[Change]) -> anyhow::Result<()> {
    for Change { path, what, weight } in changes {
        say(plain(&format!("{weight:<10}  {path}: {what}")))?;
    }
    Ok(())
}
