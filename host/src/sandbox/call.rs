//! What goes into an attempt and what comes out. Apart from the face, because these types are its whole vocabulary and know nothing of
//! how guests are run.

use super::access::{Access, Context, EffectAccess, HostError, Secrets, StateAccess};
use super::fence::Fence;
use amends_domain::definition::Limits;
use amends_domain::event::{Direction, Ending, HostGrant, LogLine, Spent};
use amends_domain::payload::Payload;
use amends_domain::run::Effect;
use std::sync::Arc;

/// One attempt to be made.
pub struct Call {
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
    /// Most bytes that it may log, if that is less than any attempt may: what its tenant has left.
    pub log_len_max: u64,
    /// What the step may change.
    pub access: Access,
    /// The tenant's state.
    pub state: Arc<dyn StateAccess>,
    /// Where the attempt's requests are noted. Never asked by a guest that sends none.
    pub outbound: Arc<dyn EffectAccess>,
    /// Where the plugin may send requests.
    pub grants: Arc<[HostGrant]>,
    /// What the tenant granted to this plugin.
    pub secrets: Secrets,
    /// What ends the attempt from outside.
    pub fence: Fence,
}

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
    /// Set if a handle failed. Then the ending is not the guest's doing, and the attempt must not count.
    pub host_error: Option<HostError>,
}
