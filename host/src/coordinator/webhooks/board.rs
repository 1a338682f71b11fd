//! How the webhooks fare, for those who ask, and how far each is, until that is kept. In memory: what is lost with the process is found again by
//! sending.

use crate::coordinator::Coordinator;
use crate::store::{StoreError, WebhookCursor};
use amends_domain::catalogue::Position;
use amends_domain::id::{TenantId, WebhookName};
use amends_domain::time::{Span, Timestamp};
use amends_domain::webhook::Failing;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All of them.
#[derive(Debug, Default)]
pub(in crate::coordinator) struct Board(Mutex<BTreeMap<(TenantId, WebhookName), Standing>>);

/// How one fares.
#[derive(Debug, Clone)]
struct Standing {
    cursor: WebhookCursor,
    kept: Kept,
    last: Option<LastDelivery>,
    next: Option<Timestamp>,
    trouble: Option<String>,
}

/// Whether the store knows the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    NotYet,
}

/// The last request that was sent to a webhook, since this host was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDelivery {
    /// When it was sent.
    pub at: Timestamp,
    /// How long it took until there was an answer, or none.
    pub took: Span,
    /// How many events were in it.
    pub events: usize,
    /// What came of it: `answered 204`, or why there was no answer.
    pub said: String,
}

/// How a webhook fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookStatus {
    /// Everything up to this event was taken, or was not for it.
    pub position: Position,
    /// How many records of the tenant's chain lie behind that.
    pub records_behind: u64,
    /// Since when nothing is delivered, and how often it was tried.
    pub failing: Option<Failing>,
    /// The last request.
    pub last: Option<LastDelivery>,
    /// When the next one is, if it waits for an instant.
    pub next: Option<Timestamp>,
    /// What keeps anything from being sent, if it is on this side.
    pub trouble: Option<String>,
}

/// How many there are, how many of them fail, and how far the last one is behind its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::coordinator) struct Tallied {
    pub(in crate::coordinator) all: usize,
    pub(in crate::coordinator) failing: usize,
    pub(in crate::coordinator) records_behind_max: u64,
}

impl Board {
    /// A sender begins here.
    pub(super) fn begins(&self, tenant: &TenantId, webhook: &WebhookName, cursor: WebhookCursor) {
        let standing = Standing { cursor, kept: Kept::Yes, last: None, next: None, trouble: None };
        self.all().insert((tenant.clone(), webhook.clone()), standing);
    }

    /// There is none any more.
    pub(super) fn ends(&self, tenant: &TenantId, webhook: &WebhookName) {
        self.all().remove(&(tenant.clone(), webhook.clone()));
    }

    /// It is here now.
    pub(super) fn moved(&self, tenant: &TenantId, webhook: &WebhookName, cursor: WebhookCursor) {
        self.with(tenant, webhook, |standing| {
            if standing.cursor != cursor {
                (standing.cursor, standing.kept, standing.trouble) = (cursor, Kept::NotYet, None);
            }
        });
    }

    /// Something was sent.
    pub(super) fn sent(&self, tenant: &TenantId, webhook: &WebhookName, last: LastDelivery, next: Option<Timestamp>) {
        self.with(tenant, webhook, |standing| (standing.last, standing.next, standing.trouble) = (Some(last), next, None));
    }

    /// Something on this side keeps it from being sent; none: nothing does.
    pub(super) fn is_troubled(&self, tenant: &TenantId, webhook: &WebhookName, trouble: Option<String>) {
        self.with(tenant, webhook, |standing| (standing.trouble, standing.next) = (trouble, None));
    }

    /// The cursors that the store does not know yet. From now on it is taken to know them.
    fn take(&self) -> Vec<(TenantId, WebhookName, WebhookCursor)> {
        let mut all = self.all();
        let moved = all.iter_mut().filter(|(_, standing)| standing.kept == Kept::NotYet);
        moved
            .map(|((tenant, webhook), standing)| {
                standing.kept = Kept::Yes;
                (tenant.clone(), webhook.clone(), standing.cursor)
            })
            .collect()
    }

    /// The store does not know these after all.
    fn give_back(&self, cursors: &[(TenantId, WebhookName, WebhookCursor)]) {
        for (tenant, webhook, _) in cursors {
            self.with(tenant, webhook, |standing| standing.kept = Kept::NotYet);
        }
    }

    fn with(&self, tenant: &TenantId, webhook: &WebhookName, change: impl FnOnce(&mut Standing)) {
        if let Some(standing) = self.all().get_mut(&(tenant.clone(), webhook.clone())) {
            change(standing);
        }
    }

    fn of(&self, tenant: &TenantId, webhook: &WebhookName) -> Option<Standing> {
        self.all().get(&(tenant.clone(), webhook.clone())).cloned()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<(TenantId, WebhookName), Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Coordinator {
    /// How a webhook fares; none if there is none.
    ///
    /// # Errors
    /// What the store says.
    pub fn webhook_status(&self, tenant: &TenantId, webhook: &WebhookName) -> Result<Option<WebhookStatus>, StoreError> {
        let standing = match self.parts.board.of(tenant, webhook) {
            Some(standing) => standing,
            // Nobody sends, or not yet.
            None => match self.webhook_cursor(tenant, webhook)? {
                Some(cursor) => Standing { cursor, kept: Kept::Yes, last: None, next: None, trouble: None },
                None => return Ok(None),
            },
        };
        let Standing { cursor: WebhookCursor { position, failing }, last, next, trouble, kept: _ } = standing;
        let head = self.parts.store.head(tenant, position.lane)?;
        let records_behind = head.seq.saturating_sub(position.seq);
        Ok(Some(WebhookStatus { position, records_behind, failing, last, next, trouble }))
    }

    /// How they fare together. Reads the store, if there are any.
    pub(in crate::coordinator) fn webhooks_tallied(&self) -> Tallied {
        let cursors: Vec<_> =
            self.parts.board.all().iter().map(|((tenant, _), standing)| (tenant.clone(), standing.cursor)).collect();
        let lanes = if cursors.is_empty() { Vec::new() } else { self.parts.store.lanes().unwrap_or_default() };
        let heads: HashMap<_, _> = lanes.into_iter().map(|row| ((row.tenant, row.lane), row.head.seq)).collect();
        let behind = |(tenant, cursor): &(TenantId, WebhookCursor)| {
            let head = heads.get(&(tenant.clone(), cursor.position.lane)).copied().unwrap_or_default();
            head.saturating_sub(cursor.position.seq)
        };
        let failing = cursors.iter().filter(|(_, cursor)| cursor.failing.is_some()).count();
        Tallied { all: cursors.len(), failing, records_behind_max: cursors.iter().map(behind).max().unwrap_or_default() }
    }

    /// How far a webhook was when that was kept last.
    pub(super) fn webhook_cursor(&self, tenant: &TenantId, webhook: &WebhookName) -> Result<Option<WebhookCursor>, StoreError> {
        let found = self.parts.store.webhook_cursors(tenant)?.into_iter().find(|(name, _)| name == webhook);
        Ok(found.map(|(_, cursor)| cursor))
    }

    /// Keeps how far the webhooks are, those that moved, in one transaction. Blocks for as long as that takes.
    pub(in crate::coordinator) fn keep_cursors(&self) {
        let cursors = self.parts.board.take();
        if cursors.is_empty() {
            return;
        }
        if let Err(error) = self.parts.store.keep_webhook_cursors(&cursors) {
            // Whoever writes finds out the same, and the host ends by it.
            tracing::warn!(%error, "how far webhooks are could not be kept: some events would be sent again");
            self.parts.board.give_back(&cursors);
        }
    }
}
