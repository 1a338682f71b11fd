//! The memory of one attempt, all memories and tables together, and other bounds of one attempt that are the same for all. Apart,
//! because wasmtime's own `StoreLimits` counts each memory for itself: a component with four memories would get four times the limit.

use wasmtime::{Error, ResourceLimiter};

/// Bytes that one element of a table takes in the host.
const TABLE_ELEMENT_LEN: u64 = size_of::<usize>() as u64;
/// Most core instances, memories and tables of one component. Wasmtime's own bounds are 10 000 or none.
pub(super) const CORE_INSTANCES_MAX: u32 = 64;
/// See [`CORE_INSTANCES_MAX`].
pub(super) const MEMORIES_MAX: u32 = 4;
/// See [`CORE_INSTANCES_MAX`].
pub(super) const TABLES_MAX: u32 = 8;
/// Bytes that one host call, or the answer, may move from the guest to the host. Bounds what is allocated before a limit is looked
/// at.
pub(super) const HOSTCALL_LEN_MAX: usize = 2 * 1024 * 1024;
/// Most handles of resources that a guest may hold.
pub(super) const HANDLES_MAX: usize = 1000;

/// Counts what an attempt takes and refuses what is over its limit.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    limit: u64,
    used: u64,
    refused: Option<u64>,
}

impl MemoryLimiter {
    /// With nothing taken; `limit` in bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, used: 0, refused: None }
    }

    /// How many bytes the attempt would have had, if it was ever refused any: what it first asked for in vain.
    pub(super) fn refused(&self) -> Option<u64> {
        self.refused
    }

    /// Grows what is used from `current` to `desired` bytes, or not.
    fn grow(&mut self, current: u64, desired: u64) -> bool {
        let wanted = self.used.saturating_add(desired.saturating_sub(current));
        if wanted > self.limit {
            self.refused.get_or_insert(wanted);
            return false;
        }
        self.used = wanted;
        true
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool, Error> {
        // Growth over a maximum of the module's own fails anyway. It is not counted, and it is not a refusal of ours.
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.grow(current as u64, desired as u64))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool, Error> {
        let bytes = |elements: usize| (elements as u64).saturating_mul(TABLE_ELEMENT_LEN);
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.grow(bytes(current), bytes(desired)))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_are_counted_together() {
        let mut limiter = MemoryLimiter::new(1000);
        let memory = |limiter: &mut MemoryLimiter, current, desired, maximum| {
            limiter.memory_growing(current, desired, maximum).expect("refuses without an error")
        };
        let table = |limiter: &mut MemoryLimiter, current, desired| {
            limiter.table_growing(current, desired, None).expect("refuses without an error")
        };
        assert!(memory(&mut limiter, 0, 600, None), "a first memory fits");
        assert!(!memory(&mut limiter, 600, 900, Some(800)), "over the module's own maximum");
        assert!(memory(&mut limiter, 0, 240, None), "a second one fits beside it");
        assert_eq!(limiter.refused(), None, "the module's own maximum is not our refusal");
        assert!(table(&mut limiter, 0, 20), "160 bytes of table fill the rest");
        assert!(!table(&mut limiter, 20, 21), "8 more do not fit");
        assert!(!memory(&mut limiter, 600, 5000, None), "nor does anything else");
        assert_eq!(limiter.refused(), Some(1008), "the first refusal is the one told");
    }
}
