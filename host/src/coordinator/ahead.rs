//! What is newer than the store, by key, and a little of what is not. The store knows all that is durable and has a cache of its own, so only what
//! it does not know yet has to be kept; there may be thousands of tenants, and each has such maps.

use crate::store::writer::Position;
use std::collections::HashMap;

/// Something that was queued, or read from the store.
pub(super) trait Queued {
    /// Where it stands in the queue; none if it was read.
    fn position(&self) -> Position;
    /// How many bytes of it are counted.
    fn len(&self) -> usize;
}

/// How much may be kept of what is durable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spare {
    pub(super) keys: usize,
    pub(super) bytes: usize,
}

/// The newest values.
#[derive(Debug)]
pub(super) struct Ahead<V> {
    values: HashMap<String, V>,
    bytes: usize,
    spare: Spare,
    /// Beyond this it is looked for what can be forgotten. Twice what could not be the last time, so that a look costs each value little.
    until: Spare,
}

impl<V: Queued> Ahead<V> {
    pub(super) fn new(spare: Spare) -> Self {
        Self { values: HashMap::new(), bytes: 0, spare, until: spare }
    }

    pub(super) fn get(&self, key: &str) -> Option<&V> {
        self.values.get(key)
    }

    /// Keeps a value. Everything up to `durable` is in the store.
    pub(super) fn keep(&mut self, key: &str, value: V, durable: Position) {
        if self.values.len() >= self.until.keys || self.bytes >= self.until.bytes {
            self.forget(durable);
        }
        self.bytes += key.len() + value.len();
        if let Some(older) = self.values.insert(key.to_owned(), value) {
            self.bytes -= key.len() + older.len();
        }
    }

    /// Keeps none of those any more that `is` says.
    pub(super) fn remove(&mut self, is: impl Fn(&V) -> bool) {
        let bytes = &mut self.bytes;
        self.values.retain(|key, value| {
            let goes = is(value);
            *bytes -= if goes { key.len() + value.len() } else { 0 };
            !goes
        });
    }

    fn forget(&mut self, durable: Position) {
        self.remove(|value| value.position() <= durable);
        let twice = |kept: usize, spare: usize| spare.max(kept.saturating_mul(2));
        self.until = Spare { keys: twice(self.values.len(), self.spare.keys), bytes: twice(self.bytes, self.spare.bytes) };
        // A rush leaves a wide table behind.
        self.values.shrink_to(self.until.keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPARE: Spare = Spare { keys: 16, bytes: 1000 };

    #[derive(Debug)]
    struct Value(Position, usize);

    impl Queued for Value {
        fn position(&self) -> Position {
            self.0
        }

        fn len(&self) -> usize {
            self.1
        }
    }

    fn bytes(ahead: &Ahead<Value>) -> usize {
        ahead.values.iter().map(|(key, value)| key.len() + value.1).sum()
    }

    #[test]
    fn what_can_be_read_again_is_kept_within_the_bound() {
        let mut ahead = Ahead::new(SPARE);
        for n in 0..1000 {
            ahead.keep(&format!("key {n}"), Value(Position::default(), n), Position::default());
            assert!(ahead.values.len() <= SPARE.keys, "{} behind {n}", ahead.values.len());
            assert!(ahead.bytes <= SPARE.bytes + n + 8 && ahead.bytes == bytes(&ahead), "{} bytes behind {n}", ahead.bytes);
        }
    }

    #[test]
    fn what_is_not_durable_yet_is_never_forgotten_and_goes_when_it_is() {
        let mut ahead = Ahead::new(SPARE);
        for n in 1..=1000 {
            ahead.keep(&format!("key {n}"), Value(Position(n), 1), Position(0));
            assert!(ahead.get("key 1").is_some());
        }
        assert_eq!(ahead.values.len(), 1000);
        for n in 1001..=3000 {
            ahead.keep(&format!("key {n}"), Value(Position(n), 1), Position(n - 10));
        }
        assert!(ahead.values.len() <= SPARE.keys + 10, "{} are kept", ahead.values.len());
        assert!(ahead.values.capacity() < 1000, "room for {}", ahead.values.capacity());
        assert!(ahead.get("key 3000").is_some() && ahead.get("key 2991").is_some() && ahead.get("key 1").is_none());
    }

    #[test]
    fn a_value_takes_the_place_of_the_older_one() {
        let mut ahead = Ahead::new(SPARE);
        ahead.keep("k", Value(Position(1), 100), Position(0));
        ahead.keep("k", Value(Position(2), 10), Position(0));
        assert_eq!((ahead.bytes, ahead.get("k").map(Queued::position)), (11, Some(Position(2))));
        ahead.remove(|value| value.position() == Position(2));
        assert_eq!((ahead.bytes, ahead.values.len()), (0, 0));
    }
}
