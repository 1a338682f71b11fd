//! The book of all tenants: what each of them is, ahead of the disk, and whose every key is. Tenants are known by the fold of their facts,
//! read once at the start; a wish is judged under the lock under which its fact is queued, so that the order in the chain is the order of
//! the book. Whoever decides goes by the newest, whoever tells goes by what is durable.

use super::Coordinator;
use super::error::DriveError;
use super::lane::Lane;
use super::lanes::Lanes;
use crate::store::writer::Position;
use crate::store::{PAGE_LEN_MAX, StoreError};
use amends_domain::access::{Principal, Role, Scope, Standing, Token, TokenDigest};
use amends_domain::decide::Unfit;
use amends_domain::digest::Digest;
use amends_domain::event::{TenantEntry, TenantEvent};
use amends_domain::id::{KeyId, KeyName, TenantId};
use amends_domain::tenant::{Admitted, KeyRefused, Tenant};
use amends_domain::time::Timestamp;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hint::black_box;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The tenant that is the host itself: its keys are for the whole host. It is created when a server starts first.
pub const HOST_TENANT: &str = "host";

/// [`HOST_TENANT`] as an id.
///
/// # Panics
/// Never: it is a name.
pub fn host_tenant() -> TenantId {
    HOST_TENANT.parse().expect("`host` is a name")
}

/// Why a wish about a tenant is refused.
#[derive(Debug, thiserror::Error)]
pub enum AlterError {
    /// It does not fit how the tenant stands.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The host cannot.
    #[error(transparent)]
    Host(#[from] DriveError),
}

impl AlterError {
    /// The stable code for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unfit(unfit) => unfit.code,
            Self::Host(_) => "host",
        }
    }
}

/// What became of a wish.
pub(super) struct Judged {
    pub(super) said: Result<Admitted, Unfit>,
    /// Everything up to here must be durable before anybody is told.
    pub(super) position: Position,
}

/// What is known of a tenant: the newest, and what of it is durable.
#[derive(Debug)]
pub(super) struct Known {
    newest: Arc<Tenant>,
    last: Position,
    durable: Arc<Tenant>,
    /// On its way to the disk, oldest first. As many as there are wishes that wait for it.
    queued: VecDeque<(Position, Arc<Tenant>)>,
}

impl Known {
    pub(super) fn new(tenant: Tenant) -> Self {
        let tenant = Arc::new(tenant);
        Self { newest: Arc::clone(&tenant), last: Position::default(), durable: tenant, queued: VecDeque::new() }
    }

    pub(super) fn newest(&self) -> &Arc<Tenant> {
        &self.newest
    }

    /// The newest, and where the fact stands in the queue that made it so.
    pub(super) fn now(&self) -> (Arc<Tenant>, Position) {
        (Arc::clone(&self.newest), self.last)
    }

    /// It is `tenant` from now on, by a fact that is queued at `position`.
    pub(super) fn change(&mut self, tenant: Arc<Tenant>, position: Position, durable: Position) {
        self.settle(durable);
        self.queued.push_back((position, Arc::clone(&tenant)));
        (self.newest, self.last) = (tenant, position);
    }

    /// What it is on the disk, everything up to `durable` being there.
    pub(super) fn told(&mut self, durable: Position) -> Arc<Tenant> {
        self.settle(durable);
        Arc::clone(&self.durable)
    }

    fn settle(&mut self, durable: Position) {
        while let Some((_, tenant)) = self.queued.pop_front_if(|(position, _)| *position <= durable) {
            self.durable = tenant;
        }
    }
}

/// What follows from the facts of a tenant.
///
/// # Errors
/// [`StoreError::Damaged`] with the first one that does not fit those before it.
pub(super) fn fold(name: &TenantId, facts: &[TenantEntry]) -> Result<Tenant, StoreError> {
    let mut tenant = Tenant::default();
    for (at, fact) in facts.iter().enumerate() {
        let damaged = |what| StoreError::Damaged { place: format!("tenant_facts {name}, fact {}", at + 1), what };
        tenant.apply(fact).map_err(damaged)?;
    }
    Ok(tenant)
}

/// Who there is.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// Those that were ever created.
    created: BTreeMap<TenantId, Arc<Lane>>,
    /// Keys that are known, of tenants that are not deleted.
    keys: HashMap<KeyId, Owner>,
}

#[derive(Debug)]
struct Owner {
    lane: Arc<Lane>,
    used: Option<Timestamp>,
}

impl Book {
    /// The book as it is when a host starts.
    pub(super) fn of(lanes: &Lanes) -> Self {
        let book = Self::default();
        for lane in lanes.all() {
            let tenant = Arc::clone(lane.known().newest());
            book.note(&lane, &Tenant::default(), &tenant);
        }
        book
    }

    /// Notes what a tenant has become.
    pub(super) fn note(&self, lane: &Arc<Lane>, before: &Tenant, after: &Tenant) {
        let mut pages = self.pages();
        if after.standing() != Standing::Absent {
            pages.created.entry(lane.tenant().clone()).or_insert_with(|| Arc::clone(lane));
        }
        let opens = |tenant: &Tenant, key| tenant.standing() != Standing::Deleted && tenant.key(key).is_some();
        for gone in before.keys().filter(|key| !opens(after, key.id)) {
            pages.keys.remove(&gone.id);
        }
        for key in after.keys().filter(|key| opens(after, key.id) && !opens(before, key.id)) {
            pages.keys.insert(key.id, Owner { lane: Arc::clone(lane), used: None });
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Coordinator {
    /// A tenant, as far as it is durable. Without any facts it is [`Standing::Absent`].
    pub fn tenant(&self, tenant: &TenantId) -> Arc<Tenant> {
        let durable = self.parts.writer.durable_mark();
        self.parts.lanes.known(tenant).map(|lane| lane.known().told(durable)).unwrap_or_default()
    }

    /// The tenants that were created, those that were deleted among them, in the order of their names, behind `after`; at most `limit` and
    /// [`PAGE_LEN_MAX`]. As far as they are durable.
    pub fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Vec<(TenantId, Arc<Tenant>)> {
        let durable = self.parts.writer.durable_mark();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let limit = limit.min(PAGE_LEN_MAX);
        let mut page = Vec::new();
        let pages = self.parts.book.pages();
        for (name, lane) in pages.created.range::<TenantId, _>((from, Bound::Unbounded)) {
            if page.len() == limit {
                break;
            }
            let tenant = lane.known().told(durable);
            // Its creation may still be on its way to the disk.
            if tenant.standing() != Standing::Absent {
                page.push((name.clone(), tenant));
            }
        }
        page
    }

    /// A tenant as of now, durable or not: for those who decide.
    pub(super) fn tenant_ahead(&self, tenant: &TenantId) -> Arc<Tenant> {
        self.parts.lanes.known(tenant).map(|lane| Arc::clone(lane.known().newest())).unwrap_or_default()
    }

    /// Has a fact noted about a tenant itself, unless it is so already. When this returns, it is durable, and so is what a refusal says.
    ///
    /// Dropping the future leaves it noted or not.
    ///
    /// # Errors
    /// [`AlterError`]; nothing was noted, unless it says that this is not known.
    ///
    /// # Panics
    /// If the fact is about a version of a plugin, which is [`Coordinator::publish`], or not about the tenant itself.
    pub async fn alter(&self, tenant: &TenantId, event: TenantEvent) -> Result<Admitted, AlterError> {
        check_host(tenant, &event)?;
        let parts = &self.parts;
        parts.writer.room().await.map_err(DriveError::from)?;
        let wish = TenantEntry { at: parts.clock.now(), event };
        if parts.lanes.known(tenant).is_none() {
            // A tenant of which nothing is known costs nothing until it is created.
            Tenant::default().admit(&wish.event, wish.at)?;
        }
        let lane = parts.lanes.of(tenant);
        let judged = lane.alter(&parts.book, wish, None).map_err(DriveError::from)?;
        self.told_of(judged).await
    }

    /// What became of a wish, when it may be told.
    pub(super) async fn told_of<E: From<Unfit> + From<DriveError>>(&self, judged: Judged) -> Result<Admitted, E> {
        self.parts.gate.leave(judged.position).await.map_err(DriveError::from)?;
        Ok(judged.said?)
    }

    /// Creates a key and gives its token, which nobody keeps. When this returns, it is durable.
    ///
    /// # Errors
    /// As [`Coordinator::alter`].
    pub async fn create_key(
        &self,
        tenant: &TenantId,
        name: KeyName,
        role: Role,
        expires: Option<Timestamp>,
        by: String,
    ) -> Result<Token, AlterError> {
        let clock = &self.parts.clock;
        let token = Token::new(clock.key_id(), clock.chance());
        let event = TenantEvent::KeyCreated { key: token.key(), name, role, token: token.digest().0, expires, by };
        self.alter(tenant, event).await?;
        Ok(token)
    }

    /// Who shows a token. One that belongs to no key takes as long as one that does.
    ///
    /// # Errors
    /// [`KeyRefused`].
    pub fn who(&self, token: &Token) -> Result<Principal, KeyRefused> {
        let lane = self.parts.book.pages().keys.get(&token.key()).map(|owner| Arc::clone(&owner.lane));
        let now = self.parts.clock.now();
        let tenant = lane.as_ref().map(|lane| Arc::clone(lane.known().newest()));
        let known = tenant.as_ref().filter(|tenant| tenant.standing() != Standing::Deleted);
        let (Some(lane), Some(key)) = (lane, known.and_then(|tenant| tenant.key(token.key()))) else {
            black_box(TokenDigest(Digest([0; 32])).is_of(token));
            return Err(KeyRefused::Unknown);
        };
        key.check(token, now)?;
        if let Some(owner) = self.parts.book.pages().keys.get_mut(&key.id) {
            owner.used = Some(now);
        }
        let scope = if lane.tenant().as_str() == HOST_TENANT { Scope::Host } else { Scope::Tenant(lane.tenant().clone()) };
        Ok(key.principal(scope))
    }

    /// When a key opened something last, in this process.
    pub fn last_used(&self, key: KeyId) -> Option<Timestamp> {
        self.parts.book.pages().keys.get(&key)?.used
    }
}

/// What the rules of a tenant cannot know: which tenant it is.
fn check_host(tenant: &TenantId, event: &TenantEvent) -> Result<(), Unfit> {
    let is_host = tenant.as_str() == HOST_TENANT;
    match event {
        TenantEvent::KeyCreated { role: Role::Operator, .. } if !is_host => Err(Unfit {
            code: "role_not_of_tenant",
            message: "a key of a tenant cannot have the role operator: only keys of the host can".to_owned(),
        }),
        // Whoever did that could not come in to undo it.
        TenantEvent::TenantSuspended { .. } | TenantEvent::TenantDeleted { .. } if is_host => Err(Unfit {
            code: "tenant_is_host",
            message: "the host itself cannot be suspended or deleted: revoke keys that must open nothing any more".to_owned(),
        }),
        TenantEvent::TenantCreated { .. }
        | TenantEvent::LimitsSet { .. }
        | TenantEvent::TenantSuspended { .. }
        | TenantEvent::TenantReopened { .. }
        | TenantEvent::TenantDeleted { .. }
        | TenantEvent::KeyCreated { .. }
        | TenantEvent::KeyRevoked { .. }
        | TenantEvent::WebhookSet { .. }
        | TenantEvent::WebhookRemoved { .. }
        | TenantEvent::WebhookKeysSet { .. }
        | TenantEvent::WebhookPaused { .. } => Ok(()),
        TenantEvent::PluginPublished { .. }
        | TenantEvent::PluginVersionDeleted { .. }
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
        | TenantEvent::RequestsDenied { .. } => panic!("this fact has a call of its own: {event:?}"),
    }
}
