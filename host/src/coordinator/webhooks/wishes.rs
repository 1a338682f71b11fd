//! What is asked about webhooks: each is judged under the lock of its tenant and noted as one record, with the key that it is signed with.

use super::signing;
use crate::coordinator::lane::together::Together;
use crate::coordinator::{Coordinator, DriveError};
use crate::vault::{Thing, VaultError};
use amends_domain::decide::Unfit;
use amends_domain::digest::Digest;
use amends_domain::event::{TenantEvent, WebhookKey};
use amends_domain::id::{TenantId, WebhookName};
use amends_domain::tenant::{Tenant, Webhook};
use amends_domain::time::Span;
use bytes::Bytes;

/// Why it stands still where somebody asked for that.
const BY_HAND: &str = "paused by hand";

/// What a webhook shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookWish {
    /// Where to.
    pub url: String,
    /// Which types of events; none: all.
    pub types: Vec<String>,
    /// Whether anything is sent.
    pub sends: WebhookChange,
}

/// Whether something is sent to a webhook from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookChange {
    /// It is: where it was left off, if it was paused.
    Sends,
    /// Nothing is, until it is set again.
    Pauses,
}

/// Why a wish about a webhook is refused.
#[derive(Debug, thiserror::Error)]
pub enum WebhookRefused {
    /// It does not fit how the tenant stands.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// There is no master key, so its own cannot be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The host cannot.
    #[error(transparent)]
    Host(#[from] DriveError),
}

/// What kept a wish from being granted: that things are not as was thought, or a refusal.
enum Not {
    AsThought,
    Refused(WebhookRefused),
}

impl<E: Into<WebhookRefused>> From<E> for Not {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl Coordinator {
    /// Sets a webhook, or sets it again, if what there is is as `fits` wants it; none if it is not. A new one gets a key, which is given here, and
    /// which nobody can show again. When this returns, that is durable. One that was paused goes on where it was.
    ///
    /// # Errors
    /// [`WebhookRefused`]; nothing was noted, unless it says that this is not known.
    pub async fn set_webhook(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        wish: WebhookWish,
        fits: impl FnOnce(Option<&Webhook>) -> bool,
        by: String,
    ) -> Result<Option<(Webhook, Option<String>)>, WebhookRefused> {
        let mut key = None;
        let done = self
            .wish(tenant, |known| {
                let before = known.webhook(webhook);
                if !fits(before) {
                    return Err(Not::AsThought);
                }
                let mut together = Together { events: set(webhook, before, wish, &by), sealed: Vec::new() };
                if before.is_none_or(|before| before.keys.is_empty()) {
                    let (shown, sealed, bytes) = self.new_key(tenant, webhook)?;
                    let keys = vec![WebhookKey { sealed, until: None }];
                    together
                        .events
                        .insert(1, TenantEvent::WebhookKeysSet { webhook: webhook.clone(), keys, destroyed: Vec::new(), by });
                    together.sealed.push((sealed, bytes));
                    key = Some(shown);
                }
                Ok(together)
            })
            .await?;
        let now = self.tenant(tenant);
        Ok(done.and_then(|()| now.webhook(webhook).cloned()).map(|webhook| (webhook, key)))
    }

    /// Gives a webhook another key, which is given here. What is sent is signed with the one before as well for as long as `overlap`.
    ///
    /// # Errors
    /// As [`Coordinator::set_webhook`].
    pub async fn rotate_webhook(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        overlap: Span,
        by: String,
    ) -> Result<(Webhook, String), WebhookRefused> {
        let (shown, sealed, bytes) = self.new_key(tenant, webhook)?;
        let until = self.parts.clock.now().plus(overlap);
        self.wish(tenant, |known| {
            let mut before = known.webhook(webhook).ok_or_else(|| unknown(webhook))?.keys.iter();
            let kept = if overlap > Span(0) { before.next() } else { None };
            let destroyed = before.map(|key| key.sealed).collect();
            let new = WebhookKey { sealed, until: None };
            let keys = [new].into_iter().chain(kept.map(|key| WebhookKey { sealed: key.sealed, until: Some(until) })).collect();
            let set = TenantEvent::WebhookKeysSet { webhook: webhook.clone(), keys, destroyed, by };
            Ok(Together { events: vec![set], sealed: vec![(sealed, bytes)] })
        })
        .await?;
        let now = self.tenant(tenant);
        let webhook = now.webhook(webhook).cloned().ok_or_else(|| unknown(webhook))?;
        Ok((webhook, shown))
    }

    /// Removes a webhook and destroys its keys, if it is as `fits` wants it; false if it is not. When this returns, that is durable, and nothing
    /// more is sent but a request that was on its way.
    ///
    /// # Errors
    /// As [`Coordinator::set_webhook`].
    pub async fn remove_webhook(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        fits: impl FnOnce(Option<&Webhook>) -> bool,
        by: String,
    ) -> Result<bool, WebhookRefused> {
        let done = self
            .wish(tenant, |known| {
                let before = known.webhook(webhook);
                if !fits(before) {
                    return Err(Not::AsThought);
                }
                let destroyed = before.ok_or_else(|| unknown(webhook))?.keys.iter().map(|key| key.sealed).collect();
                let name = || webhook.clone();
                let keys = TenantEvent::WebhookKeysSet { webhook: name(), keys: Vec::new(), destroyed, by: by.clone() };
                Ok(Together { events: vec![keys, TenantEvent::WebhookRemoved { webhook: name(), by }], sealed: Vec::new() })
            })
            .await?;
        Ok(done.is_some())
    }

    /// Has a wish judged and noted; none if things are not as was thought.
    async fn wish(
        &self,
        tenant: &TenantId,
        wish: impl FnOnce(&Tenant) -> Result<Together, Not>,
    ) -> Result<Option<()>, WebhookRefused> {
        let parts = &self.parts;
        parts.writer.room().await.map_err(DriveError::from)?;
        let (said, position) = parts.lanes.of(tenant).alter_together(&parts.book, parts.clock.now(), wish);
        parts.gate.leave(position).await.map_err(DriveError::from)?;
        match said {
            Ok(()) => Ok(Some(())),
            Err(Not::AsThought) => Ok(None),
            Err(Not::Refused(refused)) => Err(refused),
        }
    }

    /// A key as it is shown, and what is sealed of it.
    fn new_key(&self, tenant: &TenantId, webhook: &WebhookName) -> Result<(String, Digest, Bytes), VaultError> {
        let vault = self.parts.vault.as_ref().ok_or(VaultError::NoKey)?;
        let shown = signing::shown(&self.parts.clock.chance());
        let sealed = Bytes::from(vault.seal(tenant, Thing::WebhookKey(webhook), &shown));
        Ok((shown, Digest::of(&sealed), sealed))
    }
}

/// The facts that make a webhook what it shall be. The first one sets it; what is so already is not noted.
fn set(webhook: &WebhookName, before: Option<&Webhook>, wish: WebhookWish, by: &str) -> Vec<TenantEvent> {
    let WebhookWish { url, types, sends } = wish;
    let name = || webhook.clone();
    let is_so = |known: &Webhook| (&known.url, &known.types) == (&url, &types) && known.paused.is_some();
    if sends == WebhookChange::Pauses && before.is_some_and(is_so) {
        return Vec::new();
    }
    let mut events = vec![TenantEvent::WebhookSet { webhook: name(), url, types, secret: None, by: by.to_owned() }];
    match sends {
        WebhookChange::Sends => {}
        WebhookChange::Pauses => {
            events.push(TenantEvent::WebhookPaused { webhook: name(), reason: BY_HAND.to_owned(), by: by.to_owned() });
        }
    }
    events
}

fn unknown(webhook: &WebhookName) -> Unfit {
    Unfit { code: "webhook_unknown", message: format!("there is no webhook `{webhook}`") }
}
