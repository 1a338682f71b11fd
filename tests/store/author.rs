//! Commits for the tests of the store. Apart from the writer, which makes them in the host, so that the store is not tested with it.

use crate::facts::tenant;
use amends::store::{Commit, LaneCommit};
use amends_domain::audit::{Body, Head};
use amends_domain::event::{Entry, TenantEntry, TenantEvent};
use amends_domain::id::{Lane, RunId, TenantId};
use amends_domain::run::RunHead;
use amends_domain::time::Timestamp;
use std::collections::BTreeMap;

/// What one record says.
pub(crate) enum Deed {
    /// Facts of a run and where it stands behind them.
    Run(u128, Vec<Entry>, RunHead),
    /// Facts of the tenant.
    Tenant(Vec<TenantEvent>),
}

/// Writes commits: knows where every chain ends, and the last record of every run.
#[derive(Default)]
pub(crate) struct Author {
    heads: BTreeMap<(TenantId, Lane), Head>,
    last_records: BTreeMap<(TenantId, RunId), u64>,
}

impl Author {
    /// A commit of records in lanes of tenants.
    pub(crate) fn commit(&mut self, deeds: Vec<(&str, u32, Deed)>) -> Commit {
        let mut lanes: BTreeMap<(TenantId, Lane), LaneCommit> = BTreeMap::new();
        for (name, lane, deed) in deeds {
            let (tenant, lane) = (tenant(name), Lane(lane));
            let end = self.heads.entry((tenant.clone(), lane)).or_insert_with(|| Head::genesis(&tenant, lane));
            let empty = || LaneCommit { tenant: tenant.clone(), lane, records: Vec::new(), runs: Vec::new() };
            let part = lanes.entry((tenant.clone(), lane)).or_insert_with(empty);
            let body = match deed {
                Deed::Run(run, entries, head) => {
                    let run = RunId(run);
                    let previous = self.last_records.insert((tenant.clone(), run), end.seq + 1).unwrap_or(0);
                    part.runs.retain(|(other, _)| *other != run);
                    part.runs.push((run, head));
                    Body::Run { run, previous, entries }
                }
                Deed::Tenant(events) => {
                    for event in &events {
                        if let TenantEvent::RunsRemoved { runs, .. } = event {
                            for removed in runs {
                                self.last_records.remove(&(tenant.clone(), removed.run));
                            }
                        }
                    }
                    let entry = |event| TenantEntry { at: Timestamp(0), event };
                    Body::Tenant { entries: events.into_iter().map(entry).collect() }
                }
            };
            part.records.push((end.seal(&body), body));
        }
        Commit { lanes: lanes.into_values().collect(), components: Vec::new() }
    }

    /// A commit with one record of a run in lane 0.
    pub(crate) fn run(&mut self, name: &str, run: u128, entries: Vec<Entry>, head: RunHead) -> Commit {
        self.commit(vec![(name, 0, Deed::Run(run, entries, head))])
    }
}
