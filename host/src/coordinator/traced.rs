//! Tells a collector of every run that came to an outcome, made of what is durable: a host that died in the middle of a run loses nothing of its trace.
//! Nobody waits for it, and what cannot be sent is given up and counted.

use super::Coordinator;
use super::error::DriveError;
use crate::telemetry::{Collector, Traced};
use amends_domain::event::Event;
use amends_domain::id::{RunId, TenantId};
use amends_domain::trace::{TraceId, spans};
use std::convert::Infallible;
use std::future::pending;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// Most runs that wait to be told of; more are given up.
const QUEUE_LEN_MAX: usize = 4096;
/// Most runs that are told of at a time.
const BATCH_LEN_MAX: usize = 64;
/// By then a commit that somebody has waited for is counted.
const COUNTED_BY: Duration = Duration::from_millis(100);

/// Who is told of runs that come to an outcome; nobody, unless somebody asked for it.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    sender: OnceLock<Sender<(TenantId, RunId)>>,
    /// How many runs the collector was not told of yet.
    untold: watch::Sender<usize>,
}

impl Outcomes {
    /// A run came to an outcome. False if nobody will be told of it who should.
    pub(super) fn reached(&self, tenant: &TenantId, run: RunId) -> bool {
        let Some(sender) = self.sender.get() else { return true };
        self.untold.send_modify(|untold| *untold += 1);
        let is_queued = sender.try_send((tenant.clone(), run)).is_ok();
        if !is_queued {
            self.over(1);
        }
        is_queued
    }

    /// So many were told of, or given up.
    fn over(&self, runs: usize) {
        self.untold.send_modify(|untold| *untold -= runs);
    }
}

impl Coordinator {
    /// Tells `collector` of the runs that come to an outcome from now on, for ever. Dropping the future loses those that it was not told of yet.
    ///
    /// # Panics
    /// If somebody else is told already.
    pub async fn keep_tracing(&self, collector: Collector) -> Infallible {
        let (sender, mut ended) = channel(QUEUE_LEN_MAX);
        self.parts.outcomes.sender.set(sender).expect("one collector is told");
        loop {
            let mut batch = Vec::new();
            if ended.recv_many(&mut batch, BATCH_LEN_MAX).await == 0 {
                return pending().await;
            }
            let (len, coordinator) = (batch.len(), self.clone());
            let read = spawn_blocking(move || coordinator.traced(batch)).await;
            let sent = match read {
                Ok(runs) => collector.send(runs).await,
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = sent {
                self.parts.metrics.untraced(len as u64);
                tracing::warn!(runs = len, error, "traces could not be sent");
            }
            self.parts.outcomes.over(len);
        }
    }

    /// Waits until nothing is left of which a collector should be told. Somebody must [keep tracing](Self::keep_tracing) meanwhile. Dropping the
    /// future is safe.
    pub async fn all_traced(&self) {
        // Those who wait for a commit hear of it before those who count it.
        sleep(COUNTED_BY).await;
        let mut untold = self.parts.outcomes.untold.subscribe();
        // The sender is ours.
        let _ = untold.wait_for(|untold| *untold == 0).await;
    }

    /// How many runs nobody was told of who should have been, and will not be.
    pub fn give_traces_up(&self) -> usize {
        let left = *self.parts.outcomes.untold.borrow();
        self.parts.metrics.untraced(left as u64);
        left
    }

    fn traced(&self, batch: Vec<(TenantId, RunId)>) -> Vec<Traced> {
        let mut runs = Vec::new();
        for (tenant, run) in batch {
            match self.trace(&tenant, run) {
                Ok(Some(traced)) => runs.push(traced),
                Ok(None) => {}
                Err(error) => {
                    self.parts.metrics.untraced(1);
                    tracing::warn!(%tenant, %run, %error, "the trace of a run could not be made");
                }
            }
        }
        runs
    }

    fn trace(&self, tenant: &TenantId, run: RunId) -> Result<Option<Traced>, DriveError> {
        let Some(journal) = self.parts.store.journal(tenant, run)? else { return Ok(None) };
        let Some(Event::Started(started)) = journal.first().map(|entry| &entry.event) else {
            return Err(DriveError::NotAJournal(run));
        };
        let definition = self.parts.registry.definition(tenant, started.definition)?;
        let trace = TraceId::of(run, started.parent.as_ref());
        Ok(Some(Traced { tenant: tenant.clone(), trace, spans: spans(run, &definition, &journal) }))
    }
}
