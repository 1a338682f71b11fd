//! How one step of a run stands, in both directions.

use super::Effect;
use crate::event::Omission;
use crate::payload::Payload;
use crate::time::Timestamp;
use serde::Serialize;
use std::fmt;

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepRun {
    /// Doing it.
    pub forward: Track,
    /// Taking it back.
    pub backward: Track,
    /// What its attempts get, once the first one started.
    pub input: Option<Payload>,
    /// What it gave, once it completed.
    pub output: Option<Payload>,
    /// Whether any attempt forward may have had effects. Sticky: no later ending takes it back.
    pub doubt: bool,
    /// What its attempts forward sent.
    pub effects: Vec<Effect>,
    /// Its place in the order of starts.
    pub began: Option<u32>,
    /// Why it needs no compensation, once that is said.
    pub omitted: Option<Omission>,
}

/// One direction of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Track {
    /// How many attempts have started.
    pub attempts: u32,
    /// Where it stands.
    pub state: TrackState,
}

/// Where one direction of a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrackState {
    /// Not begun.
    #[default]
    Idle,
    /// An attempt is running on this host.
    Running,
    /// An attempt was running when the host before this one went away.
    Interrupted,
    /// An attempt failed and nobody has said yet what follows.
    Undecided(Verdict),
    /// Another attempt starts, not before this instant.
    Retrying(Timestamp),
    /// An attempt ended well.
    Done,
    /// No more attempts.
    GivenUp,
}

/// What an attempt's bad ending leaves to decide from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Trying again will not help.
    Final,
    /// Another attempt may succeed, not before this instant.
    Retryable {
        /// When the attempt ended.
        ended: Timestamp,
        /// The earliest start that the guest asked for.
        not_before: Timestamp,
    },
}

impl StepRun {
    /// Whether an attempt of it ever started, or it was given up before one could.
    pub fn was_begun(&self) -> bool {
        self.forward.state != TrackState::Idle
    }

    /// Whether it must be compensated if the run is: it completed, or may have had effects.
    pub fn may_have_effects(&self) -> bool {
        self.forward.state == TrackState::Done || self.doubt
    }

    /// Whether nothing of it is left to compensate.
    pub fn is_settled(&self) -> bool {
        !self.was_begun() || self.omitted.is_some() || matches!(self.backward.state, TrackState::Done | TrackState::GivenUp)
    }

    /// The word for how it stands.
    pub fn status(&self) -> StepStatus {
        use TrackState::{Done, GivenUp, Idle, Interrupted, Retrying, Running, Undecided};
        match (self.backward.state, self.omitted, self.forward.state) {
            (Done, _, _) => StepStatus::Compensated,
            (GivenUp, _, _) => StepStatus::CompensationFailed,
            (Running | Interrupted | Undecided(_) | Retrying(_), _, _) => StepStatus::Compensating,
            (Idle, Some(_), _) => StepStatus::CompensationNotNeeded,
            (Idle, None, Idle) => StepStatus::Pending,
            (Idle, None, Running | Interrupted) => StepStatus::Running,
            (Idle, None, Undecided(_) | Retrying(_)) => StepStatus::Retrying,
            (Idle, None, Done) => StepStatus::Completed,
            (Idle, None, GivenUp) if self.doubt => StepStatus::InDoubt,
            (Idle, None, GivenUp) => StepStatus::Failed,
        }
    }
}

/// The words for how a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// An attempt is running.
    Running,
    /// Waits for its next attempt.
    Retrying,
    /// Done.
    Completed,
    /// Given up; proven to have had no effects.
    Failed,
    /// Given up; may have had effects.
    InDoubt,
    /// Being taken back.
    Compensating,
    /// Taken back.
    Compensated,
    /// Nothing to take back.
    CompensationNotNeeded,
    /// A dead letter.
    CompensationFailed,
}

impl StepStatus {
    /// The word, as the interfaces write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::InDoubt => "in-doubt",
            Self::Compensating => "compensating",
            Self::Compensated => "compensated",
            Self::CompensationNotNeeded => "compensation-not-needed",
            Self::CompensationFailed => "compensation-failed",
        }
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
