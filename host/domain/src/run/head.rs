//! The summary of a run that lists show and the store keeps beside the journal, written once for each commit that changed it.

use crate::digest::Digest;
use crate::event::Outcome;
use crate::id::SagaName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Going forward.
    Running,
    /// Going backward.
    Compensating,
    /// At its outcome.
    Ended(Outcome),
    /// Going forward, and all that is live waits.
    Waiting,
    /// Standing still until somebody has it go on.
    Paused,
}

impl RunStatus {
    /// The word for it, as the interfaces write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Ended(outcome) => outcome.word(),
            Self::Waiting => "waiting",
            Self::Paused => "paused",
        }
    }
}

/// What is known of a run without reading its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHead {
    /// Which saga.
    pub saga: SagaName,
    /// Which version of it.
    pub version: u32,
    /// The digest of its document.
    pub definition: Digest,
    /// Where it stands.
    pub status: RunStatus,
    /// When it was accepted.
    pub started: Timestamp,
    /// When it reached its outcome.
    pub ended: Option<Timestamp>,
    /// While open: nothing is to be done before this instant unless something comes in. None: now.
    pub due: Option<Timestamp>,
    /// How many of its steps wait for a person.
    pub dead_letters: u32,
}
