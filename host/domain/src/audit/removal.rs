//! Runs that are no longer kept: what is noted of them when their records lose their bodies, and how a reader of the chain makes sure that
//! no body is missing without such a fact. What nobody can read any more is not checked any more: which digests and links there are is, and
//! what the fact says they left.

use super::{Body, Break};
use crate::digest::Digest;
use crate::event::{Entry, Event, Outcome, RemovedRun, RemovedUsage, RemovedWrite, TenantEvent, Write};
use crate::id::RunId;
use crate::quota::Usage;
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashSet};

/// What a record says was used, and the bytes that it takes itself.
pub fn usage_of(body: &Body, len: usize) -> Usage {
    let said = |usage: Usage, more: Usage| usage.plus(more);
    let stored = Usage::stored(len as u64);
    match body {
        Body::Run { entries, .. } => entries.iter().map(|entry| Usage::of_run(&entry.event)).fold(stored, said),
        Body::Tenant { entries } => entries.iter().map(|entry| Usage::of_tenant(&entry.event)).fold(stored, said),
    }
}

/// Runs that are about to be removed together.
#[derive(Debug)]
pub struct Removal {
    ended_before: Timestamp,
    runs: Vec<RemovedRun>,
    writes: BTreeMap<String, RemovedWrite>,
    used: Usage,
}

impl Removal {
    /// Of runs that all ended before this instant; none yet.
    pub fn new(ended_before: Timestamp) -> Self {
        Self { ended_before, runs: Vec::new(), writes: BTreeMap::new(), used: Usage::default() }
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Which.
    pub fn ids(&self) -> impl Iterator<Item = RunId> {
        self.runs.iter().map(|removed| removed.run)
    }

    /// All of them ended before this instant.
    pub fn ended_before(&self) -> Timestamp {
        self.ended_before
    }

    /// How many records they have.
    pub fn records(&self) -> usize {
        self.runs.iter().map(|run| run.records.len()).sum()
    }

    /// How many bytes their bodies have.
    pub fn bytes(&self) -> u64 {
        self.used.stored_bytes
    }

    /// Adds a run.
    pub fn add(&mut self, run: RunId, outcome: Outcome) {
        self.runs.push(RemovedRun { run, outcome, records: Vec::new() });
    }

    /// Adds the next record of the run that was added last: its number, what it says, and how many bytes that takes.
    ///
    /// # Panics
    /// Without a run.
    pub fn add_record(&mut self, seq: u64, entries: &[Entry], len: usize) {
        self.runs.last_mut().expect("a record is of a run").records.push(seq);
        self.used += Usage::stored(len as u64);
        for entry in entries {
            self.used += Usage::of_run(&entry.event);
            self.take_fact(&entry.event);
        }
    }

    fn take_fact(&mut self, event: &Event) {
        let Event::AttemptEnded(ended) = event else { return };
        for Write { key, version, value } in &ended.writes {
            if self.writes.get(key).is_none_or(|known| known.version < *version) {
                let value = value.as_ref().map(|value| Digest::of(&value.0));
                self.writes.insert(key.clone(), RemovedWrite { key: key.clone(), version: *version, value });
            }
        }
    }

    /// The fact of it. `stored`: the version that a key of the state has in the store; none: there is no such key. A write that something
    /// newer replaced is left out, because the newer one says so itself.
    ///
    /// # Errors
    /// What `stored` says.
    pub fn fact<E>(self, stored: impl Fn(&str) -> Result<Option<u64>, E>) -> Result<TenantEvent, E> {
        let mut writes = Vec::new();
        for write in self.writes.into_values() {
            // Of a key that there is no more it is not known which write removed it: it may have been this one.
            if stored(&write.key)?.is_none_or(|version| version <= write.version) {
                writes.push(write);
            }
        }
        let Usage { runs, attempts, compensations, fuel, micros, stored_bytes, requests, log_bytes, removed_bytes: _ } = self.used;
        let used = RemovedUsage { runs, attempts, compensations, fuel, micros, stored_bytes, requests, log_bytes };
        Ok(TenantEvent::RunsRemoved { ended_before: self.ended_before, runs: self.runs, writes, used })
    }
}

/// Records of a lane without a body that no fact has explained yet. 8 bytes each, with their room 10 to 20. A fact may call a record
/// removed that is there: whoever reads a chain page by page may have read it before it was.
#[derive(Debug, Default)]
pub struct Unexplained(HashSet<u64>);

impl Unexplained {
    /// A record has no body.
    pub fn add(&mut self, seq: u64) {
        self.0.insert(seq);
    }

    /// A record says something: why others have no body, maybe.
    pub fn hear(&mut self, body: &Body) {
        let Body::Tenant { entries } = body else { return };
        for entry in entries {
            let TenantEvent::RunsRemoved { runs, .. } = &entry.event else { continue };
            for removed in runs {
                self.explain(removed);
            }
        }
    }

    /// A fact says why records have no body.
    pub(super) fn explain(&mut self, removed: &RemovedRun) {
        for seq in &removed.records {
            self.0.remove(seq);
        }
    }

    /// Whether every record has its body or a reason for having none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lane ends here.
    ///
    /// # Errors
    /// The first record whose body is missing without a reason.
    pub fn end(&self) -> Result<(), Break> {
        match self.0.iter().min() {
            None => Ok(()),
            Some(seq) => {
                Err(Break { seq: *seq, what: "its body is missing, and no fact says that its run was removed".to_owned() })
            }
        }
    }
}
