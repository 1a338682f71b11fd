//! What goes into an attempt and what comes out: the words that the sandbox shares with whoever drives runs. Apart from the face,
//! because these types are its whole vocabulary and know nothing of how guests are run.

use super::compile::Component;
use amends_domain::definition::Limits;
use amends_domain::event::{Direction, Ending, LogLine, Spent};
use amends_domain::id::{HandlerName, RunId, SagaName, StepId, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Effect;
use amends_domain::time::Timestamp;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One attempt to be made.
pub struct Call {
    /// The code, from [`super::Sandbox::load`] of the same sandbox.
    pub component: Arc<Component>,
    /// `execute` or `compensate`.
    pub direction: Direction,
    /// What the step gets; backward the same as forward.
    pub input: Payload,
    /// Backward: what `execute` answered, none if that is not known. Forward it is not looked at.
    pub output: Option<Payload>,
    /// Who is asking, for what.
    pub context: Context,
    /// What earlier attempts of the step sent.
    pub effects: Vec<Effect>,
    /// How far the guest may go. `timeout` counts from the moment the guest starts, not while it waits for its turn.
    pub limits: Limits,
    /// The tenant's state.
    pub state: Arc<dyn StateAccess>,
    /// What the tenant granted to this plugin.
    pub secrets: Secrets,
}

/// What a guest may ask about its attempt.
#[derive(Debug, Clone)]
pub struct Context {
    /// Whose run.
    pub tenant: TenantId,
    /// Of which saga.
    pub saga: SagaName,
    /// Which run.
    pub run: RunId,
    /// Which step.
    pub step: StepId,
    /// Which implementation inside the plugin; the guest reads it and dispatches.
    pub handler: HandlerName,
    /// 1 for the first attempt in this direction.
    pub attempt: u32,
    /// The same for all attempts of the step in this direction.
    pub idempotency_key: Arc<str>,
    /// What the guest is told about when the clock will end it. What ends it is `limits.timeout`.
    pub deadline: Timestamp,
}

/// Values by name, only those granted. Does not show them in logs.
#[derive(Clone, Default)]
pub struct Secrets(pub Arc<BTreeMap<String, String>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// How an attempt reads the state of its tenant. Made for one tenant by whoever drives the run; the sandbox knows no store.
pub trait StateAccess: Send + Sync {
    /// The value of `key` and its version; none if there is no such key. Each key is asked for at most once in an attempt.
    /// Dropping the future must be safe: an attempt that runs out of time does so.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StateValue>, StateError>>;
}

/// A value of the state as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateValue {
    /// The version of the write that made it, from 1.
    pub version: u64,
    /// The value.
    pub value: Payload,
}

/// The tenant's state could not be read. The host's fault, never the guest's.
#[derive(Debug, thiserror::Error)]
#[error("the tenant's state cannot be read: {0}")]
pub struct StateError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// How an attempt went.
#[derive(Debug)]
pub struct Reply {
    /// How it ended.
    pub ending: Ending,
    /// What it cost; `conflicts` is 0 here.
    pub spent: Spent,
    /// What the guest wrote to its log, whatever the ending.
    pub log: Vec<LogLine>,
    /// Every key that was read from the state, in the order of the keys, with the version found; 0 if there was no such key.
    pub reads: Vec<(String, u64)>,
    /// The last write of every key that was written, in the order of those writes; none removes the key. Empty unless the ending is
    /// [`Ending::Ok`].
    pub writes: Vec<(String, Option<Payload>)>,
    /// Set if the state handle failed. The ending is then [`amends_domain::event::Halt::Trap`], and not the guest's doing.
    pub state_error: Option<StateError>,
}
