//! What the `data` of an event holds. Fields are only ever added: consumers ignore those that they do not know. Doc comments here are the
//! words of `docs/events.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field:meta])* $value:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct $name { $($(#[$field])* pub $value: $kind,)* }
    )*};
}

shapes! {
    /// A value that is too long to stand here.
    Cut {
        /// The field that it would stand in.
        field: String,
        /// How long it is, bytes.
        bytes: u64,
        /// Its SHA-256.
        digest: String,
        /// Where to find it.
        note: String,
    }
    /// Who demanded something.
    By {
        /// Who.
        who: String,
        /// Why, in their own words.
        #[serde(skip_serializing_if = "Option::is_none")] why: Option<String>,
    }
    /// What an attempt cost.
    Cost {
        /// Units of fuel.
        fuel: u64,
        /// Wall time in microseconds.
        micros: u64,
        /// How often it was repeated because another run had changed what it read.
        conflicts: u32,
        /// How many lines it wrote to its log.
        log_lines: u64,
        /// How many keys of the state it changed.
        written_keys: u64,
    }

    /// A run was accepted.
    SagaStarted {
        /// The run.
        run: String,
        /// Its saga.
        saga: String,
        /// The version of the saga.
        version: u32,
        /// The digest of the saga's document.
        definition: String,
        /// The component of each plugin that it uses, by digest.
        components: BTreeMap<String, String>,
        /// What it was started with.
        #[serde(skip_serializing_if = "Option::is_none")] input: Option<Value>,
        /// The idempotency key of its start.
        #[serde(skip_serializing_if = "Option::is_none")] idempotency_key: Option<String>,
        /// The span in somebody else's trace that its start was a part of (W3C Trace Context).
        #[serde(skip_serializing_if = "Option::is_none")] traceparent: Option<String>,
        /// What is too long to stand here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")] cut: Vec<Cut>,
    }
    /// Something about a run, which its type says.
    Run {
        /// The run.
        run: String,
    }
    /// Something about a run and an instant.
    RunUntil {
        /// The run.
        run: String,
        /// The instant.
        until: String,
    }
    /// A run turned around.
    SagaCompensating {
        /// The run.
        run: String,
        /// Why: `step-failed`, `deadline-passed`, `cancelled` or `requested`.
        cause: String,
        /// The step that was given up, or from which on it is taken back.
        #[serde(skip_serializing_if = "Option::is_none")] step: Option<String>,
    }
    /// A run succeeded.
    SagaCompleted {
        /// The run.
        run: String,
        /// What it gives.
        #[serde(skip_serializing_if = "Option::is_none")] output: Option<Value>,
        /// Why it gives nothing, where its output could not be made.
        #[serde(skip_serializing_if = "Option::is_none")] code: Option<String>,
        /// The same for people.
        #[serde(skip_serializing_if = "Option::is_none")] message: Option<String>,
        /// What is too long to stand here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")] cut: Vec<Cut>,
    }
    /// A run ended otherwise.
    SagaFailed {
        /// The run.
        run: String,
        /// How: `compensated` or `stuck`.
        outcome: String,
    }
    /// Somebody demands something of a run.
    Demand {
        /// The run.
        run: String,
        /// Who.
        by: By,
    }
    /// Somebody cancelled a run.
    Cancelled {
        /// The run.
        run: String,
        /// What becomes of attempts that are running: `may-end` or `end-now`.
        in_flight: String,
        /// Who.
        by: By,
    }
    /// A signal came to a run.
    SagaSignalled {
        /// The run.
        run: String,
        /// The signal.
        name: String,
        /// What came with it.
        #[serde(skip_serializing_if = "Option::is_none")] payload: Option<Value>,
        /// Who sent it.
        by: By,
        /// What is too long to stand here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")] cut: Vec<Cut>,
    }
    /// Somebody wants a run taken back that succeeded.
    CompensationDemanded {
        /// The run.
        run: String,
        /// From this step on: it and what was built on it. None: all of it.
        #[serde(skip_serializing_if = "Option::is_none")] from: Option<String>,
        /// Who.
        by: By,
    }

    /// Something about a step, which its type says.
    Step {
        /// The run.
        run: String,
        /// The step.
        step: String,
    }
    /// A step waits.
    StepWaiting {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// When the wait is over, or has lasted too long; none: when its signal comes.
        #[serde(skip_serializing_if = "Option::is_none")] due: Option<String>,
    }
    /// An attempt begins.
    AttemptStarted {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// Its number, from 1 in its direction.
        attempt: u32,
        /// What it gets; with the first attempt only, the others get the same.
        #[serde(skip_serializing_if = "Option::is_none")] input: Option<Value>,
        /// What is too long to stand here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")] cut: Vec<Cut>,
    }
    /// A step is done, or taken back.
    StepDone {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// The attempt that did it; none: the step only waited.
        #[serde(skip_serializing_if = "Option::is_none")] attempt: Option<u32>,
        /// What the step gives.
        #[serde(skip_serializing_if = "Option::is_none")] output: Option<Value>,
        /// What the attempt cost.
        #[serde(skip_serializing_if = "Option::is_none")] cost: Option<Cost>,
        /// What is too long to stand here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")] cut: Vec<Cut>,
    }
    /// An attempt failed, or a step is given up.
    StepFailed {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// False: one attempt failed, and what follows is not said yet. True: there are no more attempts.
        given_up: bool,
        /// The attempt that failed; none with `given_up`.
        #[serde(skip_serializing_if = "Option::is_none")] attempt: Option<u32>,
        /// How: `rejected`, `unavailable`, `uncertain`; `trap`, `out-of-fuel`, `timeout`, `out-of-memory`, `oversized`, `lost` or `cancelled`.
        #[serde(skip_serializing_if = "Option::is_none")] result: Option<String>,
        /// The code that the plugin gave, or the host.
        #[serde(skip_serializing_if = "Option::is_none")] code: Option<String>,
        /// The same for people.
        #[serde(skip_serializing_if = "Option::is_none")] message: Option<String>,
        /// What the plugin added.
        #[serde(skip_serializing_if = "Option::is_none")] details: Option<Value>,
        /// The plugin asks not to be tried again before so many milliseconds are over.
        #[serde(skip_serializing_if = "Option::is_none")] retry_after_ms: Option<u64>,
        /// What the attempt cost.
        #[serde(skip_serializing_if = "Option::is_none")] cost: Option<Cost>,
        /// What is too long to stand here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")] cut: Vec<Cut>,
    }
    /// An attempt ended and may have had effects.
    StepInDoubt {
        /// The run.
        run: String,
        /// The step. It is compensated if the run is, whatever later attempts say.
        step: String,
        /// The attempt.
        attempt: u32,
        /// How it ended: see `workflow.step.failed`.
        result: String,
    }
    /// Another attempt will start.
    RetryScheduled {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// `forward` or `backward`.
        direction: String,
        /// The earliest start.
        due: String,
    }
    /// A step that was begun needs no compensation.
    NotNeeded {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// Why: `proven-clean`, `not-declared` or `only-waited`.
        reason: String,
    }
    /// Somebody has a dead letter tried again.
    StepRedriven {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// With this component instead of the one that it used, by digest.
        #[serde(skip_serializing_if = "Option::is_none")] component: Option<String>,
        /// Who.
        by: By,
    }
    /// Somebody says what was done about a dead letter by hand.
    StepResolved {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// `done` or `undone`.
        resolution: String,
        /// What shows it.
        #[serde(skip_serializing_if = "Option::is_none")] evidence: Option<Value>,
        /// What the step gives, if it is done.
        #[serde(skip_serializing_if = "Option::is_none")] output: Option<Value>,
        /// Who.
        by: By,
        /// What is too long to stand here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")] cut: Vec<Cut>,
    }
    /// A request is about to leave the host.
    EffectIntended {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// `forward` or `backward`.
        direction: String,
        /// The attempt.
        attempt: u32,
        /// Which request of the attempt, from 1.
        call: u32,
        /// Its method.
        method: String,
        /// Where to, without secrets.
        target: String,
    }
    /// An answer came back.
    EffectAnswered {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// `forward` or `backward`.
        direction: String,
        /// The attempt.
        attempt: u32,
        /// Which request of the attempt, from 1.
        call: u32,
        /// The status of the answer.
        status: u16,
        /// The beginning of its body.
        #[serde(skip_serializing_if = "Option::is_none")] response: Option<Value>,
        /// What is too long to stand here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")] cut: Vec<Cut>,
    }

    /// A saga has a new version.
    SagaApplied {
        /// The saga.
        saga: String,
        /// The version.
        version: u32,
        /// The digest of its document.
        definition: String,
    }
    /// A plugin's name means another component.
    PluginInstalled {
        /// The plugin.
        plugin: String,
        /// The component, by digest.
        component: String,
        /// Its size in bytes.
        size: u64,
    }
    /// A plugin has a new version.
    PluginPublished {
        /// The plugin.
        plugin: String,
        /// The version.
        version: String,
        /// The component, by digest.
        component: String,
        /// Its size in bytes.
        size: u64,
        /// Who published it.
        by: String,
    }
    /// A plugin lost a version.
    PluginVersionDeleted {
        /// The plugin.
        plugin: String,
        /// The version.
        version: String,
        /// Who deleted it.
        by: String,
    }
    /// A plugin may send requests to a place.
    HostGranted {
        /// The plugin.
        plugin: String,
        /// `HOST` or `HOST:PORT`.
        place: String,
        /// The methods; none: all but CONNECT and TRACE.
        methods: Vec<String>,
        /// `tls` or `any`.
        transport: String,
        /// `public` or `loopback`.
        reach: String,
        /// Who granted it.
        by: String,
    }
    /// A plugin may no longer send requests to a place.
    HostRevoked {
        /// The plugin.
        plugin: String,
        /// `HOST` or `HOST:PORT`.
        place: String,
        /// Who revoked it.
        by: String,
    }
    /// Requests were denied.
    RequestDenied {
        /// Whose; none: nobody knows, or too many at a time.
        who: Option<String>,
        /// The code that they were told.
        code: String,
        /// How many, since the last such event.
        count: u64,
        /// When the first of them was.
        since: String,
    }
    /// A plugin may use a secret, or no longer.
    SecretGrant {
        /// The secret, by name.
        secret: String,
        /// The plugin.
        plugin: String,
        /// Who says so.
        by: String,
    }
    /// A secret has another value, or is gone.
    Secret {
        /// The secret, by name.
        secret: String,
        /// Who says so.
        by: String,
    }
    /// A key of the state that was changed by hand.
    WrittenKey {
        /// The key.
        key: String,
        /// The version of what is written.
        version: u64,
        /// Whether there is no such key any more.
        removed: bool,
    }
    /// The state was changed by hand.
    StateWritten {
        /// The keys, at most 100 of them.
        keys: Vec<WrittenKey>,
        /// How many there are.
        keys_count: u64,
    }
    /// How many people settle a dead letter.
    ResolversSet {
        /// 1 or 2.
        resolvers: u8,
        /// Who says so.
        by: String,
    }
    /// Something about the tenant, which its type says.
    Tenant {
        /// Who says so.
        by: String,
    }
    /// The tenant has other limits.
    LimitsSet {
        /// Each limit, by its name.
        limits: BTreeMap<String, u64>,
        /// Who says so.
        by: String,
    }
    /// The tenant stands still.
    Suspended {
        /// Why.
        reason: String,
        /// Who says so.
        by: String,
    }
    /// There is a new key.
    KeyCreated {
        /// The key.
        key: String,
        /// Its name.
        name: String,
        /// What it allows.
        role: String,
        /// When it opens nothing any more.
        #[serde(skip_serializing_if = "Option::is_none")] expires: Option<String>,
        /// Who created it.
        by: String,
    }
    /// A key opens nothing any more.
    KeyRevoked {
        /// The key.
        key: String,
        /// Who revoked it.
        by: String,
    }
    /// Runs are no longer kept.
    RunsRemoved {
        /// All of them ended before this instant.
        ended_before: String,
        /// Which, at most 100 of them.
        runs: Vec<String>,
        /// How many there are.
        runs_count: u64,
        /// How many bytes their records had.
        bytes: u64,
    }
    /// A part of the host fares otherwise than before.
    PartChanged {
        /// The part, as `GET /readyz` names it.
        part: String,
        /// `ready` or `failing`.
        state: String,
        /// What is to be said of it.
        says: String,
    }
}

mod webhooks;
pub use webhooks::{WebhookKeysSet, WebhookPaused, WebhookRemoved, WebhookSet};
