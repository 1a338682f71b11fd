//! Removes runs that ended long ago, of each tenant as its limit `ended_runs_kept` says. What they said goes, and the chain proves what is
//! left: see `amends_domain::audit::Removal`. Little by little, so that nobody waits for it.

use super::Coordinator;
use super::driven::{Claim, DriveRight, Whose};
use super::error::DriveError;
use super::lane::Lane;
use crate::store::writer::Position;
use crate::store::{PAGE_LEN_MAX, RunRecord};
use amends_domain::audit::Removal;
use amends_domain::event::Outcome;
use amends_domain::id::{RunId, TenantId};
use amends_domain::run::{RunHead, RunStatus};
use amends_domain::time::{Span, Timestamp};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::mem;
use tokio::time::sleep;

/// Most runs that are removed in one commit.
const RUNS_MAX: usize = 64;
/// Most records, but for a run that alone has more.
const RECORDS_MAX: usize = 256;

/// Most bytes of their bodies, but for a run that alone has more: the writer reads them once more.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Runs.
    pub runs: u64,
    /// Their records.
    pub records: u64,
}

/// Runs that are being removed together, and the right to: nobody goes on with one meanwhile.
struct Batch {
    removal: Removal,
    rights: Vec<DriveRight>,
}

impl Coordinator {
    /// Removes what no longer has to be kept, of every tenant, again and again. Never ends.
    ///
    /// Dropping the future is safe.
    pub async fn keep_tidy(&self, every: Span) -> Infallible {
        loop {
            for lane in self.parts.lanes.all() {
                let tenant = lane.tenant();
                let kept = lane.allowance().ended_runs_kept();
                let Some(before) = self.parts.clock.now().0.checked_sub(kept.0) else { continue };
                match self.remove_ended(tenant, Timestamp(before)).await {
                    Ok(Removed { runs: 0, .. }) => {}
                    Ok(Removed { runs, records }) => {
                        tracing::info!(%tenant, runs, records, "runs that ended long ago were removed");
                    }
                    Err(error) => tracing::error!(%tenant, %error, "runs that ended long ago cannot be removed; it is tried again"),
                }
            }
            sleep(every.to_std()).await;
        }
    }

    /// Removes the runs of a tenant that ended before an instant, except those that are stuck: they wait for a person. When this returns, that is
    /// durable. A run that somebody goes on with is left.
    ///
    /// Dropping the future leaves some removed and others not.
    ///
    /// # Errors
    /// What the store says, or that it is not known whether the last ones were removed.
    pub async fn remove_ended(&self, tenant: &TenantId, before: Timestamp) -> Result<Removed, DriveError> {
        let lane = self.parts.lanes.of(tenant);
        let (mut removed, mut last) = (Removed::default(), None);
        let mut batch = Batch::new(before);
        loop {
            let page = self.parts.store.oldest_runs(tenant, last, PAGE_LEN_MAX)?;
            last = page.last().map(|(run, _)| *run);
            for (run, head) in &page {
                if let Some(outcome) = outcome_of_old(head, before) {
                    self.add(&mut batch, tenant, *run, outcome)?;
                }
                if batch.is_full() {
                    self.remove(&lane, mem::replace(&mut batch, Batch::new(before)), &mut removed).await?;
                }
            }
            // Whatever started later ended later.
            if page.last().is_none_or(|(_, head)| head.started >= before) {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.remove(&lane, batch, &mut removed).await?;
        Ok(removed)
    }

    /// Adds a run, if nobody goes on with it and it still stands as it did.
    fn add(&self, batch: &mut Batch, tenant: &TenantId, run: RunId, outcome: Outcome) -> Result<(), DriveError> {
        let whose = Whose { tenant: tenant.clone(), run };
        let mut records: Vec<RunRecord> = Vec::new();
        let claimed = self.parts.under_way.claim(whose, &self.parts.gate, |_| {
            let head = self.parts.store.run(tenant, run)?;
            if head.is_some_and(|head| outcome_of_old(&head, batch.removal.ended_before()) == Some(outcome)) {
                records = self.parts.store.records_of_run(tenant, run)?;
            }
            Ok::<_, DriveError>(Position::default())
        })?;
        match claimed {
            Claim::Mine(right, _) if !records.is_empty() => {
                batch.removal.add(run, outcome);
                for record in &records {
                    batch.removal.add_record(record.seq, &record.entries, record.len);
                }
                batch.rights.push(right);
            }
            Claim::Mine(..) | Claim::Taken(_) => {}
        }
        Ok(())
    }

    async fn remove(&self, lane: &Lane, batch: Batch, removed: &mut Removed) -> Result<(), DriveError> {
        let Batch { removal, rights } = batch;
        if removal.runs() == 0 {
            return Ok(());
        }
        self.parts.writer.room().await?;
        let (runs, records) = (removal.runs() as u64, removal.records() as u64);
        let ids: BTreeSet<RunId> = removal.ids().collect();
        let store = &self.parts.store;
        let event = removal.fact(|key| store.state(lane.tenant(), key).map(|value| value.map(|value| value.version)))?;
        let position = lane.remove_runs(event, &ids, self.parts.clock.now());
        let gate = self.parts.gate.clone();
        // Apart, because the rights must be held until it is durable, whatever becomes of who asked for it. Then whoever wants one of the runs
        // finds that there is none.
        let removing = self.parts.guests.spawn(async move {
            let left = gate.leave(position).await;
            drop(rights);
            left
        });
        removing.await.map_err(|error| DriveError::Gone(format!("the removal of runs: {error}")))??;
        *removed = Removed { runs: removed.runs + runs, records: removed.records + records };
        Ok(())
    }
}

impl Batch {
    fn new(before: Timestamp) -> Self {
        Self { removal: Removal::new(before), rights: Vec::new() }
    }

    fn is_full(&self) -> bool {
        self.removal.runs() >= RUNS_MAX || self.removal.records() >= RECORDS_MAX || self.removal.bytes() >= BYTES_MAX
    }
}

/// How a run ended, if it did before an instant and nothing of it waits for a person.
fn outcome_of_old(head: &RunHead, before: Timestamp) -> Option<Outcome> {
    match (head.status, head.ended) {
        (RunStatus::Ended(Outcome::Stuck), _) => None,
        (RunStatus::Ended(outcome), Some(ended)) if ended < before && head.dead_letters == 0 => Some(outcome),
        (RunStatus::Ended(_) | RunStatus::Running | RunStatus::Compensating | RunStatus::Waiting | RunStatus::Paused, _) => None,
    }
}
