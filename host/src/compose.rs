//! Wires the edges to the coordinator for a command that works in its own process, and owns their end: whatever ends the work, what
//! was noted becomes durable and the data file is left clean. The only place that knows all the parts.

use crate::clock::SystemClock;
use crate::config;
use crate::coordinator::Coordinator;
use crate::sandbox::{
    CodeDir, CompileLimits, CompilerSettings, EgressSettings, Pace, Sandbox, SandboxError, SandboxSettings, Traces, forget_code,
    set_pace,
};
use crate::store::backup::RestoreError;
use crate::store::memory::MemoryStore;
use crate::store::redb::{Collected, Compacted, RedbStore, Restored};
use crate::store::writer::WriterError;
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;
use crate::vault::{KEY_FILE_VARIABLE, Vault, VaultError};
use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// This program, even if another one has been put in its place since it was started: code that another release compiles would be
/// refused.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// How far behind other threads those of guests stand.
const GUEST_NICENESS: i32 = 5;
/// How long the end waits for guests to notice it. They are asked every few milliseconds.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);
/// The file that the store keeps in a data directory.
const DATA_FILE: &str = "amends.redb";
/// The folder in a data directory in which compiled code is kept. It can be deleted at any time that nobody uses it.
const CODE_FOLDER: &str = "code";

/// What a host may take of the machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Threads that run guests; none: one less than there are processors, which is left to those that commit and answer.
    pub guest_threads: Option<usize>,
    /// Most guests at a time. Guests only compute, so more would not be faster.
    pub attempts_max: u32,
    /// Most compiled components in memory.
    pub components_max: usize,
    /// Most bytes of compiled code in memory.
    pub code_memory_max: usize,
    /// Most bytes of compiled code on disk.
    pub code_disk_max: u64,
    /// What compiling one component may take.
    pub compile: CompileLimits,
    /// Whether requests of guests carry the name of their trace.
    pub traces: Traces,
    /// The file with the master key; none: the one that the environment names, if any.
    pub master_key_file: Option<PathBuf>,
}

impl Machine {
    /// For a command that works alone.
    pub fn usual() -> Self {
        Self {
            guest_threads: None,
            attempts_max: 64,
            components_max: 256,
            code_memory_max: 512 * 1024 * 1024,
            // Some fifty interpreters, or a thousand small plugins.
            code_disk_max: 2 * 1024 * 1024 * 1024,
            compile: CompileLimits::PLUGINS,
            traces: Traces::Untold,
            master_key_file: None,
        }
    }

    /// What was configured.
    pub fn of(settings: &config::Settings) -> Self {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            guest_threads: settings.guest_threads.map(count),
            attempts_max: u32::try_from(settings.attempts_max).unwrap_or(u32::MAX),
            components_max: count(settings.components_max),
            code_memory_max: count(settings.code_memory_max),
            code_disk_max: settings.code_disk_max,
            compile: CompileLimits {
                memory_max: settings.compiler_memory_max,
                cpu_max_s: settings.compiler_cpu_max_s,
                wall_max: settings.compiler_wall_max,
            },
            traces: if settings.traces_endpoint.is_some() { Traces::Told } else { Traces::Untold },
            master_key_file: settings.master_key_file.clone(),
        }
    }

    /// The vault that opens with the master key; none: nobody said which that is.
    ///
    /// # Errors
    /// [`VaultError`] if what was said is no key.
    pub fn vault(&self) -> Result<Option<Vault>, VaultError> {
        let variable = |name: &str| match &self.master_key_file {
            Some(path) if name == KEY_FILE_VARIABLE => Some(path.to_string_lossy().into_owned()),
            Some(_) | None => std::env::var(name).ok(),
        };
        match Vault::of_environment(variable) {
            Ok(vault) => Ok(Some(vault)),
            Err(VaultError::NoKey) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn sandbox(&self, code_dir: Option<CodeDir>) -> Result<Sandbox, SandboxError> {
        Sandbox::new(SandboxSettings {
            attempts_max: self.attempts_max,
            components_max: self.components_max,
            code_len_max: self.code_memory_max,
            compiler: CompilerSettings::Process { program: THIS_PROGRAM.into(), limits: self.compile },
            code_dir,
            outside: None,
            egress: EgressSettings { traces: self.traces, ..EgressSettings::system() },
        })
    }

    fn runtime(&self) -> io::Result<Runtime> {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        guest_threads(self.guest_threads.unwrap_or(cores.saturating_sub(1)).max(1))
    }
}

/// A saga host inside this process.
pub struct Host {
    runtime: Runtime,
    signals: Signals,
    coordinator: Coordinator,
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is nothing to read.
    #[error("there is no data directory {}: `amends exec` and `amends state set` make one", .0.display())]
    NoData(PathBuf),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The master key.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The machine has no threads or signals for us.
    #[error("the threads for guests: {0}")]
    Runtime(#[source] io::Error),
}

/// How the work on a host ended.
#[derive(Debug)]
pub enum Worked<T> {
    /// By itself.
    Done(T),
    /// It was dropped, because the process was asked to stop.
    Stopped(Stop),
}

/// Who asked the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A person, with Ctrl-C (SIGINT).
    Interrupt,
    /// Another program, with SIGTERM.
    Terminate,
}

impl Host {
    /// A host on a data directory, which is made where there is none.
    ///
    /// # Errors
    /// [`OpenError`] names the part that is missing.
    pub fn open(data: &Path) -> Result<Self, OpenError> {
        Self::open_on(data, &Machine::usual())
    }

    /// As [`Host::open`], with so much of the machine.
    ///
    /// # Errors
    /// [`OpenError`] names the part that is missing.
    pub fn open_on(data: &Path, machine: &Machine) -> Result<Self, OpenError> {
        // The store first: it makes the directory, and keeps others out of it.
        let store = Arc::new(RedbStore::open(data)?);
        let code_dir = CodeDir { dir: data.join(CODE_FOLDER), len_max: machine.code_disk_max };
        Self::over(store, machine, Some(code_dir))
    }

    /// A host on a data directory that there is.
    ///
    /// # Errors
    /// [`OpenError::NoData`] if there is none; nothing was made.
    pub fn open_existing(data: &Path) -> Result<Self, OpenError> {
        must_exist(data)?;
        Self::open(data)
    }

    /// A host that forgets everything: for what only has to be checked.
    ///
    /// # Errors
    /// As [`Host::open`].
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::over(Arc::new(MemoryStore::default()), &Machine::usual(), None)
    }

    fn over(store: Arc<dyn Store>, machine: &Machine, code_dir: Option<CodeDir>) -> Result<Self, OpenError> {
        let sandbox = machine.sandbox(code_dir)?;
        // Before there are others, which inherit it.
        set_pace(Pace::Brisk);
        let runtime = machine.runtime().map_err(OpenError::Runtime)?;
        let signals = runtime.block_on(async { Signals::new() }).map_err(OpenError::Runtime)?;
        let coordinator = Coordinator::new(store, Arc::new(sandbox), Arc::new(SystemClock), runtime.handle().clone())?;
        let coordinator = coordinator.with_metrics(Arc::new(Metrics::default()));
        // A key that is wrong is told at once. One that is missing, when a secret is needed.
        let coordinator = match machine.vault()? {
            Some(vault) => coordinator.with_vault(vault),
            None => coordinator,
        };
        Ok(Self { runtime, signals, coordinator })
    }

    /// Does `work` before anything else, and leaves the host open.
    pub fn first<T>(&self, work: impl AsyncFnOnce(Coordinator) -> T) -> T {
        self.runtime.block_on(work(self.coordinator.clone()))
    }

    /// Does `work` on this thread, guests on others, until it is done or the process is asked to stop; then closes everything. Runs
    /// that are still driven stop being so and stay open.
    ///
    /// The second answer is of the closing: an error means that it is not known whether everything is durable.
    pub fn work<T>(mut self, work: impl AsyncFnOnce(Coordinator) -> T) -> (Worked<T>, Result<(), WriterError>) {
        let work = work(self.coordinator.clone());
        let worked = self.runtime.block_on(self.signals.unless_stopped(work));
        let closed = self.coordinator.close();
        // Runs that are still driven hold on to the store; a data file that is not let go of has to be repaired.
        self.runtime.shutdown_timeout(SHUTDOWN_MAX);
        (worked, closed)
    }
}

impl Host {
    /// Does `work` on this thread, guests on others, until it is done. It hears when the process is asked to stop, and is dropped when it is
    /// asked a second time. Then everything is closed as by [`Host::work`].
    ///
    /// # Errors
    /// [`OpenError::Runtime`] if this thread cannot answer; nothing was done.
    pub fn serve<T>(self, work: impl AsyncFnOnce(Coordinator, Stopping) -> T) -> Result<Ended<T>, OpenError> {
        let Self { runtime, mut signals, coordinator } = self;
        // Not where guests run: a looping guest does not keep an answer waiting.
        let here = Builder::new_current_thread().enable_all().build().map_err(OpenError::Runtime)?;
        let (ask, asked) = watch::channel(None);
        let work = work(coordinator.clone(), Stopping(asked));
        let worked = here.block_on(async {
            let mut work = pin!(work);
            match signals.unless_stopped(work.as_mut()).await {
                Worked::Done(done) => Worked::Done(done),
                Worked::Stopped(stop) => {
                    ask.send_replace(Some(stop));
                    signals.unless_stopped(work).await
                }
            }
        });
        // A name that nobody resolves holds a thread for as long as the system likes.
        here.shutdown_timeout(SHUTDOWN_MAX);
        let closed = coordinator.close();
        runtime.shutdown_timeout(SHUTDOWN_MAX);
        Ok((worked, closed))
    }
}

/// How work on a host ended, and its closing: an error means that it is not known whether everything is durable.
pub type Ended<T> = (Worked<T>, Result<(), WriterError>);

/// Whether the process was asked to stop.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<Option<Stop>>);

impl Stopping {
    /// Waits until it is. Dropping the future is safe.
    pub async fn asked(&self) {
        let mut asked = self.0.clone();
        // Whoever asks is gone when the work is over.
        let _ = asked.wait_for(Option::is_some).await;
    }
}

/// Does `work` with a sandbox alone.
///
/// # Errors
/// [`OpenError`] if there is no sandbox.
pub fn with_sandbox<T>(work: impl AsyncFnOnce(&Sandbox) -> T) -> Result<T, OpenError> {
    let machine = Machine::usual();
    let sandbox = machine.sandbox(None)?;
    Ok(machine.runtime().map_err(OpenError::Runtime)?.block_on(work(&sandbox)))
}

/// A data directory that is only read. Lets go of it when it is dropped.
#[derive(Debug)]
pub struct Reader(RedbStore);

impl Reader {
    /// Opens a data directory that there is.
    ///
    /// # Errors
    /// [`OpenError::NoData`] if there is none; nothing was made.
    pub fn open(data: &Path) -> Result<Self, OpenError> {
        must_exist(data)?;
        Ok(Self(RedbStore::open(data)?))
    }
}

impl Deref for Reader {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Nothing was written, so nothing is lost: without the note, the next open checks the chains.
        if let Err(error) = self.0.close() {
            tracing::warn!(%error, "the data file is not marked as closed");
        }
    }
}

/// What making a data directory smaller gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smaller {
    /// The components that nothing uses any more, which were removed.
    pub collected: Collected,
    /// Bytes of compiled code that belonged to no component any more, which were removed.
    pub code_bytes: u64,
    /// The data file.
    pub file: Compacted,
}

/// Removes what nothing uses any more from a data directory that nobody else has, and makes its data file as small as what is in it.
///
/// # Errors
/// [`OpenError::NoData`] if there is none, [`OpenError::Store`], [`OpenError::Sandbox`].
pub fn compact(data: &Path) -> Result<Smaller, OpenError> {
    must_exist(data)?;
    let mut store = RedbStore::open(data)?;
    let collected = store.collect()?;
    // By what is stored and not by what was just removed: whoever died between the two left code behind.
    let code_bytes = forget_code(&data.join(CODE_FOLDER), |component| store.has_component(component).map_err(OpenError::from))?;
    let file = store.compact(data)?;
    Ok(Smaller { collected, code_bytes, file })
}

/// Makes a data directory of a backup. It is one when [`Restored::keep`] was called.
///
/// # Errors
/// [`RestoreError`]; there is no data directory then.
pub fn restore(from: impl io::Read, data: &Path) -> Result<Restored, RestoreError> {
    crate::store::redb::restore(from, data)
}

fn must_exist(data: &Path) -> Result<(), OpenError> {
    if data.join(DATA_FILE).is_file() { Ok(()) } else { Err(OpenError::NoData(data.to_owned())) }
}

/// A runtime for guests, of so many threads. They stand a little behind the threads that commit and answer: those work for microseconds,
/// for everybody, and guests compute as long as they may.
///
/// # Errors
/// If the machine has no threads for us.
pub fn guest_threads(threads: usize) -> io::Result<Runtime> {
    let yield_to_others = || {
        // Where it is refused, it is only slower.
        let _ = rustix::process::nice(GUEST_NICENESS);
        set_pace(Pace::Brisk);
    };
    Builder::new_multi_thread().worker_threads(threads).thread_name("guests").on_thread_start(yield_to_others).enable_all().build()
}

/// Has `stopped` done when the process is asked to stop, on a thread of its own, which ends with the process: for a command that works where
/// nothing else hears of it. It ends the process, or what it was asked for is forgotten. Signals count from when this returns.
///
/// # Errors
/// If the machine has no thread or signals for us.
pub fn when_stopped(stopped: impl FnOnce(Stop) + Send + 'static) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let hear = move || match runtime.block_on(signals.unless_stopped(pending::<Infallible>())) {
        Worked::Stopped(stop) => stopped(stop),
        Worked::Done(never) => match never {},
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(hear).map(drop)
}

/// Registered from the start: a signal that comes while the data file is opened must not leave it unclean.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Worked<T> {
        tokio::select! {
            // What is done is done, even if a signal came at the same time.
            biased;
            done = work => Worked::Done(done),
            _ = self.interrupt.recv() => Worked::Stopped(Stop::Interrupt),
            _ = self.terminate.recv() => Worked::Stopped(Stop::Terminate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_makes_no_data_directory_and_finds_the_one_that_a_host_made() {
        let dir = std::env::temp_dir().join(format!("amends-compose-{}", std::process::id()));
        let data = dir.join("data");
        assert!(matches!(Reader::open(&data), Err(OpenError::NoData(named)) if named == data));
        assert!(!data.exists());
        RedbStore::open(&data).and_then(|store| store.close()).expect("a new data directory");
        assert!(Reader::open(&data).expect("it is there now").lanes().expect("it can be read").is_empty());
        std::fs::remove_dir_all(dir).expect("it was made here");
    }
}
