//! A saga as its author wrote it: read as a whole, with all mistakes at once, and pinned by the digest of its document.

mod changes;
mod document;
mod graph;
mod handlers;
mod limits;
mod policy;
mod reading;
mod step;

pub use changes::{Change, Weight, changes};
pub use document::{STEPS_MAX, read};
pub use handlers::check_handlers;
pub use limits::Limits;
pub(crate) use reading::shown;
pub use reading::{Mistake, Mistakes};

use crate::digest::Digest;
use crate::expression::Mapping;
use crate::id::{HandlerRef, SagaName, SignalName, StepId, StepIndex};
use crate::payload::Payload;
use crate::retry::Retry;
use crate::time::Span;
use std::collections::HashMap;

/// A saga, checked and ready to run.
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub saga: SagaName,
    /// Its name for people.
    pub title: Option<String>,
    /// How long a run may go forward.
    pub deadline: Option<Span>,
    /// How what was done is taken back.
    pub compensation: Compensation,
    /// The steps, in the order of the document.
    pub steps: Vec<Step>,
    /// Every step behind all that it comes after.
    pub order: Vec<StepIndex>,
    /// The step from which on nothing is taken back. Every other step comes before or after it.
    pub pivot: Option<StepIndex>,
    /// What a succeeded run gives.
    pub output: Option<Mapping>,
    /// Where each step is.
    places: HashMap<String, StepIndex>,
    /// The document as JSON: what is stored, pinned and hashed.
    pub document: Payload,
    /// The digest of `document`.
    pub digest: Digest,
}

/// How what was done is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compensation {
    /// In which order.
    pub order: Order,
    /// What a compensation that ran out of attempts means for the others.
    pub on_stuck: OnStuck,
    /// How long it may take; what is left then is a dead letter.
    pub deadline: Option<Span>,
}

impl Default for Compensation {
    /// What a definition gets that says nothing of its own.
    fn default() -> Self {
        Self { order: Order::Reverse, on_stuck: OnStuck::Continue, deadline: None }
    }
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// What it does.
    pub node: Node,
    /// Where this gives false, nothing is done and what comes after goes on.
    pub when: Option<Mapping>,
    /// The steps that must be over before it starts.
    pub after: Vec<StepIndex>,
    /// The steps that start after it: they are compensated first.
    pub before: Vec<StepIndex>,
}

/// What a step does.
#[derive(Debug)]
pub enum Node {
    /// It runs a handler.
    Uses(Uses),
    /// It waits.
    Wait(Wait),
}

/// A handler and how it is run.
#[derive(Debug)]
pub struct Uses {
    /// Which.
    pub handler: HandlerRef,
    /// What it may do to the run.
    pub kind: Kind,
    /// What it gets; none: the run's input as it is.
    pub input: Option<Mapping>,
    /// How it is tried.
    pub forward: Policy,
    /// How its compensation is tried; none where there is none.
    pub backward: Option<Policy>,
}

/// What a step may do to its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It can be taken back.
    Compensatable,
    /// Once it completed, nothing is taken back any more.
    Pivot,
    /// Trying again helps in the end.
    Retriable,
    /// It changes nothing.
    ReadOnly,
}

/// What a step waits for.
#[derive(Debug)]
pub enum Wait {
    /// A span of time.
    For(Span),
    /// An instant, which an expression gives as RFC 3339.
    Until(Mapping),
    /// Something that is told to the run.
    Signal {
        /// Its name.
        name: SignalName,
        /// How long it waits at most.
        timeout: Option<Span>,
        /// What follows if the signal does not come.
        on_timeout: OnTimeout,
    },
}

/// What follows if a signal does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// The step fails, the run is compensated.
    Fail,
    /// The run goes on; the step gives null.
    Continue,
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

impl Step {
    /// What it runs, if it does not wait.
    pub fn uses(&self) -> Option<&Uses> {
        match &self.node {
            Node::Uses(uses) => Some(uses),
            Node::Wait(_) => None,
        }
    }

    /// The signal that it waits for, if it waits for one.
    pub fn signal(&self) -> Option<&SignalName> {
        match &self.node {
            Node::Wait(Wait::Signal { name, .. }) => Some(name),
            Node::Wait(Wait::For(_) | Wait::Until(_)) | Node::Uses(_) => None,
        }
    }

    /// What it may do to its run. A wait changes nothing.
    pub fn kind(&self) -> Kind {
        self.uses().map_or(Kind::ReadOnly, |uses| uses.kind)
    }

    /// How its compensation is tried; none where there is none.
    pub fn backward(&self) -> Option<Policy> {
        self.uses().and_then(|uses| uses.backward)
    }
}

impl Kind {
    /// The word for it, as documents write it.
    pub fn word(self) -> &'static str {
        let found = step::KINDS.iter().find(|(_, kind)| *kind == self);
        found.map(|(word, _)| *word).expect("every kind has a word")
    }
}

impl Definition {
    /// The step at `index`.
    ///
    /// # Panics
    /// If the index is of another definition: runs check theirs when they are folded.
    pub fn step(&self, index: StepIndex) -> &Step {
        &self.steps[index.at()]
    }

    /// The step with this id.
    pub fn index_of(&self, id: &str) -> Option<StepIndex> {
        self.places.get(id).copied()
    }

    /// All steps with their positions.
    pub fn indexed(&self) -> impl Iterator<Item = (StepIndex, &Step)> {
        (0..).map(StepIndex).zip(&self.steps)
    }
}
