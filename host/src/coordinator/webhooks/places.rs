//! How many requests are on their way. Whoever answers slowly, or not, waits among those that do, so that no number of them keeps those waiting
//! whose other side is prompt; and no tenant has more than its places.

use amends_domain::id::TenantId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests of one tenant that are on their way, of those whose other side was prompt.
const OF_TENANT_MAX: usize = 8;
/// The same of those whose other side was not.
const OF_TENANT_SLOW_MAX: usize = 4;
/// Of all places so many are for those whose other side was not prompt.
const SLOW_SHARE: usize = 4;

/// How the other side answered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Soon, or it was not asked yet.
    Prompt,
    /// Late, or not, or with no.
    Slow,
}

/// A place for one request at a time. Given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _of_tenant: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
    all: Arc<Semaphore>,
}

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    prompt: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    /// Of the tenants that have any webhook. Those that nobody uses are dropped.
    tenants: Mutex<HashMap<TenantId, Weak<OfTenant>>>,
}

/// The places of one tenant.
#[derive(Debug)]
pub(super) struct OfTenant {
    prompt: Arc<Semaphore>,
    slow: Arc<Semaphore>,
}

impl Places {
    /// So many in all.
    pub(super) fn new(max: usize) -> Self {
        let slow = (max / SLOW_SHARE).max(1);
        let prompt = max.saturating_sub(slow).max(1);
        Self { prompt: Arc::new(Semaphore::new(prompt)), slow: Arc::new(Semaphore::new(slow)), tenants: Mutex::default() }
    }

    /// The places of a tenant, the same for all of its webhooks.
    pub(super) fn of(&self, tenant: &TenantId) -> Arc<OfTenant> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tenants.get(tenant).and_then(Weak::upgrade) {
            return known;
        }
        tenants.retain(|_, places| places.strong_count() > 0);
        let (prompt, slow) = (Arc::new(Semaphore::new(OF_TENANT_MAX)), Arc::new(Semaphore::new(OF_TENANT_SLOW_MAX)));
        let of_tenant = Arc::new(OfTenant { prompt, slow });
        tenants.insert(tenant.clone(), Arc::downgrade(&of_tenant));
        of_tenant
    }

    /// A place, when there is one, first come, first served. Dropping the future is safe.
    pub(super) async fn take(&self, of_tenant: &OfTenant, manner: Manner) -> Place {
        let (own, all) = match manner {
            Manner::Prompt => (&of_tenant.prompt, &self.prompt),
            Manner::Slow => (&of_tenant.slow, &self.slow),
        };
        // The tenant's first: who waits for its own holds none of those that others wait for.
        let never_closed = "places are never closed";
        let of_tenant = Arc::clone(own).acquire_owned().await.expect(never_closed);
        let of_all = Arc::clone(all).acquire_owned().await.expect(never_closed);
        Place { _of_tenant: of_tenant, _of_all: of_all, all: Arc::clone(all) }
    }
}

impl Place {
    /// Whether there are places that nobody wants.
    pub(super) fn others_are_free(&self) -> bool {
        self.all.available_permits() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn slow_ones_leave_places_for_prompt_ones_and_no_tenant_has_all() {
        let places = Places::new(40);
        let tenant = |name: &str| places.of(&name.parse().expect("a name"));
        let (one, two, three) = (tenant("one"), tenant("two"), tenant("three"));
        let take = |of: &Arc<OfTenant>, manner| places.take(of, manner).now_or_never();
        let mut held: Vec<_> = (0..OF_TENANT_SLOW_MAX).map(|_| take(&one, Manner::Slow).expect("there is one")).collect();
        assert!(take(&one, Manner::Slow).is_none(), "it has all that are its own");
        held.extend((0..OF_TENANT_SLOW_MAX).map(|_| take(&two, Manner::Slow).expect("there is one")));
        held.extend((0..10 - 2 * OF_TENANT_SLOW_MAX).map(|_| take(&three, Manner::Slow).expect("there is one")));
        assert!(take(&three, Manner::Slow).is_none(), "there are ten of them");
        held.extend((0..OF_TENANT_MAX).map(|_| take(&three, Manner::Prompt).expect("there is one")));
        assert!(take(&three, Manner::Prompt).is_none());
        assert!(take(&one, Manner::Prompt).expect("there is one").others_are_free());
        drop(held);
        assert!(take(&one, Manner::Slow).is_some() && take(&three, Manner::Prompt).is_some());
        // Another webhook of the tenant has the same places.
        assert!(Arc::ptr_eq(&one, &tenant("one")));
    }
}
