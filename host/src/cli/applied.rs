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

A document that is the newest version already makes no other. Runs that are open keep the version that they were started with. Exit code 3 if it
is refused, with all mistakes at once, each with its place.";

pub(super) const LIST_EXAMPLES: &str = "\
Example:
  amends saga list --json";

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  amends saga show order.fulfillment
  amends saga show order.fulfillment --version 2
  amends saga show order.fulfillment --against 1      # which steps differ";

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
    /// Show which steps differ from this version
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
}

pub(super) fn apply(apply: &Apply, format: Format) -> anyhow::Result<Exit> {
    // Read here first: mistakes are told with the file, and nothing is sent that is none.
    let definition = definition(&apply.saga)?;
    let there = apply.server.there()?;
    let applied = put(&there, &definition)?;
    match format {
        Format::Json => say_json(&applied)?,
        Format::Text => {
            let Row { saga, version, .. } = serde_json::from_value(applied)?;
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
    let version = |version: Option<u32>| version.map(|version| format!("?version={version}")).unwrap_or_default();
    let shown: Value = there.ask(&Ask::get(format!("{path}{}", version(show.version))))?.json()?;
    let Some(against) = show.against else {
        match format {
            Format::Json => say_json(&shown)?,
            Format::Text => {
                let Row { saga, version, definition, document } = serde_json::from_value(shown)?;
                say(plain(&format!("saga        {saga} v{version}")))?;
                say(plain(&format!("definition  {definition}")))?;
                say_json(&document)?;
            }
        }
        return Ok(Exit::Done);
    };
    let (new, old): (Row, Row) =
        (serde_json::from_value(shown)?, there.ask(&Ask::get(format!("{path}{}", version(Some(against)))))?.json()?);
    let changes = changes(&old.document, &new.document);
    match format {
        Format::Json => {
            let rows: Vec<_> = changes.iter().map(|(what, how)| json!({ "what": what, "how": how })).collect();
            say_json(&json!({ "saga": new.saga, "version": new.version, "against": old.version, "changes": rows }))?;
        }
        Format::Text => {
            for (what, how) in &changes {
                say(plain(&format!("{how:<8}  {what}")))?;
            }
            remark(plain(&format!("v{} and v{}: {}", old.version, new.version, count(changes.len(), "difference"))))?;
        }
    }
    Ok(Exit::Done)
}

/// What differs between two documents: steps by name, and what else there is by field.
fn changes(old: &Value, new: &Value) -> Vec<(String, &'static str)> {
    let (of_old, of_new) = (parts(old), parts(new));
    let how = |name: &String| match (of_old.get(name), of_new.get(name)) {
        (Some(was), Some(is)) if was == is => None,
        (Some(_), Some(_)) => Some("changed"),
        (None, _) => Some("added"),
        (Some(_), None) => Some("removed"),
    };
    let names: std::collections::BTreeSet<_> = of_old.keys().chain(of_new.keys()).collect();
    names.into_iter().filter_map(|name| Some((name.clone(), how(name)?))).collect()
}

fn parts(document: &Value) -> std::collections::BTreeMap<String, &Value> {
    let fields = document.as_object().into_iter().flatten().filter(|(name, _)| *name != "steps");
    let fields = fields.map(|(name, value)| (name.clone(), value));
    let steps = document["steps"].as_array().into_iter().flatten();
    fields.chain(steps.map(|step| (format!("step {}", step["id"].as_str().unwrap_or("?")), step))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_differ_by_their_steps_and_their_fields() {
        let old = json!({ "saga": "s", "deadline": "1h", "steps": [{ "id": "a", "uses": "p/a" }, { "id": "b", "uses": "p/b" }] });
        let new = json!({ "saga": "s", "name": "S", "steps": [{ "id": "a", "uses": "p/c" }, { "id": "c", "uses": "p/b" }] });
        let changes = changes(&old, &new);
        let told: Vec<_> = changes.iter().map(|(what, how)| format!("{how} {what}")).collect();
        assert_eq!(told, ["removed deadline", "added name", "changed step a", "removed step b", "added step c"]);
    }
}
