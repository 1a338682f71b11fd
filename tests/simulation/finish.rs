//! The last life: nothing goes wrong any more, and somebody sees to every run that waits. Then every run has an outcome, and none is stuck.

use crate::books::Backward;
use crate::demands::awaited;
use crate::invariants::liveness::{Reason, reason};
use crate::invariants::{Invariant, broken, hold};
use crate::players::Host;
use amends::coordinator::{DemandOf, Rest, Then};
use amends_domain::event::{Author, Confirmation, Demand, Outcome, Resolution, Resolve};
use amends_domain::id::{RunId, StepIndex, TenantId};
use amends_domain::payload::Payload;
use amends_domain::time::Timestamp;
use serde_json::json;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// After so many rounds through all runs each must have ended.
const ROUNDS_MAX: usize = 60;
/// Nothing that goes well takes as long.
const PATIENCE: Duration = Duration::from_hours(24);

impl Host {
    /// Brings everything to its end.
    pub(crate) async fn finish(&self, tenants: &[TenantId]) {
        for round in 0..ROUNDS_MAX {
            let open = self.open_runs(tenants);
            let stuck = self.stuck();
            if (open.is_empty() && stuck.is_empty()) || self.stage.is_over() {
                break;
            }
            for (tenant, run) in open {
                self.bring_on(&tenant, run).await;
            }
            for (tenant, run) in stuck {
                self.settle(&tenant, run, round).await;
            }
        }
        sleep(Duration::from_secs(1)).await;
        self.hear(|play| {
            let open = play.books.runs.values().find(|run| run.ended.is_none_or(|ended| ended == Outcome::Stuck));
            hold(open.is_none(), Invariant::Liveness, || {
                let open = open.expect("one was found");
                format!("{} has not come to its end: {:?} {:?}", open.id, open.ended, open.steps)
            })
        });
    }

    /// Has an open run go on, and sees to what it waits for.
    async fn bring_on(&self, tenant: &TenantId, run: RunId) {
        let Some(driven) = self.adopt(tenant, run).await else { return };
        match timeout(PATIENCE, driven.rests()).await {
            Ok(Ok(Rest::Ended(_))) => {}
            Ok(Ok(Rest::Waiting(_))) => self.see_to(tenant, run).await,
            Ok(Err(error)) => self.failed(&error),
            Err(_) => {
                self.hear(|play| broken(Invariant::Liveness, format!("{run} goes on for ever: {:?}", play.books.runs[&run].steps)));
            }
        }
    }

    async fn see_to(&self, tenant: &TenantId, run: RunId) {
        let (reason, name, now) = self.stage.act(|play| {
            let book = &play.books.runs[&run];
            (reason(book), awaited(book), play.now_ms())
        });
        match (reason, name) {
            (Some(Reason::Paused), _) => self.demands(tenant, run, Demand::Resume, "carer").await,
            (Some(Reason::Until(due)), _) => sleep(due.since(Timestamp(now)).to_std()).await,
            (Some(Reason::Signal(_)), Some(name)) => {
                let payload = Payload::from(&json!({ "of": tenant.as_str() }));
                self.demands(tenant, run, Demand::Signal { name: name.parse().expect("a name"), payload }, "carer").await;
            }
            (Some(Reason::Signal(_)) | None, _) => {
                self.hear(|play| {
                    broken(Invariant::Liveness, format!("{run} waits for nothing: {:?}", play.books.runs[&run].steps))
                });
            }
        }
    }

    fn stuck(&self) -> Vec<(TenantId, RunId)> {
        self.stage.act(|play| {
            let stuck = play.books.runs.values().filter(|run| run.ended == Some(Outcome::Stuck));
            stuck.map(|run| (run.tenant.clone(), run.id)).collect()
        })
    }

    async fn settle(&self, tenant: &TenantId, run: RunId, round: usize) {
        let letters: Vec<_> = self.stage.act(|play| play.books.runs[&run].dead_letters().collect());
        for step in letters {
            // What is tried again and again to no avail, because its mapping fails, is done by hand; a second person confirms it, where
            // the tenant wants one.
            match round % 4 {
                0 | 1 => self.demands(tenant, run, Demand::Redrive { step, component: None }, "carer").await,
                2 => self.demands(tenant, run, self.by_hand(run, step), "carer").await,
                _ => self.demands(tenant, run, self.by_hand(run, step), "keeper").await,
            }
        }
    }

    fn by_hand(&self, run: RunId, step: StepIndex) -> Demand {
        let backward = self.stage.act(|play| play.books.runs[&run].step(step).backward == Backward::DeadLetter);
        let resolution = if backward { Resolution::Undone } else { Resolution::Done };
        let confirmation = Confirmation::NotNeeded;
        Demand::Resolve(Box::new(Resolve { step, resolution, evidence: None, output: None, confirmation }))
    }

    async fn demands(&self, tenant: &TenantId, run: RunId, demand: Demand, who: &str) {
        let by = Author { who: who.to_owned(), why: Some("everything ends".to_owned()), key: None };
        self.demand(DemandOf { tenant: tenant.clone(), run, demand, by, then: Then::Drive }).await;
    }
}
