//! What is removed had ended, and nothing waited for it; a fact says so, and what it left. Nothing else is missing, and what was used stays used.

use super::{Checked, Invariant, broken, hold};
use crate::books::{Books, Kept, RunBook};
use crate::scenes::Scenes;
use amends_domain::audit::Sealed;
use amends_domain::digest::Digest;
use amends_domain::event::{Event, Outcome, RemovedRun, RemovedUsage, RemovedWrite, Write};
use amends_domain::id::{RunId, TenantId};
use amends_domain::quota::Usage;
use amends_domain::run::RunHead;
use amends_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The fact that runs of a tenant are no longer kept.
pub(crate) struct Fact<'f> {
    pub(crate) tenant: &'f TenantId,
    pub(crate) ended_before: Timestamp,
    pub(crate) runs: &'f [RemovedRun],
    pub(crate) writes: &'f [RemovedWrite],
    pub(crate) used: RemovedUsage,
}

/// It is about to be taken in.
pub(crate) fn fact(books: &Books, scenes: &Scenes, fact: &Fact<'_>) -> Checked {
    let mut removed = Vec::new();
    for run in fact.runs {
        let Some(book) = books.runs.get(&run.run) else {
            return broken(Invariant::Removal, format!("{} is removed and never was", run.run));
        };
        had_ended(book, run, fact)?;
        hold(!scenes.is_running(book.id), Invariant::Removal, || format!("{} is removed while a guest of it runs", book.id))?;
        removed.push(book);
    }
    let used = removed.iter().fold(Usage::default(), |sum, run| sum.plus(run.used));
    let Usage { runs, attempts, compensations, fuel, micros, stored_bytes, requests, log_bytes, removed_bytes: _ } = used;
    let expected = RemovedUsage { runs, attempts, compensations, fuel, micros, stored_bytes, requests, log_bytes };
    hold(fact.used == expected, Invariant::Removal, || format!("{:?} is said to have been used, and {expected:?} was", fact.used))?;
    wrote(books, &removed, fact)
}

fn had_ended(book: &RunBook, removed: &RemovedRun, fact: &Fact<'_>) -> Checked {
    hold(book.tenant == *fact.tenant, Invariant::Tenants, || format!("{} removes {} of {}", fact.tenant, book.id, book.tenant))?;
    hold(book.kept == Kept::Whole, Invariant::Removal, || format!("{} is removed twice", book.id))?;
    let is_over = book.ended == Some(removed.outcome) && removed.outcome != Outcome::Stuck && !book.is_waiting_for_somebody();
    hold(is_over, Invariant::Removal, || format!("{} is removed as {:?} and is {:?}", book.id, removed.outcome, book.ended))?;
    let ended = book.entries.iter().rfind(|entry| matches!(entry.event, Event::Ended { .. })).map(|entry| entry.at);
    hold(ended < Some(fact.ended_before), Invariant::Removal, || {
        format!("{} ended at {ended:?} and is removed among those that ended before {}", book.id, fact.ended_before.0)
    })?;
    hold(book.records == removed.records, Invariant::Removal, || {
        format!("{} has the records {:?}, and {:?} are removed", book.id, book.records, removed.records)
    })
}

/// What the runs left in the state: each write that nothing newer replaced, and none that is not theirs.
fn wrote(books: &Books, removed: &[&RunBook], fact: &Fact<'_>) -> Checked {
    let mut newest: BTreeMap<&str, &Write> = BTreeMap::new();
    for entry in removed.iter().flat_map(|run| &run.entries) {
        let Event::AttemptEnded(ended) = &entry.event else { continue };
        for write in &ended.writes {
            let known = newest.entry(&write.key).or_insert(write);
            if known.version < write.version {
                *known = write;
            }
        }
    }
    for RemovedWrite { key, version, value } in fact.writes {
        let digest = |write: &Write| write.value.as_ref().map(|value| Digest::of(&value.0));
        let is_theirs = newest.get(key.as_str()).is_some_and(|write| write.version == *version && digest(write) == *value);
        hold(is_theirs, Invariant::Removal, || format!("{key} is said to have been written last with version {version}"))?;
    }
    let told: BTreeSet<&str> = fact.writes.iter().map(|write| write.key.as_str()).collect();
    let states = &books.tenants[fact.tenant].states;
    let stands = |write: &Write| states.newest(&write.key).is_some_and(|(version, _)| version == write.version);
    let untold = newest.values().find(|write| stands(write) && !told.contains(write.key.as_str()));
    hold(untold.is_none(), Invariant::Removal, || format!("the state has {untold:?}, and no fact says any more who wrote it"))
}

/// The head of a run that is no longer kept.
pub(crate) fn head(run: &RunBook, stored: Option<&RunHead>) -> Checked {
    hold(stored.is_none(), Invariant::Removal, || format!("{} is removed, and there is {stored:?}", run.id))
}

/// The records of a tenant: those of removed runs have no bodies, and all others have.
pub(crate) fn bodies(books: &Books, tenant: &TenantId, records: &[Sealed]) -> Checked {
    let of_tenant = books.runs.values().filter(|run| run.tenant == *tenant && run.kept == Kept::Removed);
    let removed: BTreeSet<u64> = of_tenant.flat_map(|run| run.records.iter().copied()).collect();
    let wrong = records.iter().find(|record| record.kept.body().is_none() != removed.contains(&record.seq));
    hold(wrong.is_none(), Invariant::Removal, || {
        let (seq, removed) = (wrong.map(|record| record.seq), &removed);
        format!("{tenant}: record {seq:?} has or lacks its body; those of removed runs are {removed:?}")
    })
}

/// What a tenant used.
pub(crate) fn used(books: &Books, tenant: &TenantId, stored: Usage) -> Checked {
    let used = books.tenants[tenant].used;
    hold(stored == used, Invariant::Removal, || format!("{tenant} is said to have used {stored:?}, and used {used:?}"))
}

/// Somebody was told that there is no such run.
pub(crate) fn told(books: &Books, run: RunId) -> Checked {
    let gone = books.runs.get(&run).is_some_and(|book| book.kept == Kept::Removed);
    hold(gone, Invariant::Told, || format!("{run} is said to be unknown"))
}
