//! One life of the host: it comes up on what the disk has, is used by everybody at once, and dies. Its last life goes well, and must bring
//! every run to its end.

use crate::clock::SimulatedClock;
use crate::demands::component;
use crate::disk::{Death, Disk, Power, commit};
use crate::guests::ScriptedGuests;
use crate::handlers::{account, sum_of};
use crate::invariants::state::MONEY;
use crate::players::{Host, RATE};
use crate::sagas::{PLUGINS, Saga};
use crate::stage::{Play, Stage};
use crate::store::Watched;
use amends::coordinator::Coordinator;
use amends::store::Store;
use amends::store::writer::Writer;
use amends_domain::event::Resolvers;
use amends_domain::id::TenantId;
use amends_domain::payload::Payload;
use bytes::Bytes;
use futures_util::future::pending;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::time::sleep;

/// What a world is made of.
pub(crate) struct World {
    pub(crate) stage: Arc<Stage>,
    pub(crate) disk: Arc<Disk>,
    /// The tenants, and the sagas of each.
    pub(crate) tenants: Vec<(TenantId, Vec<Arc<Saga>>)>,
}

/// A life to be lived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// What the clock says when it begins.
    pub(crate) base_ms: u64,
    /// None: the last one, which goes well.
    pub(crate) death: Option<Death>,
    /// It ends after that in any case.
    pub(crate) longest_ms: u64,
    /// How many demands are made.
    pub(crate) demands: u64,
    /// How many in a hundred of them are not made, and runs that ended are removed instead.
    pub(crate) tidy_percent: u64,
}

impl World {
    pub(crate) fn tenant_ids(&self) -> Vec<TenantId> {
        self.tenants.iter().map(|(tenant, _)| tenant.clone()).collect()
    }

    /// What is run, for people.
    pub(crate) fn show_sagas(&self) {
        for (tenant, saga) in self.tenants.iter().flat_map(|(tenant, sagas)| sagas.iter().map(move |saga| (tenant, saga))) {
            let document = String::from_utf8_lossy(&saga.definition.document.0);
            self.stage.act(|play| play.trace.show(0, format_args!("{tenant} {document}")));
        }
    }

    /// Lives it. Gives what the clock said when it ended.
    pub(crate) fn live(&self, plan: Plan) -> u64 {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime without threads");
        let ended = runtime.block_on(async {
            self.within(plan).await;
            self.stage.act(|play| self.disk.crash(play));
            self.stage.stop_time()
        });
        drop(runtime);
        self.stage.act(Play::land);
        ended
    }

    async fn within(&self, plan: Plan) {
        let deeds = if let Some(Death::AfterDeeds(deeds)) = plan.death { deeds } else { u64::MAX };
        self.stage.begin_life(plan.base_ms, deeds);
        let Some(inner) = self.open(plan) else { return };
        let watched = Arc::new(Watched { inner, stage: Arc::clone(&self.stage) });
        watched.reconcile();
        self.stage.act(|play| {
            play.books.begin_life();
            play.scenes.begin_life(&play.books);
        });
        let store: Arc<dyn Store> = watched;
        let (writer, hand) = Writer::by_hand(Arc::clone(&store)).expect("the disk reads");
        let clock = Arc::new(SimulatedClock::new(Arc::clone(&self.stage), plan.base_ms));
        let guests = Arc::new(ScriptedGuests(Arc::clone(&self.stage)));
        let coordinator = Coordinator::over(writer, store, guests, clock, Handle::current()).expect("the disk reads");
        let power = Power {
            stage: Arc::clone(&self.stage),
            disk: Arc::clone(&self.disk),
            store: coordinator.store().clone(),
            death: plan.death,
        };
        tokio::spawn(commit(power, hand));
        let host = Host { stage: Arc::clone(&self.stage), coordinator };
        tokio::select! {
            biased;
            () = self.stage.over() => {}
            () = self.used(&host, plan) => {}
        }
    }

    /// Looks at the disk once more, when everything is over.
    pub(crate) fn close(&self) {
        match self.disk.open() {
            Ok(inner) => Watched { inner, stage: Arc::clone(&self.stage) }.reconcile(),
            Err(error) => self.unreadable(&error.to_string()),
        }
    }

    /// The disk, if the power lasts; without it the life is over.
    fn open(&self, plan: Plan) -> Option<Arc<dyn Store>> {
        let interrupted = plan.death.is_some() && self.stage.act(|play| self.disk.may_fail_at_once(play));
        match self.disk.open() {
            Ok(store) if !interrupted => Some(store),
            Err(error) if !interrupted => {
                self.unreadable(&error.to_string());
                None
            }
            Ok(_) | Err(_) => {
                self.stage.end_life("crash: while the file was opened");
                None
            }
        }
    }

    fn unreadable(&self, error: &str) {
        self.stage.act(|play| {
            let checked = crate::invariants::broken(crate::invariants::Invariant::Chain, format!("after a crash: {error}"));
            play.check(checked);
        });
    }

    async fn used(&self, host: &Host, plan: Plan) {
        let tenants = self.tenant_ids();
        self.set_up(host).await;
        let clients = host.start_clients();
        match plan.death {
            None => {
                for client in clients {
                    client.await.expect("a client does not panic");
                }
                host.finish(&tenants).await;
                if self.stage.act(|play| play.dice.hits(30)) {
                    host.tidy_up(&tenants).await;
                }
            }
            Some(death) => {
                host.adopt_all(&tenants).await;
                self.crowd(host, plan);
                let longest = match death {
                    Death::At(at) | Death::Stop(at) => at,
                    Death::AfterDeeds(_) | Death::InCommit(..) => plan.longest_ms,
                };
                sleep(Duration::from_millis(longest)).await;
                if let Death::Stop(_) = death {
                    // Whoever commits ends it, when all is written.
                    self.stage.stop();
                    pending::<()>().await;
                }
                self.stage.end_life("crash: at an instant");
            }
        }
    }

    /// What a host needs that is not there.
    async fn set_up(&self, host: &Host) {
        for (tenant, sagas) in &self.tenants {
            for plugin in PLUGINS {
                let name = plugin.parse().expect("a name");
                let installed = host.coordinator.install(tenant, &name, Bytes::from_static(component(plugin)));
                if let Err(error) = installed.await {
                    host.failed(&error);
                }
            }
            let forgotten = self.stage.act(|play| play.dice.hits(30));
            for saga in sagas {
                let applied = host.coordinator.store().saga(tenant, &saga.definition.saga);
                if forgotten && matches!(applied, Ok(Some(_))) {
                    continue;
                }
                if let Err(error) = host.coordinator.apply(tenant, &saga.definition) {
                    host.failed(&error);
                }
            }
            if self.stage.act(|play| play.dice.hits(25))
                && let Err(error) = host.coordinator.set_resolvers(tenant, Resolvers::Two, "op".to_owned()).await
            {
                host.failed(&error);
            }
            self.fill_accounts(host, tenant).await;
        }
    }

    async fn fill_accounts(&self, host: &Host, tenant: &TenantId) {
        if self.stage.act(|play| play.books.tenants[tenant].states.all().contains_key(RATE)) {
            return;
        }
        let account = |number| (account(number), Some(sum_of(tenant, MONEY / 3)));
        let rate = (RATE.to_owned(), Some(Payload::from(&json!({ "of": tenant.as_str() }))));
        let written = host.coordinator.write_state(tenant, (0..3).map(account).chain([rate]).collect());
        if let Err(error) = written.await {
            host.failed(&error);
        }
    }

    /// Everybody else.
    fn crowd(&self, host: &Host, plan: Plan) {
        let (host, tenants, longest) = (host.clone(), self.tenant_ids(), plan.longest_ms.min(4_000));
        tokio::spawn(async move {
            for _ in 0..plan.demands {
                let ms = host.stage.act(|play| play.dice.below(2 * longest / plan.demands));
                sleep(Duration::from_millis(ms)).await;
                let (one, operates) = (host.clone(), host.stage.act(|play| play.dice.hits(8)));
                let tenant = host.stage.act(|play| play.dice.one(&tenants).clone());
                let tidies = host.stage.act(|play| play.dice.hits(plan.tidy_percent));
                tokio::spawn(async move {
                    match (operates, tidies) {
                        (true, _) => one.operate(&tenant).await,
                        (false, true) => one.tidy(&tenant).await,
                        (false, false) => one.demand_any().await,
                    }
                });
            }
        });
    }
}
