//! A run that a command stays with: until it ends, or until it waits for what this command does not wait for. Apart, because starting,
//! going on and asking for something all end so.

use super::asking::Patience;
use super::journal::{Journal, Teller};
use crate::clock::{Clock, SystemClock};
use crate::coordinator::{Coordinator, Driven, Rest};
use amends_domain::id::{RunId, TenantId};
use amends_domain::run::Run;
use amends_domain::time::{Span, Timestamp};
use anyhow::Context;
use std::pin::pin;
use std::time::Duration;

/// How often a timeline that is followed looks for what became durable.
const FOLLOW_EVERY: Duration = Duration::from_millis(20);
/// Longest sleep at a time: a machine that slept through an instant is noticed so much later at most.
const SLEEP_MAX: Span = Span(60_000);

/// Where a command stays with runs, and how long.
#[derive(Clone, Copy)]
pub(super) struct Stay<'a> {
    /// A handle of [`Patience::over`].
    pub(super) coordinator: &'a Coordinator,
    pub(super) tenant: &'a TenantId,
    pub(super) patience: Patience,
}

impl Stay<'_> {
    /// Goes on with a run until it ends or is left open, and gives it as it stands then, which is durable. `driven`: none if nobody
    /// drives it and nobody is to.
    pub(super) async fn to_its_rest(self, run: RunId, driven: Option<Driven>) -> anyhow::Result<Run> {
        let Self { coordinator, tenant, patience } = self;
        let mut next = driven;
        while let Some(driven) = next {
            let rest = driven.rests().await;
            match rest.with_context(|| format!("{run} has no outcome yet, `amends resume` goes on with it"))? {
                Rest::Ended(run) => return Ok(run),
                Rest::Waiting(rests) => {
                    let Some(until) = patience.until(&rests) else { return Ok(rests) };
                    sleep_until(until).await;
                }
            }
            next = coordinator.adopt(tenant, run)?;
        }
        self.stored(run)?.replay()
    }

    /// The same, and prints what the store shows meanwhile, which is durable.
    pub(super) async fn followed(self, run: RunId, driven: Option<Driven>) -> anyhow::Result<Run> {
        let (store, tenant) = (self.coordinator.store(), self.tenant);
        // In this order: what becomes durable between the two is told twice to the loop, and not never.
        let mut last = store.last_record(tenant, run)?;
        let mut journal = self.stored(run)?;
        let mut teller = Teller::new(&journal)?;
        teller.go_on(&journal)?;
        let mut end = pin!(self.to_its_rest(run, driven));
        loop {
            let over = tokio::select! {
                ended = &mut end => Some(ended?),
                () = tokio::time::sleep(FOLLOW_EVERY) => None,
            };
            let newest = store.last_record(tenant, run)?;
            if newest != last {
                last = newest;
                journal = self.stored(run)?;
                teller.go_on(&journal)?;
            }
            if let Some(run) = over {
                return Ok(run);
            }
        }
    }

    /// A run as it is stored.
    pub(super) fn stored(self, run: RunId) -> anyhow::Result<Journal> {
        Journal::read(&**self.coordinator.store(), self.tenant, run)
    }
}

/// Sleeps until an instant of the wall clock, which may jump.
pub(super) async fn sleep_until(until: Timestamp) {
    loop {
        let left = until.since(SystemClock.now());
        if left == Span(0) {
            return;
        }
        tokio::time::sleep(left.min(SLEEP_MAX).to_std()).await;
    }
}
