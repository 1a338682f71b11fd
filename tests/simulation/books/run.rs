//! A run by the facts of it that are durable.

use super::step::{Backward, Forward, IntentBook, StepBook};
use crate::sagas::Saga;
use amends_domain::decide::Command;
use amends_domain::event::{Cause, Confirmation, Demand, Entry, Event, Outcome, Resolution, Resolve, Started};
use amends_domain::id::{RunId, StepIndex, TenantId};
use amends_domain::quota::Usage;
use amends_domain::run::Run;
use amends_domain::time::Timestamp;
use std::sync::Arc;

/// Whether a run is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is.
    Whole,
    /// It was removed; what it left is known here for those that ask.
    Removed,
}

/// One run.
pub(crate) struct RunBook {
    pub(crate) id: RunId,
    pub(crate) tenant: TenantId,
    pub(crate) saga: Arc<Saga>,
    pub(crate) started: Started,
    pub(crate) entries: Vec<Entry>,
    /// The numbers of its records.
    pub(crate) records: Vec<u64>,
    /// What they say was used.
    pub(crate) used: Usage,
    pub(crate) kept: Kept,
    /// How many of the entries there were before the newest commit.
    known: usize,
    pub(crate) steps: Vec<StepBook>,
    /// Why it goes back, if it does.
    pub(crate) turned: Option<Cause>,
    pub(crate) ended: Option<Outcome>,
    pub(crate) paused: bool,
    pub(crate) killed: bool,
    pub(crate) delayed: Option<Timestamp>,
    /// When the way back began, or a person last had it begin again.
    pub(crate) back_since: Option<Timestamp>,
    /// What the rules make of the same facts.
    pub(crate) replayed: Run,
    /// What they ordered last and was not done yet.
    pub(crate) ordered: Vec<Command>,
}

impl RunBook {
    pub(super) fn new(id: RunId, tenant: &TenantId, saga: &Arc<Saga>, started: &Started, entry: &Entry) -> Self {
        Self {
            id,
            tenant: tenant.clone(),
            saga: Arc::clone(saga),
            started: started.clone(),
            entries: vec![entry.clone()],
            records: Vec::new(),
            used: Usage::default(),
            kept: Kept::Whole,
            known: 0,
            steps: saga.steps.iter().map(|_| StepBook::default()).collect(),
            turned: None,
            ended: None,
            paused: false,
            killed: false,
            delayed: None,
            back_since: None,
            replayed: Run::new(id, Arc::clone(&saga.definition), Arc::new(started.clone()), entry.at),
            ordered: Vec::new(),
        }
    }

    pub(crate) fn step(&self, step: StepIndex) -> &StepBook {
        &self.steps[step.at()]
    }

    /// Whether nothing is taken back any more.
    pub(crate) fn is_past_pivot(&self) -> bool {
        self.saga.pivot.is_some_and(|pivot| self.steps[pivot].is_over())
    }

    /// Whether the step waits for a person.
    pub(crate) fn is_dead_letter(&self, at: usize) -> bool {
        let step = &self.steps[at];
        let held = self.saga.pivot == Some(at) && step.doubt && self.saga.steps[at].backward.is_none();
        let forward = step.forward == Forward::GivenUp && step.backward == Backward::Idle && !step.undone;
        step.backward == Backward::DeadLetter || (forward && (held || self.is_past_pivot()))
    }

    pub(crate) fn dead_letters(&self) -> impl Iterator<Item = StepIndex> {
        (0..self.steps.len()).filter(|at| self.is_dead_letter(*at)).map(index)
    }

    /// Whether a person can settle something. Of a run that was killed nothing is settled any more.
    pub(crate) fn is_waiting_for_somebody(&self) -> bool {
        self.ended != Some(Outcome::Killed) && self.dead_letters().next().is_some()
    }

    /// The facts of the newest commit.
    pub(crate) fn news(&self) -> &[Entry] {
        &self.entries[self.known..]
    }

    pub(super) fn forget_news(&mut self) {
        self.known = self.entries.len();
    }

    /// When it must be through, and when the way back must be over.
    pub(crate) fn deadlines(&self) -> [Option<Timestamp>; 2] {
        let begins = self.delayed.unwrap_or(self.entries[0].at);
        let forward = self.saga.deadline.map(|span| begins.plus(span)).filter(|_| !self.is_past_pivot() && !self.is_held());
        [forward, self.saga.deadline_back.zip(self.back_since).map(|(span, since)| since.plus(span))]
    }

    /// Whether the pivot may have happened and cannot be taken back: then nothing is decided by a clock.
    fn is_held(&self) -> bool {
        self.saga.pivot.is_some_and(|pivot| {
            let step = &self.steps[pivot];
            step.doubt && !step.undone && self.saga.steps[pivot].backward.is_none()
        })
    }

    pub(super) fn begin_life(&mut self) {
        self.steps.iter_mut().for_each(|step| step.attempts_before = step.attempts);
    }

    pub(super) fn take_in(&mut self, entry: &Entry) {
        self.entries.push(entry.clone());
        let steps = &mut self.steps;
        match &entry.event {
            Event::Started(_) | Event::Adopted => {}
            Event::Delayed { until } => self.delayed = Some(*until),
            Event::AttemptStarted { attempt, .. } => steps[attempt.step.at()].started(*attempt, entry.at),
            Event::EffectIntended { attempt, call, method, target } => {
                let (method, target) = (method.clone(), target.clone());
                let intent = IntentBook { attempt: *attempt, call: *call, method, target, answered: false };
                steps[attempt.step.at()].intents.push(intent);
            }
            Event::EffectAnswered { attempt, call, .. } => {
                let mut intents = steps[attempt.step.at()].intents.iter_mut();
                if let Some(intent) = intents.find(|intent| intent.attempt == *attempt && intent.call == *call) {
                    intent.answered = true;
                }
            }
            Event::AttemptEnded(ended) => steps[ended.attempt.step.at()].ended(ended),
            Event::RetryScheduled { step, due, .. } => steps[step.at()].retry = Some(*due),
            Event::StepFailed { step, .. } => {
                let step = &mut steps[step.at()];
                (step.forward, step.retry) = (Forward::GivenUp, None);
            }
            Event::CompensationStarted { cause } => {
                self.back_since = Some(entry.at);
                self.turn(cause);
            }
            Event::CompensationOmitted { step, .. } => steps[step.at()].backward = Backward::Omitted,
            Event::CompensationFailed { step } => {
                let step = &mut steps[step.at()];
                (step.backward, step.retry) = (Backward::DeadLetter, None);
            }
            Event::Ended { outcome, .. } => self.ended = Some(*outcome),
            Event::StepSkipped { step } => steps[step.at()].forward = Forward::Skipped,
            Event::WaitStarted { step, due } => steps[step.at()].forward = Forward::Waiting(*due),
            Event::WaitEnded { step, .. } => steps[step.at()].forward = Forward::Done,
            Event::Demanded(demanded) => self.demanded(entry.at, &demanded.demand),
        }
    }

    fn turn(&mut self, cause: &Cause) {
        let from = if let Cause::Requested { from: Some(from) } = cause { Some(from.at()) } else { None };
        self.turned = Some(cause.clone());
        for (at, step) in self.steps.iter_mut().enumerate() {
            let behind = from.is_none_or(|from| from == at || self.saga.comes_after(at, from));
            step.stands = !behind && step.backward == Backward::Idle;
        }
    }

    fn demanded(&mut self, at: Timestamp, demand: &Demand) {
        match demand {
            Demand::Pause => self.paused = true,
            Demand::Resume => self.paused = false,
            Demand::Kill => (self.killed, self.ended) = (true, None),
            Demand::Compensate { .. } => (self.ended, self.turned) = (None, None),
            Demand::Redrive { step, .. } => {
                self.ended = None;
                if self.steps[step.at()].backward == Backward::DeadLetter {
                    self.back_since = Some(at);
                }
                self.steps[step.at()].redriven(at);
            }
            Demand::Resolve(resolve) if resolve.confirmation != Confirmation::Awaited => self.resolved(resolve),
            Demand::Resolve(_) | Demand::Cancel { .. } | Demand::Signal { .. } | Demand::Retry => {}
        }
    }

    fn resolved(&mut self, resolve: &Resolve) {
        self.ended = None;
        let step = &mut self.steps[resolve.step.at()];
        match (step.backward, resolve.resolution) {
            (Backward::DeadLetter, _) => step.backward = Backward::Resolved,
            (_, Resolution::Done) => step.forward = Forward::Resolved,
            (_, Resolution::Undone) => (step.undone, step.doubt) = (true, false),
        }
    }
}

pub(crate) fn index(at: usize) -> StepIndex {
    StepIndex(u16::try_from(at).expect("few steps"))
}
