//! The secrets of a tenant: sealed before they are stored, opened when an attempt of a plugin starts that was granted them. So a secret that
//! was set again is used by the next attempt, and one that was withdrawn by none.

use super::{Coordinator, DriveError};
use crate::sandbox::Secrets;
use crate::store::StoreError;
use crate::vault::{Thing, Vault, VaultError};
use amends_domain::digest::Digest;
use amends_domain::event::TenantEvent;
use amends_domain::id::{PluginName, SecretName, TenantId};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most secrets of a tenant.
const SECRETS_MAX: usize = 1000;
/// Longest secret, bytes: a key of the largest kinds, in text.
pub const SECRET_LEN_MAX: usize = 16 * 1024;

/// Who may use which secret.
pub(super) type SecretGrants = Vec<(SecretName, PluginName)>;

/// Why a secret is not set, granted or removed.
#[derive(Debug, thiserror::Error)]
pub enum SecretRefused {
    /// There are too many.
    #[error("there are {SECRETS_MAX} secrets, and more are not allowed: remove one first")]
    TooMany,
    /// It is empty or too long.
    #[error("the secret has {0} bytes: 1 to {SECRET_LEN_MAX} are allowed")]
    Length(usize),
    /// It could not stand in a header, and what is not seen cannot be found when it goes wrong.
    #[error("the secret has control characters: only visible text and spaces are allowed, and no end of line")]
    NotPlain,
    /// No such secret.
    #[error("there is no secret `{0}`: amends secret set")]
    Unknown(SecretName),
    /// The key.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The host cannot.
    #[error(transparent)]
    Host(#[from] DriveError),
}

impl From<StoreError> for SecretRefused {
    fn from(error: StoreError) -> Self {
        Self::Host(error.into())
    }
}

impl Coordinator {
    /// The same coordinator; `vault` seals and opens secrets. Without one a plugin that was granted any is not run.
    ///
    /// # Panics
    /// If the coordinator was cloned before.
    #[must_use]
    pub fn with_vault(mut self, vault: Vault) -> Self {
        Arc::get_mut(&mut self.parts).expect("a vault is given before anything is driven").vault = Some(vault);
        self
    }

    /// Sets a secret, or sets it again. When this returns, it is durable; attempts that start from now on get this one.
    ///
    /// # Errors
    /// [`SecretRefused`]; the secret is as it was, unless it says that this is not known.
    pub async fn set_secret(&self, tenant: &TenantId, name: &SecretName, secret: &str, by: String) -> Result<(), SecretRefused> {
        check(secret)?;
        let vault = self.parts.vault.as_ref().ok_or(VaultError::NoKey)?;
        let sealed = Bytes::from(vault.seal(tenant, Thing::Secret(name), secret));
        let at = self.parts.clock.now();
        let position = self.parts.lanes.of(tenant).change_secrets(at, |secrets, _| {
            if !secrets.contains_key(name) && secrets.len() == SECRETS_MAX {
                return Err(SecretRefused::TooMany);
            }
            let digest = Digest::of(&sealed);
            let replaces = secrets.insert(name.clone(), sealed.clone()).map(|before| Digest::of(&before));
            let set = TenantEvent::SecretSet { secret: name.clone(), sealed: digest, replaces, by };
            Ok((vec![set], vec![(digest, sealed)]))
        })?;
        self.parts.gate.leave(position).await.map_err(DriveError::from)?;
        Ok(())
    }

    /// Removes a secret and all grants of it. What was sealed is gone when this returns.
    ///
    /// # Errors
    /// As [`Coordinator::set_secret`].
    pub async fn remove_secret(&self, tenant: &TenantId, name: &SecretName, by: String) -> Result<(), SecretRefused> {
        let at = self.parts.clock.now();
        let position = self.parts.lanes.of(tenant).change_secrets(at, |secrets, grants| {
            let sealed = secrets.remove(name).ok_or_else(|| SecretRefused::Unknown(name.clone()))?;
            let (of_it, others): (Vec<_>, Vec<_>) = std::mem::take(grants).into_iter().partition(|(granted, _)| granted == name);
            *grants = others;
            let withdrawn = |(secret, plugin)| TenantEvent::SecretWithdrawn { secret, plugin, by: by.clone() };
            let mut events: Vec<_> = of_it.into_iter().map(withdrawn).collect();
            events.push(TenantEvent::SecretRemoved { secret: name.clone(), sealed: Digest::of(&sealed), by: by.clone() });
            Ok::<_, SecretRefused>((events, Vec::new()))
        })?;
        self.parts.gate.leave(position).await.map_err(DriveError::from)?;
        Ok(())
    }

    /// Lets a plugin use a secret. Granted already, nothing changes.
    ///
    /// # Errors
    /// As [`Coordinator::set_secret`].
    pub async fn grant_secret(
        &self,
        tenant: &TenantId,
        secret: &SecretName,
        plugin: &PluginName,
        by: String,
    ) -> Result<(), SecretRefused> {
        let at = self.parts.clock.now();
        let position = self.parts.lanes.of(tenant).change_secrets(at, |secrets, grants| {
            if !secrets.contains_key(secret) {
                return Err(SecretRefused::Unknown(secret.clone()));
            }
            let grant = (secret.clone(), plugin.clone());
            if grants.contains(&grant) {
                return Ok((Vec::new(), Vec::new()));
            }
            grants.push(grant);
            let (secret, plugin) = (secret.clone(), plugin.clone());
            Ok((vec![TenantEvent::SecretGranted { secret, plugin, by }], Vec::new()))
        })?;
        self.parts.gate.leave(position).await.map_err(DriveError::from)?;
        Ok(())
    }

    /// Has a plugin use a secret no longer; false if it might not. Attempts that start from now on go without.
    ///
    /// # Errors
    /// As [`Coordinator::set_secret`].
    pub async fn withdraw_secret(
        &self,
        tenant: &TenantId,
        secret: &SecretName,
        plugin: &PluginName,
        by: String,
    ) -> Result<bool, SecretRefused> {
        let at = self.parts.clock.now();
        let mut was_granted = false;
        let position = self.parts.lanes.of(tenant).change_secrets(at, |secrets, grants| {
            if !secrets.contains_key(secret) {
                return Err(SecretRefused::Unknown(secret.clone()));
            }
            let before = grants.len();
            grants.retain(|(granted, to)| granted != secret || to != plugin);
            was_granted = grants.len() < before;
            let (secret, plugin) = (secret.clone(), plugin.clone());
            let withdrawn = was_granted.then_some(TenantEvent::SecretWithdrawn { secret, plugin, by });
            Ok((withdrawn.into_iter().collect(), Vec::new()))
        })?;
        self.parts.gate.leave(position).await.map_err(DriveError::from)?;
        Ok(was_granted)
    }

    /// The names of the tenant's secrets, and who may use each.
    ///
    /// # Errors
    /// What the store says.
    pub fn secrets(&self, tenant: &TenantId) -> Result<Vec<(SecretName, Vec<PluginName>)>, StoreError> {
        self.parts.lanes.of(tenant).see_secrets(|secrets, grants| {
            let used_by = |name: &SecretName| {
                let of_it = grants.iter().filter(|(secret, _)| secret == name);
                of_it.map(|(_, plugin)| plugin.clone()).collect()
            };
            secrets.keys().map(|name| (name.clone(), used_by(name))).collect()
        })
    }
}

/// What a plugin may use, opened.
pub(super) fn granted(
    vault: Option<&Vault>,
    tenant: &TenantId,
    plugin: &PluginName,
    secrets: &BTreeMap<SecretName, Bytes>,
    grants: &SecretGrants,
) -> Result<Secrets, VaultError> {
    let mut opened = BTreeMap::new();
    for (name, _) in grants.iter().filter(|(_, to)| to == plugin) {
        let Some(sealed) = secrets.get(name) else { continue };
        let vault = vault.ok_or(VaultError::NoKey)?;
        opened.insert(name.to_string(), vault.open(tenant, Thing::Secret(name), sealed)?);
    }
    Ok(Secrets(Arc::new(opened)))
}

fn check(secret: &str) -> Result<(), SecretRefused> {
    if !(1..=SECRET_LEN_MAX).contains(&secret.len()) {
        return Err(SecretRefused::Length(secret.len()));
    }
    if secret.chars().any(char::is_control) { Err(SecretRefused::NotPlain) } else { Ok(()) }
}
