//! A host in this process.

use amends::clock::SystemClock;
use amends::coordinator::{Answered, Coordinator, DemandError, DemandOf, Driven, StartRun, StartedRun, Then};
use amends::sandbox::{CompilerSettings, EgressSettings, Outside, Sandbox, SandboxSettings};
use amends::store::Store;
use amends::store::redb::RedbStore;
use amends_domain::definition::read;
use amends_domain::digest::Digest;
use amends_domain::event::{Author, Demand};
use amends_domain::id::{RunId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// A host over one data directory, with one tenant.
pub struct Host {
    /// What drives the runs.
    pub coordinator: Coordinator,
    /// Whose everything is.
    pub tenant: TenantId,
    guests: Runtime,
}

impl Host {
    /// Opens `data`. `workers`: threads that run guests.
    ///
    /// # Errors
    /// What the store or the sandbox says.
    pub fn open(data: &Path, workers: usize) -> Result<Self> {
        Self::over(Arc::new(RedbStore::open(data)?), workers)
    }

    /// A host over a store.
    ///
    /// # Errors
    /// What the store or the sandbox says.
    pub fn over(store: Arc<dyn Store>, workers: usize) -> Result<Self> {
        Self::beside(None, store, workers)
    }

    /// A host whose guests can send requests into the world `outside`.
    ///
    /// # Errors
    /// What the store or the sandbox says.
    pub fn beside(outside: Option<Arc<dyn Outside>>, store: Arc<dyn Store>, workers: usize) -> Result<Self> {
        let settings = SandboxSettings {
            attempts_max: 64,
            components_max: 16,
            code_len_max: 256 << 20,
            compiler: CompilerSettings::InProcess,
            code_dir: None,
            outside,
            egress: EgressSettings::system(),
        };
        Self::around(Sandbox::new(settings)?, store, workers, |coordinator| coordinator)
    }

    /// A host whose guests run in `sandbox`; `fitted` gives the coordinator what else it shall have.
    ///
    /// # Errors
    /// What the store says.
    pub fn around(
        sandbox: Sandbox,
        store: Arc<dyn Store>,
        workers: usize,
        fitted: impl FnOnce(Coordinator) -> Coordinator,
    ) -> Result<Self> {
        // As the program does at its start.
        amends::sandbox::set_pace(amends::sandbox::Pace::Brisk);
        let guests = amends::compose::guest_threads(workers)?;
        let coordinator = Coordinator::new(store, Arc::new(sandbox), Arc::new(SystemClock), guests.handle().clone())?;
        Ok(Self { coordinator: fitted(coordinator), tenant: "local".parse()?, guests })
    }

    /// Waits for `work` on the threads of the guests.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.guests.block_on(work)
    }

    /// Installs a component.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn install(&self, plugin: &str, path: &Path) -> Result<()> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        self.block_on(self.coordinator.install(&self.tenant, &plugin.parse()?, bytes.into()))?;
        Ok(())
    }

    /// Installs a component that is at hand.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn install_bytes(&self, plugin: &str, component: Vec<u8>) -> Result<Digest> {
        let installed = self.block_on(self.coordinator.install(&self.tenant, &plugin.parse()?, component.into()))?;
        Ok(installed.digest)
    }

    /// Starts a run and gives what drives it.
    ///
    /// # Errors
    /// If it is not started.
    pub async fn start(&self, saga: &str, input: &Value) -> Result<Driven> {
        let start = StartRun {
            version: None,
            tenant: self.tenant.clone(),
            saga: saga.parse()?,
            input: Payload::from(input),
            key: None,
            begin: None,
            parent: None,
        };
        match self.coordinator.start(start).await? {
            StartedRun::New(driven) => Ok(driven),
            StartedRun::Existing(run) => bail!("{run} exists"),
        }
    }

    /// Demands something of a run, in the name of `bea`.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn demand(&self, run: RunId, demand: Demand) -> Result<Answered, DemandError> {
        let by = Author { who: "bea".to_owned(), why: Some("a test".to_owned()), key: None };
        self.coordinator.demand(DemandOf { tenant: self.tenant.clone(), run, demand, by, then: Then::Drive }).await
    }

    /// The run as its stored journal tells it.
    ///
    /// # Errors
    /// If there is none, or it makes no sense.
    pub fn stored(&self, run: RunId) -> Result<Run> {
        Ok(self.coordinator.replay(&self.tenant, run, &self.journal(run)?)?)
    }

    /// Applies a definition.
    ///
    /// # Errors
    /// All its mistakes.
    pub fn apply(&self, document: &str) -> Result<()> {
        self.coordinator.apply(&self.tenant, &Arc::new(read(document)?))?;
        Ok(())
    }

    /// Writes values into the state.
    ///
    /// # Errors
    /// If it is not known whether they are durable.
    pub fn write_state(&self, values: &Value) -> Result<()> {
        let values = values.as_object().context("state is an object")?;
        let values = values.iter().map(|(key, value)| (key.clone(), Some(Payload::from(value)))).collect();
        Ok(self.block_on(self.coordinator.write_state(&self.tenant, values))?)
    }

    /// A durable value of the state.
    ///
    /// # Errors
    /// What the store says.
    pub fn state(&self, key: &str) -> Result<Option<Value>> {
        Ok(self.coordinator.store().state(&self.tenant, key)?.map(|value| value.value.json()).transpose()?)
    }

    /// Starts a run and waits for its outcome.
    ///
    /// # Errors
    /// If it is not started or cannot be driven.
    pub fn run(&self, saga: &str, input: &Value) -> Result<Run> {
        self.block_on(self.drive(saga, input))
    }

    /// As [`Host::run`], for many at once.
    ///
    /// # Errors
    /// If it is not started or cannot be driven.
    pub async fn drive(&self, saga: &str, input: &Value) -> Result<Run> {
        Ok(self.start(saga, input).await?.ended().await?)
    }

    /// The journal of a run, as it is stored.
    ///
    /// # Errors
    /// What the store says.
    pub fn journal(&self, run: RunId) -> Result<Vec<amends_domain::event::Entry>> {
        self.coordinator.store().journal(&self.tenant, run)?.with_context(|| run.to_string())
    }
}

/// A payload as JSON.
///
/// # Panics
/// If it is not.
pub fn payload(payload: &Payload) -> Value {
    payload.json().expect("JSON")
}
