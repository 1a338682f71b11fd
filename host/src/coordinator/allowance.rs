//! What one tenant may take of the host: its account, kept as things happen. Starts and uploads are refused when there is no room for them;
//! attempts forward wait, first come, first served; what takes something back is counted and never kept waiting.

use super::slices::{Claimant, Share};
use crate::clock::Clock;
use crate::store::{PAGE_LEN_MAX, Store, StoreError};
use amends_domain::access::Standing;
use amends_domain::event::{Direction, LimitName};
use amends_domain::id::{RunId, TenantId};
use amends_domain::quota::{Account, Filled, Over, Purpose, Usage, Want};
use amends_domain::run::{RunHead, RunStatus};
use amends_domain::tenant::{Tenant, TenantLimits};
use amends_domain::time::{Span, Timestamp};
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How old what is known of the bytes that are kept may be.
const STORED_AGE_MAX: Span = Span(1_000);

/// What a tenant takes, and who waits for it.
pub(super) struct Allowance {
    tenant: TenantId,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    taken: Mutex<Taken>,
    share: Share,
    /// Whoever finds no place waits here, one behind the other, and only the first looks for room.
    door: tokio::sync::Mutex<()>,
    /// Something was given back, or the limits are others.
    room: Notify,
    /// One component at a time is checked and compiled.
    compiler: tokio::sync::Mutex<()>,
}

struct Taken {
    account: Account,
    /// Runs that have not ended.
    open: HashSet<RunId>,
    /// When the store was asked last how much it keeps.
    stored_at: Option<Timestamp>,
}

/// The place of an attempt, with room for its memory. Given back when dropped.
pub(super) struct Place {
    allowance: Arc<Allowance>,
    memory: u64,
}

/// One of those who follow the tenant's events. Given back when dropped.
pub struct Follower(Arc<Allowance>);

/// What an attempt needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    pub(super) direction: Direction,
    pub(super) memory: u64,
}

impl Allowance {
    /// Of a tenant that the store does not know.
    pub(super) fn new(tenant: &TenantId, known: &Tenant, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let limits = limits(known);
        let taken = Taken { account: Account::new(limits), open: HashSet::new(), stored_at: None };
        let share = Share::new(limits.get(LimitName::Weight));
        let (tenant, door, room, compiler) =
            (tenant.clone(), tokio::sync::Mutex::default(), Notify::new(), tokio::sync::Mutex::default());
        Self { tenant, store, clock, taken: Mutex::new(taken), share, door, room, compiler }
    }

    /// Of a tenant whose open runs are in the store.
    pub(super) fn load(
        tenant: &TenantId,
        known: &Tenant,
        store: &Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let allowance = Self::new(tenant, known, Arc::clone(store), clock);
        let mut last = None;
        loop {
            let page = store.open_runs(tenant, last, PAGE_LEN_MAX)?;
            let Some(row) = page.last() else { break };
            last = Some(row.run);
            allowance.taken().open.extend(page.iter().map(|row| row.run));
        }
        Ok(allowance)
    }

    /// Whose it is.
    pub(super) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What the tenant may take is something else from now on.
    pub(super) fn tenant_is(&self, tenant: &Tenant) {
        let limits = limits(tenant);
        self.taken().account.set_limits(limits, self.clock.now());
        self.share.set(limits.get(LimitName::Weight));
        self.room.notify_one();
    }

    /// Somebody of the tenant's who computes.
    pub(super) fn claimant(&self, purpose: Purpose) -> Claimant {
        Claimant::new(self.tenant.clone(), self.share.clone(), purpose)
    }

    /// Room for one more run, which counts when it is noted.
    pub(super) fn start(&self) -> Result<Result<(), Over>, StoreError> {
        let now = self.clock.now();
        let mut taken = self.taken();
        taken.look(self, now)?;
        let wants =
            [LimitName::StartsPerMinute, LimitName::QueuedRuns, LimitName::StoredBytes].map(|limit| Want::forward(limit, 1));
        Ok(taken.account.take_all(&wants, now))
    }

    /// Room for a component of so many bytes.
    pub(super) fn upload(&self, len: u64) -> Result<Result<(), Over>, StoreError> {
        let now = self.clock.now();
        let mut taken = self.taken();
        taken.look(self, now)?;
        let wants = [Want::forward(LimitName::UploadsPerMinute, 1), Want::forward(LimitName::StoredBytes, len)];
        Ok(taken.account.take_all(&wants, now))
    }

    /// Waits until no other component of the tenant is being compiled. Dropping the future is safe.
    pub(super) async fn compiler(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.compiler.lock().await
    }

    /// Room for so many bytes that somebody writes from outside.
    pub(super) fn write(&self, len: u64) -> Result<Result<(), Over>, StoreError> {
        let now = self.clock.now();
        let mut taken = self.taken();
        taken.look(self, now)?;
        Ok(taken.account.take(Want::forward(LimitName::StoredBytes, len), now))
    }

    /// Room for one more saga beside `there`.
    pub(super) fn saga(&self, there: u64) -> Result<(), Over> {
        let mut taken = self.taken();
        taken.account.is_now(LimitName::Sagas, there);
        taken.account.take(Want::forward(LimitName::Sagas, 1), self.clock.now())
    }

    /// How long a run is kept after it ended.
    pub(super) fn ended_runs_kept(&self) -> Span {
        Span(self.taken().account.limits().get(LimitName::EndedRunsKept).saturating_mul(1000))
    }

    /// How many sagas there may be.
    pub(super) fn sagas_max(&self) -> u64 {
        self.taken().account.limits().get(LimitName::Sagas)
    }

    /// Room for one more who follows the events.
    pub(super) fn follow(self: &Arc<Self>) -> Result<Follower, Over> {
        self.taken().account.take(Want::forward(LimitName::EventsFollowers, 1), self.clock.now())?;
        Ok(Follower(Arc::clone(self)))
    }

    /// A run stands so from now on.
    pub(super) fn run_is(&self, run: RunId, head: &RunHead) {
        let mut taken = self.taken();
        match head.status {
            RunStatus::Ended(_) => taken.open.remove(&run),
            RunStatus::Running | RunStatus::Compensating | RunStatus::Waiting | RunStatus::Paused => taken.open.insert(run),
        };
    }

    /// An attempt took so much.
    pub(super) fn spend(&self, used: Usage) {
        self.taken().account.spend(used, self.clock.now());
    }

    /// Bytes that may still be logged.
    pub(super) fn log_left(&self) -> u64 {
        self.taken().account.left(LimitName::LogBytesPerDay, self.clock.now())
    }

    /// How each limit stands.
    pub(super) fn filled(&self) -> Result<Vec<Filled>, StoreError> {
        let now = self.clock.now();
        let mut taken = self.taken();
        taken.look(self, now)?;
        Ok(taken.account.filled(now))
    }

    /// A place for an attempt, if there is one and nobody waits.
    pub(super) fn try_place(self: &Arc<Self>, needs: Needs) -> Option<Place> {
        let _first = match needs.direction {
            Direction::Forward => Some(self.door.try_lock().ok()?),
            Direction::Backward => None,
        };
        self.take_place(needs).ok()
    }

    /// A place for an attempt, when there is one. Dropping the future is safe.
    pub(super) async fn place(self: Arc<Self>, needs: Needs) -> Place {
        let _first = self.door.lock().await;
        loop {
            let over = match self.take_place(needs) {
                Ok(place) => return place,
                Err(over) => over,
            };
            // What runs out by itself does not call anybody.
            let pause = over.free_at.map(|at| at.since(self.clock.now()).to_std());
            tokio::select! {
                () = self.room.notified() => {}
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
    }

    fn take_place(self: &Arc<Self>, needs: Needs) -> Result<Place, Over> {
        let want = match needs.direction {
            Direction::Forward => Want::forward,
            Direction::Backward => Want::compensation,
        };
        let mut taken = self.taken();
        // An attempt that may use more than its tenant gets as much as there is for it.
        let memory = needs.memory.min(taken.account.limits().get(LimitName::LiveMemory));
        // How much fuel it takes is known when it has.
        let wants =
            [want(LimitName::ConcurrentAttempts, 1), want(LimitName::LiveMemory, memory), want(LimitName::FuelPerMinute, 0)];
        taken.account.take_all(&wants, self.clock.now())?;
        Ok(Place { allowance: Arc::clone(self), memory })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Looks at what others count.
    fn look(&mut self, of: &Allowance, now: Timestamp) -> Result<(), StoreError> {
        self.account.is_now(LimitName::QueuedRuns, self.open.len() as u64);
        // Reading it for every start would cost more than the start; what is written meanwhile is little.
        if self.stored_at.is_none_or(|at| now.since(at) >= STORED_AGE_MAX || now < at) {
            self.account.is_now(LimitName::StoredBytes, of.store.usage(&of.tenant)?.kept_bytes());
            self.stored_at = Some(now);
        }
        Ok(())
    }
}

/// What a tenant may take. Where there are no tenants nobody says, and there is one user.
fn limits(tenant: &Tenant) -> TenantLimits {
    match tenant.standing() {
        Standing::Absent => TenantLimits::none(),
        Standing::Open | Standing::Suspended | Standing::Deleted => *tenant.limits(),
    }
}

impl Place {
    /// How much memory it has room for.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = self.allowance.clock.now();
        let mut taken = self.allowance.taken();
        taken.account.give_back(LimitName::ConcurrentAttempts, 1, now);
        taken.account.give_back(LimitName::LiveMemory, self.memory, now);
        drop(taken);
        self.allowance.room.notify_one();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.taken().account.give_back(LimitName::EventsFollowers, 1, self.0.clock.now());
    }
}

impl fmt::Debug for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Allowance({})", self.tenant)
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Follower({})", self.0.tenant)
    }
}
