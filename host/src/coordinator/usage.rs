//! What a tenant used and takes now, for those who ask.

use super::Coordinator;
use super::allowance::Follower;
use super::error::KeepError;
use crate::store::StoreError;
use amends_domain::id::TenantId;
use amends_domain::quota::{Filled, Usage};

impl Coordinator {
    /// What a tenant used since it was created, as far as it is durable: what it is billed by.
    ///
    /// # Errors
    /// What the store says.
    pub fn usage(&self, tenant: &TenantId) -> Result<Usage, StoreError> {
        self.parts.store.usage(tenant)
    }

    /// How a tenant's limits stand now; shares are left out.
    ///
    /// # Errors
    /// What the store says.
    pub fn filled(&self, tenant: &TenantId) -> Result<Vec<Filled>, StoreError> {
        self.parts.lanes.of(tenant).allowance().filled()
    }

    /// A place among those who follow the tenant's events, until it is dropped.
    ///
    /// # Errors
    /// [`KeepError::Over`] if there are as many as may be.
    pub fn follow(&self, tenant: &TenantId) -> Result<Follower, KeepError> {
        Ok(self.parts.lanes.of(tenant).allowance().follow()?)
    }
}
