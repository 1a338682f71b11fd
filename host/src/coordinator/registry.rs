//! Definitions and components, ready to use. Both are named by digest and never change, so what is here is never stale.

use super::error::DriveError;
use super::guests::{Guest, Guests};
use crate::sandbox::Description;
use crate::store::Store;
use amends_domain::definition::{Definition, read};
use amends_domain::digest::Digest;
use amends_domain::id::{PluginName, TenantId};
use amends_domain::plugin::Manifest;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most definitions kept ready; beyond, one is dropped for each that comes.
const DEFINITIONS_MAX: usize = 1024;

/// An installed plugin.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Its component.
    pub digest: Digest,
    /// Its handlers.
    pub manifest: Manifest,
}

pub(super) struct Registry {
    store: Arc<dyn Store>,
    guests: Arc<dyn Guests>,
    definitions: Mutex<HashMap<Digest, Arc<Definition>>>,
}

impl Registry {
    pub(super) fn new(store: Arc<dyn Store>, guests: Arc<dyn Guests>) -> Self {
        Self { store, guests, definitions: Mutex::default() }
    }

    /// Keeps a definition that was just read, so that it need not be read again.
    pub(super) fn keep(&self, definition: &Arc<Definition>) {
        let mut definitions = self.definitions();
        if definitions.len() >= DEFINITIONS_MAX
            && let Some(other) = definitions.keys().find(|digest| **digest != definition.digest).copied()
        {
            definitions.remove(&other);
        }
        definitions.insert(definition.digest, Arc::clone(definition));
    }

    /// The definition with this digest.
    pub(super) fn definition(&self, tenant: &TenantId, digest: Digest) -> Result<Arc<Definition>, DriveError> {
        if let Some(definition) = self.definitions().get(&digest) {
            return Ok(Arc::clone(definition));
        }
        let document = self.store.definition(tenant, digest)?.ok_or(DriveError::NoDefinition(digest))?;
        let wrong = |what: String| DriveError::Definition { digest, what };
        let text = std::str::from_utf8(&document.0).map_err(|e| wrong(e.to_string()))?;
        let definition = Arc::new(read(text).map_err(|mistakes| wrong(mistakes.to_string()))?);
        if definition.digest != digest {
            return Err(wrong(format!("what is stored has digest {}", definition.digest)));
        }
        self.keep(&definition);
        Ok(definition)
    }

    /// The component with this digest, if it is ready.
    pub(super) fn loaded(&self, digest: Digest) -> Option<Arc<dyn Guest>> {
        Arc::clone(&self.guests).loaded(digest)
    }

    /// The component with this digest, made ready.
    pub(super) async fn component(&self, digest: Digest) -> Result<Arc<dyn Guest>, DriveError> {
        if let Some(guest) = self.loaded(digest) {
            return Ok(guest);
        }
        let bytes = self.store.component(digest)?.ok_or(DriveError::NoComponent(digest))?;
        Arc::clone(&self.guests).load(digest, bytes).await.map_err(|refusal| DriveError::Refused { digest, refusal })
    }

    fn definitions(&self) -> MutexGuard<'_, HashMap<Digest, Arc<Definition>>> {
        self.definitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The plugins that a definition uses, each once.
pub(super) fn plugins(definition: &Definition) -> BTreeSet<PluginName> {
    definition.steps.iter().filter_map(|step| Some(step.uses()?.handler.plugin.clone())).collect()
}

/// The handlers of a plugin: those of its manifest, or the one that is named like it.
pub(super) fn manifest(plugin: &PluginName, description: Description) -> Manifest {
    let single = || Manifest::single(plugin.as_str().parse().expect("a plugin's name is a name"));
    description.manifest.unwrap_or_else(single)
}
