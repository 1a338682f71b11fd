//! Who is called when something of a tenant has become durable. Apart from the writer, which knows nobody who reads: it shows each commit to a
//! witness behind it, and that one calls here. Nothing is carried but how far a chain goes: whoever is called reads the chain.

use crate::store::{Commit, LaneCommit};
use amends_domain::audit::Body;
use amends_domain::event::TenantEvent;
use amends_domain::id::TenantId;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// Calls those who follow tenants.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Of the tenants that somebody follows.
    followed: Mutex<HashMap<TenantId, Calls>>,
    /// Those whose webhooks or standing changed and that nobody has looked at since. As many as there are tenants.
    changed: Mutex<BTreeSet<TenantId>>,
    call: Notify,
}

#[derive(Debug)]
struct Calls {
    /// The number of the newest record.
    records: watch::Sender<u64>,
    /// The number of the newest record that has to do with what is sent to webhooks.
    webhooks: watch::Sender<u64>,
}

/// What somebody hears of a tenant from now on: a value that changes when there is more.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) records: watch::Receiver<u64>,
    pub(super) webhooks: watch::Receiver<u64>,
}

impl News {
    /// From now on somebody hears of a tenant. What became durable before is in the store.
    pub(super) fn of(&self, tenant: &TenantId) -> Heard {
        let mut followed = self.followed();
        let new = || Calls { records: watch::Sender::new(0), webhooks: watch::Sender::new(0) };
        let calls = followed.entry(tenant.clone()).or_insert_with(new);
        Heard { records: calls.records.subscribe(), webhooks: calls.webhooks.subscribe() }
    }

    /// `commit` is durable. Waits for nobody.
    pub(super) fn told(&self, commit: &Commit) {
        for lane in &commit.lanes {
            let Some((newest, _)) = lane.records.last() else { continue };
            let changes = changes_webhooks(lane);
            if changes {
                self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(lane.tenant.clone());
                self.call.notify_one();
            }
            let mut followed = self.followed();
            let Some(calls) = followed.get(&lane.tenant) else { continue };
            // Whoever comes later is given other ones, under the same lock.
            if calls.records.receiver_count() + calls.webhooks.receiver_count() == 0 {
                followed.remove(&lane.tenant);
                continue;
            }
            // First, so that whoever hears of more knows whether it has to be looked at anew what is done with it.
            if changes {
                calls.webhooks.send_replace(newest.seq);
            }
            calls.records.send_replace(newest.seq);
        }
    }

    /// The tenants whose webhooks or standing changed since this was asked last, when there are any. For one who asks. Dropping the future is
    /// safe.
    pub(super) async fn changed(&self) -> BTreeSet<TenantId> {
        loop {
            let called = self.call.notified();
            let changed = std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner));
            if !changed.is_empty() {
                return changed;
            }
            called.await;
        }
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<TenantId, Calls>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn changes_webhooks(lane: &LaneCommit) -> bool {
    let of = |body: &Body| match body {
        Body::Tenant { entries } => entries.iter().any(|entry| changes_sending(&entry.event)),
        Body::Run { .. } => false,
    };
    lane.records.iter().any(|(_, body)| of(body))
}

/// Whether a fact changes what is sent to webhooks, and whether anything is.
fn changes_sending(event: &TenantEvent) -> bool {
    match event {
        TenantEvent::WebhookSet { .. }
        | TenantEvent::WebhookRemoved { .. }
        | TenantEvent::WebhookKeysSet { .. }
        | TenantEvent::WebhookPaused { .. }
        | TenantEvent::TenantSuspended { .. }
        | TenantEvent::TenantReopened { .. }
        | TenantEvent::TenantDeleted { .. } => true,
        TenantEvent::TenantCreated { .. }
        | TenantEvent::LimitsSet { .. }
        | TenantEvent::KeyCreated { .. }
        | TenantEvent::KeyRevoked { .. }
        | TenantEvent::PluginPublished { .. }
        | TenantEvent::PluginVersionDeleted { .. }
        | TenantEvent::SagaApplied { .. }
        | TenantEvent::PluginInstalled { .. }
        | TenantEvent::StateWritten { .. }
        | TenantEvent::ResolversSet { .. }
        | TenantEvent::HostGranted { .. }
        | TenantEvent::HostRevoked { .. }
        | TenantEvent::SecretSet { .. }
        | TenantEvent::SecretRemoved { .. }
        | TenantEvent::SecretGranted { .. }
        | TenantEvent::SecretWithdrawn { .. }
        | TenantEvent::HostPartChanged { .. }
        | TenantEvent::RunsRemoved { .. }
        | TenantEvent::RequestsDenied { .. } => false,
    }
}
