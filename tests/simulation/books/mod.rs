//! What is durable, kept beside the store: every record as it was when its commit was answered, and what follows from the facts in it,
//! worked out by plain rules of its own. Each invariant that speaks of facts is asked before a fact is taken in.

mod run;
mod step;

pub(crate) use run::{Kept, RunBook, index};
pub(crate) use step::{Backward, Forward, StepBook, way};

use crate::dice::Dice;
use crate::invariants::chain::Chain;
use crate::invariants::state::States;
use crate::invariants::{Checked, Invariant, attempts, broken, effects, hold, order, outcomes, removal, replay, tenants};
use crate::outside::Outside;
use crate::sagas::Saga;
use crate::scenes::Scenes;
use amends_domain::audit::{Body, Sealed, usage_of};
use amends_domain::digest::Digest;
use amends_domain::event::{Confirmation, Demand, Entry, Event, Resolution, TenantEntry, TenantEvent};
use amends_domain::id::{RunId, TenantId};
use amends_domain::quota::Usage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All that is durable.
pub(crate) struct Books {
    pub(crate) tenants: BTreeMap<TenantId, TenantBook>,
    pub(crate) runs: BTreeMap<RunId, RunBook>,
    sagas: BTreeMap<(TenantId, Digest), Arc<Saga>>,
    /// The records of a commit that is not answered.
    pub(crate) on_the_way: Vec<(TenantId, Vec<Sealed>)>,
    /// The runs that the newest commit changed.
    changed: BTreeSet<RunId>,
}

/// Of what something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The newest commit.
    Newest,
    /// Everything.
    All,
}

/// What is durable of a tenant.
pub(crate) struct TenantBook {
    pub(crate) chain: Chain,
    pub(crate) states: States,
    /// The runs of start keys.
    pub(crate) keys: BTreeMap<String, RunId>,
    /// What all its records say was used.
    pub(crate) used: Usage,
}

/// What else there is in the world, for checks that compare.
pub(crate) struct Beside<'a> {
    pub(crate) outside: &'a mut Outside,
    pub(crate) scenes: &'a Scenes,
}

impl Books {
    pub(crate) fn new(sagas: &[(TenantId, Vec<Arc<Saga>>)]) -> Self {
        let book = |tenant: &TenantId| TenantBook {
            chain: Chain::new(tenant),
            states: States::default(),
            keys: BTreeMap::new(),
            used: Usage::default(),
        };
        let named = |(tenant, sagas): &(TenantId, Vec<Arc<Saga>>)| {
            let tenant = tenant.clone();
            let named = sagas.iter().map(|saga| ((tenant.clone(), saga.definition.digest), Arc::clone(saga)));
            named.collect::<Vec<_>>()
        };
        Self {
            tenants: sagas.iter().map(|(tenant, _)| (tenant.clone(), book(tenant))).collect(),
            runs: BTreeMap::new(),
            sagas: sagas.iter().flat_map(named).collect(),
            on_the_way: Vec::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Takes in a record that is durable now.
    pub(crate) fn take_in(&mut self, beside: &mut Beside<'_>, tenant: &TenantId, record: &Sealed) -> Checked {
        tenants::own(record.kept.body().expect("it is kept"), tenant, self.tenants.keys())?;
        let book = self.tenants.get_mut(tenant).expect("a tenant of this world");
        book.chain.take_in(record)?;
        let body = Body::decode(record.kept.body().expect("it is kept"));
        let body = body.or_else(|error| broken(Invariant::Chain, format!("record {} of {tenant}: {error}", record.seq)))?;
        let used = usage_of(&body, record.kept.body_len());
        book.used += used;
        match body {
            Body::Tenant { entries } => entries.iter().try_for_each(|entry| self.take_in_tenant_fact(beside, tenant, entry)),
            Body::Run { run, entries, .. } => {
                entries.iter().try_for_each(|entry| self.take_in_fact(beside, tenant, run, entry))?;
                let book = self.runs.get_mut(&run).expect("its facts were taken in");
                book.records.push(record.seq);
                book.used += used;
                Ok(())
            }
        }
    }

    fn take_in_tenant_fact(&mut self, beside: &Beside<'_>, tenant: &TenantId, entry: &TenantEntry) -> Checked {
        if let TenantEvent::RunsRemoved { ended_before, runs, writes, used } = &entry.event {
            removal::fact(self, beside.scenes, &removal::Fact { tenant, ended_before: *ended_before, runs, writes, used: *used })?;
            for removed in runs {
                self.changed.insert(removed.run);
                self.runs.get_mut(&removed.run).expect("it was looked at").kept = Kept::Removed;
            }
            // Their keys start others from now on.
            let keys = &mut self.tenants.get_mut(tenant).expect("a tenant of this world").keys;
            keys.retain(|_, run| self.runs[run].kept == Kept::Whole);
        }
        self.tenants.get_mut(tenant).expect("a tenant of this world").states.take_in_tenant(entry)
    }

    fn take_in_fact(&mut self, beside: &mut Beside<'_>, tenant: &TenantId, id: RunId, entry: &Entry) -> Checked {
        let book = self.tenants.get_mut(tenant).expect("a tenant of this world");
        self.changed.insert(id);
        if let Event::Started(started) = &entry.event {
            let Some(saga) = self.sagas.get(&(tenant.clone(), started.definition)) else {
                return broken(Invariant::Tenants, format!("{id} of {tenant} runs a saga that the tenant does not have"));
            };
            if let Some(key) = &started.key
                && let Some(before) = book.keys.insert(key.clone(), id)
            {
                return broken(Invariant::Told, format!("key {key} of {tenant} starts {before} and {id}"));
            }
            let run = RunBook::new(id, tenant, saga, started, entry);
            let twice = self.runs.insert(id, run).is_some();
            return hold(!twice, Invariant::Replay, || format!("{id} starts twice"));
        }
        let Some(run) = self.runs.get_mut(&id) else {
            return broken(Invariant::Replay, format!("{id} has facts and never started"));
        };
        hold(run.kept == Kept::Whole, Invariant::Removal, || format!("{id} has facts behind the one that removed it"))?;
        hold(run.tenant == *tenant, Invariant::Tenants, || format!("{id} of {} has facts in the chain of {tenant}", run.tenant))?;
        replay::fact(run, entry)?;
        attempts::fact(run, entry)?;
        effects::fact(run, &entry.event)?;
        order::fact(run, &entry.event)?;
        outcomes::fact(run, &entry.event, beside.outside)?;
        if let Event::AttemptEnded(ended) = &entry.event {
            book.states.take_in_end(id, ended, beside.scenes.reply(id, ended.attempt))?;
        }
        by_hand(run, &entry.event, beside.outside);
        run.take_in(entry);
        Ok(())
    }

    /// Whether a commit failed: what the store shows then is durable, but nobody knows.
    pub(crate) fn is_uncertain(&self) -> bool {
        !self.on_the_way.is_empty()
    }

    /// Any saga of a tenant.
    pub(crate) fn any_saga(&self, dice: &mut Dice, tenant: &TenantId) -> Arc<Saga> {
        let sagas: Vec<_> = self.sagas.range((tenant.clone(), Digest([0; 32]))..).take_while(|((of, _), _)| of == tenant).collect();
        Arc::clone(dice.one(&sagas).1)
    }

    /// Nothing has changed since the newest commit began.
    pub(crate) fn forget_changes(&mut self) {
        self.changed.clear();
        self.runs.values_mut().for_each(RunBook::forget_news);
    }

    /// The runs that changed.
    pub(crate) fn changed(&self, of: Of) -> Vec<RunId> {
        match of {
            Of::All => self.runs.keys().copied().collect(),
            Of::Newest => self.changed.iter().copied().collect(),
        }
    }

    /// A life of the host begins with what is durable.
    pub(crate) fn begin_life(&mut self) {
        self.runs.values_mut().for_each(RunBook::begin_life);
    }
}

/// What a person says they took back, they took back.
fn by_hand(run: &RunBook, event: &Event, outside: &mut Outside) {
    if let Event::Demanded(demanded) = event
        && let Demand::Resolve(resolve) = &demanded.demand
        && resolve.resolution == Resolution::Undone
        && resolve.confirmation != Confirmation::Awaited
    {
        outside.take_back_by_hand(run.id, resolve.step);
    }
}

impl States {
    fn take_in_tenant(&mut self, entry: &TenantEntry) -> Checked {
        match &entry.event {
            TenantEvent::StateWritten { writes } => self.take_in_writes(writes),
            TenantEvent::SagaApplied { .. }
            | TenantEvent::PluginInstalled { .. }
            | TenantEvent::ResolversSet { .. }
            | TenantEvent::HostGranted { .. }
            | TenantEvent::HostRevoked { .. }
            | TenantEvent::SecretSet { .. }
            | TenantEvent::SecretRemoved { .. }
            | TenantEvent::SecretGranted { .. }
            | TenantEvent::SecretWithdrawn { .. }
            | TenantEvent::HostPartChanged { .. }
            | TenantEvent::RunsRemoved { .. }
            | TenantEvent::RequestsDenied { .. }
            | TenantEvent::TenantCreated { .. }
            | TenantEvent::LimitsSet { .. }
            | TenantEvent::TenantSuspended { .. }
            | TenantEvent::TenantReopened { .. }
            | TenantEvent::TenantDeleted { .. }
            | TenantEvent::KeyCreated { .. }
            | TenantEvent::KeyRevoked { .. }
            | TenantEvent::PluginPublished { .. }
            | TenantEvent::PluginVersionDeleted { .. }
            | TenantEvent::WebhookSet { .. }
            | TenantEvent::WebhookRemoved { .. }
            | TenantEvent::WebhookKeysSet { .. }
            | TenantEvent::WebhookPaused { .. } => Ok(()),
        }
    }
}
