//! What the `data` of events of runs holds: what became of one, of its steps, and what was demanded of it.

use super::{By, Cost, Cut};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

shapes! {
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
}
