//! An example on a host in this process, with a store in memory: prepared, driven from wherever it stands to its outcome, and looked at.

use crate::case::{Answers, Books, Case, Example, State, TIMEOUT};
use crate::site::{content, folder_of};
use amends::clock::{Clock, SystemClock};
use amends::coordinator::{Answered, Coordinator, DemandOf, Driven, Rest, StartRun, StartedRun, Then};
use amends::sandbox::{CompilerSettings, EgressSettings, Sandbox, SandboxSettings};
use amends::store::memory::MemoryStore;
use amends::store::writer::{Append, What, Writer};
use amends::store::{PAGE_LEN_MAX, Store};
use amends_domain::definition::read;
use amends_domain::event::{Author, Demand, Entry};
use amends_domain::explain::{Awaited, awaited};
use amends_domain::id::{Lane, RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use amends_domain::time::Timestamp;
use bytes::Bytes;
use harness::{PATIENCE, guest};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::Handle;

/// Retries and waits of the documents, and how long a test sits them out.
const QUICK: &[(&str, &str)] = &[
    ("initial: 200ms, max: 2s", "initial: 1ms, max: 2ms"),
    ("initial: 100ms, max: 500ms", "initial: 1ms, max: 2ms"),
    ("initial: 50ms, max: 300ms", "initial: 1ms, max: 2ms"),
    ("initial: 50ms, max: 200ms", "initial: 10ms, max: 10ms"),
    ("wait: { for: 150ms }", "wait: { for: 5ms }"),
    ("jitter: 20ms", "jitter: 0ms"),
    ("jitter: 10ms", "jitter: 0ms"),
    ("timeout: 300ms", "timeout: 20ms"),
];
/// Cases that run at the same time.
const THREADS: usize = 4;

/// An example with what all its hosts share.
pub(crate) struct Stage<'e> {
    pub(crate) example: &'e Example,
    sandbox: Arc<Sandbox>,
    pub(crate) tenant: TenantId,
    component: Bytes,
    pub(crate) opening: State,
}

impl<'e> Stage<'e> {
    pub(crate) fn new(example: &'e Example) -> Self {
        let settings = SandboxSettings {
            attempts_max: 64,
            components_max: 4,
            code_len_max: 256 << 20,
            outside: None,
            egress: EgressSettings::system(),
            compiler: CompilerSettings::InProcess,
            code_dir: None,
        };
        let opening = content(&folder_of(example).join("state.json"));
        Self {
            example,
            sandbox: Arc::new(Sandbox::new(settings).expect("the sandbox is there")),
            tenant: "local".parse().expect("a name"),
            component: std::fs::read(guest(example.plugin)).expect("the plugin is built").into(),
            opening: serde_json::from_str(&opening).expect("JSON"),
        }
    }

    /// Does something with each case of the example, some at a time.
    pub(crate) fn each<F: Future<Output = ()>>(&self, work: impl Fn(&'e Case) -> F + Sync) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                    while let Some(case) = self.example.cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        runtime.block_on(work(case));
                    }
                });
            }
        });
    }

    /// A store in which the saga is applied, the plugin is installed and the books are opened.
    pub(crate) async fn prepared(&self, case: &Case) -> Arc<MemoryStore> {
        let store = Arc::new(MemoryStore::new());
        let host = self.host(&store);
        let plugin = self.example.plugin.parse().expect("a name");
        let definition = Arc::new(read(&self.document(case)).unwrap_or_else(|mistakes| panic!("{mistakes}")));
        let values = self.opening.iter().map(|(key, value)| (key.clone(), Some(Payload::from(value)))).collect();
        host.install(&self.tenant, &plugin, self.component.clone()).await.expect("the plugin is right");
        host.apply(&self.tenant, &definition).expect("the saga is right");
        host.write_state(&self.tenant, values).await.expect("the state is right");
        store
    }

    /// Makes durable what a host had noted of a run when its power went.
    pub(crate) async fn append(&self, store: &Arc<MemoryStore>, run: RunId, so_far: &[Entry]) {
        let head = self.host(store).replay(&self.tenant, run, so_far).expect("it makes sense").head();
        let what = What::Run { run, entries: so_far.to_vec(), head };
        let writer = Writer::start(Arc::clone(store) as _).expect("the store opens");
        let position = writer.append(Append { tenant: self.tenant.clone(), lane: Lane(0), what });
        writer.durable(position).await.expect("a store in memory takes every commit");
    }

    /// A host after an unclean end of the one before.
    fn host(&self, store: &Arc<MemoryStore>) -> Coordinator {
        let (sandbox, clock, guests) = (Arc::clone(&self.sandbox), Arc::new(OneRun), Handle::current());
        Coordinator::new(Arc::clone(store) as _, sandbox, clock, guests).expect("the store opens")
    }

    fn document(&self, case: &Case) -> String {
        let mut document = content(&folder_of(self.example).join("saga.yaml"));
        if let Answers::ThenNobody(signals) = case.answers {
            let (at, patient) = document.match_indices(TIMEOUT.0).nth(signals.len()).expect("the saga waits once more");
            document.replace_range(at..at + patient.len(), TIMEOUT.1);
        }
        // What is to get through has all the time there is; what is not need not take it.
        if case.outcome != "succeeded" {
            document = document.replace("for: 2s", "for: 40ms");
        }
        if case.outcome == "stuck" {
            document = document.replace("deadline: 4s", "deadline: 100ms");
        }
        QUICK.iter().fold(document, |document, (slow, quick)| document.replace(slow, quick))
    }

    pub(crate) fn books(&self, store: &MemoryStore) -> Books {
        (self.example.books)(&self.state(store))
    }

    pub(crate) fn state(&self, store: &MemoryStore) -> State {
        let rows = store.states(&self.tenant, None, PAGE_LEN_MAX).expect("it reads");
        rows.into_iter().map(|(key, value)| (key, value.value.json().expect("JSON"))).collect()
    }

    /// One host: it brings the run of a case to its outcome.
    pub(crate) async fn live(&self, case: &Case, store: &Arc<MemoryStore>) -> Run {
        let host = self.host(store);
        tokio::time::timeout(PATIENCE, self.drive(&host, case)).await.expect("it ends in time")
    }

    /// Starts the run of a case, or goes on with it, and answers it while it waits.
    async fn drive(&self, host: &Coordinator, case: &Case) -> Run {
        let input: Value = json_of(&folder_of(self.example).join(format!("inputs/{}.json", case.input)));
        let saga = read(&self.document(case)).expect("it was read before").saga;
        let (tenant, key) = (self.tenant.clone(), Some("the case".to_owned()));
        let start = StartRun { version: None, tenant, saga, input: Payload::from(&input), key, begin: None, parent: None };
        let (run, mut driven) = match host.start(start).await.expect("it is accepted") {
            StartedRun::New(driven) => (driven.run, Some(driven)),
            StartedRun::Existing(run) => (run, host.adopt(&self.tenant, run).expect("it is found")),
        };
        while let Some(driving) = driven {
            driven = match driving.rests().await.expect("it is driven") {
                Rest::Ended(run) => return run,
                Rest::Waiting(run) => self.answer(host, case, &run).await,
            };
        }
        let journal = self.journal(&**host.store(), run);
        host.replay(&self.tenant, run, &journal).expect("it makes sense")
    }

    async fn answer(&self, host: &Coordinator, case: &Case, run: &Run) -> Option<Driven> {
        let Awaited::Signals { names, .. } = awaited(run) else { panic!("{case:?} waits {}", awaited(run)) };
        let (name, file) = case.answers.signals().iter().find(|(name, _)| *name == names[0].as_str()).expect("somebody answers");
        let decision = json_of(&folder_of(self.example).join(format!("signals/{file}.json")));
        let who = decision["by"].as_str().expect("somebody decided").to_owned();
        let demand = Demand::Signal { name: name.parse().expect("a name"), payload: Payload::from(&decision) };
        let by = Author { who, why: None, key: Some((*name).to_owned()) };
        let of = DemandOf { tenant: self.tenant.clone(), run: run.id(), demand, by, then: Then::Drive };
        match host.demand(of).await.expect("it is taken") {
            Answered::Noted(driven) | Answered::Already(driven) => driven,
        }
    }

    /// All facts of a run.
    pub(crate) fn journal(&self, store: &dyn Store, run: RunId) -> Vec<Entry> {
        store.journal(&self.tenant, run).expect("it reads").expect("it is there")
    }
}

/// The clock of the machine; every run has the same id, of which there is one for each store.
#[derive(Debug)]
struct OneRun;

impl Clock for OneRun {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn run_id(&self) -> RunId {
        RunId(17)
    }

    fn chance(&self) -> [u8; 32] {
        SystemClock.chance()
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&content(path)).expect("JSON")
}
