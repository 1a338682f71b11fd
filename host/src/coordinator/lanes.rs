//! The lanes that are in use, each made once: two for one tenant would be two orders.

use super::lane::Lane;
use super::tenants::fold;
use crate::store::writer::Writer;
use crate::store::{Store, StoreError};
use amends_domain::id::TenantId;
use amends_domain::tenant::Tenant;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All lanes that are in use.
pub(super) struct Lanes {
    store: Arc<dyn Store>,
    writer: Arc<Writer>,
    /// The highest version of any write of each tenant when the store was opened.
    versions: BTreeMap<TenantId, u64>,
    in_use: Mutex<HashMap<TenantId, Arc<Lane>>>,
}

impl Lanes {
    pub(super) fn load(store: Arc<dyn Store>, writer: Arc<Writer>) -> Result<Self, StoreError> {
        // In the order of the names, so that a simulation reads the same each time.
        let versions: BTreeMap<_, _> = store.lanes()?.into_iter().map(|row| (row.tenant, row.state_version)).collect();
        let mut in_use = HashMap::new();
        for (name, version) in &versions {
            let facts = store.tenant_facts(name)?;
            // Without any, it is a tenant of a host without tenants, and its lane is made when it is needed.
            if !facts.is_empty() {
                let tenant = fold(name, &facts)?;
                let lane = Lane::new(name.clone(), Arc::clone(&store), Arc::clone(&writer), *version, tenant);
                in_use.insert(name.clone(), Arc::new(lane));
            }
        }
        Ok(Self { store, writer, versions, in_use: Mutex::new(in_use) })
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
            let version = self.versions.get(tenant).copied().unwrap_or_default();
            let unknown = Tenant::default();
            Arc::new(Lane::new(tenant.clone(), Arc::clone(&self.store), Arc::clone(&self.writer), version, unknown))
        });
        Arc::clone(lane)
    }

    fn in_use(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Lane>>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
