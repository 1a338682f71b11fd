//! What happened: the facts that a journal is made of. They are stored, so a variant is never reinterpreted and never reordered;
//! a new meaning is a new variant at the end (`tests/golden/events.txt` holds the stored form of each).

mod access;
mod attempt;
mod demand;
mod grant;
mod limits;
mod start;
mod tenant;

pub use access::Role;
pub use attempt::{
    AttemptEnded, AttemptRef, Direction, Ending, FAULT_CODE_LEN_MAX, FAULT_MESSAGE_LEN_MAX, Failure, Fault, Halt, LogLevel,
    LogLine, Spent, Write,
};
pub use demand::{Author, Confirmation, Demand, Demanded, InFlight, Resolution, Resolve};
pub use grant::{HostGrant, Reach, Transport};
pub use limits::LimitName;
pub use start::{NoTraceParent, Started, TraceParent};
pub use tenant::{PartState, RemovedRun, RemovedUsage, RemovedWrite, Resolvers, TenantEntry, TenantEvent, WebhookKey};

use crate::id::StepIndex;
use crate::payload::Payload;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One fact of a run and when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Host time.
    pub at: Timestamp,
    /// The fact.
    pub event: Event,
}

/// A fact of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The run was accepted. Always the first fact.
    Started(Box<Started>),
    /// A host found the run open and goes on with it. Attempts that were running until then are lost.
    Adopted,
    /// An attempt begins.
    AttemptStarted {
        /// Which.
        attempt: AttemptRef,
        /// What it gets; only with the first attempt forward, the others get the same.
        input: Option<Payload>,
    },
    /// A request is about to leave the host. Durable before it does.
    EffectIntended {
        /// Whose request.
        attempt: AttemptRef,
        /// 1 for the first request of the attempt.
        call: u32,
        /// HTTP method, upper case.
        method: String,
        /// Where to, without secrets.
        target: String,
    },
    /// An answer to a request came back.
    EffectAnswered {
        /// Whose request.
        attempt: AttemptRef,
        /// Which request of the attempt.
        call: u32,
        /// HTTP status.
        status: u16,
        /// The beginning of the body.
        response: Option<Payload>,
    },
    /// An attempt is over.
    AttemptEnded(Box<AttemptEnded>),
    /// Another attempt will start, not before `due`.
    RetryScheduled {
        /// Which step.
        step: StepIndex,
        /// Which way.
        direction: Direction,
        /// The earliest start.
        due: Timestamp,
    },
    /// A step is given up forward.
    StepFailed {
        /// Which step.
        step: StepIndex,
        /// Set where no attempt says why: a mapping that failed.
        fault: Option<Fault>,
    },
    /// From here on the run goes backward.
    CompensationStarted {
        /// Why.
        cause: Cause,
    },
    /// A step that was begun needs no compensation.
    CompensationOmitted {
        /// Which step.
        step: StepIndex,
        /// The proof.
        reason: Omission,
    },
    /// A compensation ran out of attempts: the step is a dead letter.
    CompensationFailed {
        /// Which step.
        step: StepIndex,
    },
    /// The run reached its outcome.
    Ended {
        /// Which.
        outcome: Outcome,
        /// What the definition's `output` mapping gives, if the run succeeded.
        output: Option<Payload>,
        /// Why there is no output, if the mapping failed.
        fault: Option<Fault>,
    },
    /// The run was started to do nothing before `until`. Directly behind `started`.
    Delayed {
        /// Its beginning, which its deadline counts from.
        until: Timestamp,
    },
    /// The condition of a step does not hold: it counts as done, and nothing was done.
    StepSkipped {
        /// Which step.
        step: StepIndex,
    },
    /// A wait begins.
    WaitStarted {
        /// Which step.
        step: StepIndex,
        /// When it is over, or when it has lasted too long; none: when its signal comes.
        due: Option<Timestamp>,
    },
    /// A wait is over, and well.
    WaitEnded {
        /// Which step.
        step: StepIndex,
        /// By what.
        end: WaitEnd,
    },
    /// Somebody asked something of the run, and it fits.
    Demanded(Box<Demanded>),
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WaitEnd {
    /// Its time came.
    Elapsed,
    /// Its signal came: the oldest one with its name that no wait has taken yet.
    Signalled,
    /// Its signal did not come in time, and the definition says to go on.
    TimedOut,
}

/// Why a run goes backward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A step was given up.
    StepFailed(StepIndex),
    /// The run's deadline passed.
    DeadlinePassed,
    /// Somebody cancelled it.
    Cancelled,
    /// Somebody wants it taken back after it had ended well.
    Requested {
        /// The step from which on: it and what was built on it. None: the whole run.
        from: Option<StepIndex>,
    },
}

/// Why a step that was begun needs no compensation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Omission {
    /// No attempt of it can have had effects.
    ProvenClean,
    /// Its definition declares that it has none.
    NotDeclared,
    /// It did nothing but wait.
    OnlyWaited,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every step completed.
    Succeeded,
    /// Everything that was done was taken back.
    Compensated,
    /// Some compensation ran out of attempts: a person must decide.
    Stuck,
    /// An operator ended it without compensation.
    Killed,
}

impl Outcome {
    /// The word for it, as the interfaces write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Compensated => "compensated",
            Self::Stuck => "stuck",
            Self::Killed => "killed",
        }
    }
}
