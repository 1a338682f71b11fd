//! The way out. `courier` carries what the host itself sends where tenants say. The rest is the way of a guest's requests: what it may reach is granted, the address that was checked is the one that is connected to, the intent is
//! durable before a byte of the request leaves, and everything is bounded. `hooks` is where guests come in, `exchange` is one request.
//!
//! The connection is made before the intent is noted. Connecting says nothing to the other side, and a host that cannot be reached leaves
//! the step proven clean.

mod body;
mod client;
mod courier;
mod exchange;
mod hooks;
mod limits;
mod names;

pub(super) use client::Client;
pub use courier::{Carried, Courier, Letter, Line, Undelivered};
pub(super) use hooks::Egress;
pub use names::Names;

use bytes::Bytes;
use std::sync::Arc;

/// What requests of guests meet outside. Empty: the names of the system, and the authorities that browsers trust.
#[derive(Clone, Default)]
pub struct EgressSettings {
    /// Who resolves names; none: the system.
    pub names: Option<Arc<dyn Names>>,
    /// More certificates of authorities that are trusted, DER.
    pub authorities: Vec<Bytes>,
    /// Whether the other side is told of which trace a request is a part.
    pub traces: Traces,
}

/// Whether requests carry the name of their trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Traces {
    /// They do not: nobody collects it.
    #[default]
    Untold,
    /// They do: `traceparent` (W3C Trace Context), in the place of any that the plugin set.
    Told,
}

impl EgressSettings {
    /// The names of the system, and the authorities that browsers trust.
    pub const fn system() -> Self {
        Self { names: None, authorities: Vec::new(), traces: Traces::Untold }
    }
}
