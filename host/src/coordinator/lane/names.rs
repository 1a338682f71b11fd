//! What names mean in a lane: its sagas and their versions, its plugins and their components, ahead of the disk.

use super::{Lane, Newest};
use crate::coordinator::error::KeepError;
use crate::coordinator::install::Applied;
use crate::coordinator::publish::{Meaning, meaning_behind};
use crate::store::{PAGE_LEN_MAX, SagaRow, StoreError};
use amends_domain::definition::Definition;
use amends_domain::digest::Digest;
use amends_domain::event::TenantEvent;
use amends_domain::id::{PluginName, SagaName};
use amends_domain::tenant::Tenant;
use amends_domain::time::Timestamp;
use bytes::Bytes;

impl Lane {
    /// The newest version of a saga.
    pub(in crate::coordinator) fn saga(&self, saga: &SagaName) -> Result<Option<SagaRow>, StoreError> {
        self.saga_of(&self.newest(), saga)
    }

    fn saga_of(&self, newest: &Newest, saga: &SagaName) -> Result<Option<SagaRow>, StoreError> {
        match newest.sagas.get(saga) {
            Some(row) => Ok(Some(row.clone())),
            None => self.store.saga(&self.tenant, saga),
        }
    }

    /// Makes `definition` the newest version of its saga, unless it is already, if what is the newest is as `fits` wants it; none if it is not.
    pub(in crate::coordinator) fn apply_if(
        &self,
        definition: &Definition,
        at: Timestamp,
        fits: impl FnOnce(Option<u32>) -> bool,
    ) -> Result<Option<Applied>, KeepError> {
        let mut newest = self.newest();
        let before = self.saga_of(&newest, &definition.saga)?;
        if !fits(before.as_ref().map(|row| row.version)) {
            return Ok(None);
        }
        if let Some(row) = before.as_ref().filter(|row| row.definition == definition.digest) {
            return Ok(Some(Applied { version: row.version, before }));
        }
        if before.is_none() {
            self.allowance.saga(self.count_sagas(&newest)?)?;
        }
        self.allowance.write(definition.document.len() as u64)??;
        let row = SagaRow { version: before.as_ref().map_or(0, |row| row.version) + 1, definition: definition.digest };
        let version = row.version;
        let event = TenantEvent::SagaApplied {
            saga: definition.saga.clone(),
            version,
            definition: definition.digest,
            document: definition.document.clone(),
        };
        self.append_tenant(event, at, Vec::new());
        newest.sagas.insert(definition.saga.clone(), row);
        Ok(Some(Applied { version, before }))
    }

    /// How many sagas there are; counted as far as it matters.
    fn count_sagas(&self, newest: &Newest) -> Result<u64, StoreError> {
        let max = self.allowance.sagas_max();
        let (mut there, mut last) = (0, None);
        loop {
            let page = self.store.sagas(&self.tenant, last.as_ref(), PAGE_LEN_MAX)?;
            there += page.iter().filter(|(saga, _)| !newest.sagas.contains_key(saga)).count() as u64;
            if page.is_empty() || there >= max {
                return Ok(there + newest.sagas.len() as u64);
            }
            last = page.into_iter().last().map(|(saga, _)| saga);
        }
    }

    /// The component that a plugin's name means now.
    pub(in crate::coordinator) fn plugin(&self, plugin: &PluginName) -> Result<Option<Digest>, StoreError> {
        self.plugin_of(&self.newest(), plugin)
    }

    fn plugin_of(&self, newest: &Newest, plugin: &PluginName) -> Result<Option<Digest>, StoreError> {
        match newest.plugins.get(plugin) {
            Some(meaning) => Ok(meaning.map(|(component, _)| component)),
            None => self.store.plugin(&self.tenant, plugin),
        }
    }

    /// Makes a component what the plugin's name means, unless it is already.
    pub(in crate::coordinator) fn install(
        &self,
        plugin: &PluginName,
        digest: Digest,
        component: Bytes,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut newest = self.newest();
        if self.plugin_of(&newest, plugin)? != Some(digest) {
            let size = component.len() as u64;
            let event = TenantEvent::PluginInstalled { plugin: plugin.clone(), component: digest, size };
            self.append_tenant(event, at, vec![(digest, component)]);
            newest.plugins.insert(plugin.clone(), Some((digest, size)));
        }
        Ok(())
    }

    pub(super) fn meaning_behind(
        &self,
        newest: &Newest,
        event: &TenantEvent,
        tenant: (&Tenant, &Tenant),
    ) -> Result<Option<Meaning>, StoreError> {
        let (TenantEvent::PluginPublished { plugin, .. } | TenantEvent::PluginVersionDeleted { plugin, .. }) = event else {
            return Ok(None);
        };
        let now = match (newest.plugins.get(plugin), self.plugin_of(newest, plugin)?) {
            (Some(now), _) => *now,
            (None, None) => None,
            (None, Some(component)) => {
                let missing = || StoreError::Damaged { place: format!("components {component}"), what: "it is missing".into() };
                let bytes = self.store.component(component)?.ok_or_else(missing)?;
                Some((component, bytes.len() as u64))
            }
        };
        Ok(meaning_behind(event, tenant, now))
    }
}
