//! A run: the fold of its journal. Facts go in, nothing is decided here.

mod demanded;
mod effect;
mod fold;
mod front;
mod head;
mod step;

pub use demanded::{DEMANDS_MAX, SIGNALS_MAX, Signal};
pub use effect::{Effect, is_safe};
pub use fold::Misfit;
pub(crate) use fold::raises_doubt;
pub use head::{RunHead, RunStatus};
pub use step::{Settled, StepRun, StepStatus, Track, TrackState, Verdict};

use crate::definition::Definition;
use crate::digest::Digest;
use crate::event::{Cause, Direction, Entry, Event, Fault, InFlight, Outcome, Started};
use crate::expression::{Mapping, Scope};
use crate::id::{RunId, SignalName, StepIndex};
use crate::payload::Payload;
use crate::time::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A run at one point of its journal.
#[derive(Debug, Clone)]
pub struct Run {
    id: RunId,
    definition: Arc<Definition>,
    started: Arc<Started>,
    started_at: Timestamp,
    /// Before this nothing is done, and the deadline counts from it.
    begins_at: Timestamp,
    phase: Phase,
    steps: Vec<StepRun>,
    caution: Caution,
    /// How many steps have begun so far: the next one's place in the order of starts.
    begun: u32,
    wishes: Wishes,
    /// Signals that no wait has taken yet, in the order in which they came.
    signals: Vec<Signal>,
    /// The keys of demands, each with what was demanded.
    keys: HashMap<String, Digest>,
    /// How many demands were admitted.
    demands: u32,
    /// When the way back began, or was last begun again by a person.
    backward_since: Timestamp,
    /// The steps that something can be done about: see `front.rs`.
    front: BTreeSet<StepIndex>,
    /// How many steps are not over forward.
    ahead: usize,
    /// How many steps wait for a person.
    dead_letters: u32,
}

/// What people want of a run that has not been done yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Start nothing.
    pub paused: bool,
    /// Take back what was done.
    pub cancel: Option<InFlight>,
    /// Take back what succeeded, from a step on.
    pub compensate: Option<Option<StepIndex>>,
    /// End it as it stands.
    pub kill: bool,
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
    /// Why it had turned around, if it had.
    pub cause: Option<Cause>,
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
        let Self { id, definition, started, started_at, begins_at, phase, steps, caution, begun, wishes, .. } = self;
        let Self { signals, keys, demands, backward_since, front, ahead, dead_letters, .. } = self;
        (*id, definition.digest, started_at, begins_at, caution, begun)
            == (other.id, other.definition.digest, &other.started_at, &other.begins_at, &other.caution, &other.begun)
            && (started, phase, steps, wishes) == (&other.started, &other.phase, &other.steps, &other.wishes)
            && (signals, keys, demands) == (&other.signals, &other.keys, &other.demands)
            && (backward_since, front, ahead, dead_letters)
                == (&other.backward_since, &other.front, &other.ahead, &other.dead_letters)
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
        let steps = definition.steps.iter().map(StepRun::new).collect();
        let ahead = definition.steps.len();
        let mut run = Self {
            id,
            definition,
            started,
            started_at: at,
            begins_at: at,
            phase: Phase::Forward,
            steps,
            caution: Caution::None,
            begun: 0,
            wishes: Wishes::default(),
            signals: Vec::new(),
            keys: HashMap::new(),
            demands: 0,
            backward_since: at,
            front: BTreeSet::new(),
            ahead,
            dead_letters: 0,
        };
        run.set_out();
        run
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

    /// When it begins: later than it was accepted, if it was delayed.
    pub fn begins_at(&self) -> Timestamp {
        self.begins_at
    }

    /// When it turned around, or was last sent on its way back by a person.
    pub fn backward_since(&self) -> Timestamp {
        self.backward_since
    }

    /// What people want of it.
    pub fn wishes(&self) -> Wishes {
        self.wishes
    }

    /// The steps that something can be done about, with how each stands: forward those whose turn has come and that are not over,
    /// backward those that are not settled and that nothing stands on.
    pub fn front(&self) -> impl Iterator<Item = (StepIndex, &StepRun)> {
        self.front.iter().map(|step| (*step, self.step(*step)))
    }

    /// Whether every step is over forward.
    pub fn is_through(&self) -> bool {
        self.ahead == 0
    }

    /// How many steps wait for a person.
    pub fn dead_letters(&self) -> u32 {
        self.dead_letters
    }

    /// Whether the step waits for a person: a compensation that was given up; after the pivot, a step that was; the pivot itself, if it
    /// is in doubt and cannot be taken back.
    pub fn is_dead_letter(&self, step: StepIndex) -> bool {
        let run = self.step(step);
        run.backward.state == TrackState::GivenUp
            || (run.forward.state == TrackState::GivenUp
                && run.backward.state == TrackState::Idle
                && !run.was_undone()
                && (self.is_past_pivot() || self.is_doubtful_pivot(step)))
    }

    /// Whether nothing is taken back any more.
    pub fn is_past_pivot(&self) -> bool {
        self.definition.pivot.is_some_and(|pivot| self.step(pivot).forward.is_over())
    }

    /// Whether the step is the pivot, may have had effects, and cannot be taken back: nobody but a person can say how it stands.
    pub fn is_doubtful_pivot(&self, step: StepIndex) -> bool {
        self.definition.pivot == Some(step) && self.step(step).doubt && self.definition.step(step).backward().is_none()
    }

    /// Whether the pivot may have happened and cannot be taken back: there is no way back until it is known, and what clocks and people
    /// want of the run has to wait for it.
    pub fn is_held_by_pivot(&self) -> bool {
        self.definition.pivot.is_some_and(|pivot| self.is_doubtful_pivot(pivot) && !self.step(pivot).was_undone())
    }

    /// The oldest signal with this name that came before `due` and that no wait has taken.
    pub fn signal(&self, name: &SignalName, due: Option<Timestamp>) -> Option<&Signal> {
        self.signals.iter().find(|signal| signal.is_for(name, due))
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

    /// What a mapping of the definition gives now.
    ///
    /// # Errors
    /// A fault with code `mapping_failed`.
    pub fn evaluate(&self, mapping: &Mapping) -> Result<Payload, Fault> {
        let outputs = mapping.names().iter().filter_map(|name| {
            let step = self.definition.index_of(name)?;
            Some((name.as_str(), self.step(step).output.as_ref()?))
        });
        mapping.evaluate(&Scope::new(&self.started.input, outputs))
    }

    /// The component that the next attempt of a step runs; none if the run pins none for it.
    pub fn component(&self, step: StepIndex) -> Option<Digest> {
        let plugin = &self.definition.step(step).uses()?.handler.plugin;
        let pinned = || self.started.components.iter().find(|(name, _)| name == plugin).map(|(_, digest)| *digest);
        self.step(step).component.or_else(pinned)
    }

    /// The summary that lists show.
    pub fn head(&self) -> RunHead {
        RunHead {
            saga: self.started.saga.clone(),
            version: self.started.version,
            definition: self.started.definition,
            status: self.status(),
            started: self.started_at,
            ended: if let Phase::Ended(ended) = &self.phase { Some(ended.at) } else { None },
            due: self.due(),
            // Of a run that was killed nothing is settled any more.
            dead_letters: if self.status() == RunStatus::Ended(Outcome::Killed) { 0 } else { self.dead_letters },
        }
    }

    /// Where it stands.
    pub fn status(&self) -> RunStatus {
        match &self.phase {
            Phase::Ended(ended) => RunStatus::Ended(ended.outcome),
            Phase::Forward | Phase::Backward(_) if self.wishes.paused => RunStatus::Paused,
            Phase::Backward(_) => RunStatus::Compensating,
            Phase::Forward if self.only_waits() => RunStatus::Waiting,
            Phase::Forward => RunStatus::Running,
        }
    }

    fn only_waits(&self) -> bool {
        let mut front = self.front().map(|(_, step)| step.forward.state).filter(|state| *state != TrackState::GivenUp).peekable();
        let delayed = self.begun == 0 && self.begins_at > self.started_at;
        delayed || (front.peek().is_some() && front.all(|state| matches!(state, TrackState::Waiting(_))))
    }

    /// While open: the instant before which nothing is to be done unless something comes in. None: now. A host that finds the run after
    /// a crash goes by this alone, so wherever something is to be decided it must not name a later instant.
    fn due(&self) -> Option<Timestamp> {
        let stirs = |state| matches!(state, TrackState::Running | TrackState::Interrupted | TrackState::Undecided(_));
        let stirred = self.front().any(|(_, step)| stirs(step.forward.state) || stirs(step.backward.state));
        match &self.phase {
            Phase::Ended(_) => None,
            Phase::Forward | Phase::Backward(_) if self.wishes.kill || stirred => None,
            Phase::Forward | Phase::Backward(_) if self.wishes.paused => Some(Timestamp(u64::MAX)),
            Phase::Forward => self.due_forward(),
            Phase::Backward(_) => self.due_backward(),
        }
    }

    fn due_forward(&self) -> Option<Timestamp> {
        let cancelled = self.wishes.cancel.is_some_and(|in_flight| in_flight == InFlight::EndNow || !self.is_held_by_pivot());
        if cancelled || self.wishes.compensate.is_some() {
            return None;
        }
        if self.begun == 0 && self.begins_at > self.started_at {
            return Some(self.begins_at);
        }
        let mut dues = Vec::new();
        for (index, step) in self.front() {
            match step.forward.state {
                TrackState::Waiting(due) if self.signal_for(index, due).is_none() => dues.push(due.unwrap_or(Timestamp(u64::MAX))),
                TrackState::Retrying(due) => dues.push(due),
                TrackState::GivenUp if self.is_dead_letter(index) => {}
                _ => return None,
            }
        }
        // Of steps that all wait for a person nothing comes: that is to be noted.
        dues.iter().min().map(|due| self.deadline().unwrap_or(*due).min(*due))
    }

    fn due_backward(&self) -> Option<Timestamp> {
        let mut dues = Vec::new();
        for (_, step) in self.front() {
            match (step.forward.state, step.backward.state) {
                (TrackState::Done | TrackState::GivenUp, TrackState::Retrying(due)) => dues.push(due),
                _ => return None,
            }
        }
        dues.iter().min().map(|due| self.compensation_deadline().unwrap_or(*due).min(*due))
    }

    /// The signal that a waiting step takes, if it came.
    fn signal_for(&self, step: StepIndex, due: Option<Timestamp>) -> Option<&Signal> {
        self.definition.step(step).signal().and_then(|name| self.signal(name, due))
    }

    /// When the run must be through, unless nothing is taken back any more, or nobody knows whether something can be.
    pub fn deadline(&self) -> Option<Timestamp> {
        let counts = !self.is_past_pivot() && !self.is_held_by_pivot();
        self.definition.deadline.filter(|_| counts).map(|span| self.begins_at.plus(span))
    }

    /// When the way back must be over.
    pub fn compensation_deadline(&self) -> Option<Timestamp> {
        self.definition.compensation.deadline.map(|span| self.backward_since.plus(span))
    }
}
