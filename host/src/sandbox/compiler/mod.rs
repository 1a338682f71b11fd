//! Where components are compiled: in a process of its own, which is this program once more, under limits that the kernel keeps.
//! [`process`] starts it and hears what it says, [`child`] is what runs in it, [`reply`] is what goes over the pipe, [`end`] says what
//! its death means, [`standing`] whether it can be started at all.
//!
//! The compiler takes uploads apart, and small ones are known that keep it busy for minutes or take gigabytes. The static check knows
//! the tricks that we know; the process bounds the others.

pub(super) mod child;
mod confine;
mod end;
mod process;
mod reply;
mod standing;

pub(super) use standing::Standing;

use super::code::sealed::{Code, Draft};
use super::refusal::{Refusal, quote};
use amends_domain::time::Span;
use bytes::Bytes;
use std::path::PathBuf;
use wasmtime::Engine;

/// Where a sandbox compiles.
#[derive(Debug, Clone)]
pub enum CompilerSettings {
    /// On a thread of this process, without limits: for components that we made ourselves.
    InProcess,
    /// In a process of its own for each component: for what others upload.
    Process {
        /// The program `amends`, of this very version: it is started with `compile-child`.
        program: PathBuf,
        /// What the process may take.
        limits: CompileLimits,
    },
}

/// What compiling one component may take. No default: whoever compiles says how far it may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space, bytes.
    pub memory_max: u64,
    /// Time of the processor, whole seconds.
    pub cpu_max_s: u64,
    /// Time that passes meanwhile.
    pub wall_max: Span,
}

impl CompileLimits {
    /// For real plugins on a machine that does other things besides. An interpreter of 18 MB takes 7 to 16 s and 362 MiB.
    pub const PLUGINS: Self = Self { memory_max: 1536 * 1024 * 1024, cpu_max_s: 60, wall_max: Span(120_000) };
}

/// Compiles a component that was checked. Dropping the future ends the process that compiles; on a thread of this process the compiler
/// runs to its end, unused.
pub(super) async fn compile(settings: &CompilerSettings, engine: &Engine, component: &Bytes) -> Result<Code, Refusal> {
    match settings {
        CompilerSettings::Process { program, limits } => process::compile(program, *limits, component).await,
        CompilerSettings::InProcess => {
            let (engine, component) = (engine.clone(), component.clone());
            let compiled = tokio::task::spawn_blocking(move || compile_here(&engine, &component)).await;
            // The compiler is large and its input hostile: a panic in it is a refusal, not the end of the host.
            compiled.unwrap_or_else(|_| Err(Refusal::CompileFailed("it gave up".into())))
        }
    }
}

fn compile_here(engine: &Engine, component: &[u8]) -> Result<Code, Refusal> {
    let code = engine.precompile_component(component).map_err(|error| Refusal::NotCompilable(quote(&error)))?;
    let sealed = Draft::new().and_then(|mut draft| {
        draft.write(&code)?;
        draft.seal()
    });
    sealed.map_err(|error| Refusal::CompileFailed(format!("no memory for its code: {error}")))
}
