//! The state of one tenant as the runs under way see it: what is stored, and over it what is queued to be. Optimistic: an attempt notes
//! which version of each key it read; if any of them has changed when it ends, it never happened and is repeated. (Kung & Robinson 1981,
//! "On optimistic methods for concurrency control".)

use super::ahead::{Ahead, Queued, Spare};
use super::lane::Lane;
use crate::sandbox::{StateAccess, StateError, StateValue};
use crate::store::writer::Position;
use crate::store::{Store, StoreError};
use amends_domain::event::Write;
use amends_domain::id::TenantId;
use amends_domain::payload::Payload;
use futures_util::future::{BoxFuture, ready};
use std::sync::Arc;

/// Kept in memory beyond what is not durable yet: 256 KiB.
const SPARE: Spare = Spare { keys: 1024, bytes: 256 << 10 };

/// The newest values. A lane's lock guards it.
#[derive(Debug)]
pub(super) struct State {
    tenant: TenantId,
    store: Arc<dyn Store>,
    values: Ahead<Newest>,
    /// The version of the newest write.
    version: u64,
    /// Everything up to here is in the store, as far as was heard.
    durable: Position,
}

/// The newest value of a key.
#[derive(Debug, Clone)]
struct Newest {
    /// Of the write that made it; 0 if there never was one.
    version: u64,
    /// None: there is no such key.
    value: Option<Payload>,
    /// Where the write stands in the queue.
    position: Position,
}

impl State {
    pub(super) fn new(tenant: TenantId, store: Arc<dyn Store>, version: u64) -> Self {
        Self { tenant, store, values: Ahead::new(SPARE), version, durable: Position::default() }
    }

    /// The value of a key now.
    pub(super) fn get(&mut self, key: &str) -> Result<Option<StateValue>, StoreError> {
        let newest = self.newest(key)?;
        Ok(newest.value.map(|value| StateValue { version: newest.version, value }))
    }

    /// Whether everything that an attempt read is still so. `reads`: keys and versions, 0 where there was no such key.
    pub(super) fn is_current(&mut self, reads: &[(String, u64)]) -> Result<bool, StoreError> {
        for (key, version) in reads {
            if self.get(key)?.map_or(0, |value| value.version) != *version {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives each write its version. They count from here on; [`State::queued`] says where they stand.
    pub(super) fn write(&mut self, writes: Vec<(String, Option<Payload>)>) -> Vec<Write> {
        let versioned = writes.into_iter().map(|(key, value)| {
            self.version += 1;
            Write { key, version: self.version, value }
        });
        versioned.collect()
    }

    /// Notes that `writes` were queued at `position`, `durable` being on disk.
    pub(super) fn queued(&mut self, writes: &[Write], position: Position, durable: Position) {
        self.durable = durable;
        for write in writes {
            self.values.keep(&write.key, Newest { version: write.version, value: write.value.clone(), position }, durable);
        }
    }

    fn newest(&mut self, key: &str) -> Result<Newest, StoreError> {
        if let Some(newest) = self.values.get(key) {
            return Ok(newest.clone());
        }
        let stored = self.store.state(&self.tenant, key)?;
        let (version, value) = stored.map_or((0, None), |stored| (stored.version, Some(stored.value)));
        let newest = Newest { version, value, position: Position::default() };
        self.values.keep(key, newest.clone(), self.durable);
        Ok(newest)
    }
}

impl Queued for Newest {
    fn position(&self) -> Position {
        self.position
    }

    fn len(&self) -> usize {
        self.value.as_ref().map_or(0, Payload::len)
    }
}

/// What a guest reads the state of its tenant through.
pub(super) struct StateHandle(pub(super) Arc<Lane>);

impl StateAccess for StateHandle {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        Box::pin(ready(self.0.read_state(key).map_err(|error| StateError(Box::new(error)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    fn state() -> State {
        State::new("local".parse().expect("a name"), Arc::new(MemoryStore::new()), 0)
    }

    #[test]
    fn what_is_not_in_the_store_yet_is_never_forgotten() {
        let mut state = state();
        let writes = state.write(vec![("k".to_owned(), Some(Payload::from("1")))]);
        state.queued(&writes, Position(5), Position(4));
        for n in 0..2 * SPARE.keys {
            state.get(&format!("key {n}")).expect("it reads");
        }
        assert_eq!(state.get("k").expect("it reads").map(|found| found.version), Some(1));
        state.queued(&[], Position(6), Position(5));
        for n in 0..2 * SPARE.keys {
            state.get(&format!("key {n}")).expect("it reads");
        }
        assert_eq!(state.get("k").expect("it reads"), None, "this store never got it");
    }
}
