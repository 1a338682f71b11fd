//! What a tenant works with: components behind the names of plugins, and sagas.

use super::Coordinator;
use super::error::{DriveError, InstallError, KeepError};
use super::registry::{self, Installed};
use crate::store::SagaRow;
use amends_domain::definition::Definition;
use amends_domain::digest::Digest;
use amends_domain::id::{PluginName, TenantId};
use amends_domain::plugin::Manifest;
use std::sync::Arc;

/// A definition that is the newest version of its saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its version.
    pub version: u32,
    /// What was the newest before; the same if nothing changed.
    pub before: Option<SagaRow>,
}

impl Coordinator {
    /// Checks a component and makes it what `plugin` means from now on. Installing the same one again changes nothing.
    ///
    /// # Errors
    /// [`InstallError`] says what is wrong with it.
    pub async fn install(
        &self,
        tenant: &TenantId,
        plugin: &PluginName,
        component: bytes::Bytes,
    ) -> Result<Installed, InstallError> {
        let digest = Digest::of(&component);
        let description = self.check_component(tenant, plugin, component.clone()).await?;
        let manifest = registry::manifest(plugin, description);
        self.parts.lanes.of(tenant).install(plugin, digest, component, self.parts.clock.now())?;
        Ok(Installed { digest, manifest })
    }

    /// What an installed plugin has; none if there is no such plugin.
    ///
    /// # Errors
    /// [`InstallError`] if its component is not what it was when it was installed.
    pub async fn installed(&self, tenant: &TenantId, plugin: &PluginName) -> Result<Option<Manifest>, InstallError> {
        let Some(digest) = self.parts.lanes.of(tenant).plugin(plugin)? else { return Ok(None) };
        let Some(component) = self.parts.store.component(digest)? else { return Ok(None) };
        let description = Arc::clone(&self.parts.components).inspect(component).await?;
        Ok(Some(registry::manifest(plugin, description)))
    }

    /// Makes a definition the newest version of its saga and gives the version. Applying the newest one again changes nothing.
    ///
    /// # Errors
    /// [`KeepError`]; nothing was noted.
    pub fn apply(&self, tenant: &TenantId, definition: &Arc<Definition>) -> Result<u32, KeepError> {
        self.parts.registry.keep(definition);
        let applied = self.parts.lanes.of(tenant).apply_if(definition, self.parts.clock.now(), |_| true)?;
        Ok(applied.expect("anything fits").version)
    }

    /// The same if the newest version of its saga is as `fits` wants it (none: there is none), and waits until that is durable. Gives nothing
    /// if it does not fit; what that goes by is durable, too. Dropping the future leaves it applied or not.
    ///
    /// # Errors
    /// [`KeepError`]; nothing was noted, unless it says that this is not known.
    pub async fn apply_if(
        &self,
        tenant: &TenantId,
        definition: &Arc<Definition>,
        fits: impl FnOnce(Option<u32>) -> bool,
    ) -> Result<Option<Applied>, KeepError> {
        self.has_room()?;
        self.parts.registry.keep(definition);
        let applied = self.parts.lanes.of(tenant).apply_if(definition, self.parts.clock.now(), fits)?;
        self.parts.gate.settle().await.map_err(DriveError::from)?;
        Ok(applied)
    }

    /// A definition that the tenant applied.
    ///
    /// # Errors
    /// [`DriveError`] if it is not there or cannot be read.
    pub fn definition(&self, tenant: &TenantId, digest: Digest) -> Result<Arc<Definition>, DriveError> {
        self.parts.registry.definition(tenant, digest)
    }
}
