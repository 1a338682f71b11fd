//! How one step of a run stands, in both directions.

use super::Effect;
use crate::definition::Step;
use crate::digest::Digest;
use crate::event::{Author, Direction, Fault, Omission, Resolution, Resolve};
use crate::payload::Payload;
use crate::time::Timestamp;
use schemars::JsonSchema;
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
    /// What its attempts sent, in both directions.
    pub effects: Vec<Effect>,
    /// Its place in the order of starts.
    pub began: Option<u32>,
    /// Why it needs no compensation, once that is said.
    pub omitted: Option<Omission>,
    /// Why it was given up, where no attempt says so.
    pub fault: Option<Fault>,
    /// What its next attempts use instead of the component that the run pins.
    pub component: Option<Digest>,
    /// What a person says they did about it; it counts once a second one says the same.
    pub proposed: Option<Box<Settled>>,
    /// What a person did about it.
    pub settled: Option<Box<Settled>>,
    /// The run is taken back from a later step on: this one stands.
    pub stands: bool,
    /// How many steps are in its way: forward those that it comes after and that are not over, backward those that were built on it
    /// and are not clear.
    pub(super) waits_for: u16,
}

/// What a person did about a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What was said.
    pub resolve: Resolve,
    /// By whom.
    pub by: Author,
    /// By whom it was said as well, if a second person was asked for.
    pub confirmed_by: Option<Author>,
    /// When.
    pub at: Timestamp,
}

/// One direction of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Track {
    /// How many attempts have started.
    pub attempts: u32,
    /// How many of them the policy counts: those since a person had it tried again.
    pub counted: u32,
    /// When the first of those started.
    pub since: Option<Timestamp>,
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
    /// Waits, until this instant or for a signal alone.
    Waiting(Option<Timestamp>),
    /// An attempt ended well, or a wait did.
    Done,
    /// Its condition does not hold: nothing was done, nothing will be.
    Skipped,
    /// No more attempts.
    GivenUp,
    /// A person saw to it.
    Resolved,
}

impl TrackState {
    /// Whether the next attempt may start at `now`, as far as this direction of the step goes.
    pub(crate) fn is_ready(self, now: Timestamp) -> bool {
        match self {
            Self::Idle => true,
            Self::Retrying(due) => due <= now,
            Self::Running
            | Self::Interrupted
            | Self::Undecided(_)
            | Self::Waiting(_)
            | Self::Done
            | Self::Skipped
            | Self::GivenUp
            | Self::Resolved => false,
        }
    }
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

impl Track {
    /// Whether nothing more will be done in this direction, and what comes after may start.
    pub fn is_over(&self) -> bool {
        match self.state {
            TrackState::Done | TrackState::Skipped | TrackState::Resolved => true,
            TrackState::Idle
            | TrackState::Running
            | TrackState::Interrupted
            | TrackState::Undecided(_)
            | TrackState::Retrying(_)
            | TrackState::Waiting(_)
            | TrackState::GivenUp => false,
        }
    }
}

impl StepRun {
    pub(super) fn new(step: &Step) -> Self {
        Self { waits_for: u16::try_from(step.after.len()).expect("at most 1000 steps"), ..Self::default() }
    }

    /// Whether anything was done forward: an attempt, a wait, or giving up before one could start.
    pub fn was_begun(&self) -> bool {
        !matches!(self.forward.state, TrackState::Idle | TrackState::Skipped)
    }

    /// Whether it must be compensated if the run is: it completed, or may have had effects.
    pub fn may_have_effects(&self) -> bool {
        self.doubt || self.forward.state == TrackState::Done
    }

    /// Whether a person found that it is not done, or took back what it did, before the run turned around.
    pub fn was_undone(&self) -> bool {
        self.forward.state == TrackState::GivenUp
            && self.settled.as_ref().is_some_and(|settled| settled.resolve.resolution == Resolution::Undone)
    }

    /// Whether nothing more will be done about taking it back: it was taken back, needs not be, cannot be, or never began.
    pub fn is_settled(&self) -> bool {
        let over = matches!(self.backward.state, TrackState::Done | TrackState::GivenUp | TrackState::Resolved);
        over || self.omitted.is_some() || self.stands || !self.was_begun() || self.was_undone()
    }

    /// The word for how it stands.
    pub fn status(&self) -> StepStatus {
        use TrackState::{Done, GivenUp, Idle, Interrupted, Resolved, Retrying, Running, Skipped, Undecided, Waiting};
        match (self.backward.state, self.omitted, self.forward.state) {
            (Done, _, _) => StepStatus::Compensated,
            (GivenUp, _, _) => StepStatus::CompensationFailed,
            (Resolved, _, _) | (Idle, None, Resolved) => StepStatus::Resolved,
            (Running | Interrupted | Undecided(_) | Retrying(_) | Waiting(_) | Skipped, _, _) => StepStatus::Compensating,
            (Idle, Some(_), _) => StepStatus::CompensationNotNeeded,
            (Idle, None, Idle) => StepStatus::Pending,
            (Idle, None, Skipped) => StepStatus::Skipped,
            (Idle, None, Waiting(_)) => StepStatus::Waiting,
            (Idle, None, Running | Interrupted) => StepStatus::Running,
            (Idle, None, Undecided(_) | Retrying(_)) => StepStatus::Retrying,
            (Idle, None, Done) => StepStatus::Completed,
            (Idle, None, GivenUp) if self.was_undone() => StepStatus::Resolved,
            (Idle, None, GivenUp) if self.doubt => StepStatus::InDoubt,
            (Idle, None, GivenUp) => StepStatus::Failed,
        }
    }

    pub(super) fn track_mut(&mut self, direction: Direction) -> &mut Track {
        match direction {
            Direction::Forward => &mut self.forward,
            Direction::Backward => &mut self.backward,
        }
    }
}

/// The words for how a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// An attempt is running.
    Running,
    /// Waits for its time or its signal.
    Waiting,
    /// Waits for its next attempt.
    Retrying,
    /// Done.
    Completed,
    /// Its condition does not hold.
    Skipped,
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
    /// A person saw to it.
    Resolved,
}

impl StepStatus {
    /// The word, as the interfaces write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::InDoubt => "in-doubt",
            Self::Compensating => "compensating",
            Self::Compensated => "compensated",
            Self::CompensationNotNeeded => "compensation-not-needed",
            Self::CompensationFailed => "compensation-failed",
            Self::Resolved => "resolved",
        }
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
