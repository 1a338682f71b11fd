//! A saga as its author wrote it: read as a whole, with all mistakes at once, and pinned by the digest of its document.

mod document;
mod handlers;
mod limits;
mod reading;

pub use document::{STEPS_MAX, read};
pub use handlers::check_handlers;
pub use limits::Limits;
pub use reading::{Mistake, Mistakes};

use crate::digest::Digest;
use crate::expression::Mapping;
use crate::id::{HandlerRef, SagaName, StepId, StepIndex};
use crate::payload::Payload;
use crate::retry::Retry;
use crate::time::Span;

/// A saga, checked and ready to run.
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub saga: SagaName,
    /// Its name for people.
    pub title: Option<String>,
    /// How long a run may go forward.
    pub deadline: Option<Span>,
    /// In which order steps are compensated.
    pub order: Order,
    /// What a compensation that ran out of attempts means for the others.
    pub on_stuck: OnStuck,
    /// The steps, in the order of the document.
    pub steps: Vec<Step>,
    /// What a succeeded run gives.
    pub output: Option<Mapping>,
    /// The document as JSON: what is stored, pinned and hashed.
    pub document: Payload,
    /// The digest of `document`.
    pub digest: Digest,
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// What does it.
    pub uses: HandlerRef,
    /// What it gets; none: the run's input as it is.
    pub input: Option<Mapping>,
    /// How it is tried.
    pub forward: Policy,
    /// How its compensation is tried; none where the definition says `compensate: none`.
    pub backward: Option<Policy>,
    /// The steps that must be completed before it starts.
    pub after: Vec<StepIndex>,
    /// The steps that start after it: they are compensated first.
    pub before: Vec<StepIndex>,
}

/// How a step is tried in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How often and how soon.
    pub retry: Retry,
    /// What each attempt may use.
    pub limits: Limits,
}

/// In which order steps are compensated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// A step after all that were built on it.
    Reverse,
    /// All at once.
    Parallel,
}

/// What a compensation that ran out of attempts means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStuck {
    /// They go on.
    Continue,
    /// Nothing new starts.
    Halt,
}

impl Definition {
    /// The step at `index`.
    ///
    /// # Panics
    /// If the index is of another definition: runs check theirs when they are folded.
    pub fn step(&self, index: StepIndex) -> &Step {
        &self.steps[index.at()]
    }

    /// All steps with their positions.
    pub fn indexed(&self) -> impl Iterator<Item = (StepIndex, &Step)> {
        (0..).map(StepIndex).zip(&self.steps)
    }
}
