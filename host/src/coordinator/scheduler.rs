//! Goes on with runs when they have something to do, without anybody asking: those that are found when a host starts, and those that come to
//! rest in it. Only so many are taken up at a time; the others are known by the instant at which they are due, and cost no task.

use super::Coordinator;
use super::drain::Going;
use super::driven::Whose;
use super::schedule::Pauses;
use crate::store::{PAGE_LEN_MAX, StoreError};
use amends_domain::id::{RunId, TenantId};
use amends_domain::time::{Span, Timestamp};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt, pending};
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use tokio::time::sleep;

/// Longest sleep: a clock that was set is noticed by then.
const SLEEP_MAX: Span = Span(60_000);

/// While fewer places than this part are free, a tenant that has as large a part of all takes no more: so that one whose runs are all due
/// at once leaves room for the others.
const SHARE: usize = 4;

/// How a host goes on with runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepDriving {
    /// Most runs that are taken up at a time; at least one. Runs that somebody else has driven do not count.
    pub adopted_max: usize,
    /// Between attempts to go on with a run that cannot be gone on with, or to read what is open.
    pub pauses: Pauses,
}

impl Coordinator {
    /// Goes on with every open run of every tenant whenever it has something to do: those of the store, and those that come to rest in this
    /// process. Never ends. To be called once at a time; a run that this coordinator handle takes up is put aside as
    /// [`Coordinator::resting_after`] says.
    ///
    /// Dropping the future is safe: what is driven goes on being driven, and nothing is taken up any more.
    ///
    /// # Panics
    /// If it is called while it runs.
    pub async fn keep_driving(&self, settings: KeepDriving) -> Infallible {
        let _scheduled = self.parts.under_way.schedule(settings.pauses);
        let mut going = self.parts.going.subscribe();
        let mut search = Search::Before { failures: 0, not_before: Timestamp(0) };
        let mut adopted = Adopted { max: settings.adopted_max.max(1), ..Adopted::default() };
        loop {
            let is_on = *going.borrow_and_update() == Going::On;
            if !is_on {
                return pending().await;
            }
            let now = self.parts.clock.now();
            let searched = self.search_on(&mut search, settings.pauses, now);
            let took = self.take_up(&mut adopted, now);
            if searched || took {
                // Others want this thread as well.
                tokio::task::yield_now().await;
                adopted.settle();
                continue;
            }
            let wake = adopted.has_room().then(|| self.parts.under_way.next_due(|tenant| adopted.may(tenant))).flatten();
            let wake = wake.into_iter().chain(search.not_before()).min();
            let pause = wake.map_or(SLEEP_MAX, |wake| wake.since(now).min(SLEEP_MAX));
            tokio::select! {
                biased;
                () = adopted.next(), if !adopted.runs.is_empty() => {}
                () = self.parts.under_way.stirred() => {}
                _ = going.changed() => {}
                () = sleep(pause.to_std()) => {}
            }
        }
    }

    /// How many runs nobody drives and [`Coordinator::keep_driving`] will take up when they are due. Those that wait for somebody are not
    /// among them, nor those that have not been found yet.
    pub fn scheduled(&self) -> usize {
        self.parts.under_way.scheduled()
    }

    /// Takes up the run that has been due longest. False if there is none, or no room for it.
    fn take_up(&self, adopted: &mut Adopted, now: Timestamp) -> bool {
        if !adopted.has_room() {
            return false;
        }
        let Some(whose) = self.parts.under_way.take_due(now, |tenant| adopted.may(tenant)) else { return false };
        match self.adopt(&whose.tenant, whose.run) {
            Ok(Some(driven)) => adopted.add(whose.tenant, async move { drop(driven.rests().await) }.boxed()),
            Ok(None) => self.parts.under_way.ended(&whose),
            Err(error) => self.parts.under_way.failed(&whose, &error, now),
        }
        true
    }

    /// Reads the next page of what is open. False if there is none now.
    fn search_on(&self, search: &mut Search, pauses: Pauses, now: Timestamp) -> bool {
        if search.not_before().is_none_or(|not_before| not_before > now) {
            return false;
        }
        let searched = match search {
            Search::Before { .. } => {
                self.tenants_with_lanes().map(|tenants| Search::At { tenants, last: None, failures: 0, not_before: now })
            }
            Search::At { tenants, last, .. } => self.search_page(tenants, *last, now),
            Search::Over => return false,
        };
        match searched {
            Ok(next) => *search = next,
            Err(error) => {
                let pause = search.failed(pauses, now);
                tracing::error!(%error, pause_ms = pause.0, "open runs cannot be read; they are tried again");
            }
        }
        true
    }

    fn tenants_with_lanes(&self) -> Result<Vec<TenantId>, StoreError> {
        let tenants: BTreeSet<TenantId> = self.parts.store.lanes()?.into_iter().map(|row| row.tenant).collect();
        Ok(tenants.into_iter().collect())
    }

    fn search_page(&self, tenants: &mut Vec<TenantId>, last: Option<RunId>, now: Timestamp) -> Result<Search, StoreError> {
        let Some(tenant) = tenants.last().cloned() else { return Ok(Search::Over) };
        let page = self.parts.store.open_runs(&tenant, last, PAGE_LEN_MAX)?;
        let last = page.last().map(|open| open.run);
        for open in page {
            self.parts.under_way.found(&Whose { tenant: tenant.clone(), run: open.run }, open.due);
        }
        if last.is_none() {
            tenants.pop();
        }
        Ok(Search::At { tenants: std::mem::take(tenants), last, failures: 0, not_before: now })
    }
}

/// How far the open runs of a store were read.
enum Search {
    Before {
        failures: u32,
        not_before: Timestamp,
    },
    /// Behind `last` of the last one of these tenants.
    At {
        tenants: Vec<TenantId>,
        last: Option<RunId>,
        failures: u32,
        not_before: Timestamp,
    },
    Over,
}

impl Search {
    /// When it goes on; none if it is over.
    fn not_before(&self) -> Option<Timestamp> {
        match self {
            Self::Before { not_before, .. } | Self::At { not_before, .. } => Some(*not_before),
            Self::Over => None,
        }
    }

    fn failed(&mut self, pauses: Pauses, now: Timestamp) -> Span {
        match self {
            Self::Before { failures, not_before } | Self::At { failures, not_before, .. } => {
                *failures = failures.saturating_add(1);
                let pause = pauses.after(*failures);
                *not_before = now.plus(pause);
                pause
            }
            Self::Over => Span(0),
        }
    }
}

/// The runs that are taken up.
#[derive(Default)]
struct Adopted {
    max: usize,
    runs: FuturesUnordered<BoxFuture<'static, TenantId>>,
    by_tenant: HashMap<TenantId, usize>,
}

impl Adopted {
    fn has_room(&self) -> bool {
        self.runs.len() < self.max
    }

    fn may(&self, tenant: &TenantId) -> bool {
        let has = self.by_tenant.get(tenant).copied().unwrap_or_default();
        has < self.max.div_ceil(SHARE) || self.max - self.runs.len() > self.max / 2
    }

    fn add(&mut self, tenant: TenantId, rests: BoxFuture<'static, ()>) {
        *self.by_tenant.entry(tenant.clone()).or_default() += 1;
        self.runs.push(rests.map(|()| tenant).boxed());
    }

    /// Waits until one of them rests. Dropping the future is safe.
    async fn next(&mut self) {
        if let Some(tenant) = self.runs.next().await {
            self.gave_back(&tenant);
        }
    }

    /// Forgets those that rest already.
    fn settle(&mut self) {
        while let Some(Some(tenant)) = self.runs.next().now_or_never() {
            self.gave_back(&tenant);
        }
    }

    fn gave_back(&mut self, tenant: &TenantId) {
        if let Some(has) = self.by_tenant.get_mut(tenant) {
            *has -= 1;
            if *has == 0 {
                self.by_tenant.remove(tenant);
            }
        }
    }
}
