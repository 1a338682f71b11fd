//! Tells a collector of every run that came to an outcome, made of what is durable: a host that died in the middle of a run loses nothing of its trace.
//! Nobody waits for it, and what cannot be sent is given up and counted.

use super::Coordinator;
use super::error::DriveError;
use crate::telemetry::{Collector, Traced};
use amends_domain::event::Event;
use amends_domain::id::{RunId, TenantId};
use amends_domain::trace::spans;
use std::convert::Infallible;
use std::future::pending;
use std::sync::OnceLock;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;

/// Most runs that wait to be told of; more are given up.
const QUEUE_LEN_MAX: usize = 4096;
/// Most runs that are told of at a time.
const BATCH_LEN_MAX: usize = 64;

/// Who is told of runs that come to an outcome; nobody, unless somebody asked for it.
#[derive(Debug, Default)]
pub(super) struct Outcomes(OnceLock<Sender<(TenantId, RunId)>>);

impl Outcomes {
    /// A run came to an outcome. False if nobody will be told of it who should.
    pub(super) fn reached(&self, tenant: &TenantId, run: RunId) -> bool {
        self.0.get().is_none_or(|sender| sender.try_send((tenant.clone(), run)).is_ok())
    }
}

impl Coordinator {
    /// Tells `collector` of the runs that come to an outcome from now on, for ever. Dropping the future loses those that it was not told of yet.
    ///
    /// # Panics
    /// If somebody else is told already.
    pub async fn keep_tracing(&self, collector: Collector) -> Infallible {
        let (sender, mut ended) = channel(QUEUE_LEN_MAX);
        self.parts.outcomes.0.set(sender).expect("one collector is told");
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
        }
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
        Ok(Some(Traced { tenant: tenant.clone(), run, spans: spans(run, &definition, &journal) }))
    }
}
