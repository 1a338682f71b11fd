//! `amends exec`: a saga from its file to its outcome, in this process.

use super::argument::{Data, JsonSource, PluginFile, Tenant, components};
use super::asking::{Begin, Patience};
use super::drive::Stay;
use super::hosted::{definition, driven, id, on, prepare};
use super::inputs::{self, Batch};
use super::output::{Exit, Format, say, say_json};
use super::standing::{exit, tell_end};
use crate::compose::Host;
use crate::coordinator::{Coordinator, StartRun};
use amends_domain::definition::Definition;
use amends_domain::id::PluginName;
use amends_domain::payload::Payload;
use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  amends exec saga.yaml --plugin orders=orders.wasm --input '{\"sku\":\"BOOK-1\"}' --data ./data
  amends exec saga.yaml --plugin orders=orders.wasm --input @input.json --key order-17 --data ./data --follow
  amends exec saga.yaml --plugin orders=orders.wasm --inputs orders.jsonl --data ./data
  amends exec saga.yaml --input @input.json --delay 10m --wait-max 1h --data ./data

The first line is `run ID`, as soon as the start is durable; the last one `outcome succeeded`, `compensated`, `stuck` or `killed`.
Timers and retries are waited for, people are not: when the run waits for a signal for more than a minute or is paused, it is left
open, the last line is `waiting ID …` or `paused ID`, and the exit code is 1. Exit code 0 if the run succeeded, 1 if not or not yet,
3 if the saga, a plugin, the input or the key is refused. Stopped by Ctrl-C or killed, the run stays open, and `amends resume` goes
on with it.";

/// Apply a saga, start a run of it and drive it to its outcome
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Exec {
    /// The saga: YAML or JSON
    #[arg(value_name = "SAGA.yaml")]
    saga: PathBuf,
    /// A plugin that the saga uses and its component; once for each. One that was installed before need not be named again
    #[arg(long = "plugin", value_name = "NAME=FILE.wasm")]
    plugins: Vec<PluginFile>,
    #[command(flatten)]
    tenant: Tenant,
    /// The input: JSON, @FILE, or @- for standard input
    #[arg(long, value_name = "JSON|@FILE", required_unless_present = "inputs")]
    input: Option<JsonSource>,
    /// Many inputs, one on each line of a file: one run for each, 64 at a time
    #[arg(long, value_name = "FILE.jsonl", conflicts_with_all = ["input", "follow"])]
    inputs: Option<PathBuf>,
    /// The same key and input again give the same run; with --inputs, line N has KEY-N
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    data: Data,
    /// Print each line of the timeline as it becomes durable, and not all at the end
    #[arg(long, conflicts_with = "json")]
    follow: bool,
    #[command(flatten)]
    begin: Begin,
    #[command(flatten)]
    patience: Patience,
}

/// What is to be run.
enum Work {
    One { input: Payload, key: Option<String>, telling: Telling },
    Many(Batch),
}

/// How a run is told.
#[derive(Clone, Copy)]
enum Telling {
    /// Line by line.
    Following,
    /// As text, when it is over.
    Afterwards,
    /// As JSON, when it is over.
    Json,
}

pub(super) fn run(exec: &Exec, format: Format) -> anyhow::Result<Exit> {
    // All files are read before anything is opened: a mistyped name must leave nothing behind.
    let definition = definition(&exec.saga)?;
    let components = components(&exec.plugins)?;
    let work = work(exec, format)?;
    let host = Host::open(&exec.data.dir)?;
    on(host, Some(&exec.data.dir), async |coordinator| {
        let coordinator = exec.patience.over(&coordinator);
        go(&coordinator, exec, &definition, &components, work, format).await
    })
}

fn work(exec: &Exec, format: Format) -> anyhow::Result<Work> {
    if let Some(path) = &exec.inputs {
        return Ok(Work::Many(Batch::read(path, exec.key.clone())?));
    }
    let input = exec.input.as_ref().context("neither --input nor --inputs is given")?.read("the input")?;
    let telling = match format {
        Format::Json => Telling::Json,
        Format::Text if exec.follow => Telling::Following,
        Format::Text => Telling::Afterwards,
    };
    Ok(Work::One { input, key: exec.key.clone(), telling })
}

async fn go(
    coordinator: &Coordinator,
    exec: &Exec,
    definition: &Arc<Definition>,
    components: &BTreeMap<PluginName, Bytes>,
    work: Work,
    format: Format,
) -> anyhow::Result<Exit> {
    let tenant = &exec.tenant.id;
    prepare(coordinator, tenant, definition, components).await?;
    let begin = exec.begin.instant();
    let saga = &definition.saga;
    let start =
        |input, key| StartRun { version: None, tenant: tenant.clone(), saga: saga.clone(), input, key, parent: None, begin };
    let stay = Stay { coordinator, tenant, patience: exec.patience };
    match work {
        Work::One { input, key, telling } => {
            let place = format!(" --data {}", exec.data.dir.display());
            one(stay, start(input, key), telling, &place).await
        }
        Work::Many(batch) => inputs::run(stay, batch, start, format).await,
    }
}

async fn one(stay: Stay<'_>, start: StartRun, telling: Telling, place: &str) -> anyhow::Result<Exit> {
    let started = stay.coordinator.start(start).await?;
    let run = id(&started);
    let driven = driven(stay.coordinator, stay.tenant, started)?;
    if let Some(driven) = &driven {
        driven.accepted().await?;
    }
    match telling {
        Telling::Json => {
            let rest = stay.to_its_rest(run, driven).await?;
            say_json(&stay.stored(run)?.view()?.ended())?;
            Ok(exit(&rest))
        }
        Telling::Afterwards => {
            say(format_args!("run {run}"))?;
            stay.to_its_rest(run, driven).await?;
            let journal = stay.stored(run)?;
            tell_end(&journal.say()?, &journal.entries, place)
        }
        Telling::Following => {
            say(format_args!("run {run}"))?;
            let rest = stay.followed(run, driven).await?;
            tell_end(&rest, &stay.stored(run)?.entries, place)
        }
    }
}
