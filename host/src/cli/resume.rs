//! `amends resume`: every run that a host left open, driven to its outcome.

use super::argument::Data;
use super::error::tell;
use super::hosted::on;
use super::output::{Exit, Format, say};
use super::tally::{EndedRun, Tally};
use crate::clock::{Clock, SystemClock};
use crate::compose::Host;
use crate::coordinator::Coordinator;
use crate::store::{OpenRun, PAGE_LEN_MAX, Store, StoreError};
use amends_domain::event::Outcome;
use amends_domain::id::{RunId, TenantId};
use amends_domain::run::Phase;
use anyhow::Context;
use clap::Args;
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeSet;

/// Most runs that are driven at a time.
const RUNS_MAX: usize = 256;

const EXAMPLES: &str = "\
Example:
  amends resume --data ./data

Prints `run ID OUTCOME` for each run as it ends. Exit code 0 if all of them succeeded or none was open, 1 if one did not succeed or
cannot be driven on.";

/// Drive every open run of every tenant to its outcome
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Resume {
    #[command(flatten)]
    data: Data,
}

pub(super) fn run(resume: &Resume, format: Format) -> anyhow::Result<Exit> {
    let host = Host::open_existing(&resume.data.dir)?;
    on(host, Some(&resume.data.dir), async |coordinator| go(&coordinator, format).await)
}

async fn go(coordinator: &Coordinator, format: Format) -> anyhow::Result<Exit> {
    let began = SystemClock.now();
    let store = &**coordinator.store();
    let mut tally = Tally::default();
    let tenants: BTreeSet<TenantId> = store.lanes()?.into_iter().map(|row| row.tenant).collect();
    let open = tenants.into_iter().flat_map(|tenant| open_runs(store, tenant));
    let driven = open.map(|found| async move {
        let (tenant, run) = found?;
        let outcome = drive(coordinator, &tenant, run).await;
        Ok::<_, StoreError>((tenant, run, outcome))
    });
    let mut ends = stream::iter(driven).buffer_unordered(RUNS_MAX);
    while let Some(ended) = ends.next().await {
        let (tenant, run, outcome) = ended?;
        match outcome {
            Ok(Some(outcome)) => tally.add(&EndedRun { line: None, tenant: &tenant, run, outcome }, format)?,
            // It ended between the list and here.
            Ok(None) => {}
            Err(error) => {
                tally.refuse();
                tell(&error.context(format!("{run} of tenant `{tenant}`")), format);
            }
        }
    }
    if format == Format::Text && tally == Tally::default() {
        say("no run is open")?;
        return Ok(Exit::Done);
    }
    tally.close(SystemClock.now().since(began), format)?;
    Ok(tally.exit())
}

/// The open runs of a tenant, page by page.
fn open_runs(store: &dyn Store, tenant: TenantId) -> impl Iterator<Item = Result<(TenantId, RunId), StoreError>> {
    let mut page = Vec::new().into_iter();
    let mut after = None;
    std::iter::from_fn(move || {
        if page.len() == 0 {
            match store.open_runs(&tenant, after, PAGE_LEN_MAX) {
                Ok(next) => page = next.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        let OpenRun { run, due: _ } = page.next()?;
        after = Some(run);
        Some(Ok((tenant.clone(), run)))
    })
}

async fn drive(coordinator: &Coordinator, tenant: &TenantId, run: RunId) -> anyhow::Result<Option<Outcome>> {
    let Some(driven) = coordinator.adopt(tenant, run)? else { return Ok(None) };
    let run = driven.ended().await?;
    match run.phase() {
        Phase::Ended(ended) => Ok(Some(ended.outcome)),
        Phase::Forward | Phase::Backward(_) => None.context("it has no outcome"),
    }
}
