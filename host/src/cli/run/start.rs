//! `amends run start`: a run of a saga that was applied before, or of a document. Apart from `exec`, which is judged by how its run ends;
//! here it is enough that the run was accepted.

use super::super::argument::{JsonSource, PluginFile, components};
use super::super::asking::{Begin, Driving};
use super::super::desk::{At, Saga, Start as ToStart};
use super::super::error::misuse;
use super::super::hosted::definition;
use super::super::output::{Exit, Format};
use super::super::standing::Standing;
use amends_domain::payload::Payload;
use clap::Args;
use std::path::Path;

pub(super) const EXAMPLES: &str = "\
Examples:
  amends run start order.fulfillment --input @input.json --key order-17
  amends run start order.fulfillment --input @input.json --follow --profile production
  amends run start saga.yaml --plugin orders=orders.wasm --input @input.json --delay 2h --data ./data
  amends run start order.fulfillment --at 2026-01-31T09:00:00+01:00 --no-drive --data ./data

SAGA is the name of a saga that was applied before, or a document: a path with a slash in it or ending in .yaml, .yml or .json, which is
applied first. The first line is `run ID`, as soon as the start is durable; the last one says where the run stands. On a server that is at
once, with --wait when the run has ended or the time is up, with --follow when it has ended. Exit code 0 if it was accepted, however it
ends; 3 if the saga, a plugin, the input, the key or the instant is refused.";

/// Arguments of `run start`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Start {
    /// The saga: its name, or a document
    #[arg(value_name = "SAGA")]
    saga: String,
    /// With --data: a plugin that the saga uses and its component, installed first; once for each
    #[arg(long = "plugin", value_name = "NAME=FILE.wasm")]
    plugins: Vec<PluginFile>,
    /// The input: JSON, @FILE, or @- for standard input; without it, null
    #[arg(long, value_name = "JSON|@FILE")]
    input: Option<JsonSource>,
    /// The same key and input again give the same run
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    begin: Begin,
    #[command(flatten)]
    driving: Driving,
    #[command(flatten)]
    at: At,
}

pub(super) fn run(start: &Start, format: Format) -> anyhow::Result<Exit> {
    // All files are read before anything is asked: a mistyped name must leave nothing behind.
    let saga = saga(&start.saga)?;
    let components = components(&start.plugins)?;
    let input = start.input.as_ref().map(|source| source.read("the input")).transpose()?.unwrap_or_else(Payload::null);
    let desk = start.at.desk()?;
    let standing = Standing { desk: &*desk, step: None, format };
    let Start { key, begin, driving, .. } = start;
    let of = ToStart { saga, components: &components, input, key: key.clone(), begin, driving, format };
    desk.start(of, &|stood| standing.tell(stood))
}

fn saga(text: &str) -> anyhow::Result<Saga> {
    let path = Path::new(text);
    let ends = path.extension().and_then(|extension| extension.to_str());
    if text.contains('/') || matches!(ends, Some("yaml" | "yml" | "json")) {
        return Ok(Saga::Document(definition(path)?));
    }
    text.parse().map(Saga::Name).map_err(|error| {
        misuse(
            "saga_not_named",
            format!("{error}; or name a document: a path with a slash in it or ending in .yaml, .yml or .json"),
        )
    })
}
