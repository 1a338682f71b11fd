//! Runs: started, listed, shown, followed, and what people demand of them.

pub(super) mod demand;
pub(super) mod events;
pub(super) mod list;
pub(super) mod start;

use super::Api;
use super::contract::Operation;
use super::problem::Problem;
use crate::view::RunView;
use amends_domain::event::{Entry, Event};
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
    stored_or(api, tenant, id(run)?, None)
}

/// Reads a run of a tenant. `ended`: as it first came to an end, if that is at hand: then it need not be made of its journal.
fn stored_or(api: &Api, tenant: &TenantId, run: RunId, ended: Option<Run>) -> Result<Stored, Problem> {
    let coordinator = api.coordinator();
    let entries = coordinator.store().journal(tenant, run).map_err(|error| Problem::of(&error))?;
    let entries = entries.ok_or_else(|| unknown(run))?;
    // It may have gone on since, and have come to another end.
    let is_end = |entry: &Entry| matches!(entry.event, Event::Ended { .. });
    let is_there = entries.iter().position(is_end).is_some_and(|first| first + 1 == entries.len());
    let run = match ended.filter(|_| is_there) {
        Some(run) => run,
        None => coordinator.replay(tenant, run, &entries).map_err(|error| Problem::of(&error))?,
    };
    Ok(Stored { run, entries })
}

pub(super) fn id(run: &str) -> Result<RunId, Problem> {
    run.parse().map_err(|_| Problem::not_found())
}

fn unknown(run: RunId) -> Problem {
    Problem::of(&crate::coordinator::DemandError::UnknownRun(run))
}
