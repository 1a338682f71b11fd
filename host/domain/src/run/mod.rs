//! A run: the fold of its journal. Facts go in, nothing is decided here.

mod effect;
mod fold;
mod head;
mod step;

pub use effect::{Effect, is_safe};
pub use fold::Misfit;
pub use head::{RunHead, RunStatus};
pub use step::{StepRun, StepStatus, Track, TrackState, Verdict};

use crate::definition::Definition;
use crate::event::{Cause, Direction, Entry, Event, Fault, Outcome, Started};
use crate::expression::Scope;
use crate::id::{RunId, StepIndex};
use crate::payload::Payload;
use crate::time::Timestamp;
use std::sync::Arc;

/// A run at one point of its journal.
#[derive(Debug, Clone)]
pub struct Run {
    id: RunId,
    definition: Arc<Definition>,
    started: Arc<Started>,
    started_at: Timestamp,
    phase: Phase,
    steps: Vec<StepRun>,
    caution: Caution,
    /// How many steps have begun so far: the next one's place in the order of starts.
    begun: u32,
    due: Option<Timestamp>,
}

/// Which way a run goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Doing.
    Forward,
    /// Taking back.
    Backward(Cause),
    /// Done with.
    Ended(Ended),
}

/// How and when a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// What it gives, if it succeeded.
    pub output: Option<Payload>,
    /// Why it gives nothing, if the output mapping failed.
    pub fault: Option<Fault>,
}

/// Whether the starts of attempts are durable before they run. After an unclean end they are, until an attempt has ended: a crash may
/// have left no trace of the attempt that caused it, and must not be able to do so twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caution {
    /// Run ahead of the disk.
    None,
    /// Wait for the disk before the guest runs.
    DurableStarts,
}

/// Runs are the same if the same facts brought them to the same point.
impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        let Self { id, definition, started, started_at, phase, steps, caution, begun, due } = self;
        (*id, definition.digest, started_at, caution, begun, due)
            == (other.id, other.definition.digest, &other.started_at, &other.caution, &other.begun, &other.due)
            && (started, phase, steps) == (&other.started, &other.phase, &other.steps)
    }
}

impl Run {
    /// The run at the end of `journal`.
    ///
    /// # Errors
    /// [`Misfit`] with the first fact that cannot follow the ones before it.
    pub fn of_journal(id: RunId, definition: Arc<Definition>, journal: &[Entry]) -> Result<Self, Misfit> {
        let (first, rest) = journal.split_first().ok_or_else(|| Misfit::new(0, "an empty journal"))?;
        let Event::Started(started) = &first.event else {
            return Err(Misfit::new(0, "a journal that does not begin with `started`"));
        };
        let mut run = Self::new(id, definition, Arc::new(started.as_ref().clone()), first.at);
        for (at, entry) in rest.iter().enumerate() {
            run.apply(entry).map_err(|what| Misfit { at: at + 1, ..what })?;
        }
        Ok(run)
    }

    /// A run that was just accepted.
    pub fn new(id: RunId, definition: Arc<Definition>, started: Arc<Started>, at: Timestamp) -> Self {
        let steps = definition.steps.iter().map(|_| StepRun::default()).collect();
        Self { id, definition, started, started_at: at, phase: Phase::Forward, steps, caution: Caution::None, begun: 0, due: None }
    }

    /// Its id.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// What it runs.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// What it was started with.
    pub fn started(&self) -> &Arc<Started> {
        &self.started
    }

    /// When it was accepted.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Which way it goes.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Whether starts must be durable before they run.
    pub fn caution(&self) -> Caution {
        self.caution
    }

    /// How the step stands.
    pub fn step(&self, step: StepIndex) -> &StepRun {
        &self.steps[step.at()]
    }

    /// All steps with their positions.
    pub fn steps(&self) -> impl Iterator<Item = (StepIndex, &StepRun)> {
        (0..).map(StepIndex).zip(&self.steps)
    }

    /// The word for how a step stands.
    pub fn status_of(&self, step: StepIndex) -> StepStatus {
        self.step(step).status()
    }

    /// The same for every attempt of a step in one direction, and another backward: what lets the other side recognise a repeat.
    pub fn idempotency_key(&self, step: StepIndex, direction: Direction) -> String {
        let way = match direction {
            Direction::Forward => "forward",
            Direction::Backward => "backward",
        };
        format!("{}.{}.{way}", self.id, self.definition.step(step).id)
    }

    /// What the run's mappings can see now.
    pub fn scope(&self) -> Scope<'_> {
        let outputs =
            self.definition.steps.iter().zip(&self.steps).filter_map(|(step, run)| Some((step.id.as_str(), run.output.as_ref()?)));
        Scope::new(&self.started.input, outputs)
    }

    /// The summary that lists show.
    pub fn head(&self) -> RunHead {
        let (status, ended) = match &self.phase {
            Phase::Forward => (RunStatus::Running, None),
            Phase::Backward(_) => (RunStatus::Compensating, None),
            Phase::Ended(ended) => (RunStatus::Ended(ended.outcome), Some(ended.at)),
        };
        RunHead {
            saga: self.started.saga.clone(),
            version: self.started.version,
            definition: self.started.definition,
            status,
            started: self.started_at,
            ended,
            due: self.due,
        }
    }
}
