//! Where the plugins of a tenant may send requests. What is granted counts for every attempt that starts from then on, also of runs that
//! are under way: an operator who takes a host away means now.

use super::{Coordinator, DriveError};
use crate::store::StoreError;
use amends_domain::capability::GRANTS_MAX;
use amends_domain::event::{HostGrant, TenantEvent};
use amends_domain::id::{PluginName, TenantId};

/// Why something is not granted.
#[derive(Debug, thiserror::Error)]
pub enum GrantRefused {
    /// There are too many.
    #[error("plugin `{plugin}` has {GRANTS_MAX} grants, and more are not allowed: revoke one first")]
    TooMany {
        /// Whose.
        plugin: PluginName,
    },
    /// The host cannot.
    #[error(transparent)]
    Host(#[from] DriveError),
}

impl From<StoreError> for GrantRefused {
    fn from(error: StoreError) -> Self {
        Self::Host(error.into())
    }
}

impl Coordinator {
    /// Where a plugin may send requests, in the order of the places. It need not be installed.
    ///
    /// # Errors
    /// What the store says.
    pub fn grants(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Vec<HostGrant>, StoreError> {
        Ok(self.parts.lanes.of(tenant).grants(plugin)?.to_vec())
    }

    /// Lets a plugin send requests to a place, in the way that `grant` says. When this returns, that is durable.
    ///
    /// # Errors
    /// [`GrantRefused`]; nothing was granted, unless it says that this is not known.
    pub async fn grant(&self, tenant: &TenantId, plugin: &PluginName, grant: HostGrant, by: String) -> Result<(), GrantRefused> {
        let at = self.parts.clock.now();
        let queued = self.parts.lanes.of(tenant).change_grants(plugin, at, |before| {
            if before.contains(&grant) {
                return Ok(None);
            }
            let mut grants: Vec<_> = before.iter().filter(|other| !other.same_place(&grant)).cloned().collect();
            if grants.len() == GRANTS_MAX {
                return Err(GrantRefused::TooMany { plugin: plugin.clone() });
            }
            grants.push(grant.clone());
            grants.sort_by_key(HostGrant::place);
            Ok(Some((grants, TenantEvent::HostGranted { plugin: plugin.clone(), grant, by })))
        })?;
        if let Some(position) = queued {
            self.parts.gate.leave(position).await.map_err(DriveError::from)?;
        }
        Ok(())
    }

    /// Takes a place away from a plugin; false if it was not granted. When this returns, that is durable. A request that is on its way is
    /// not called back.
    ///
    /// # Errors
    /// What the store says, or that it is not known whether it is durable.
    pub async fn revoke(&self, tenant: &TenantId, plugin: &PluginName, place: &str, by: String) -> Result<bool, DriveError> {
        let at = self.parts.clock.now();
        let queued = self.parts.lanes.of(tenant).change_grants(plugin, at, |before| {
            let grants: Vec<_> = before.iter().filter(|grant| grant.place() != place).cloned().collect();
            if grants.len() == before.len() {
                return Ok::<_, DriveError>(None);
            }
            Ok(Some((grants, TenantEvent::HostRevoked { plugin: plugin.clone(), place: place.to_owned(), by })))
        })?;
        let Some(position) = queued else { return Ok(false) };
        self.parts.gate.leave(position).await?;
        Ok(true)
    }
}
