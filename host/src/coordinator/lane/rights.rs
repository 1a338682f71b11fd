//! Who may do what in a lane, ahead of the disk: who settles dead letters, where plugins may send requests, which secrets they may use.

use super::{Lane, Newest, SecretChange, SecretsOfTenant};
use crate::coordinator::error::DriveError;
use crate::coordinator::secrets::{SecretGrants, granted};
use crate::sandbox::Secrets;
use crate::store::StoreError;
use crate::store::writer::{Position, What};
use crate::vault::Vault;
use amends_domain::event::{HostGrant, Resolvers, TenantEntry, TenantEvent};
use amends_domain::id::{PluginName, SecretName};
use amends_domain::time::Timestamp;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Lane {
    /// How many people it takes to settle a dead letter.
    pub(in crate::coordinator) fn resolvers(&self) -> Result<Resolvers, StoreError> {
        self.resolvers_of(&self.newest())
    }

    fn resolvers_of(&self, newest: &Newest) -> Result<Resolvers, StoreError> {
        newest.resolvers.map_or_else(|| self.store.resolvers(&self.tenant), Ok)
    }

    /// Queues how many people it takes from now on; none if it is so already.
    pub(in crate::coordinator) fn set_resolvers(
        &self,
        resolvers: Resolvers,
        by: String,
        at: Timestamp,
    ) -> Result<Option<Position>, StoreError> {
        let mut newest = self.newest();
        if self.resolvers_of(&newest)? == resolvers {
            return Ok(None);
        }
        newest.resolvers = Some(resolvers);
        Ok(Some(self.append_tenant(TenantEvent::ResolversSet { resolvers, by }, at, Vec::new())))
    }

    /// Where a plugin may send requests as of now, durable or not.
    pub(in crate::coordinator) fn grants(&self, plugin: &PluginName) -> Result<Arc<[HostGrant]>, StoreError> {
        self.grants_of(&mut self.newest(), plugin)
    }

    fn grants_of(&self, newest: &mut Newest, plugin: &PluginName) -> Result<Arc<[HostGrant]>, StoreError> {
        if let Some(grants) = newest.grants.get(plugin) {
            return Ok(Arc::clone(grants));
        }
        let grants: Arc<[HostGrant]> = self.store.grants(&self.tenant, plugin)?.into();
        newest.grants.insert(plugin.clone(), Arc::clone(&grants));
        Ok(grants)
    }

    /// Changes what a plugin is granted: `change` gives what is granted from now on and the fact to queue; none if nothing changes.
    pub(in crate::coordinator) fn change_grants<E: From<StoreError>>(
        &self,
        plugin: &PluginName,
        at: Timestamp,
        change: impl FnOnce(&[HostGrant]) -> Result<Option<(Vec<HostGrant>, TenantEvent)>, E>,
    ) -> Result<Option<Position>, E> {
        let mut newest = self.newest();
        let before = self.grants_of(&mut newest, plugin)?;
        let Some((grants, event)) = change(&before)? else { return Ok(None) };
        newest.grants.insert(plugin.clone(), grants.into());
        Ok(Some(self.append_tenant(event, at, Vec::new())))
    }

    /// What a plugin may use of the tenant's secrets as of now, opened.
    pub(in crate::coordinator) fn secrets_of(&self, vault: Option<&Vault>, plugin: &PluginName) -> Result<Secrets, DriveError> {
        self.see_secrets(|sealed, grants| granted(vault, &self.tenant, plugin, sealed, grants))?.map_err(DriveError::Vault)
    }

    /// Looks at the secrets as of now, durable or not.
    pub(in crate::coordinator) fn see_secrets<T>(
        &self,
        look: impl FnOnce(&BTreeMap<SecretName, Bytes>, &SecretGrants) -> T,
    ) -> Result<T, StoreError> {
        let mut newest = self.newest();
        let secrets = self.secrets_in(&mut newest)?;
        Ok(look(&secrets.sealed, &secrets.grants))
    }

    fn secrets_in<'n>(&self, newest: &'n mut Newest) -> Result<&'n mut SecretsOfTenant, StoreError> {
        if newest.secrets.is_none() {
            let mut sealed = BTreeMap::new();
            for (name, digest) in self.store.secrets(&self.tenant)? {
                let missing =
                    || StoreError::Damaged { place: format!("secrets {} {name}", self.tenant), what: "it is missing".into() };
                let bytes = self.store.component(digest)?.ok_or_else(missing)?;
                sealed.insert(name, bytes);
            }
            newest.secrets = Some(SecretsOfTenant { sealed, grants: self.store.secret_grants(&self.tenant)? });
        }
        Ok(newest.secrets.as_mut().expect("they were asked for above"))
    }

    /// Changes secrets: `change` changes what is known of them and gives the facts and what is sealed, to be queued together.
    pub(in crate::coordinator) fn change_secrets<E: From<StoreError>>(
        &self,
        at: Timestamp,
        change: impl FnOnce(&mut BTreeMap<SecretName, Bytes>, &mut SecretGrants) -> Result<SecretChange, E>,
    ) -> Result<Position, E> {
        let mut newest = self.newest();
        let secrets = self.secrets_in(&mut newest)?;
        let (events, components) = change(&mut secrets.sealed, &mut secrets.grants)?;
        if events.is_empty() {
            return Ok(Position::default());
        }
        let entries = events.into_iter().map(|event| TenantEntry { at, event }).collect();
        Ok(self.append(What::Tenant { entries, components }))
    }
}
