//! How each fact changes a run, and which facts cannot follow.

use super::{Caution, Effect, Ended, Phase, Run};
use super::{StepRun, Track, TrackState, Verdict};
use crate::definition::Kind;
use crate::event::{AttemptEnded, AttemptRef, Demand, Direction, Ending, Entry, Event, Failure, Fault, Halt, Outcome, WaitEnd};
use crate::id::StepIndex;
use crate::payload::Payload;
use crate::time::{Span, Timestamp};

/// A fact that cannot follow the ones before it: the journal was not written by these rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fact {at} of the journal: {what}")]
pub struct Misfit {
    /// Its place in the journal, from 0.
    pub at: usize,
    /// Why it does not fit.
    pub what: String,
}

impl Misfit {
    pub(super) fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }
}

pub(super) fn misfit<T>(what: impl Into<String>) -> Result<T, Misfit> {
    Err(Misfit::new(0, what))
}

impl Run {
    /// Takes in one more fact. After an error the run must not be used.
    ///
    /// # Errors
    /// [`Misfit`] if it cannot follow what is known; its place is not filled in.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Misfit> {
        if let Phase::Ended(ended) = &self.phase
            && !matches!(&entry.event, Event::Demanded(demanded) if may_follow(ended.outcome, &demanded.demand))
        {
            return misfit(format!("{:?} after the run {}", entry.event, ended.outcome.word()));
        }
        match &entry.event {
            Event::Started(_) => misfit("a second `started`"),
            Event::Adopted => {
                self.adopt();
                Ok(())
            }
            Event::Delayed { until } => self.delayed(*until),
            Event::AttemptStarted { attempt, input } => self.attempt_started(entry.at, *attempt, input.as_ref()),
            Event::EffectIntended { attempt, call, method, target } => self.intended(
                *attempt,
                Effect {
                    direction: attempt.direction,
                    attempt: attempt.number,
                    call: *call,
                    method: method.clone(),
                    target: target.clone(),
                    sent: entry.at,
                    answer: None,
                    response: None,
                },
            ),
            Event::EffectAnswered { attempt, call, status, response } => self.answered(*attempt, *call, *status, response.as_ref()),
            Event::AttemptEnded(ended) => self.attempt_ended(entry.at, ended),
            Event::RetryScheduled { step, direction, due } => self.retry_scheduled(*step, *direction, *due),
            Event::StepFailed { step, fault } => self.step_failed(*step, fault.as_ref()),
            Event::StepSkipped { step } => self.step_skipped(*step),
            Event::WaitStarted { step, due } => self.wait_started(*step, *due),
            Event::WaitEnded { step, end } => self.wait_ended(*step, *end),
            Event::CompensationStarted { cause } => self.turned(entry.at, cause),
            Event::CompensationOmitted { step, reason } => {
                let run = self.compensating(*step)?;
                if run.backward.state != TrackState::Idle || run.omitted.is_some() {
                    return misfit("a compensation left out that has begun");
                }
                run.omitted = Some(*reason);
                self.settled(*step);
                Ok(())
            }
            Event::CompensationFailed { step } => self.compensation_failed(*step),
            Event::Ended { outcome, output, fault } => self.ended(entry.at, *outcome, output.as_ref(), fault.as_ref()),
            Event::Demanded(demanded) => self.demanded(entry.at, demanded),
        }
    }

    /// What was running is not running here.
    fn adopt(&mut self) {
        self.caution = Caution::DurableStarts;
        for step in &mut self.steps {
            for track in [&mut step.forward, &mut step.backward] {
                if track.state == TrackState::Running {
                    track.state = TrackState::Interrupted;
                }
            }
        }
    }

    fn delayed(&mut self, until: Timestamp) -> Result<(), Misfit> {
        if self.begun > 0 || self.begins_at != self.started_at {
            return misfit("a delay of a run that has begun");
        }
        self.begins_at = until;
        Ok(())
    }

    fn attempt_started(&mut self, at: Timestamp, attempt: AttemptRef, input: Option<&Payload>) -> Result<(), Misfit> {
        let step = self.known(attempt.step)?;
        let fits = match (attempt.direction, &self.phase) {
            (Direction::Forward, Phase::Forward) => step.uses().is_some() && self.front.contains(&attempt.step),
            (Direction::Backward, Phase::Backward(_)) => {
                self.front.contains(&attempt.step) && self.step(attempt.step).may_have_effects() && step.backward().is_some()
            }
            (Direction::Forward, Phase::Backward(_)) | (Direction::Backward, Phase::Forward) | (_, Phase::Ended(_)) => false,
        };
        if !fits {
            return misfit(format!("{attempt:?} starts where it must not"));
        }
        let begun = self.begun;
        let run = &mut self.steps[attempt.step.at()];
        let track = run.track_mut(attempt.direction);
        if !matches!(track.state, TrackState::Idle | TrackState::Retrying(_)) || attempt.number != track.attempts + 1 {
            return misfit(format!("{attempt:?} starts after {track:?}"));
        }
        let since = track.since.unwrap_or(at);
        *track = Track { attempts: attempt.number, counted: track.counted + 1, since: Some(since), state: TrackState::Running };
        if attempt.direction == Direction::Forward && attempt.number == 1 {
            (run.input, run.began) = (input.cloned(), Some(begun));
            self.begun += 1;
        }
        Ok(())
    }

    fn intended(&mut self, attempt: AttemptRef, effect: Effect) -> Result<(), Misfit> {
        self.running(attempt)?;
        if self.definition.step(attempt.step).kind() == Kind::ReadOnly && effect.raises_doubt() {
            return misfit(format!("{attempt:?} of a read-only step sends {}", effect.method));
        }
        self.steps[attempt.step.at()].effects.push(effect);
        Ok(())
    }

    fn answered(&mut self, attempt: AttemptRef, call: u32, status: u16, response: Option<&Payload>) -> Result<(), Misfit> {
        self.running(attempt)?;
        let mut effects = self.steps[attempt.step.at()].effects.iter_mut();
        let found = effects.find(|e| e.is_of(attempt) && e.call == call && e.answer.is_none());
        match found {
            Some(effect) => (effect.answer, effect.response) = (Some(status), response.cloned()),
            None => return misfit(format!("an answer to call {call}, which was not sent")),
        }
        Ok(())
    }

    fn attempt_ended(&mut self, at: Timestamp, ended: &AttemptEnded) -> Result<(), Misfit> {
        let attempt = ended.attempt;
        let lost = matches!(ended.ending, Ending::Halted { halt: Halt::Lost, .. });
        let wanted = if lost { TrackState::Interrupted } else { TrackState::Running };
        let read_only = self.known(attempt.step)?.kind() == Kind::ReadOnly;
        let run = &mut self.steps[attempt.step.at()];
        let track = run.track_mut(attempt.direction);
        if track.state != wanted || track.attempts != attempt.number {
            return misfit(format!("{attempt:?} ends ({:?}) where {track:?}", ended.ending));
        }
        track.state = match &ended.ending {
            Ending::Ok { .. } => TrackState::Done,
            Ending::Failed { failure, retry_after, .. } => TrackState::Undecided(verdict(at, *failure, *retry_after)),
            Ending::Halted { .. } => TrackState::Undecided(Verdict::Retryable { ended: at, not_before: at }),
        };
        if attempt.direction == Direction::Forward {
            // What a read-only step could send changes nothing, whatever the guest believes.
            run.doubt |= !read_only && raises_doubt(&ended.ending, run.effects.iter().filter(|e| e.is_of(attempt)));
        }
        if !lost {
            self.caution = Caution::None;
        }
        if let Ending::Ok { output } = &ended.ending {
            match attempt.direction {
                Direction::Forward => self.completed(attempt.step, output.clone()),
                Direction::Backward => self.settled(attempt.step),
            }
        }
        Ok(())
    }

    /// A step is done. In a run that has turned around, that is one more to take back, unless it was the pivot.
    fn completed(&mut self, step: StepIndex, output: Payload) {
        self.steps[step.at()].output = Some(output);
        if self.phase == Phase::Forward {
            self.passed(step);
        } else {
            self.ahead -= 1;
        }
    }

    fn retry_scheduled(&mut self, step: StepIndex, direction: Direction, due: Timestamp) -> Result<(), Misfit> {
        self.known(step)?;
        let track = self.steps[step.at()].track_mut(direction);
        if !matches!(track.state, TrackState::Undecided(_)) {
            return misfit(format!("a retry of a step where {track:?}"));
        }
        track.state = TrackState::Retrying(due);
        Ok(())
    }

    fn step_failed(&mut self, step: StepIndex, fault: Option<&Fault>) -> Result<(), Misfit> {
        self.known(step)?;
        let run = &mut self.steps[step.at()];
        let track = &mut run.forward;
        match track.state {
            // Idle: its mapping failed before there was an attempt.
            TrackState::Idle | TrackState::Undecided(_) | TrackState::Retrying(_) | TrackState::Waiting(_) => {
                track.state = TrackState::GivenUp;
                run.fault = fault.cloned();
            }
            TrackState::Running
            | TrackState::Interrupted
            | TrackState::Done
            | TrackState::Skipped
            | TrackState::GivenUp
            | TrackState::Resolved => return misfit(format!("a step given up where {track:?}")),
        }
        if self.phase == Phase::Forward && self.is_dead_letter(step) {
            self.dead_letters += 1;
        }
        Ok(())
    }

    fn step_skipped(&mut self, step: StepIndex) -> Result<(), Misfit> {
        self.begins(step)?;
        let run = &mut self.steps[step.at()];
        (run.forward.state, run.output) = (TrackState::Skipped, Some(Payload::null()));
        self.passed(step);
        Ok(())
    }

    fn wait_started(&mut self, step: StepIndex, due: Option<Timestamp>) -> Result<(), Misfit> {
        self.begins(step)?;
        if self.definition.step(step).uses().is_some() {
            return misfit(format!("step {} waits, but uses a handler", step.0));
        }
        let run = &mut self.steps[step.at()];
        (run.forward.state, run.began) = (TrackState::Waiting(due), Some(self.begun));
        self.begun += 1;
        Ok(())
    }

    fn wait_ended(&mut self, step: StepIndex, end: WaitEnd) -> Result<(), Misfit> {
        let name = self.known(step)?.signal().cloned();
        let TrackState::Waiting(due) = self.step(step).forward.state else {
            return misfit(format!("the end of a wait of step {}, which does not wait", step.0));
        };
        let mut output = Payload::null();
        if end == WaitEnd::Signalled {
            let taken = name.and_then(|name| self.signals.iter().position(|signal| signal.is_for(&name, due)));
            let Some(taken) = taken else { return misfit(format!("a signal for step {} that did not come", step.0)) };
            output = self.signals.remove(taken).payload;
        }
        self.steps[step.at()].forward.state = TrackState::Done;
        self.completed(step, output);
        Ok(())
    }

    fn compensation_failed(&mut self, step: StepIndex) -> Result<(), Misfit> {
        let run = self.compensating(step)?;
        match run.backward.state {
            // Idle and retrying: the time for the whole way back is over.
            TrackState::Undecided(_) | TrackState::Retrying(_) | TrackState::Idle if run.may_have_effects() => {
                run.backward.state = TrackState::GivenUp;
            }
            state => return misfit(format!("a compensation given up where {state:?}")),
        }
        self.dead_letters += 1;
        self.settled(step);
        Ok(())
    }

    fn ended(&mut self, at: Timestamp, outcome: Outcome, output: Option<&Payload>, fault: Option<&Fault>) -> Result<(), Misfit> {
        let active = self.steps.iter().any(|s| [s.forward, s.backward].iter().any(|track| track.state == TrackState::Running));
        let cause = match &self.phase {
            Phase::Backward(cause) => Some(cause.clone()),
            Phase::Forward | Phase::Ended(_) => None,
        };
        let fits = match outcome {
            Outcome::Succeeded => cause.is_none() && self.is_through() && self.wishes.compensate.is_none(),
            Outcome::Compensated => cause.is_some() && self.front.is_empty() && self.dead_letters == 0,
            Outcome::Stuck => self.dead_letters > 0,
            Outcome::Killed => self.wishes.kill,
        };
        if !fits || active {
            return misfit(format!("the run is {} where it cannot be", outcome.word()));
        }
        self.phase = Phase::Ended(Ended { outcome, at, output: output.cloned(), fault: fault.cloned(), cause });
        Ok(())
    }

    /// Whether the step is about to do its first thing.
    fn begins(&self, step: StepIndex) -> Result<(), Misfit> {
        self.known(step)?;
        let idle = self.step(step).forward.state == TrackState::Idle;
        if idle && self.phase == Phase::Forward && self.front.contains(&step) {
            return Ok(());
        }
        misfit(format!("step {} begins where it must not", step.0))
    }

    pub(super) fn known(&self, step: StepIndex) -> Result<&crate::definition::Step, Misfit> {
        self.definition.steps.get(step.at()).ok_or_else(|| Misfit::new(0, format!("step {} of {}", step.0, self.steps.len())))
    }

    fn running(&mut self, attempt: AttemptRef) -> Result<(), Misfit> {
        self.known(attempt.step)?;
        let track = self.steps[attempt.step.at()].track_mut(attempt.direction);
        if track.state == TrackState::Running && track.attempts == attempt.number {
            Ok(())
        } else {
            misfit(format!("an effect of {attempt:?} where {track:?}"))
        }
    }

    fn compensating(&mut self, step: StepIndex) -> Result<&mut StepRun, Misfit> {
        self.known(step)?;
        match self.phase {
            Phase::Backward(_) => Ok(&mut self.steps[step.at()]),
            Phase::Forward | Phase::Ended(_) => misfit("a compensation in a run that goes forward"),
        }
    }
}

/// Whether a demand fits a run with this outcome.
fn may_follow(outcome: Outcome, demand: &Demand) -> bool {
    match demand {
        Demand::Compensate { .. } => matches!(outcome, Outcome::Succeeded | Outcome::Compensated),
        Demand::Redrive { .. } | Demand::Resolve(_) | Demand::Kill => outcome == Outcome::Stuck,
        Demand::Cancel { .. } | Demand::Pause | Demand::Resume | Demand::Signal { .. } | Demand::Retry => false,
    }
}

fn verdict(at: Timestamp, failure: Failure, retry_after: Option<Span>) -> Verdict {
    match failure {
        Failure::Rejected => Verdict::Final,
        Failure::Unavailable | Failure::Uncertain => {
            Verdict::Retryable { ended: at, not_before: at.plus(retry_after.unwrap_or(Span(0))) }
        }
    }
}

/// Whether an attempt that ended so may have had effects. A guest that says that nothing happened is believed about what was answered;
/// about a request without an answer it cannot know.
pub(crate) fn raises_doubt<'a>(ending: &Ending, effects: impl Iterator<Item = &'a Effect>) -> bool {
    let mut unsafe_ones = effects.filter(|effect| effect.raises_doubt());
    match ending {
        Ending::Ok { .. } => false,
        Ending::Failed { failure: Failure::Uncertain, .. } => true,
        Ending::Failed { failure: Failure::Rejected | Failure::Unavailable, .. } => {
            unsafe_ones.any(|effect| effect.answer.is_none())
        }
        Ending::Halted { .. } => unsafe_ones.next().is_some(),
    }
}
