//! The invariants of the saga contract, §6, each a check of its own, from what is durable, what the world outside saw and what the saga
//! says. None asks the host what it thinks of itself.

pub(crate) mod attempts;
pub(crate) mod chain;
pub(crate) mod effects;
pub(crate) mod liveness;
pub(crate) mod order;
pub(crate) mod outcomes;
pub(crate) mod removal;
pub(crate) mod replay;
pub(crate) mod state;
pub(crate) mod tenants;
pub(crate) mod told;

use std::fmt;

/// Which invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Invariant {
    /// 1. No effect without a durable intent before it left the host.
    DurableIntent,
    /// 2. No forward effect of a step after its compensation began.
    NoLateEffect,
    /// 3. An outcome says what is so.
    Outcome,
    /// 4. Order respects the graph.
    Order,
    /// 5. State is the sum of what the committed outcomes wrote; serialisable.
    State,
    /// 6. Attempts never exceed the policy, crashes included.
    Attempts,
    /// 7. Every run reaches an outcome or a recorded reason to wait.
    Liveness,
    /// 8. Chains verify; a crash never forks one.
    Chain,
    /// 9. No tenant observes another.
    Tenants,
    /// 10. A replay of any prefix gives what was live at that point.
    Replay,
    /// What is removed had ended, and is explained by a fact; nothing else is missing.
    Removal,
    /// What anybody was told is durable.
    Told,
}

/// An invariant that was broken.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) invariant: Invariant,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.what)
    }
}

pub(crate) type Checked = Result<(), Violation>;

/// A broken invariant.
pub(crate) fn broken<T>(invariant: Invariant, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, what: what.into() })
}

/// Nothing, or a broken invariant.
pub(crate) fn hold(holds: bool, invariant: Invariant, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { broken(invariant, what()) }
}
