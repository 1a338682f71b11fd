//! One lane of a tenant: the order in which its facts are queued. Runs are ahead of the disk, so what one of them wrote must be seen by
//! the next before it is stored; both, and the places in the queue, are guarded by one lock that is held for microseconds.

mod names;
mod rights;
pub(super) mod together;

use super::ahead::{Ahead, Queued, Spare};
use super::allowance::Allowance;
use super::error::{DriveError, KeepError, StartError};
use super::publish::Meaning;
use super::secrets::SecretGrants;
use super::state::State;
use super::tenants::{Book, Judged, Known};
use crate::sandbox::StateValue;
use crate::store::writer::{Append, Position, What, Writer};
use crate::store::{SagaRow, Store, StoreError};
use amends_domain::access::Standing;
use amends_domain::digest::Digest;
use amends_domain::event::{Entry, Event, HostGrant, Resolvers, TenantEntry, TenantEvent, Write};
use amends_domain::id::{Lane as LaneId, PluginName, RunId, SagaName, SecretName, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use amends_domain::tenant::{Admitted, Tenant};
use amends_domain::time::Timestamp;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Mutex as Turns;

/// Start keys remembered beyond those that are not durable yet.
const SPARE: Spare = Spare { keys: 64, bytes: 16 << 10 };

/// A lane.
#[derive(Debug)]
pub(super) struct Lane {
    tenant: TenantId,
    store: Arc<dyn Store>,
    writer: Arc<Writer>,
    newest: Mutex<Newest>,
    /// What the tenant is. Changed with `newest` locked, so that facts are queued in the order in which they are known; apart from it,
    /// so that whoever only looks does not wait for the disk.
    known: Mutex<Known>,
    /// Whoever lost a race for the state takes turns, first come, first served: so that each gets through.
    turns: Arc<Turns<()>>,
    allowance: Arc<Allowance>,
}

/// What is newer than the store, or the same.
#[derive(Debug)]
struct Newest {
    state: State,
    sagas: HashMap<SagaName, SagaRow>,
    /// The components and their sizes in bytes; none: there is no such plugin any more.
    plugins: HashMap<PluginName, Option<(Digest, u64)>>,
    starts: Ahead<Start>,
    resolvers: Option<Resolvers>,
    /// Of the plugins that were asked for. In the order of the places.
    grants: HashMap<PluginName, Arc<[HostGrant]>>,
    /// Once they were asked for.
    secrets: Option<SecretsOfTenant>,
}

/// What is sealed, and who may use it.
#[derive(Debug)]
struct SecretsOfTenant {
    sealed: BTreeMap<SecretName, Bytes>,
    grants: SecretGrants,
}

/// A run that was started with a key.
#[derive(Debug, Clone)]
struct Start {
    run: RunId,
    saga: SagaName,
    version: u32,
    input: Digest,
    position: Position,
}

impl Queued for Start {
    fn position(&self) -> Position {
        self.position
    }

    fn len(&self) -> usize {
        0
    }
}

/// Facts about secrets, and what is sealed.
pub(super) type SecretChange = (Vec<TenantEvent>, Vec<(Digest, Bytes)>);

/// What starting a run gave.
pub(super) enum NewRun {
    /// Its first fact is queued here.
    At(Position),
    /// Its key was used before.
    Before(StartedBefore),
}

/// A run that was started with a key. Nobody is told of it before `start` is durable.
pub(super) struct StartedBefore {
    pub(super) run: RunId,
    /// Where its first fact is queued.
    pub(super) start: Position,
    pub(super) wanted: Wanted,
}

/// Whether it is what is wanted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The same saga and input.
    Same,
    /// Something else.
    Other,
}

/// How an attempt was settled.
pub(super) enum Settled<T> {
    /// It counts.
    Counts(T),
    /// Another run changed what it read: it must be repeated.
    Conflict,
}

impl Lane {
    pub(super) fn new(allowance: Allowance, store: Arc<dyn Store>, writer: Arc<Writer>, version: u64, known: Tenant) -> Self {
        let tenant = allowance.tenant().clone();
        let state = State::new(tenant.clone(), Arc::clone(&store), version);
        let newest = Newest {
            state,
            sagas: HashMap::new(),
            plugins: HashMap::new(),
            starts: Ahead::new(SPARE),
            resolvers: None,
            grants: HashMap::new(),
            secrets: None,
        };
        Self {
            tenant,
            store,
            writer,
            newest: Mutex::new(newest),
            known: Mutex::new(Known::new(known)),
            turns: Arc::default(),
            allowance: Arc::new(allowance),
        }
    }

    pub(super) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What the tenant may take.
    pub(super) fn allowance(&self) -> &Arc<Allowance> {
        &self.allowance
    }

    pub(super) fn turns(&self) -> &Arc<Turns<()>> {
        &self.turns
    }

    /// Queues facts of a run that do not touch the state.
    pub(super) fn append_run(&self, run: &Run, entries: Vec<Entry>) -> Position {
        self.append(What::Run { run: run.id(), entries, head: run.head() })
    }

    /// Queues the end of an attempt, if what it read still holds. `fact` makes the fact of its versioned writes and brings the run up
    /// to it.
    pub(super) fn settle(
        &self,
        reads: &[(String, u64)],
        writes: Vec<(String, Option<Payload>)>,
        fact: impl FnOnce(Vec<Write>) -> Result<(RunId, Entry, amends_domain::run::RunHead), DriveError>,
    ) -> Result<Settled<Position>, DriveError> {
        let mut newest = self.newest();
        if !newest.state.is_current(reads)? {
            return Ok(Settled::Conflict);
        }
        let writes = newest.state.write(writes);
        let (run, entry, head) = fact(writes.clone())?;
        let position = self.append(What::Run { run, entries: vec![entry], head });
        newest.state.queued(&writes, position, self.writer.durable_mark());
        Ok(Settled::Counts(position))
    }

    /// Whether runs may be started.
    pub(super) fn is_open(&self) -> Result<(), StartError> {
        match self.known().newest().standing() {
            // A host without tenants has nobody who creates them.
            Standing::Open | Standing::Absent => Ok(()),
            Standing::Suspended => Err(StartError::TenantSuspended),
            Standing::Deleted => Err(StartError::TenantDeleted),
        }
    }

    /// Queues the start of a run, unless its key was used before. `asked`: the version that was asked for.
    pub(super) fn start(&self, run: &Run, asked: Option<u32>) -> Result<NewRun, StartError> {
        let started = run.started();
        let mut newest = self.newest();
        self.is_open()?;
        let Some(key) = &started.key else {
            self.allowance.start()??;
            return Ok(NewRun::At(self.append_run(run, first_facts(run))));
        };
        let input = Digest::of(&started.input.0);
        if let Some(before) = self.start_of_key(&newest, key)? {
            let same = (&before.saga, before.input) == (&started.saga, input) && asked.is_none_or(|asked| asked == before.version);
            let wanted = if same { Wanted::Same } else { Wanted::Other };
            return Ok(NewRun::Before(StartedBefore { run: before.run, start: before.position, wanted }));
        }
        self.allowance.start()??;
        let position = self.append_run(run, first_facts(run));
        let start = Start { run: run.id(), saga: started.saga.clone(), version: started.version, input, position };
        newest.starts.keep(key, start, self.writer.durable_mark());
        Ok(NewRun::At(position))
    }

    fn start_of_key(&self, newest: &Newest, key: &str) -> Result<Option<Start>, StoreError> {
        if let Some(start) = newest.starts.get(key) {
            return Ok(Some(start.clone()));
        }
        let Some((run, input)) = self.store.run_of_key(&self.tenant, key)? else { return Ok(None) };
        let head = self.store.run(&self.tenant, run)?;
        Ok(head.map(|head| Start { run, saga: head.saga, version: head.version, input, position: Position::default() }))
    }

    /// What the tenant is.
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges a wish about the tenant itself, and queues it with what follows from it for the meaning of a plugin's name. `component`: what
    /// it speaks of and may not be stored yet.
    pub(super) fn alter(
        self: &Arc<Self>,
        book: &Book,
        wish: TenantEntry,
        component: Option<(Digest, Bytes)>,
    ) -> Result<Judged, StoreError> {
        let mut newest = self.newest();
        let (before, last) = self.known().now();
        let said = before.admit(&wish.event, wish.at);
        if !matches!(said, Ok(Admitted::New)) {
            return Ok(Judged { said, position: last });
        }
        let mut after = Tenant::clone(&before);
        after.apply(&wish).expect("what is admitted fits");
        let mut entries = vec![wish];
        if let Some(Meaning { plugin, installed }) = self.meaning_behind(&newest, &entries[0].event, (&before, &after))? {
            newest.plugins.insert(plugin.clone(), installed);
            let install = |(component, size)| TenantEvent::PluginInstalled { plugin, component, size };
            entries.extend(installed.map(|installed| TenantEntry { at: entries[0].at, event: install(installed) }));
        }
        let position = self.append(What::Tenant { entries, components: component.into_iter().collect() });
        let after = Arc::new(after);
        book.note(self, &before, &after);
        self.allowance.tenant_is(&after);
        self.known().change(after, position, self.writer.durable_mark());
        Ok(Judged { said, position })
    }

    /// Queues writes that no run made.
    pub(super) fn write_state(&self, values: Vec<(String, Option<Payload>)>, at: Timestamp) -> Result<Position, KeepError> {
        let len = values.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Payload::len)).sum::<usize>();
        let mut newest = self.newest();
        self.allowance.write(len as u64)??;
        let writes = newest.state.write(values);
        let position = self.append_tenant(TenantEvent::StateWritten { writes: writes.clone() }, at, Vec::new());
        newest.state.queued(&writes, position, self.writer.durable_mark());
        Ok(position)
    }

    /// Queues that runs are no longer kept, which nobody drives. What they were started with starts others from now on.
    pub(super) fn remove_runs(&self, event: TenantEvent, runs: &BTreeSet<RunId>, at: Timestamp) -> Position {
        let mut newest = self.newest();
        newest.starts.remove(|start| runs.contains(&start.run));
        self.append_tenant(event, at, Vec::new())
    }

    /// Queues a fact that changes nothing of the tenant.
    pub(super) fn note(&self, event: TenantEvent, at: Timestamp) -> Position {
        self.append_tenant(event, at, Vec::new())
    }

    /// A value of the state as of now, durable or not.
    pub(super) fn read_state(&self, key: &str) -> Result<Option<StateValue>, StoreError> {
        self.newest().state.get(key)
    }

    fn append_tenant(&self, event: TenantEvent, at: Timestamp, components: Vec<(Digest, Bytes)>) -> Position {
        self.append(What::Tenant { entries: vec![TenantEntry { at, event }], components })
    }

    fn append(&self, what: What) -> Position {
        if let What::Run { run, head, .. } = &what {
            self.allowance.run_is(*run, head);
        }
        self.writer.append(Append { tenant: self.tenant.clone(), lane: LaneId(0), what })
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The facts with which a run begins.
fn first_facts(run: &Run) -> Vec<Entry> {
    let fact = |event| Entry { at: run.started_at(), event };
    let mut facts = vec![fact(Event::Started(Box::new(run.started().as_ref().clone())))];
    if run.begins_at() > run.started_at() {
        facts.push(fact(Event::Delayed { until: run.begins_at() }));
    }
    facts
}
