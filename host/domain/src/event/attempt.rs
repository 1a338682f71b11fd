//! How attempts end, what they cost and what they leave: the part of the facts that a guest and its sandbox have to do with.

use crate::id::StepIndex;
use crate::payload::Payload;
use crate::time::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest fault code and message kept, in bytes. What is longer is cut.
pub const FAULT_CODE_LEN_MAX: usize = 64;
/// See [`FAULT_CODE_LEN_MAX`].
pub const FAULT_MESSAGE_LEN_MAX: usize = 2048;

/// Which way a step is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Doing.
    Forward,
    /// Compensating.
    Backward,
}

impl Direction {
    /// The word for it, everywhere.
    pub fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }
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

impl Failure {
    /// The word for it, everywhere.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Uncertain => "uncertain",
        }
    }
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
    /// The run was cancelled or killed at once.
    Cancelled,
}

impl Halt {
    /// The word for it, everywhere.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::OutOfFuel => "out-of-fuel",
            Self::Timeout => "timeout",
            Self::OutOfMemory => "out-of-memory",
            Self::Oversized => "oversized",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
        }
    }
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// How grave.
    pub level: LogLevel,
    /// Without control characters.
    pub message: String,
}

/// How grave a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
