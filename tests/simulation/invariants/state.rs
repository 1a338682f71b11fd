//! Invariant 5: State is the sum of what the committed outcomes wrote, nothing else; and serialisable: what an attempt read is what was there in
//! front of its own writes.

use super::{Checked, Invariant, Violation, broken, hold};
use crate::books::{Backward, Forward, RunBook};
use crate::scenes::{Reads, Settled};
use amends_domain::event::{AttemptEnded, Ending, Halt, Write};
use amends_domain::id::RunId;
use amends_domain::payload::Payload;
use std::collections::{BTreeMap, BTreeSet};

/// What is in all accounts together, from the first day on.
pub(crate) const MONEY: i64 = 300;
/// The accounts begin so.
pub(crate) const ACCOUNT: &str = "account/";
/// What a step leaves that is done and not taken back.
pub(crate) const MARK: &str = "mark/";
/// How many steps that count are.
pub(crate) const COUNT: &str = "count";

/// Every version of every key of a tenant.
#[derive(Default)]
pub(crate) struct States {
    keys: BTreeMap<String, BTreeMap<u64, Option<Payload>>>,
    writes: u64,
    version: u64,
    /// The attempts that ended in the newest commit.
    ended: Vec<Ended>,
    /// The keys that it wrote.
    touched: BTreeSet<String>,
}

/// An attempt that ended well.
struct Ended {
    /// The lowest version that it wrote.
    wrote: Option<u64>,
    reads: Reads,
}

/// A key with its newest version and value; none if it was removed.
type Newest = (String, Option<(u64, Payload)>);

impl States {
    pub(crate) fn take_in_writes(&mut self, writes: &[Write]) -> Checked {
        for Write { key, version, value } in writes {
            self.touched.insert(key.clone());
            let twice = self.keys.entry(key.clone()).or_default().insert(*version, value.clone()).is_some();
            hold(!twice, Invariant::State, || format!("{key} is written twice with version {version}"))?;
            self.writes += 1;
            self.version = self.version.max(*version);
        }
        Ok(())
    }

    /// An attempt ended; its guest had answered `reply`.
    pub(crate) fn take_in_end(&mut self, run: RunId, ended: &AttemptEnded, reply: Option<&Settled>) -> Checked {
        let ok = matches!(ended.ending, Ending::Ok { .. });
        hold(ok || ended.writes.is_empty(), Invariant::State, || {
            format!("{run}: {:?} did not end well and wrote {:?}", ended.attempt, ended.writes)
        })?;
        if is_by_host(&ended.ending) {
            return Ok(());
        }
        let Some(reply) = reply.filter(|reply| reply.ending == ended.ending) else {
            return broken(Invariant::State, format!("{run}: {ended:?} is not what the guest said: {reply:?}"));
        };
        let same = ended.writes.len() == reply.writes.len()
            && ended.writes.iter().zip(&reply.writes).all(|(stored, wrote)| (&stored.key, &stored.value) == (&wrote.0, &wrote.1));
        hold(same, Invariant::State, || format!("{run}: {:?} is stored where the guest wrote {:?}", ended.writes, reply.writes))?;
        if ok {
            let wrote = ended.writes.iter().map(|write| write.version).min();
            self.ended.push(Ended { wrote, reads: reply.reads.clone() });
        }
        self.take_in_writes(&ended.writes)
    }

    /// A commit is taken in whole: gives the keys that it wrote and their newest values.
    pub(crate) fn settle(&mut self) -> Result<Vec<Newest>, Violation> {
        hold(self.writes == self.version, Invariant::State, || {
            format!("{} writes are durable, and the newest one has version {}", self.writes, self.version)
        })?;
        for Ended { wrote, reads } in std::mem::take(&mut self.ended) {
            hold(self.is_serial(wrote, &reads), Invariant::State, || {
                format!("no order of the attempts explains one that read {reads:?} and wrote from version {wrote:?} on")
            })?;
        }
        let money: i64 = self
            .keys
            .range(ACCOUNT.to_owned()..)
            .take_while(|(key, _)| key.starts_with(ACCOUNT))
            .map(|(key, _)| self.number(key))
            .sum();
        hold([0, MONEY].contains(&money), Invariant::State, || format!("the accounts have {money} together, and not {MONEY}"))?;
        Ok(std::mem::take(&mut self.touched).into_iter().map(|key| (key.clone(), self.newest(&key))).collect())
    }

    /// Whether there is a point in the order of the writes at which all that was read was so.
    fn is_serial(&self, wrote: Option<u64>, reads: &[(String, u64)]) -> bool {
        let next = |(key, read): &(String, u64)| {
            let behind = self.keys.get(key).and_then(|versions| versions.range(read + 1..).next());
            behind.map_or(u64::MAX, |(version, _)| *version)
        };
        let from = reads.iter().map(|(_, read)| *read).max().unwrap_or(0);
        let until = reads.iter().map(next).min().unwrap_or(u64::MAX);
        match wrote {
            Some(wrote) => from < wrote && until >= wrote,
            None => from < until,
        }
    }

    pub(crate) fn newest(&self, key: &str) -> Option<(u64, Payload)> {
        let (version, value) = self.keys.get(key)?.last_key_value()?;
        Some((*version, value.clone()?))
    }

    fn number(&self, key: &str) -> i64 {
        self.newest(key).and_then(|(_, value)| value.json().ok()?["sum"].as_i64()).unwrap_or(0)
    }

    /// Every key with its newest value.
    pub(crate) fn all(&self) -> BTreeMap<String, (u64, Payload)> {
        self.keys.keys().filter_map(|key| Some((key.clone(), self.newest(key)?))).collect()
    }

    /// What steps leave in the state is what those left that are done and not taken back.
    pub(crate) fn marks<'r>(&self, runs: impl Iterator<Item = &'r RunBook>) -> Checked {
        let mut expected = BTreeSet::new();
        for run in runs {
            for (at, step) in run.steps.iter().enumerate() {
                let saga = &run.saga.steps[at];
                let stays = step.forward == Forward::Done && step.backward != Backward::Done;
                if stays && saga.work().is_some_and(crate::sagas::Work::leaves_mark) {
                    expected.insert(format!("{MARK}{}/{}", run.id, saga.id));
                }
            }
        }
        let all = self.all();
        let found: BTreeSet<String> = all.keys().filter(|key| key.starts_with(MARK)).cloned().collect();
        hold(found == expected, Invariant::State, || format!("the state has {found:?}, the outcomes leave {expected:?}"))?;
        let counted = all.iter().filter(|(key, value)| key.starts_with(MARK) && is_count(&value.1)).count();
        let count = self.number(COUNT);
        hold(i64::try_from(counted) == Ok(count), Invariant::State, || format!("{COUNT} is {count}, and {counted} steps counted"))
    }
}

/// Whether the host ended the attempt by itself: no guest said anything.
fn is_by_host(ending: &Ending) -> bool {
    match ending {
        Ending::Halted { halt: Halt::Lost, .. } => true,
        Ending::Failed { fault, .. } => fault.code == "state_conflict",
        Ending::Ok { .. } | Ending::Halted { .. } => false,
    }
}

/// Whether a mark is of a step that counts.
fn is_count(mark: &Payload) -> bool {
    mark.json().is_ok_and(|mark| mark["work"] == "count")
}
