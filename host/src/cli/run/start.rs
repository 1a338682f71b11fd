//! `amends run start`: a run of a saga that was applied before, or of a document. Apart from `exec`, which is judged by how its run ends;
//! here it is enough that the run was accepted.

use super::super::argument::{Data, JsonSource, PluginFile, Tenant, components};
use super::super::asking::{Begin, Driving};
use super::super::drive::Stay;
use super::super::error::misuse;
use super::super::hosted::{definition, driven, id, on, prepare};
use super::super::output::{Exit, Format, say};
use super::demand::Stands;
use crate::compose::Host;
use crate::coordinator::{AcceptedRun, Coordinator, StartError, StartRun, StartedRun};
use amends_domain::definition::{Definition, read};
use amends_domain::id::{PluginName, RunId, SagaName, TenantId};
use amends_domain::payload::Payload;
use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(super) const EXAMPLES: &str = "\
Examples:
  amends run start order.fulfillment --input @input.json --key order-17 --data ./data
  amends run start saga.yaml --plugin orders=orders.wasm --input @input.json --delay 2h --data ./data
  amends run start order.fulfillment --at 2026-01-31T09:00:00+01:00 --no-drive --data ./data

SAGA is the name of a saga that was applied before, or a document: a path with a slash in it or ending in .yaml, .yml or .json, which is
applied first. The first line is `run ID`, as soon as the start is durable; the last one says where the run stands. Exit code 0 if it
was accepted, however it ends; 3 if the saga, a plugin, the input, the key or the instant is refused.";

/// Arguments of `run start`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Start {
    /// The saga: its name, or a document
    #[arg(value_name = "SAGA")]
    saga: String,
    /// A plugin that the saga uses and its component, installed first; once for each
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
    data: Data,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    driving: Driving,
}

/// Which saga.
enum Saga {
    /// One that was applied before.
    Name(SagaName),
    /// One that is applied now.
    Document(Arc<Definition>),
}

pub(super) fn run(start: &Start, format: Format) -> anyhow::Result<Exit> {
    let saga = saga(&start.saga)?;
    let components = components(&start.plugins)?;
    let input = start.input.as_ref().map(|source| source.read("the input")).transpose()?.unwrap_or_else(Payload::null);
    let host = match saga {
        Saga::Name(_) => Host::open_existing(&start.data.dir)?,
        Saga::Document(_) => Host::open(&start.data.dir)?,
    };
    on(host, Some(&start.data.dir), async |coordinator| {
        let coordinator = start.driving.patience.over(&coordinator);
        go(&coordinator, start, saga, &components, input, format).await
    })
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

async fn go(
    coordinator: &Coordinator,
    start: &Start,
    saga: Saga,
    components: &BTreeMap<PluginName, Bytes>,
    input: Payload,
    format: Format,
) -> anyhow::Result<Exit> {
    let tenant = &start.tenant.id;
    let definition = match saga {
        Saga::Name(name) => applied(coordinator, tenant, name)?,
        Saga::Document(definition) => definition,
    };
    prepare(coordinator, tenant, &definition, components).await?;
    let begin = start.begin.instant();
    let of =
        StartRun { version: None, tenant: tenant.clone(), saga: definition.saga.clone(), input, key: start.key.clone(), begin };
    let stay = Stay { coordinator, tenant, patience: start.driving.patience };
    let (run, noted) = if start.driving.no_drive { left(coordinator, of).await? } else { drive(stay, start, of, format).await? };
    Stands { noted, step: None, ask_data: &start.data.dir, tenant }.tell(&stay.stored(run)?, format)
}

/// The newest version of a saga.
fn applied(coordinator: &Coordinator, tenant: &TenantId, name: SagaName) -> anyhow::Result<Arc<Definition>> {
    let store = coordinator.store();
    let Some(row) = store.saga(tenant, &name)? else { return Err(StartError::UnknownSaga(name).into()) };
    let document =
        store.definition(tenant, row.definition)?.with_context(|| format!("definition {} is not stored", row.definition))?;
    let text = std::str::from_utf8(&document.0).context("a definition that is not text")?;
    Ok(Arc::new(read(text).with_context(|| format!("definition {} cannot be read", row.definition))?))
}

/// Starts it for somebody else to drive.
async fn left(coordinator: &Coordinator, of: StartRun) -> anyhow::Result<(RunId, bool)> {
    Ok(match coordinator.accept(of).await? {
        AcceptedRun::New(run) => (run, true),
        AcceptedRun::Existing(run) => (run, false),
    })
}

async fn drive(stay: Stay<'_>, start: &Start, of: StartRun, format: Format) -> anyhow::Result<(RunId, bool)> {
    let started = stay.coordinator.start(of).await?;
    let (run, noted) = (id(&started), matches!(started, StartedRun::New(_)));
    let driven = driven(stay.coordinator, stay.tenant, started)?;
    if let Some(driven) = &driven {
        driven.accepted().await?;
    }
    if format == Format::Text {
        say(format_args!("run {run}"))?;
    }
    if start.driving.follow {
        stay.followed(run, driven).await?
    } else {
        stay.to_its_rest(run, driven).await?
    };
    Ok((run, noted))
}
