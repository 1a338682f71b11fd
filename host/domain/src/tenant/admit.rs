//! Whether a fact may follow, and whether what it stands for is allowed: the only place that says no to a wish about a tenant itself. Who may
//! wish it is decided before, in `access`; whether live runs pin a version that is to go is known to the caller only.

use super::{KEYS_MAX, Published, Tenant, TenantLimits, VERSIONS_MAX, Webhook};
use crate::access::Standing;
use crate::catalogue;
use crate::decide::{REASON_LEN_MAX, Unfit, WHO_LEN_MAX};
use crate::definition::Mistakes;
use crate::event::{LimitName, TenantEvent};
use crate::id::{KeyId, KeyName, PluginName, WebhookName};
use crate::time::Timestamp;
use crate::webhook::Target;

/// Most types of events that a webhook names.
pub const EVENT_TYPES_MAX: usize = 64;
/// Most keys that sign what is sent to one webhook: one, and the one whose place it takes.
pub const WEBHOOK_KEYS_MAX: usize = 2;

/// What becomes of a wish that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// Note the fact.
    New,
    /// It is so already.
    Already,
}

fn unfit<T>(code: &'static str, message: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit { code, message: message.into() })
}

impl Tenant {
    /// What becomes of the wish that `fact` be noted. Facts that are not the tenant's own business (sagas, state, grants, secrets) are judged
    /// where they are made, and pass.
    ///
    /// # Errors
    /// [`Unfit`] with a stable code; nothing is to be noted.
    pub fn admit(&self, fact: &TenantEvent, now: Timestamp) -> Result<Admitted, Unfit> {
        if let TenantEvent::TenantSuspended { reason, .. } | TenantEvent::WebhookPaused { reason, .. } = fact {
            // However the tenant stands: what is too long is not taken for what is so already.
            bounded("the reason", reason, REASON_LEN_MAX)?;
        }
        if self.is_so(fact) {
            return Ok(Admitted::Already);
        }
        self.fits(fact)?;
        match fact {
            TenantEvent::TenantCreated { by }
            | TenantEvent::LimitsSet { by, .. }
            | TenantEvent::TenantReopened { by }
            | TenantEvent::TenantDeleted { by }
            | TenantEvent::KeyRevoked { by, .. }
            | TenantEvent::PluginVersionDeleted { by, .. }
            | TenantEvent::WebhookRemoved { by, .. }
            | TenantEvent::TenantSuspended { by, .. }
            | TenantEvent::WebhookPaused { by, .. } => bounded("who says so", by, WHO_LEN_MAX)?,
            TenantEvent::KeyCreated { name, expires, by, .. } => {
                self.at_work(by)?;
                self.may_have_key(name, *expires, now)?;
            }
            TenantEvent::PluginPublished { plugin, by, .. } => {
                self.at_work(by)?;
                self.may_have_version(plugin)?;
            }
            TenantEvent::WebhookSet { webhook, url, types, by, .. } => {
                self.at_work(by)?;
                self.may_have_webhook(webhook)?;
                if let Some(first) = webhook_mistakes(url, types).0.first() {
                    return unfit("webhook_refused", first.to_string());
                }
            }
            TenantEvent::WebhookKeysSet { keys, by, .. } => {
                bounded("who says so", by, WHO_LEN_MAX)?;
                assert!(keys.len() <= WEBHOOK_KEYS_MAX, "the host makes keys, and never {}", keys.len());
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
        Ok(Admitted::New)
    }

    /// Whether it is as the fact would make it, so that whoever asks twice is not refused.
    fn is_so(&self, fact: &TenantEvent) -> bool {
        let lives = matches!(self.standing, Standing::Open | Standing::Suspended);
        match fact {
            TenantEvent::TenantDeleted { .. } => self.standing == Standing::Deleted,
            TenantEvent::TenantSuspended { .. } => self.standing == Standing::Suspended,
            TenantEvent::TenantReopened { .. } => self.standing == Standing::Open,
            TenantEvent::LimitsSet { limits, .. } => lives && self.limits == TenantLimits::default().with(limits),
            TenantEvent::KeyRevoked { key, .. } => lives && self.key(*key).is_some_and(|key| key.revoked.is_some()),
            TenantEvent::PluginPublished { plugin, version, component, .. } => {
                let same = |published: &Published| published.component == *component;
                lives && self.version(plugin, version).is_some_and(same)
            }
            TenantEvent::WebhookSet { webhook, url, types, secret, .. } => {
                let known = self.webhooks.get(webhook);
                let is_so = |known: &Webhook| (&known.url, &known.types, &known.secret) == (url, types, secret);
                lives && known.is_some_and(|known| is_so(known) && known.paused.is_none())
            }
            TenantEvent::WebhookKeysSet { webhook, keys, .. } => {
                lives && self.webhooks.get(webhook).is_some_and(|known| known.keys == *keys)
            }
            // Whoever paused it first said why.
            TenantEvent::WebhookPaused { webhook, .. } => {
                lives && self.webhooks.get(webhook).is_some_and(|known| known.paused.is_some())
            }
            TenantEvent::TenantCreated { .. }
            | TenantEvent::KeyCreated { .. }
            | TenantEvent::PluginVersionDeleted { .. }
            | TenantEvent::WebhookRemoved { .. }
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

    /// Whether the fact can follow those before it: what holds for every chain, whatever the rules were when it was noted.
    pub(super) fn fits(&self, fact: &TenantEvent) -> Result<(), Unfit> {
        match fact {
            TenantEvent::TenantCreated { .. } => self.is_free(),
            TenantEvent::LimitsSet { .. } | TenantEvent::TenantDeleted { .. } | TenantEvent::WebhookSet { .. } => self.lives(),
            TenantEvent::TenantSuspended { .. } => self.stands(Standing::Open, "suspended already"),
            TenantEvent::TenantReopened { .. } => self.stands(Standing::Suspended, "not suspended"),
            TenantEvent::KeyCreated { key, .. } => self.lives().and_then(|()| self.is_new_key(*key)),
            TenantEvent::KeyRevoked { key, .. } => self.lives().and_then(|()| self.has_key(*key)),
            TenantEvent::PluginPublished { plugin, version, .. } => match self.version(plugin, version) {
                Some(known) => unfit(
                    "version_exists",
                    format!(
                        "plugin `{plugin}` has version {version} already, which is {}: publish another version",
                        known.component
                    ),
                ),
                None => self.lives(),
            },
            TenantEvent::PluginVersionDeleted { plugin, version, .. } => match self.version(plugin, version) {
                Some(_) => self.lives(),
                None => unfit("version_unknown", format!("plugin `{plugin}` has no version {version}")),
            },
            TenantEvent::WebhookRemoved { webhook, .. }
            | TenantEvent::WebhookKeysSet { webhook, .. }
            | TenantEvent::WebhookPaused { webhook, .. } => self.has_webhook(webhook),
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
            | TenantEvent::RequestsDenied { .. } => Ok(()),
        }
    }

    fn is_free(&self) -> Result<(), Unfit> {
        match self.standing {
            Standing::Absent => Ok(()),
            Standing::Open | Standing::Suspended => {
                unfit("tenant_exists", "there is a tenant of this name already: choose another name")
            }
            // What it did is in a chain of this name for ever.
            Standing::Deleted => {
                unfit("tenant_deleted", "there was a tenant of this name, and names are not used again: choose another")
            }
        }
    }

    fn lives(&self) -> Result<(), Unfit> {
        match self.standing {
            Standing::Open | Standing::Suspended => Ok(()),
            Standing::Absent => unfit("tenant_unknown", "there is no such tenant: an operator creates it"),
            Standing::Deleted => unfit("tenant_deleted", "the tenant was deleted"),
        }
    }

    fn stands(&self, standing: Standing, otherwise: &str) -> Result<(), Unfit> {
        self.lives()?;
        if self.standing == standing { Ok(()) } else { unfit("tenant_standing", format!("the tenant is {otherwise}")) }
    }

    /// Open, so that something new may come.
    fn at_work(&self, by: &str) -> Result<(), Unfit> {
        bounded("who says so", by, WHO_LEN_MAX)?;
        match self.standing {
            Standing::Suspended => unfit("tenant_suspended", "the tenant is suspended: an operator has to reopen it first"),
            Standing::Open | Standing::Absent | Standing::Deleted => self.lives(),
        }
    }

    fn is_new_key(&self, key: KeyId) -> Result<(), Unfit> {
        if self.key(key).is_none() { Ok(()) } else { unfit("key_exists", format!("there is a key {key} already")) }
    }

    fn has_key(&self, key: KeyId) -> Result<(), Unfit> {
        match self.key(key) {
            Some(known) if known.revoked.is_some() => unfit("key_revoked", format!("{key} was revoked before")),
            Some(_) => Ok(()),
            None => unfit("unknown_key", format!("there is no key {key}")),
        }
    }

    fn has_webhook(&self, webhook: &WebhookName) -> Result<(), Unfit> {
        if self.webhooks.contains_key(webhook) {
            return self.lives();
        }
        unfit("webhook_unknown", format!("there is no webhook `{webhook}`"))
    }

    fn may_have_key(&self, name: &KeyName, expires: Option<Timestamp>, now: Timestamp) -> Result<(), Unfit> {
        if let Some(expires) = expires.filter(|expires| *expires <= now) {
            return unfit(
                "expiry_passed",
                format!("the key would expire at {expires}, which is over: write an instant that is to come"),
            );
        }
        let valid = || self.keys().filter(|key| key.is_valid(now));
        if valid().any(|key| key.name == *name) {
            return unfit("key_name_taken", format!("there is a key `{name}` already: revoke it first, or choose another name"));
        }
        if valid().count() >= KEYS_MAX {
            return unfit("too_many_keys", format!("there are {KEYS_MAX} keys, and more are not allowed: revoke one first"));
        }
        Ok(())
    }

    fn may_have_version(&self, plugin: &PluginName) -> Result<(), Unfit> {
        let (versions, plugins_max) = (self.versions(plugin).len(), self.limits.get(LimitName::Plugins));
        if versions >= VERSIONS_MAX {
            return unfit("too_many_versions", format!("plugin `{plugin}` has {VERSIONS_MAX} versions: delete one first"));
        }
        if versions == 0 && self.plugins.len() as u64 >= plugins_max {
            return unfit("too_many_plugins", format!("limit plugins of {plugins_max} is reached: delete a plugin first"));
        }
        Ok(())
    }

    fn may_have_webhook(&self, webhook: &WebhookName) -> Result<(), Unfit> {
        let webhooks_max = self.limits.get(LimitName::Webhooks);
        if self.webhooks.contains_key(webhook) || (self.webhooks.len() as u64) < webhooks_max {
            return Ok(());
        }
        unfit("too_many_webhooks", format!("limit webhooks of {webhooks_max} is reached: remove one first"))
    }
}

fn bounded(what: &str, text: &str, len_max: usize) -> Result<(), Unfit> {
    if (1..=len_max).contains(&text.len()) {
        return Ok(());
    }
    unfit("text_length", format!("{what} has {} bytes: 1 to {len_max} are allowed", text.len()))
}

/// All that is wrong with where a webhook would send what, each by the name that requests give it.
pub fn webhook_mistakes(url: &str, types: &[String]) -> Mistakes {
    let mut mistakes = Mistakes::default();
    if let Err(error) = Target::read(url) {
        mistakes.add("url", error.to_string());
    }
    if types.len() > EVENT_TYPES_MAX {
        mistakes.add("events", format!("{} types of events: {EVENT_TYPES_MAX} are allowed", types.len()));
        return mistakes;
    }
    for (at, unknown) in types.iter().enumerate().filter(|(_, pattern)| !is_known(pattern)) {
        mistakes.add(&format!("events[{at}]"), no_type(unknown));
    }
    mistakes
}

fn is_known(pattern: &str) -> bool {
    catalogue::TYPES.iter().any(|known| catalogue::selects(pattern, known.name))
}

fn no_type(unknown: &str) -> String {
    let shown: String = unknown.chars().take(80).collect();
    format!("`{shown}` is no type of events: write one such as workflow.saga.failed, or workflow.*")
}
