//! What happened: the facts that a journal is made of. They are stored, so a variant is never reinterpreted and never reordered;
//! a new meaning is a new variant at the end (`tests/golden/events.txt` holds the stored form of each).

use crate::digest::Digest;
use crate::id::{PluginName, SagaName, StepIndex};
use crate::payload::Payload;
use crate::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// Longest fault code and message kept, in bytes. What is longer is cut.
pub const FAULT_CODE_LEN_MAX: usize = 64;
/// See [`FAULT_CODE_LEN_MAX`].
pub const FAULT_MESSAGE_LEN_MAX: usize = 2048;

/// One fact of a run and when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Host time.
    pub at: Timestamp,
    /// The fact.
    pub event: Event,
}

/// Which way a step is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Doing.
    Forward,
    /// Compensating.
    Backward,
}

/// Names one attempt of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AttemptRef {
    /// Which step.
    pub step: StepIndex,
    /// Which way.
    pub direction: Direction,
    /// 1 for the first in its direction.
    pub number: u32,
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
}

/// What a run is and what it is bound to. Pinned, so that replacing a plugin or a saga never changes a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Which saga.
    pub saga: SagaName,
    /// Which version of it.
    pub version: u32,
    /// The digest of that definition's document.
    pub definition: Digest,
    /// The component of each plugin that the definition uses.
    pub components: Vec<(PluginName, Digest)>,
    /// What the run was started with.
    pub input: Payload,
    /// The idempotency key of the start, if there was one.
    pub key: Option<String>,
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEnded {
    /// Which.
    pub attempt: AttemptRef,
    /// How.
    pub ending: Ending,
    /// What it cost.
    pub spent: Spent,
    /// What the plugin wrote to its log.
    pub log: Vec<LogLine>,
    /// What it wrote to the tenant's state; only with [`Ending::Ok`].
    pub writes: Vec<Write>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The guest answered. Backward the output is empty.
    Ok {
        /// The answer.
        output: Payload,
    },
    /// The guest said that it failed.
    Failed {
        /// In which way.
        failure: Failure,
        /// Why.
        fault: Fault,
        /// The guest asks not to be tried again before this span is over.
        retry_after: Option<Span>,
    },
    /// The host ended it, or found it ended.
    Halted {
        /// By what.
        halt: Halt,
        /// For a person: the trap, the limit and the value found.
        message: String,
    },
}

/// In which way a guest says that it failed; the three cases of the plugin contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// Nothing happened outside, and trying again will not help.
    Rejected,
    /// Nothing happened outside; another attempt may succeed.
    Unavailable,
    /// Something may have happened outside.
    Uncertain,
}

/// What ended an attempt from outside the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Halt {
    /// The guest trapped.
    Trap,
    /// It used up its fuel.
    OutOfFuel,
    /// It used up its time.
    Timeout,
    /// It was refused memory and trapped.
    OutOfMemory,
    /// It answered more than the limit.
    Oversized,
    /// The host died or lost its lease meanwhile.
    Lost,
}

/// A failure in a plugin's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Stable and machine readable: `card_declined`.
    pub code: String,
    /// For people.
    pub message: String,
    /// More, as JSON.
    pub details: Option<Payload>,
}

impl Fault {
    /// A fault without details; what is too long is cut.
    pub fn new(code: &str, message: &str) -> Self {
        Self { code: cut(code, FAULT_CODE_LEN_MAX), message: cut(message, FAULT_MESSAGE_LEN_MAX), details: None }
    }
}

/// At most `len_max` bytes of `text`, whole characters.
fn cut(text: &str, len_max: usize) -> String {
    text[..text.floor_char_boundary(len_max)].to_owned()
}

/// What an attempt cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Fuel units of the guest.
    pub fuel: u64,
    /// Wall time in microseconds.
    pub micros: u64,
    /// How often it was repeated because another run had changed what it read.
    pub conflicts: u32,
}

/// One line of a plugin's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How grave.
    pub level: LogLevel,
    /// Without control characters.
    pub message: String,
}

/// How grave a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// For the plugin's developer.
    Debug,
    /// Good to know.
    Info,
    /// Somebody should look.
    Warn,
    /// Somebody must look.
    Error,
}

/// A change of one key of the tenant's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// The key.
    pub key: String,
    /// Grows with every write of the tenant: of two writes to a key, the higher one counts.
    pub version: u64,
    /// The value; none removes the key.
    pub value: Option<Payload>,
}

/// Why a run goes backward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A step was given up.
    StepFailed(StepIndex),
    /// The run's deadline passed.
    DeadlinePassed,
}

/// Why a step that was begun needs no compensation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Omission {
    /// No attempt of it can have had effects.
    ProvenClean,
    /// Its definition declares that it has none.
    NotDeclared,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// A fact of a tenant that belongs to no run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenantEvent {
    /// A new version of a saga.
    SagaApplied {
        /// Its name.
        saga: SagaName,
        /// Its version, from 1.
        version: u32,
        /// The digest of `document`.
        definition: Digest,
        /// The document as it was given, as JSON.
        document: Payload,
    },
    /// A plugin's name now means this component.
    PluginInstalled {
        /// The name.
        plugin: PluginName,
        /// The component.
        component: Digest,
        /// Its size in bytes.
        size: u64,
    },
    /// Somebody changed the state by hand.
    StateWritten {
        /// What was changed.
        writes: Vec<Write>,
    },
}

/// One fact of a tenant and when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantEntry {
    /// Host time.
    pub at: Timestamp,
    /// The fact.
    pub event: TenantEvent,
}
