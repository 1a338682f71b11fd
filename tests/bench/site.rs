//! A host in this process over a disk, with a clock of its own; and the sagas of the benchmark.

use amends::clock::{Clock, SystemClock};
use amends::coordinator::{Coordinator, Rest, StartRun, StartedRun};
use amends::sandbox::{CodeDir, CompilerSettings, EgressSettings, Sandbox, SandboxSettings};
use amends::store::Store;
use amends::store::redb::RedbStore;
use amends_domain::definition::read;
use amends_domain::event::Entry;
use amends_domain::id::{RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use amends_domain::time::{Span, Timestamp};
use anyhow::{Context, Result, bail};
use harness::{guest, target};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tempfile::TempDir;

/// The saga of three steps that do nothing.
pub(crate) const THREE: &str = "bench.three";
/// An instant to begin with.
const BEGINNING: u64 = 1_764_000_000_000;

/// Three steps in a row that answer what they are given; the third refuses it if it is told to.
pub(crate) fn three() -> Value {
    let step = |id: &str, uses: &str| json!({ "id": id, "uses": uses });
    let steps = [step("a", "nothing/pass"), step("b", "nothing/pass"), step("c", "nothing/finish")];
    json!({ "saga": THREE, "defaults": { "retry": { "attempts": 1 } }, "steps": steps })
}

/// What a run of it is given: a hundred bytes, or so many more.
pub(crate) fn given(refuse: bool, text_len: usize) -> Value {
    json!({ "refuse": refuse, "text": "x".repeat(text_len) })
}

/// Text of a hundred bytes of input.
pub(crate) const TEXT_LEN: usize = 72;

/// A new folder for data, where everything else is that is built: temporary files may not be on a disk.
pub(crate) fn folder() -> Result<TempDir> {
    let data = target().join("bench/data");
    std::fs::create_dir_all(&data)?;
    Ok(tempfile::tempdir_in(data)?)
}

/// A clock that is ahead of the machine's by as much as a benchmark wants.
#[derive(Debug, Default)]
pub(crate) struct SetClock(pub(crate) AtomicU64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0.load(Ordering::Relaxed))
    }

    fn run_id(&self) -> RunId {
        SystemClock.run_id()
    }

    fn chance(&self) -> [u8; 32] {
        SystemClock.chance()
    }
}

/// A clock whose milliseconds are microseconds: what a journal notes is told apart more finely. Nothing may wait by it.
#[derive(Debug)]
pub(crate) struct FineClock(Instant);

impl FineClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for FineClock {
    fn now(&self) -> Timestamp {
        Timestamp(BEGINNING + u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn run_id(&self) -> RunId {
        SystemClock.run_id()
    }

    fn chance(&self) -> [u8; 32] {
        SystemClock.chance()
    }
}

/// A host in this process.
pub(crate) struct Site {
    runtime: tokio::runtime::Runtime,
    pub(crate) coordinator: Coordinator,
    pub(crate) tenant: TenantId,
}

impl Site {
    pub(crate) fn open(data: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let settings = SandboxSettings {
            attempts_max: 64,
            components_max: 256,
            code_len_max: 512 << 20,
            compiler: CompilerSettings::InProcess,
            code_dir: Some(CodeDir { dir: data.join("code"), len_max: 2 << 30 }),
            outside: None,
            egress: EgressSettings::system(),
        };
        let (sandbox, store) = (Arc::new(Sandbox::new(settings)?), Arc::new(RedbStore::open(data)?));
        // As the program does at its start.
        amends::sandbox::set_pace(amends::sandbox::Pace::Brisk);
        let runtime = amends::compose::guest_threads(1)?;
        let coordinator = Coordinator::new(store, sandbox, clock, runtime.handle().clone())?;
        Ok(Self { runtime, coordinator, tenant: "local".parse()? })
    }

    /// With the plugin `nothing` and the saga of three steps.
    pub(crate) fn with_three(data: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let site = Self::open(data, clock)?;
        let tenant = site.tenant.clone();
        site.install(&tenant, "nothing", std::fs::read(guest("nothing"))?)?;
        site.apply(&tenant, &three().to_string())?;
        Ok(site)
    }

    /// The same; runs that wait are put aside at once.
    pub(crate) fn resting_at_once(self) -> Self {
        Self { coordinator: self.coordinator.resting_after(Span(0)), ..self }
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn install(&self, tenant: &TenantId, plugin: &str, component: Vec<u8>) -> Result<()> {
        self.block_on(self.coordinator.install(tenant, &plugin.parse()?, component.into()))?;
        Ok(())
    }

    pub(crate) fn apply(&self, tenant: &TenantId, document: &str) -> Result<()> {
        self.coordinator.apply(tenant, &Arc::new(read(document)?))?;
        Ok(())
    }

    /// A run until it has nothing to do: its end, or something that it waits for.
    pub(crate) async fn rest(&self, tenant: &TenantId, saga: &str, input: &Value) -> Result<Run> {
        let start = StartRun {
            version: None,
            tenant: tenant.clone(),
            saga: saga.parse()?,
            input: Payload::from(input),
            key: None,
            begin: None,
            parent: None,
        };
        match self.coordinator.start(start).await? {
            StartedRun::New(driven) => match driven.rests().await? {
                Rest::Ended(run) | Rest::Waiting(run) => Ok(run),
            },
            StartedRun::Existing(run) => bail!("{run} exists"),
        }
    }

    pub(crate) fn run(&self, saga: &str, input: &Value) -> Result<Run> {
        self.block_on(self.rest(&self.tenant, saga, input))
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        self.coordinator.store()
    }

    pub(crate) fn journal(&self, run: RunId) -> Result<Vec<Entry>> {
        self.store().journal(&self.tenant, run)?.with_context(|| format!("{run} has no journal"))
    }

    pub(crate) fn journal_len(&self, run: RunId) -> Result<usize> {
        Ok(self.journal(run)?.iter().map(|entry| postcard::to_stdvec(entry).map_or(0, |bytes| bytes.len())).sum())
    }

    pub(crate) fn close(self) -> Result<()> {
        Ok(self.coordinator.close()?)
    }
}
