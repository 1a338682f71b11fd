//! What must be true when a data directory was killed over and resumed to its end: read from the store itself, run by run and key by key.

use crate::orders::{self, BACKWARD_ATTEMPTS_MAX, FORWARD_ATTEMPTS_MAX, Order, SAGA};
use amends::store::redb::RedbStore;
use amends::store::{PAGE_LEN_MAX, Store};
use amends_domain::definition::{Definition, read};
use amends_domain::event::{AttemptRef, Direction, Ending, Entry, Event, Halt, Outcome};
use amends_domain::id::{RunId, StepIndex, TenantId};
use amends_domain::run::{Phase, Run};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;
use std::path::Path;
use std::sync::Arc;

/// What has been counted.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) runs: usize,
    pub(crate) succeeded: usize,
    pub(crate) compensated: usize,
    pub(crate) attempts: usize,
    /// Attempts that a kill took.
    pub(crate) lost: usize,
    pub(crate) retries: usize,
    /// Runs that a host found open.
    pub(crate) adopted: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { runs, succeeded, compensated, attempts, lost, retries, adopted } = other;
        self.runs += runs;
        self.succeeded += succeeded;
        self.compensated += compensated;
        self.attempts += attempts;
        self.lost += lost;
        self.retries += retries;
        self.adopted += adopted;
    }
}

/// What is known of a data directory, over all that was done to it.
pub(crate) struct Ledger {
    tenant: TenantId,
    definition: Arc<Definition>,
    /// What was ordered under each idempotency key.
    orders: HashMap<String, Order>,
    /// The runs that were checked, each once: nothing changes a run that has ended.
    ended: BTreeMap<RunId, (String, Outcome)>,
    pub(crate) counts: Counts,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            tenant: "local".parse().expect("a name"),
            definition: Arc::new(read(SAGA).expect("the saga is right")),
            orders: HashMap::new(),
            ended: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// Notes what is ordered under `key`.
    pub(crate) fn order(&mut self, key: String, order: Order) {
        assert!(self.orders.insert(key, order).is_none(), "each key once");
    }

    /// Checks `data`, in which no run is open, against the orders and against what the program `told`: runs and, where it was told,
    /// their outcomes.
    pub(crate) fn check(&mut self, data: &Path, told: &[(RunId, Option<Outcome>)]) {
        let store = RedbStore::open(data).expect("the data directory opens");
        self.check_runs(&store);
        for (run, outcome) in told {
            let Some((_, stored)) = self.ended.get(run) else { panic!("{run} was told of and is not stored") };
            assert!(outcome.is_none_or(|outcome| outcome == *stored), "{run} was told to be {outcome:?} and is {stored:?}");
        }
        self.check_state(&store);
        store.close().expect("the data directory closes");
    }

    fn check_runs(&mut self, store: &RedbStore) {
        let open = store.open_runs(&self.tenant, None, PAGE_LEN_MAX).expect("the store reads");
        assert!(open.is_empty(), "{} runs are open after a resume that ran through, the first is {}", open.len(), open[0].run);
        let mut before = None;
        loop {
            let page = store.runs(&self.tenant, before, PAGE_LEN_MAX).expect("the store reads");
            let Some((last, _)) = page.last() else { return };
            before = Some(*last);
            for (run, _) in page {
                if !self.ended.contains_key(&run) {
                    self.check_run(store, run);
                }
            }
        }
    }

    fn check_run(&mut self, store: &RedbStore, id: RunId) {
        let journal = store.journal(&self.tenant, id).expect("the store reads").expect("it was listed");
        let run = Run::of_journal(id, Arc::clone(&self.definition), &journal);
        let run = run.unwrap_or_else(|misfit| panic!("{id}: {misfit}: {journal:#?}"));
        let Phase::Ended(ended) = run.phase() else { panic!("{id} is listed as ended and its journal says {:?}", run.phase()) };
        assert_eq!(run.started().definition, self.definition.digest, "{id} pins another definition");
        let key = run.started().key.clone().unwrap_or_else(|| panic!("{id} has no key"));
        let Some(order) = self.orders.get(&key) else { panic!("{id} has key {key}, under which nothing was ordered") };
        assert!(self.ended.values().all(|(other, _)| *other != key), "{key} was started twice, the second is {id}");
        assert_eq!(run.started().input.json().ok(), Some(order.input()), "{id} has another input");
        let attempts = Attempts::of(&journal);
        attempts.check(id, &journal);
        match ended.outcome {
            Outcome::Succeeded => {
                assert!(order.can_succeed, "{id} succeeded, which it could not: {order:?}");
                let output = ended.output.as_ref().and_then(|output| output.json().ok());
                assert_eq!(output, Some(order.output(&id.to_string())), "{id} gives another output: {:?}", ended.fault);
            }
            Outcome::Compensated if order.can_succeed => {
                assert!(attempts.ran_out_by_loss(), "{id} was compensated without a reason: {journal:#?}");
            }
            Outcome::Compensated => {}
            Outcome::Stuck | Outcome::Killed => panic!("{id} is {:?}: {journal:#?}", ended.outcome),
        }
        let succeeded = ended.outcome == Outcome::Succeeded;
        self.counts += Counts {
            runs: 1,
            succeeded: usize::from(succeeded),
            compensated: usize::from(!succeeded),
            attempts: attempts.started.len(),
            lost: attempts.lost(),
            retries: journal.iter().filter(|entry| matches!(entry.event, Event::RetryScheduled { .. })).count(),
            adopted: usize::from(journal.iter().any(|entry| entry.event == Event::Adopted)),
        };
        self.ended.insert(id, (key, ended.outcome));
    }

    /// No piece and no cent appeared or vanished, nothing is reserved, and no run left more behind than its outcome says.
    fn check_state(&self, store: &RedbStore) {
        let succeeded = self.ended.iter().filter(|(_, (_, outcome))| *outcome == Outcome::Succeeded);
        let succeeded: Vec<_> = succeeded.map(|(run, (key, _))| (run.to_string(), &self.orders[key])).collect();
        let expected = orders::closing(succeeded.iter().map(|(run, order)| (run.as_str(), *order)));
        let found = self.state(store);
        let keys = expected.keys().chain(found.keys().filter(|key| !expected.contains_key(*key)));
        let differ = keys.filter(|key| expected.get(*key) != found.get(*key));
        let differ: Vec<_> = differ.map(|key| format!("{key}: {:?}, not {:?}", found.get(key), expected.get(key))).collect();
        assert!(
            differ.is_empty(),
            "the books do not say what the outcomes of {} runs say:\n{}",
            self.ended.len(),
            differ.join("\n")
        );
    }

    fn state(&self, store: &RedbStore) -> BTreeMap<String, Value> {
        let mut state = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = store.states(&self.tenant, after.as_deref(), PAGE_LEN_MAX).expect("the store reads");
            let Some((last, _)) = page.last() else { return state };
            after = Some(last.clone());
            state.extend(page.into_iter().map(|(key, value)| (key, value.value.json().expect("the plugin writes JSON"))));
        }
    }
}

/// The attempts of a run, as its journal has them.
struct Attempts {
    started: Vec<AttemptRef>,
    ended: HashMap<AttemptRef, Ending>,
}

impl Attempts {
    fn of(journal: &[Entry]) -> Self {
        let mut attempts = Self { started: Vec::new(), ended: HashMap::new() };
        for entry in journal {
            match &entry.event {
                Event::AttemptStarted { attempt, .. } => attempts.started.push(*attempt),
                Event::AttemptEnded(ended) => {
                    let again = attempts.ended.insert(ended.attempt, ended.ending.clone());
                    assert!(again.is_none(), "{:?} ended twice", ended.attempt);
                    let ok = matches!(ended.ending, Ending::Ok { .. });
                    assert!(ok || ended.writes.is_empty(), "{:?} did not end well and wrote", ended.attempt);
                }
                _ => {}
            }
        }
        attempts
    }

    fn check(&self, id: RunId, journal: &[Entry]) {
        for attempt in &self.started {
            assert!(self.ended.contains_key(attempt), "{id}: {attempt:?} has no end: {journal:#?}");
            let max = match attempt.direction {
                Direction::Forward => FORWARD_ATTEMPTS_MAX,
                Direction::Backward => BACKWARD_ATTEMPTS_MAX,
            };
            let tried = self.tried(attempt.step, attempt.direction);
            assert!(tried <= max, "{id}: {attempt:?} is one of {tried}, {max} are allowed: {journal:#?}");
        }
        let backward = journal.iter().position(|entry| matches!(entry.event, Event::CompensationStarted { .. }));
        let late = journal
            .iter()
            .skip(backward.unwrap_or(journal.len()))
            .find(|entry| matches!(entry.event, Event::AttemptStarted { attempt, .. } if attempt.direction == Direction::Forward));
        assert!(late.is_none(), "{id}: forward after its compensation began: {late:?}");
    }

    fn tried(&self, step: StepIndex, direction: Direction) -> usize {
        self.started.iter().filter(|attempt| attempt.step == step && attempt.direction == direction).count()
    }

    fn lost(&self) -> usize {
        self.ended.values().filter(|ending| is_lost(ending)).count()
    }

    /// Whether a step used up its attempts forward, some of which were taken by kills.
    fn ran_out_by_loss(&self) -> bool {
        let taken = |(attempt, ending): (&AttemptRef, &Ending)| {
            let forward = attempt.direction == Direction::Forward;
            forward && is_lost(ending) && self.tried(attempt.step, attempt.direction) == FORWARD_ATTEMPTS_MAX
        };
        self.ended.iter().any(taken)
    }
}

fn is_lost(ending: &Ending) -> bool {
    matches!(ending, Ending::Halted { halt: Halt::Lost, .. })
}
