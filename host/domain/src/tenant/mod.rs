//! What a tenant is: its limits, and the fold of the facts that belong to no run.

mod admit;
mod key;
mod limits;

pub use admit::{Admitted, EVENT_TYPES_MAX, WEBHOOK_KEYS_MAX, webhook_mistakes};
pub use key::{Key, KeyRefused};
pub use limits::{LimitsPatch, TenantLimits, Unit};

use crate::access::{Standing, Token};
use crate::digest::Digest;
use crate::event::{TenantEntry, TenantEvent, WebhookKey};
use crate::id::{KeyId, PluginName, PluginVersion, SecretName, WebhookName};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Most keys of a tenant that open something.
pub const KEYS_MAX: usize = 1000;
/// Most keys of a tenant that are shown: of those that open nothing any more, the ones that became void last.
pub const KEYS_KEPT_MAX: usize = 2 * KEYS_MAX;
/// Most versions that a plugin has at the same time.
pub const VERSIONS_MAX: usize = 100;

/// A tenant as its facts leave it. What belongs to plugins (grants), to the vault (secrets) and to the state is not in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    standing: Standing,
    created: Option<Timestamp>,
    suspension: Option<Suspension>,
    limits: TenantLimits,
    keys: BTreeMap<KeyId, Key>,
    plugins: BTreeMap<PluginName, Vec<Published>>,
    webhooks: BTreeMap<WebhookName, Webhook>,
}

/// Why a tenant, or one of its webhooks, stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub by: String,
}

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The version.
    pub version: PluginVersion,
    /// What it means.
    pub component: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When it was published.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}

/// A place that events are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to.
    pub url: String,
    /// Which types of events; none: all.
    pub types: Vec<String>,
    /// The secret that what is sent is signed with.
    pub secret: Option<SecretName>,
    /// Since when there is one of this name.
    pub created: Timestamp,
    /// What it is signed with besides, the newest first.
    pub keys: Vec<WebhookKey>,
    /// Why nothing is sent, if that is so.
    pub paused: Option<Suspension>,
}

impl Default for Tenant {
    /// One of which nothing is known: there never was one.
    fn default() -> Self {
        Self {
            standing: Standing::Absent,
            created: None,
            suspension: None,
            limits: TenantLimits::default(),
            keys: BTreeMap::new(),
            plugins: BTreeMap::new(),
            webhooks: BTreeMap::new(),
        }
    }
}

impl Tenant {
    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// When it was created.
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// Why it stands still, if it does.
    pub fn suspension(&self) -> Option<&Suspension> {
        self.suspension.as_ref()
    }

    /// What it may take.
    pub fn limits(&self) -> &TenantLimits {
        &self.limits
    }

    /// Its keys in the order in which they were created, those that open nothing any more among them.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    /// The key with this id.
    pub fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.get(&id)
    }

    /// The key that `token` opens something with.
    ///
    /// # Errors
    /// [`KeyRefused`].
    pub fn key_of(&self, token: &Token, now: Timestamp) -> Result<&Key, KeyRefused> {
        let key = self.keys.get(&token.key()).filter(|_| self.standing != Standing::Deleted).ok_or(KeyRefused::Unknown)?;
        key.check(token, now).map(|()| key)
    }

    /// Its plugins with versions, in the order of their names.
    pub fn plugins(&self) -> impl Iterator<Item = (&PluginName, &[Published])> {
        self.plugins.iter().map(|(plugin, versions)| (plugin, versions.as_slice()))
    }

    /// The versions of a plugin in the order in which they were published.
    pub fn versions(&self, plugin: &PluginName) -> &[Published] {
        self.plugins.get(plugin).map_or(&[], Vec::as_slice)
    }

    /// The version of a plugin that was published last, of those that it has.
    pub fn latest(&self, plugin: &PluginName) -> Option<&Published> {
        self.versions(plugin).last()
    }

    /// One version of a plugin.
    pub fn version(&self, plugin: &PluginName, version: &PluginVersion) -> Option<&Published> {
        self.versions(plugin).iter().find(|published| published.version == *version)
    }

    /// Where its events are sent, by name.
    pub fn webhooks(&self) -> impl Iterator<Item = (&WebhookName, &Webhook)> {
        self.webhooks.iter()
    }

    /// One of them.
    pub fn webhook(&self, webhook: &WebhookName) -> Option<&Webhook> {
        self.webhooks.get(webhook)
    }

    /// Takes in the next fact.
    ///
    /// # Errors
    /// Why it cannot follow the ones before it; nothing was taken in.
    pub fn apply(&mut self, entry: &TenantEntry) -> Result<(), String> {
        let at = entry.at;
        self.fits(&entry.event).map_err(|unfit| unfit.message)?;
        match &entry.event {
            TenantEvent::TenantCreated { .. } => (self.standing, self.created) = (Standing::Open, Some(at)),
            TenantEvent::LimitsSet { limits, .. } => self.limits = TenantLimits::default().with(limits),
            TenantEvent::TenantSuspended { reason, by } => {
                let suspension = Suspension { since: at, reason: reason.clone(), by: by.clone() };
                (self.standing, self.suspension) = (Standing::Suspended, Some(suspension));
            }
            TenantEvent::TenantReopened { .. } => (self.standing, self.suspension) = (Standing::Open, None),
            TenantEvent::TenantDeleted { .. } => self.standing = Standing::Deleted,
            TenantEvent::KeyCreated { key, name, role, token, expires, by } => {
                let (name, by, expires) = (name.clone(), by.clone(), *expires);
                let key = Key { id: *key, name, role: *role, created: at, by, expires, revoked: None, token: *token };
                self.keep(key)?;
            }
            TenantEvent::KeyRevoked { key, .. } => {
                self.keys.get_mut(key).expect("it fits, so there is one").revoked = Some(at);
            }
            TenantEvent::PluginPublished { plugin, version, component, size, by } => {
                let published = Published { version: version.clone(), component: *component, size: *size, at, by: by.clone() };
                self.plugins.entry(plugin.clone()).or_default().push(published);
            }
            TenantEvent::PluginVersionDeleted { plugin, version, .. } => self.forget(plugin, version),
            TenantEvent::WebhookSet { webhook, url, types, secret, .. } => {
                let (created, keys) = self.webhooks.remove(webhook).map_or((at, Vec::new()), |known| (known.created, known.keys));
                let (url, types, secret) = (url.clone(), types.clone(), secret.clone());
                self.webhooks.insert(webhook.clone(), Webhook { url, types, secret, created, keys, paused: None });
            }
            TenantEvent::WebhookRemoved { webhook, .. } => drop(self.webhooks.remove(webhook)),
            TenantEvent::WebhookKeysSet { webhook, keys, .. } => self.known_webhook(webhook).keys.clone_from(keys),
            TenantEvent::WebhookPaused { webhook, reason, by } => {
                let paused = Suspension { since: at, reason: reason.clone(), by: by.clone() };
                self.known_webhook(webhook).paused = Some(paused);
            }
            TenantEvent::SagaApplied { .. }
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
            | TenantEvent::RequestsDenied { .. } => {}
        }
        Ok(())
    }

    /// Keeps one more key; where there are too many, the one that has been void longest goes.
    fn keep(&mut self, key: Key) -> Result<(), String> {
        if self.keys.len() >= KEYS_KEPT_MAX {
            let void = self.keys.values().filter(|kept| !kept.is_valid(key.created));
            let oldest = void.min_by_key(|kept| (kept.void_since(), kept.id)).map(|kept| kept.id);
            self.keys.remove(&oldest.ok_or_else(|| format!("more than {KEYS_KEPT_MAX} keys open something"))?);
        }
        self.keys.insert(key.id, key);
        Ok(())
    }

    fn known_webhook(&mut self, webhook: &WebhookName) -> &mut Webhook {
        self.webhooks.get_mut(webhook).expect("it fits, so there is one")
    }

    fn forget(&mut self, plugin: &PluginName, version: &PluginVersion) {
        let versions = self.plugins.get_mut(plugin).expect("it fits, so there is one");
        versions.retain(|published| published.version != *version);
        if versions.is_empty() {
            self.plugins.remove(plugin);
        }
    }
}
