//! Whoever removes runs that ended: while everything else goes on, and once more at the end, when all of them can go.

use crate::books::{Books, Kept};
use crate::invariants::{Invariant, hold, removal};
use crate::players::Host;
use amends_domain::event::Outcome;
use amends_domain::id::{RunId, TenantId};
use amends_domain::time::Timestamp;

impl Host {
    /// Removes the runs of a tenant that ended before some instant.
    pub(crate) async fn tidy(&self, tenant: &TenantId) {
        let before = self.stage.act(|play| {
            let kept_ms = *play.dice.one(&[0, 0, 20, 1_000]);
            // Those that end at this very instant, too.
            Timestamp((play.now_ms() + 1).saturating_sub(kept_ms))
        });
        self.remove(tenant, before).await;
    }

    /// Removes all that can be; then nothing is left but what cannot.
    pub(crate) async fn tidy_up(&self, tenants: &[TenantId]) {
        for tenant in tenants {
            self.remove(tenant, Timestamp(u64::MAX)).await;
        }
        self.hear(|play| {
            let ended = |outcome: Option<Outcome>| outcome.is_some_and(|outcome| outcome != Outcome::Stuck);
            let left = play.books.runs.values().find(|run| ended(run.ended) && run.kept == Kept::Whole);
            hold(left.is_none(), Invariant::Removal, || format!("{:?} ended and is kept", left.map(|run| run.id)))
        });
    }

    async fn remove(&self, tenant: &TenantId, before: Timestamp) {
        match self.coordinator.remove_ended(tenant, before).await {
            Ok(told) => self.hear(|play| {
                play.coverage.add("run removed", told.runs);
                let durable =
                    play.books.runs.values().filter(|run| run.tenant == *tenant && run.kept == Kept::Removed).count() as u64;
                hold(told.runs <= durable, Invariant::Told, || format!("{} runs are said to be removed, {durable} are", told.runs))
            }),
            Err(error) => self.failed(&error),
        }
    }

    /// Somebody was told that a run of theirs is not there.
    pub(crate) fn hears_unknown(&self, run: RunId) {
        self.hear(|play| {
            play.coverage.count("demand of a removed run: unknown run");
            // A commit that failed may be on the disk.
            if play.books.is_uncertain() { Ok(()) } else { removal::told(&play.books, run) }
        });
    }
}

/// Whether somebody who waits for a run may hear that nobody drives it: one that had ended was removed, or nearly so.
pub(crate) fn may_be_gone(books: &Books, run: RunId, error: &str) -> bool {
    error.contains("is no longer driven") && books.runs.get(&run).is_some_and(|book| book.ended.is_some())
}
