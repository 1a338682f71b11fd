//! The lanes that are in use, each made once: two for one tenant would be two orders.

use super::allowance::Allowance;
use super::lane::Lane;
use super::tenants::fold;
use crate::clock::Clock;
use crate::store::writer::Writer;
use crate::store::{Store, StoreError};
use amends_domain::id::TenantId;
use amends_domain::tenant::Tenant;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All lanes that are in use: of every tenant that the store knows, and of those that came since.
pub(super) struct Lanes {
    store: Arc<dyn Store>,
    writer: Arc<Writer>,
    clock: Arc<dyn Clock>,
    in_use: Mutex<HashMap<TenantId, Arc<Lane>>>,
}

impl Lanes {
    pub(super) fn load(store: Arc<dyn Store>, writer: Arc<Writer>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        // In the order of the names, so that a simulation reads the same each time.
        let versions: BTreeMap<_, _> = store.lanes()?.into_iter().map(|row| (row.tenant, row.state_version)).collect();
        let mut in_use = HashMap::new();
        for (name, version) in &versions {
            // Without any facts, it is a tenant of a host without tenants.
            let tenant = fold(name, &store.tenant_facts(name)?)?;
            let allowance = Allowance::load(name, &tenant, &store, Arc::clone(&clock))?;
            let lane = Lane::new(allowance, Arc::clone(&store), Arc::clone(&writer), *version, tenant);
            in_use.insert(name.clone(), Arc::new(lane));
        }
        Ok(Self { store, writer, clock, in_use: Mutex::new(in_use) })
    }

    /// Those in use.
    pub(super) fn all(&self) -> Vec<Arc<Lane>> {
        self.in_use().values().cloned().collect()
    }

    /// The lane of a tenant, if it is in use. Every tenant that was created has one.
    pub(super) fn known(&self, tenant: &TenantId) -> Option<Arc<Lane>> {
        self.in_use().get(tenant).cloned()
    }

    /// The lane of a tenant.
    pub(super) fn of(&self, tenant: &TenantId) -> Arc<Lane> {
        let mut lanes = self.in_use();
        let lane = lanes.entry(tenant.clone()).or_insert_with(|| {
            let (store, unknown) = (Arc::clone(&self.store), Tenant::default());
            let allowance = Allowance::new(tenant, &unknown, Arc::clone(&store), Arc::clone(&self.clock));
            Arc::new(Lane::new(allowance, store, Arc::clone(&self.writer), 0, unknown))
        });
        Arc::clone(lane)
    }

    fn in_use(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Lane>>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
