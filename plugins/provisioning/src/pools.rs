//! What a region has to give: databases and storage by size, routes by number, each at `pool/<word>/<region>`. Apart, so that the rule
//! is written once: what is free and what is used add up to the capacity, before and after every step.

use amends_sdk::{Failure, invocation, json, state};
use serde::{Deserialize, Serialize};

/// How much there is, and how much of it is taken.
#[derive(Debug, Serialize, Deserialize)]
struct Pool {
    capacity: u64,
    free: u64,
    used: u64,
}

/// What a region has a pool of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Resource {
    /// In GiB.
    Database,
    /// In GiB.
    Storage,
    /// In hostnames.
    Routes,
}

/// A share of a pool that somebody has: what is recorded of a database and of storage.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) region: String,
    pub(crate) size_gib: u64,
}

/// The key under which this step of this run records what it did: `<kind>/<run>/<step-id>`.
pub(crate) fn own_key(kind: &str) -> String {
    [kind, &invocation::run(), &invocation::step_id()].join("/")
}

/// Records a share of a pool under this step's own key and takes it from there; gives that key. Done once, however often it is asked.
pub(crate) fn allocate(resource: Resource, share: &Share) -> Result<String, Failure> {
    let key = own_key(resource.word());
    if state::get::<Share>(&key)?.is_some() {
        return Ok(key);
    }
    if share.size_gib == 0 {
        return Err(Failure::rejected("invalid_size", "a size has to be 1 GiB or more"));
    }
    take(resource, &share.region, share.size_gib)?;
    state::set(&key, share)?;
    Ok(key)
}

/// Gives this step's share back to its pool, if there is one.
pub(crate) fn release(resource: Resource) -> Result<(), Failure> {
    let key = own_key(resource.word());
    let Some(Share { region, size_gib }) = state::get(&key)? else { return Ok(()) };
    give_back(resource, &region, size_gib)?;
    state::remove(&key);
    Ok(())
}

/// The share that is recorded at `key`; none if there is none, also if the key is not one of `resource`.
pub(crate) fn share(resource: Resource, key: &str) -> Result<Option<Share>, Failure> {
    let is_own = key.split_once('/').is_some_and(|(word, _)| word == resource.word());
    if is_own { state::get(key) } else { Ok(None) }
}

/// Takes from a pool; rejected as `unknown_region`, or if too little is free.
pub(crate) fn take(resource: Resource, region: &str, amount: u64) -> Result<(), Failure> {
    let key = resource.key(region);
    let Pool { capacity, free, .. } = pool(&key)?;
    let Some(free_left) = free.checked_sub(amount) else {
        return Err(Failure::rejected(resource.exhausted(), format!("{amount} of `{key}` wanted, {free} of {capacity} free"))
            .with_details(json!({ "pool": key, "wanted": amount, "free": free, "capacity": capacity })));
    };
    state::set(&key, &Pool { capacity, free: free_left, used: capacity - free_left })
}

/// Gives back to a pool; rejected as `books_disagree` if less than that is taken.
pub(crate) fn give_back(resource: Resource, region: &str, amount: u64) -> Result<(), Failure> {
    let key = resource.key(region);
    let Pool { capacity, used, .. } = pool(&key)?;
    let Some(used_left) = used.checked_sub(amount) else {
        return Err(Failure::rejected("books_disagree", format!("{amount} of `{key}` to give back, {used} of {capacity} used")));
    };
    state::set(&key, &Pool { capacity, free: capacity - used_left, used: used_left })
}

/// A pool whose books are in order: nothing is done on top of books that are not.
fn pool(key: &str) -> Result<Pool, Failure> {
    let pool: Pool = state::get(key)?.ok_or_else(|| Failure::rejected("unknown_region", format!("there is no `{key}`")))?;
    if pool.free.checked_add(pool.used) == Some(pool.capacity) {
        return Ok(pool);
    }
    let Pool { capacity, free, used } = pool;
    Err(Failure::rejected("books_disagree", format!("`{key}` has {free} free and {used} used of {capacity}: count it")))
}

impl Resource {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Storage => "storage",
            Self::Routes => "routes",
        }
    }

    fn key(self, region: &str) -> String {
        ["pool", self.word(), region].join("/")
    }

    fn exhausted(self) -> &'static str {
        match self {
            Self::Database => "no_database_capacity",
            Self::Storage => "no_storage_capacity",
            Self::Routes => "no_route_left",
        }
    }
}
