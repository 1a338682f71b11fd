//! What belongs to one attempt while it runs: the data of its store. Apart from running it, because the imports need this and running
//! needs the imports.

pub(super) mod log;
pub(super) mod outbound;
pub(super) mod state;

use super::access::{Context, Secrets};
use super::limits::MemoryLimiter;
use super::wasi::Wasi;
use amends_domain::event::Direction;
use amends_domain::run::Effect;
use amends_domain::time::Span;
use log::LogBuffer;
use outbound::Outbound;
use state::StateBuffer;

/// One attempt.
pub(super) struct Attempt {
    pub(super) context: Context,
    pub(super) direction: Direction,
    /// What earlier attempts sent.
    pub(super) effects: Vec<Effect>,
    pub(super) secrets: Secrets,
    pub(super) memory: MemoryLimiter,
    pub(super) log: LogBuffer,
    pub(super) state: StateBuffer,
    pub(super) outbound: Outbound,
    /// None for a component that imports nothing of it.
    pub(super) wasi: Option<Box<Wasi>>,
    pub(super) retry_after: Option<Span>,
}
