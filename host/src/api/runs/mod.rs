//! Runs: started, listed, shown, followed, and what people demand of them.

pub(super) mod demand;
pub(super) mod events;
pub(super) mod list;
pub(super) mod start;

use super::Api;
use super::contract::Operation;
use super::problem::Problem;
use crate::view::RunView;
use amends_domain::event::Entry;
use amends_domain::id::{RunId, TenantId};
use amends_domain::run::Run;

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    [start::operations(), list::operations(), demand::operations(), events::operations()].into_iter().flatten().collect()
}

/// A run as it is stored.
pub(super) struct Stored {
    pub(super) run: Run,
    pub(super) entries: Vec<Entry>,
}

impl Stored {
    pub(super) fn view(&self) -> RunView {
        RunView::of(&self.run, &self.entries)
    }
}

/// Reads a run of a tenant. What is no id is told like one that nobody has.
pub(super) fn stored(api: &Api, tenant: &TenantId, run: &str) -> Result<Stored, Problem> {
    let run = id(run)?;
    let coordinator = api.coordinator();
    let entries = coordinator.store().journal(tenant, run).map_err(|error| Problem::of(&error))?;
    let entries = entries.ok_or_else(|| unknown(run))?;
    let run = coordinator.replay(tenant, run, &entries).map_err(|error| Problem::of(&error))?;
    Ok(Stored { run, entries })
}

pub(super) fn id(run: &str) -> Result<RunId, Problem> {
    run.parse().map_err(|_| Problem::not_found())
}

fn unknown(run: RunId) -> Problem {
    Problem::of(&crate::coordinator::DemandError::UnknownRun(run))
}
