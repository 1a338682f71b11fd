//! Events of a tenant or of one run, from wherever somebody left off, as they become durable: read from the chain, so that what is told
//! and what can be proved are the same, whoever it is told to.

use super::news::Heard;
use super::{Coordinator, Parts};
use crate::store::{Store, StoreError};
use amends_domain::audit::{Body, BodyError, Sealed};
use amends_domain::catalogue::{CloudEvent, Origin, Position, Teller, tell};
use amends_domain::event::{Entry, Event};
use amends_domain::id::{Lane, RunId, TenantId};
use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Most records that are read at a time.
const RECORDS_MAX: usize = 100;
/// Most runs whose tellers are kept. One that was let go is made again.
const TELLERS_MAX: usize = 1000;
/// Whoever follows is called for every commit of the tenant, which come every few milliseconds, and looks no more often than this: many may
/// follow, and each look costs whoever answers.
const TENANT_PAUSE: Duration = Duration::from_millis(10);
/// The same for one run, of which few of these commits are.
const RUN_PAUSE: Duration = Duration::from_millis(20);

/// Whose events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// All of the tenant's.
    Tenant,
    /// Those of one run.
    Run(RunId),
}

/// Somebody named an event of another lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such event in this lane")]
pub struct OtherLane;

/// Reads events one after the other.
pub struct Reader {
    parts: Arc<Parts>,
    tenant: TenantId,
    lane: Lane,
    of: Of,
    /// The record to be read next.
    next: u64,
    /// What was told already of it.
    after: Option<Position>,
    tellers: HashMap<RunId, Teller>,
    read: VecDeque<CloudEvent>,
    news: watch::Receiver<u64>,
}

impl Coordinator {
    /// Events of a tenant or of one of its runs, behind `after`, or from the first one on.
    ///
    /// # Errors
    /// [`OtherLane`].
    pub fn events(&self, tenant: &TenantId, of: Of, after: Option<Position>) -> Result<Reader, OtherLane> {
        let lane = Lane(0);
        let next = match after {
            Some(after) if after.lane == lane => after.seq,
            Some(_) => return Err(OtherLane),
            None => 1,
        };
        // Before anything is read, so that nothing falls between.
        let Heard { records: news, webhooks: _ } = self.parts.news.of(tenant);
        let (parts, tenant) = (Arc::clone(&self.parts), tenant.clone());
        Ok(Reader { parts, tenant, lane, of, next, after, tellers: HashMap::new(), read: VecDeque::new(), news })
    }
}

impl Reader {
    /// The next event that is there; none: there is no more by now. Reads the store.
    ///
    /// # Errors
    /// What the store says, and [`StoreError::Damaged`] if what is there makes no sense.
    #[expect(clippy::should_implement_trait, reason = "its end is not an end: there may be more later")]
    pub fn next(&mut self) -> Result<Option<CloudEvent>, StoreError> {
        while self.read.is_empty() {
            self.news.mark_unchanged();
            let records = match self.of {
                Of::Tenant => self.parts.store.records(&self.tenant, self.lane, self.next, RECORDS_MAX)?,
                Of::Run(run) => self.records_of(run)?,
            };
            if records.is_empty() {
                return Ok(None);
            }
            for record in records {
                self.next = record.seq + 1;
                self.tell(&record)?;
            }
        }
        Ok(self.read.pop_front())
    }

    /// `event` was not taken: it is the next one again.
    pub(super) fn put_back(&mut self, event: CloudEvent) {
        self.read.push_front(event);
    }

    /// The records of a run from the next one on. A run has few, among many of others: it is walked from its end.
    fn records_of(&self, run: RunId) -> Result<Vec<Sealed>, StoreError> {
        let store = &*self.parts.store;
        let mut records = Vec::new();
        let mut seq = store.last_record(&self.tenant, run)?.unwrap_or_default();
        while seq >= self.next {
            // It was removed meanwhile.
            let Some((record, previous, _)) = of_run(store, &self.tenant, self.lane, seq)? else { return Ok(Vec::new()) };
            records.push(record);
            seq = previous;
        }
        records.reverse();
        Ok(records)
    }

    /// The next event, when there is one. Dropping the future is safe.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub async fn wait(&mut self) -> Result<CloudEvent, StoreError> {
        loop {
            if let Some(event) = self.next()? {
                return Ok(event);
            }
            self.more().await;
            tokio::time::sleep(match self.of {
                Of::Tenant => TENANT_PAUSE,
                Of::Run(_) => RUN_PAUSE,
            })
            .await;
        }
    }

    /// Waits until there may be more than there was. Dropping the future is safe.
    pub(super) async fn more(&mut self) {
        if self.news.changed().await.is_err() {
            pending::<()>().await;
        }
    }

    fn tell(&mut self, record: &Sealed) -> Result<(), StoreError> {
        let tenant = self.tenant.clone();
        let origin = Origin { tenant: &tenant, lane: self.lane, seq: record.seq, link: record.link };
        let mut told = Vec::new();
        // Of a run that is no longer kept nothing is told any more.
        let Some(body) = decode(&self.tenant, record)? else { return Ok(()) };
        match body {
            Body::Tenant { entries } if self.of == Of::Tenant => {
                for (fact, entry) in (1..).zip(&entries) {
                    told.extend(tell(&origin, fact, entry));
                }
            }
            Body::Run { run, previous, entries } if matches!(self.of, Of::Tenant) || self.of == Of::Run(run) => {
                let Some(teller) = self.teller(run, previous, &entries)? else { return Ok(()) };
                for (fact, entry) in (1..).zip(&entries) {
                    told.extend(teller.tell(&origin, fact, entry));
                }
                // Little is told of a run behind its end, and there are many that ended.
                if entries.iter().any(|entry| matches!(entry.event, Event::Ended { .. })) {
                    self.tellers.remove(&run);
                }
            }
            Body::Tenant { .. } | Body::Run { .. } => {}
        }
        let after = self.after;
        self.read.extend(told.into_iter().filter(|event| after.is_none_or(|after| event.position > after)));
        Ok(())
    }

    /// Who tells the facts of a run, having heard those before; none: the run was removed meanwhile.
    fn teller(&mut self, run: RunId, previous: u64, entries: &[Entry]) -> Result<Option<&mut Teller>, StoreError> {
        if !self.tellers.contains_key(&run) {
            if self.tellers.len() >= TELLERS_MAX {
                self.tellers.clear();
            }
            let Some(before) = facts_until(&*self.parts.store, &self.tenant, self.lane, previous)? else { return Ok(None) };
            let first = before.first().or(entries.first());
            let definition = match first.map(|entry| &entry.event) {
                Some(Event::Started(started)) => self.parts.registry.definition(&self.tenant, started.definition).ok(),
                Some(_) | None => None,
            };
            let mut teller = Teller::new(run, definition);
            for entry in &before {
                teller.hear(entry);
            }
            self.tellers.insert(run, teller);
        }
        Ok(self.tellers.get_mut(&run))
    }
}

/// What a record says; none: its body was removed.
fn decode(tenant: &TenantId, record: &Sealed) -> Result<Option<Body>, StoreError> {
    let place = || format!("{tenant} record {}", record.seq);
    let damaged = |error: BodyError| StoreError::Damaged { place: place(), what: error.to_string() };
    record.kept.body().map(|bytes| Body::decode(bytes)).transpose().map_err(damaged)
}

/// The record with number `seq`, which is one of a run: that before it, and its facts. None: the run was removed.
fn of_run(store: &dyn Store, tenant: &TenantId, lane: Lane, seq: u64) -> Result<Option<(Sealed, u64, Vec<Entry>)>, StoreError> {
    let damaged = || StoreError::Damaged { place: format!("{tenant} record {seq}"), what: "it is not the run's".to_owned() };
    let record = store.records(tenant, lane, seq, 1)?.pop().filter(|record| record.seq == seq).ok_or_else(damaged)?;
    match decode(tenant, &record)? {
        // A walk that does not go down would never end.
        Some(Body::Run { previous, entries, .. }) if previous < seq => Ok(Some((record, previous, entries))),
        Some(Body::Run { .. } | Body::Tenant { .. }) => Err(damaged()),
        None => Ok(None),
    }
}

/// The facts of a run up to its record `last`, oldest first; no facts if `last` is 0, and none at all if the run was removed.
fn facts_until(store: &dyn Store, tenant: &TenantId, lane: Lane, last: u64) -> Result<Option<Vec<Entry>>, StoreError> {
    let (mut parts, mut seq) = (Vec::new(), last);
    while seq > 0 {
        let Some((_, previous, entries)) = of_run(store, tenant, lane, seq)? else { return Ok(None) };
        parts.push(entries);
        seq = previous;
    }
    Ok(Some(parts.into_iter().rev().flatten().collect()))
}
