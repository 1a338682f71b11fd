//! From appends to one commit: facts of one run become one record, and each record a link of its chain. Apart, because it is the only
//! place that seals.

use super::{Append, What};
use crate::store::{Commit, LaneCommit, Store, StoreError};
use amends_domain::audit::{Body, Head};
use amends_domain::digest::Digest;
use amends_domain::event::{Entry, Event, TenantEntry};
use amends_domain::id::{Lane, RunId, TenantId};
use amends_domain::run::{RunHead, RunStatus};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Open runs whose last record is known without asking the store. The oldest are forgotten first: they sleep longest.
const LAST_RECORDS_MAX: usize = 65_536;

/// The ends of all chains, ahead of the store by what is being committed.
#[derive(Debug)]
pub(super) struct Chains {
    store: Arc<dyn Store>,
    /// Place of each lane in `heads`.
    places: HashMap<(TenantId, Lane), usize>,
    heads: Vec<Head>,
    /// Number of the last record of open runs, by run and the place of their lane.
    last_records: BTreeMap<(RunId, usize), u64>,
}

/// What one run, or the tenant itself, did in the batch.
enum Draft {
    Run { run: RunId, entries: Vec<Entry>, head: RunHead },
    Tenant { entries: Vec<TenantEntry> },
}

/// What the batch adds to one lane.
struct LaneDraft {
    tenant: TenantId,
    lane: Lane,
    place: usize,
    /// In the order of the first append to each.
    drafts: Vec<Draft>,
}

impl Chains {
    /// Reads where each lane of `store` ends.
    pub(super) fn load(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let rows = store.lanes()?;
        let heads = rows.iter().map(|row| row.head).collect();
        let places = rows.into_iter().enumerate().map(|(place, row)| ((row.tenant, row.lane), place)).collect();
        Ok(Self { store, places, heads, last_records: BTreeMap::new() })
    }

    /// Merges and seals. The chains move with it: what comes out must be committed before the next is sealed, or never anything again.
    ///
    /// # Errors
    /// What the store says when it is asked for a run's last record.
    pub(super) fn seal(&mut self, appends: Vec<Append>) -> Result<Commit, StoreError> {
        let (lanes, components) = self.merge(appends);
        let lanes = lanes.into_iter().map(|lane| self.seal_lane(lane)).collect::<Result<_, _>>()?;
        Ok(Commit { lanes, components })
    }

    fn place(&mut self, tenant: &TenantId, lane: Lane) -> usize {
        *self.places.entry((tenant.clone(), lane)).or_insert_with(|| {
            self.heads.push(Head::genesis(tenant, lane));
            self.heads.len() - 1
        })
    }

    /// One draft for each run and each tenant. That facts of others stood between them is lost, and does not matter: what several
    /// runs write carries versions.
    fn merge(&mut self, appends: Vec<Append>) -> (Vec<LaneDraft>, Vec<(Digest, Bytes)>) {
        let mut lanes: Vec<LaneDraft> = Vec::new();
        let mut lane_at: HashMap<usize, usize> = HashMap::new();
        // By lane, and by run or none for the tenant's own.
        let mut draft_at: HashMap<(usize, Option<RunId>), usize> = HashMap::new();
        let mut all_components = Vec::new();
        for Append { tenant, lane, what } in appends {
            let place = self.place(&tenant, lane);
            let at = *lane_at.entry(place).or_insert_with(|| {
                lanes.push(LaneDraft { tenant, lane, place, drafts: Vec::new() });
                lanes.len() - 1
            });
            let drafts = &mut lanes[at].drafts;
            let draft = match what {
                What::Run { run, entries, head } => Draft::Run { run, entries, head },
                What::Tenant { entries, components } => {
                    all_components.extend(components);
                    Draft::Tenant { entries }
                }
            };
            let at = *draft_at.entry((place, draft.run())).or_insert(drafts.len());
            match drafts.get_mut(at) {
                Some(earlier) => earlier.extend(draft),
                None => drafts.push(draft),
            }
        }
        (lanes, all_components)
    }

    fn seal_lane(&mut self, LaneDraft { tenant, lane, place, drafts }: LaneDraft) -> Result<LaneCommit, StoreError> {
        let mut records = Vec::with_capacity(drafts.len());
        let mut runs = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let body = match draft {
                Draft::Run { run, entries, head } => {
                    let previous = self.previous(&tenant, place, run, &entries)?;
                    self.remember(place, run, head.status);
                    runs.push((run, head));
                    Body::Run { run, previous, entries }
                }
                Draft::Tenant { entries } => Body::Tenant { entries },
            };
            records.push((self.heads[place].seal(&body), body));
        }
        Ok(LaneCommit { tenant, lane, records, runs })
    }

    /// The number of the run's record before the one that begins with `entries`; 0 if that is its first.
    fn previous(&self, tenant: &TenantId, place: usize, run: RunId, entries: &[Entry]) -> Result<u64, StoreError> {
        if let Some(last) = self.last_records.get(&(run, place)) {
            return Ok(*last);
        }
        match entries.first().map(|entry| &entry.event) {
            Some(Event::Started(_)) => Ok(0),
            Some(_) | None => Ok(self.store.last_record(tenant, run)?.unwrap_or(0)),
        }
    }

    /// Notes that the next record of the lane is the run's last one for now.
    fn remember(&mut self, place: usize, run: RunId, status: RunStatus) {
        match status {
            RunStatus::Running | RunStatus::Compensating | RunStatus::Waiting | RunStatus::Paused => {
                self.last_records.insert((run, place), self.heads[place].seq + 1);
                if self.last_records.len() > LAST_RECORDS_MAX {
                    self.last_records.pop_first();
                }
            }
            RunStatus::Ended(_) => drop(self.last_records.remove(&(run, place))),
        }
    }
}

impl Draft {
    fn run(&self) -> Option<RunId> {
        match self {
            Self::Run { run, .. } => Some(*run),
            Self::Tenant { .. } => None,
        }
    }

    /// Adds what the same run, or the tenant, did next. The later head counts.
    fn extend(&mut self, next: Self) {
        match (self, next) {
            (Self::Run { entries, head, .. }, Self::Run { entries: more, head: later, .. }) => {
                entries.extend(more);
                *head = later;
            }
            (Self::Tenant { entries }, Self::Tenant { entries: more }) => entries.extend(more),
            (Self::Run { .. }, Self::Tenant { .. }) | (Self::Tenant { .. }, Self::Run { .. }) => {
                unreachable!("drafts are found by run, and a tenant's own under none")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use amends_domain::event::{Outcome, TenantEvent};
    use amends_domain::id::SagaName;
    use amends_domain::time::Timestamp;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).expect("a name")
    }

    fn of_run(name: &str, run: u128, at: u64, status: RunStatus) -> Append {
        let saga = SagaName::new("s").expect("a name");
        let head = RunHead {
            saga,
            version: 1,
            definition: Digest([0; 32]),
            status,
            started: Timestamp(at),
            ended: None,
            due: None,
            dead_letters: 0,
        };
        let entries = vec![Entry { at: Timestamp(at), event: Event::Adopted }];
        Append { tenant: tenant(name), lane: Lane(0), what: What::Run { run: RunId(run), entries, head } }
    }

    fn of_tenant(name: &str, at: u64) -> Append {
        let entries = vec![TenantEntry { at: Timestamp(at), event: TenantEvent::StateWritten { writes: Vec::new() } }];
        Append { tenant: tenant(name), lane: Lane(0), what: What::Tenant { entries, components: Vec::new() } }
    }

    /// `tenant: run(previous)[instants] …` of every lane.
    fn shown(commit: &Commit) -> Vec<String> {
        let body = |body: &Body| match body {
            Body::Run { run, previous, entries } => {
                format!("{}({previous}){:?}", run.0, entries.iter().map(|e| e.at.0).collect::<Vec<_>>())
            }
            Body::Tenant { entries } => format!("own{:?}", entries.iter().map(|e| e.at.0).collect::<Vec<_>>()),
        };
        let lane = |lane: &LaneCommit| {
            let records: Vec<String> = lane.records.iter().map(|(_, b)| body(b)).collect();
            format!("{}: {}", lane.tenant, records.join(" "))
        };
        commit.lanes.iter().map(lane).collect()
    }

    #[test]
    fn what_one_run_did_in_a_batch_is_one_record_and_the_next_names_it() {
        let store = Arc::new(MemoryStore::new());
        let mut chains = Chains::load(Arc::clone(&store) as Arc<dyn Store>).expect("an empty store");
        let (running, ended) = (RunStatus::Running, RunStatus::Ended(Outcome::Succeeded));
        let batches = [
            (
                vec![of_run("a", 1, 1, running), of_run("b", 9, 2, running), of_tenant("a", 3), of_run("a", 2, 4, running)],
                vec!["a: 1(0)[1] own[3] 2(0)[4]", "b: 9(0)[2]"],
            ),
            (
                vec![
                    of_run("a", 2, 5, running),
                    of_run("a", 1, 6, running),
                    of_run("a", 2, 7, ended),
                    of_tenant("a", 8),
                    of_tenant("a", 9),
                ],
                vec!["a: 2(3)[5, 7] 1(1)[6] own[8, 9]"],
            ),
            (vec![of_run("b", 9, 10, ended), of_run("a", 1, 11, ended)], vec!["b: 9(1)[10]", "a: 1(5)[11]"]),
        ];
        for (appends, expected) in batches {
            let commit = chains.seal(appends).expect("the store answers");
            assert_eq!(shown(&commit), expected);
            store.commit(&commit).expect("it follows");
        }
        assert!(chains.last_records.is_empty(), "ended runs are forgotten");
        let head = &store.runs(&tenant("a"), None, 1).expect("the store answers")[0].1;
        assert_eq!((head.started, head.status), (Timestamp(7), ended), "the last head of a batch counts");
    }

    #[test]
    fn a_run_that_was_forgotten_or_comes_from_another_process_is_asked_for() {
        let store = Arc::new(MemoryStore::new());
        let load = || Chains::load(Arc::clone(&store) as Arc<dyn Store>).expect("the store answers");
        store
            .commit(&load().seal(vec![of_tenant("a", 1), of_run("a", 1, 2, RunStatus::Running)]).expect("sealed"))
            .expect("it follows");
        let commit = load().seal(vec![of_run("a", 1, 3, RunStatus::Running)]).expect("sealed");
        assert_eq!(shown(&commit), ["a: 1(2)[3]"]);
    }
}
