//! The tenant of a developer, made before anything is served: with a key of its own for each time, and room to push as often as one compiles.

use crate::clock::{Clock, SystemClock};
use crate::coordinator::Coordinator;
use amends_domain::access::Standing;
use amends_domain::event::{Role, TenantEvent};
use amends_domain::id::{KeyId, TenantId};
use amends_domain::tenant::TenantLimits;
use anyhow::Context;
use serde_json::json;

/// The tenant, its key and its profile.
pub(super) const TENANT: &str = "dev";
/// Who makes it.
const BY: &str = "amends dev";

/// The token of a new key of the tenant. Keys of times before open nothing any more.
pub(super) async fn token(coordinator: &Coordinator) -> anyhow::Result<String> {
    let tenant: TenantId = TENANT.parse().expect("it is a name");
    let known = coordinator.tenant(&tenant);
    if known.standing() == Standing::Absent {
        coordinator.alter(&tenant, TenantEvent::TenantCreated { by: BY.to_owned() }).await?;
        let limits =
            TenantLimits::default().patched(&json!({ "uploads_per_minute": 1000 })).context("the limits of a developer")?;
        coordinator.alter(&tenant, TenantEvent::LimitsSet { limits: limits.all().collect(), by: BY.to_owned() }).await?;
    }
    let now = SystemClock.now();
    let is_ours = |name: &str| name == TENANT;
    let old: Vec<KeyId> = known.keys().filter(|key| is_ours(key.name.as_str()) && key.is_valid(now)).map(|key| key.id).collect();
    for key in old {
        coordinator.alter(&tenant, TenantEvent::KeyRevoked { key, by: BY.to_owned() }).await?;
    }
    let name = TENANT.parse().expect("it is a name");
    Ok(coordinator.create_key(&tenant, name, Role::TenantAdmin, None, BY.to_owned()).await?.reveal())
}
