//! Runs guests: what plugins contain, which nobody trusts. The face is [`Sandbox`]: load a component, invoke it, get a [`Reply`]
//! whatever the guest does. Only this module knows wasmtime; it knows no store, no saga and no tenant but by name.
//!
//! Fuel bounds work, epochs give slices, a wall clock bounds waiting, a limiter bounds memory, and each attempt has an instance of
//! its own that is dropped after any end.

mod access;
mod attempt;
mod bindings;
mod cache;
mod call;
mod check;
mod code;
mod compiler;
mod component;
mod egress;
mod ending;
mod engine;
mod fence;
mod imports;
mod invoke;
mod limits;
mod manifest;
mod pace;
mod refusal;
mod text;
mod ticker;
mod turns;
mod wasi;

pub use access::{
    Access, Answer, Context, EffectAccess, EffectError, HostError, Intent, Secrets, StateAccess, StateError, StateValue,
};
pub use call::{Call, Reply};
pub use check::COMPONENT_LEN_MAX;
pub use code::kept::{CodeDir, forget_code};
use compiler::Standing;
pub use compiler::child::run as compile_child;
pub use compiler::{CompileLimits, CompilerSettings};
pub use component::Component;
pub use egress::{Carried, Courier, EgressSettings, Letter, Line, Names, Traces, Undelivered};
pub use fence::Fence;
pub use imports::outside::{Outside, OutsideRequest};
pub use manifest::Description;
pub use pace::{Pace, set_pace};
pub use refusal::Refusal;

use amends_domain::digest::Digest;
use bytes::Bytes;
use cache::Cache;
use check::Checked;
use code::kept::KeptCode;
use code::sealed::Code;
use component::Loader;
use egress::Client;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use ticker::Ticker;
use tokio::sync::Semaphore;
use turns::{Asker, Turn, Turns};
use wasmtime::Engine;

/// Most components that are compiled at a time: a compiler takes a core and hundreds of megabytes.
const COMPILES_MAX: usize = 2;
/// Most components that are read or made ready at a time, so that nobody waits for a compilation who needs none.
const READINGS_MAX: usize = 4;

/// How large a sandbox is. No defaults: whoever starts it knows the machine.
#[derive(Clone)]
pub struct SandboxSettings {
    /// Most guests at a time, 1 to 16 384; the others wait their turn. Each reserves 8 GiB of address space and up to 4 MiB of
    /// memory that stays resident.
    pub attempts_max: u32,
    /// Most compiled components kept in memory.
    pub components_max: usize,
    /// Most bytes of machine code kept in memory.
    pub code_len_max: usize,
    /// Where components are compiled.
    pub compiler: CompilerSettings,
    /// Where compiled code is kept. None: every sandbox compiles for itself.
    pub code_dir: Option<CodeDir>,
    /// A world outside for tests, in which a guest's requests are effects. None: a component that wants one is refused.
    pub outside: Option<Arc<dyn Outside>>,
    /// What requests of guests meet.
    pub egress: EgressSettings,
}

/// Most that [`SandboxSettings::attempts_max`] may say. A little before that the address space of a process (128 TiB) is used up.
const ATTEMPTS_MAX: u32 = 16_384;

/// Where the memory of guests comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// From slots that are reserved at the start. The fast way.
    Pooling,
    /// From the system for every attempt, because the address space could not be reserved.
    OnDemand,
}

/// A place to run guests in. Share it behind an `Arc`. Dropping it ends its thread; components and attempts keep what they need.
pub struct Sandbox {
    loader: Arc<Loader>,
    compiler: CompilerSettings,
    kept: Option<Arc<KeptCode>>,
    client: Arc<Client>,
    cache: Cache,
    compiles: Semaphore,
    readings: Semaphore,
    /// Places for attempts.
    attempts: Turns,
    attempts_max: u32,
    allocation: Allocation,
    compilations: AtomicU64,
    compilations_refused: AtomicU64,
    standing: Standing,
    _ticker: Ticker,
}

/// How much of a sandbox is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SandboxLevels {
    /// Places for attempts that are taken.
    pub running: u32,
    /// Attempts that wait for one.
    pub waiting: usize,
    /// All places.
    pub places: u32,
    /// Compilations that were begun, ever.
    pub compilations: u64,
    /// Those of them that were refused, ever.
    pub compilations_refused: u64,
}

impl Sandbox {
    /// Reserves what guests will need, and starts the thread that keeps them from running without a pause.
    ///
    /// # Errors
    /// [`SandboxError`] if the settings make no sense or the machine cannot do it.
    pub fn new(settings: SandboxSettings) -> Result<Self, SandboxError> {
        let attempts_max = settings.attempts_max;
        if !(1..=ATTEMPTS_MAX).contains(&attempts_max) {
            return Err(SandboxError::AttemptsMax { found: attempts_max, limit: ATTEMPTS_MAX });
        }
        let (engine, allocation) = engine::engine(attempts_max)?;
        let kept = settings.code_dir.map(|dir| match KeptCode::open(&dir, &engine) {
            Ok(kept) => Ok(Arc::new(kept)),
            Err(source) => Err(SandboxError::CodeDir { dir: dir.dir, source }),
        });
        let kept = kept.transpose()?;
        let ticker = Ticker::start(engine.clone())?;
        let loader = Loader::new(engine, settings.outside).map_err(|error| SandboxError::Engine(error.into()))?;
        let client = Client::new(settings.egress).map_err(|error| SandboxError::Egress(error.into()))?;
        Ok(Self {
            loader: Arc::new(loader),
            compiler: settings.compiler,
            kept,
            client: Arc::new(client),
            cache: Cache::new(settings.components_max, settings.code_len_max),
            compiles: Semaphore::new(COMPILES_MAX),
            readings: Semaphore::new(READINGS_MAX),
            attempts: Turns::new(attempts_max, attempts_max.div_ceil(2)),
            attempts_max,
            allocation,
            compilations: AtomicU64::new(0),
            compilations_refused: AtomicU64::new(0),
            standing: Standing::default(),
            _ticker: ticker,
        })
    }

    /// Where the memory of guests comes from.
    pub fn allocation(&self) -> Allocation {
        self.allocation
    }

    /// How much of it is in use.
    pub fn levels(&self) -> SandboxLevels {
        let (free, waiting) = self.attempts.levels();
        SandboxLevels {
            running: self.attempts_max - free,
            waiting,
            places: self.attempts_max,
            compilations: self.compilations.load(Ordering::Relaxed),
            compilations_refused: self.compilations_refused.load(Ordering::Relaxed),
        }
    }

    /// What keeps components from being compiled, if anything does, as far as it was seen when the last ones were to be.
    pub fn compiler_wrong(&self) -> Option<String> {
        self.standing.wrong()
    }

    /// The component with this digest, if it is compiled and in memory. So that its bytes need not be fetched.
    pub fn loaded(&self, digest: Digest) -> Option<Arc<Component>> {
        self.cache.get(digest)
    }

    /// Makes a component ready. Asked for one digest many times at once, it compiles once.
    ///
    /// Needs a tokio runtime with time and I/O. Dropping the future ends the compiler's process; what has begun in this process runs to
    /// its end, unused.
    ///
    /// # Errors
    /// [`Refusal`] says what is wrong with the component. It is not remembered.
    pub async fn load(&self, digest: Digest, bytes: Bytes) -> Result<Arc<Component>, Refusal> {
        if let Some(component) = self.loaded(digest) {
            return Ok(component);
        }
        let make = async || {
            let read = self.read(bytes).await?;
            if read.digest == digest { self.make(read).await } else { Err(Refusal::DigestMismatch) }
        };
        self.cache.get_or_compile(digest, make).await
    }

    /// Checks a component as an installation would, and says what it offers. Runs its `describe`, if it exports a manifest, under
    /// limits of its own; none of its steps. Dropping the future is safe, as for [`Sandbox::load`].
    ///
    /// # Errors
    /// [`Refusal`] says what is wrong with the component or with its manifest.
    pub async fn inspect(&self, bytes: Bytes) -> Result<Description, Refusal> {
        let read = self.read(bytes).await?;
        let component = self.cache.get_or_compile(read.digest, || self.make(read)).await?;
        let _turn = self.turn(&None, &component).await;
        manifest::describe(self.engine(), &self.client, &component).await
    }

    /// Makes one attempt with a component that this sandbox loaded, when it is its turn. Never fails: whatever a guest does is an [`amends_domain::event::Ending`].
    ///
    /// Needs a tokio runtime with time. Raising the fence of the call ends the guest, and the reply comes when its instance is
    /// destroyed. Dropping the future ends the guest, too: nothing of the attempt runs on, and its writes are lost.
    ///
    /// # Panics
    /// If the component was loaded by another sandbox.
    pub async fn invoke(&self, component: &Component, call: Call) -> Reply {
        assert!(Engine::same(self.engine(), component.pre.engine()), "a component runs in the sandbox that loaded it");
        // Given back after everything of the attempt was dropped: the next one finds its slot free.
        let asker = Some(call.context.tenant.clone());
        let Some(_turn) = call.fence.unless_raised(self.turn(&asker, component)).await else { return invoke::never_begun() };
        invoke::run(self.engine(), &self.client, component, call).await
    }

    /// Has every guest that computes give way as soon as it can. Takes nanoseconds.
    pub fn hurry(&self) {
        self.engine().increment_epoch();
    }

    fn engine(&self) -> &Engine {
        self.loader.engine()
    }

    /// Waits until there is room for an attempt of `component`. One tenant has at most half of the places, and of those who wait,
    /// tenants take turns.
    async fn turn<'a>(&'a self, asker: &'a Asker, component: &Component) -> Turn<'a> {
        self.attempts.take(asker, component.weight.min(self.attempts_max)).await
    }

    /// Reads an upload: what is not refused may be compiled.
    async fn read(&self, bytes: Bytes) -> Result<Read, Refusal> {
        let loader = Arc::clone(&self.loader);
        let read = move || {
            // Before its digest: what is refused by its size should not be hashed first.
            let checked = loader.check(&bytes)?;
            Ok(Read { digest: Digest::of(&bytes), len: bytes.len(), checked })
        };
        self.apart(read).await
    }

    async fn make(&self, read: Read) -> Result<Component, Refusal> {
        if let Some(component) = self.made_before(&read).await {
            return Ok(component);
        }
        let Read { digest, len, checked } = read;
        let code = self.compile(&checked.bytes).await?;
        let (loader, kept) = (Arc::clone(&self.loader), self.kept.clone());
        let make = move || {
            let component = loader.ready(digest, len, checked.border, &code)?;
            // What is refused is not kept: it would take the place of what is run.
            if let Some(kept) = kept {
                kept.put(digest, &code);
            }
            Ok(component)
        };
        self.apart(make).await
    }

    /// A component whose code is kept; none if it has to be compiled, whatever the reason.
    async fn made_before(&self, read: &Read) -> Option<Component> {
        let (loader, kept) = (Arc::clone(&self.loader), Arc::clone(self.kept.as_ref()?));
        let (digest, len, border) = (read.digest, read.len, read.checked.border.clone());
        let make = move || kept.get(digest).map(|code| loader.ready(digest, len, border, &code)).transpose();
        self.apart(make).await.ok().flatten()
    }

    async fn compile(&self, component: &Bytes) -> Result<Code, Refusal> {
        let _turn = self.compiles.acquire().await.expect("never closed");
        self.compilations.fetch_add(1, Ordering::Relaxed);
        let compiled = compiler::compile(&self.compiler, self.engine(), component).await;
        self.standing.note(&compiled);
        if compiled.is_err() {
            self.compilations_refused.fetch_add(1, Ordering::Relaxed);
        }
        compiled
    }

    /// Does on a thread of its own what would keep others waiting.
    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
        let _turn = self.readings.acquire().await.expect("never closed");
        // What reads uploads is large and its input hostile: a panic in it is a refusal, not the end of the host.
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::CompileFailed("it gave up".into())))
    }
}

/// An upload that was read and not refused.
struct Read {
    digest: Digest,
    /// Bytes as uploaded.
    len: usize,
    checked: Checked,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The settings ask for none or for more than a process can address.
    #[error("{found} concurrent attempts: choose 1 to {limit}")]
    AttemptsMax {
        /// What the settings say.
        found: u32,
        /// The most.
        limit: u32,
    },
    /// Wasmtime cannot run here.
    #[error("the WebAssembly engine: {0}")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The directory for compiled code.
    #[error("the directory for compiled code, {}: {source}", dir.display())]
    CodeDir {
        /// Which one.
        dir: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// The certificates of the settings are none, or there is no TLS.
    #[error("the way out for requests: {0}")]
    Egress(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread for time slices.
    #[error("the thread that ends time slices: {0}")]
    Ticker(#[source] std::io::Error),
}
