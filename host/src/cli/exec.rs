//! `amends exec`: a saga from its file to its outcome, in this process.

use super::argument::{Data, JsonSource, PluginFile, Tenant, components};
use super::hosted::{definition, driven, id, on, prepare};
use super::inputs::{self, Batch};
use super::journal::{Journal, Teller};
use super::output::{Exit, Format, plain, remark, say, say_json};
use super::view::RunView;
use crate::compose::Host;
use crate::coordinator::{Coordinator, Driven, StartRun};
use amends_domain::definition::Definition;
use amends_domain::event::Outcome;
use amends_domain::id::{PluginName, RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run};
use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How often `--follow` looks for what became durable.
const FOLLOW_EVERY: Duration = Duration::from_millis(20);

const EXAMPLES: &str = "\
Examples:
  amends exec saga.yaml --plugin orders=orders.wasm --input '{\"sku\":\"BOOK-1\"}' --data ./data
  amends exec saga.yaml --plugin orders=orders.wasm --input @input.json --key order-17 --data ./data --follow
  amends exec saga.yaml --plugin orders=orders.wasm --inputs orders.jsonl --data ./data

The first line is `run ID`, as soon as the start is durable; the last one `outcome succeeded`, `compensated`, `stuck` or `killed`.
Exit code 0 if the run succeeded, 1 if not, 3 if the saga, a plugin, the input or the key is refused. Stopped by Ctrl-C or killed,
the run stays open, and `amends resume` goes on with it.";

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
        go(&coordinator, &exec.tenant.id, &definition, &components, work, format).await
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
    tenant: &TenantId,
    definition: &Arc<Definition>,
    components: &BTreeMap<PluginName, Bytes>,
    work: Work,
    format: Format,
) -> anyhow::Result<Exit> {
    prepare(coordinator, tenant, definition, components).await?;
    let start = |input, key| StartRun { tenant: tenant.clone(), saga: definition.saga.clone(), input, key, begin: None };
    match work {
        Work::One { input, key, telling } => one(coordinator, start(input, key), telling).await,
        Work::Many(batch) => inputs::run(coordinator, batch, start, format).await,
    }
}

async fn one(coordinator: &Coordinator, start: StartRun, telling: Telling) -> anyhow::Result<Exit> {
    let tenant = start.tenant.clone();
    let started = coordinator.start(start).await?;
    let run = id(&started);
    let driven = driven(coordinator, &tenant, started)?;
    if let Some(driven) = &driven {
        driven.accepted().await?;
    }
    match telling {
        Telling::Json => {
            ended(run, driven).await?;
            let journal = Journal::read(&**coordinator.store(), &tenant, run)?;
            say_json(&RunView::of(&journal)?.ended())?;
            Ok(exit(outcome(&journal.replay()?)?))
        }
        Telling::Afterwards => {
            say(format_args!("run {run}"))?;
            ended(run, driven).await?;
            tell_end(&Journal::read(&**coordinator.store(), &tenant, run)?.say()?)
        }
        Telling::Following => {
            say(format_args!("run {run}"))?;
            follow(coordinator, &tenant, run, driven).await?;
            tell_end(&Journal::read(&**coordinator.store(), &tenant, run)?.replay()?)
        }
    }
}

async fn ended(run: RunId, driven: Option<Driven>) -> anyhow::Result<()> {
    if let Some(driven) = driven {
        let ended = driven.ended().await;
        ended.with_context(|| format!("{run} has no outcome yet, `amends resume` goes on with it"))?;
    }
    Ok(())
}

/// Prints what the store shows, which is durable, until the run has ended.
async fn follow(coordinator: &Coordinator, tenant: &TenantId, run: RunId, driven: Option<Driven>) -> anyhow::Result<()> {
    let store = &**coordinator.store();
    let mut journal = Journal::read(store, tenant, run)?;
    let mut teller = Teller::new(&journal)?;
    let mut last = store.last_record(tenant, run)?;
    teller.go_on(&journal)?;
    let mut end = pin!(ended(run, driven));
    loop {
        let over = tokio::select! {
            ended = &mut end => {
                ended?;
                true
            }
            () = tokio::time::sleep(FOLLOW_EVERY) => false,
        };
        let newest = store.last_record(tenant, run)?;
        if newest != last {
            last = newest;
            journal = Journal::read(store, tenant, run)?;
            teller.go_on(&journal)?;
        }
        if over {
            return Ok(());
        }
    }
}

/// The last lines.
fn tell_end(run: &Run) -> anyhow::Result<Exit> {
    let outcome = outcome(run)?;
    if let Phase::Ended(ended) = run.phase()
        && let Some(output) = &ended.output
    {
        say(format_args!("output {}", plain(&output.readable().to_string())))?;
    }
    if outcome == Outcome::Stuck {
        remark("a compensation ran out of attempts: what it should have taken back has to be seen to by a person")?;
    }
    say(format_args!("outcome {}", outcome.word()))?;
    Ok(exit(outcome))
}

fn outcome(run: &Run) -> anyhow::Result<Outcome> {
    match run.phase() {
        Phase::Ended(ended) => Ok(ended.outcome),
        Phase::Forward | Phase::Backward(_) => anyhow::bail!("{} has no outcome yet", run.id()),
    }
}

fn exit(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Succeeded => Exit::Done,
        Outcome::Compensated | Outcome::Stuck | Outcome::Killed => Exit::NotSucceeded,
    }
}
