//! How each fact changes a run, and which facts cannot follow.

use super::step::{StepRun, Track, TrackState, Verdict};
use super::{Caution, Effect, Ended, Phase, Run};
use crate::event::{AttemptEnded, AttemptRef, Direction, Ending, Entry, Event, Failure, Halt};
use crate::id::StepIndex;
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

fn misfit<T>(what: impl Into<String>) -> Result<T, Misfit> {
    Err(Misfit::new(0, what))
}

impl Run {
    /// Takes in one more fact. After an error the run must not be used.
    ///
    /// # Errors
    /// [`Misfit`] if it cannot follow what is known; its place is not filled in.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Misfit> {
        if let Phase::Ended(ended) = &self.phase {
            return misfit(format!("{:?} after the run {}", entry.event, ended.outcome.word()));
        }
        match &entry.event {
            Event::Started(_) => misfit("a second `started`"),
            Event::Adopted => {
                self.adopt();
                Ok(())
            }
            Event::AttemptStarted { attempt, input } => self.attempt_started(*attempt, input.as_ref()),
            Event::EffectIntended { attempt, call, method, target } => {
                self.running(*attempt)?;
                let effects = &mut self.steps[attempt.step.at()].effects;
                effects.push(Effect {
                    attempt: attempt.number,
                    call: *call,
                    method: method.clone(),
                    target: target.clone(),
                    sent: entry.at,
                    answer: None,
                    response: None,
                });
                Ok(())
            }
            Event::EffectAnswered { attempt, call, status, response } => {
                self.running(*attempt)?;
                let mut effects = self.steps[attempt.step.at()].effects.iter_mut();
                match effects.find(|e| e.attempt == attempt.number && e.call == *call && e.answer.is_none()) {
                    Some(effect) => (effect.answer, effect.response) = (Some(*status), response.clone()),
                    None => return misfit(format!("an answer to call {call}, which was not sent")),
                }
                Ok(())
            }
            Event::AttemptEnded(ended) => self.attempt_ended(entry.at, ended),
            Event::RetryScheduled { step, direction, due } => self.retry_scheduled(*step, *direction, *due),
            Event::StepFailed { step, .. } => self.step_failed(*step),
            Event::CompensationStarted { cause } => match self.phase {
                Phase::Forward => {
                    self.phase = Phase::Backward(cause.clone());
                    Ok(())
                }
                Phase::Backward(_) | Phase::Ended(_) => misfit("a second start of the compensation"),
            },
            Event::CompensationOmitted { step, reason } => {
                let run = self.compensating(*step)?;
                if run.backward.state != TrackState::Idle || run.omitted.is_some() {
                    return misfit("a compensation left out that has begun");
                }
                run.omitted = Some(*reason);
                Ok(())
            }
            Event::CompensationFailed { step } => {
                let run = self.compensating(*step)?;
                match run.backward.state {
                    TrackState::Undecided(_) => {
                        run.backward.state = TrackState::GivenUp;
                        Ok(())
                    }
                    _ => misfit("a compensation given up that did not just fail"),
                }
            }
            Event::Ended { outcome, output, fault } => {
                self.phase = Phase::Ended(Ended { outcome: *outcome, at: entry.at, output: output.clone(), fault: fault.clone() });
                self.due = None;
                Ok(())
            }
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

    fn attempt_started(&mut self, attempt: AttemptRef, input: Option<&crate::payload::Payload>) -> Result<(), Misfit> {
        let step = self.known(attempt.step)?;
        let fits = match (attempt.direction, &self.phase) {
            (Direction::Forward, Phase::Forward) => step.after.iter().all(|s| self.step(*s).forward.state == TrackState::Done),
            (Direction::Backward, Phase::Backward(_)) => {
                self.step(attempt.step).may_have_effects() && self.step(attempt.step).omitted.is_none()
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
        *track = Track { attempts: attempt.number, state: TrackState::Running };
        if attempt.direction == Direction::Forward && attempt.number == 1 {
            (run.input, run.began) = (input.cloned(), Some(begun));
            self.begun += 1;
        }
        self.due = None;
        Ok(())
    }

    fn attempt_ended(&mut self, at: Timestamp, ended: &AttemptEnded) -> Result<(), Misfit> {
        let attempt = ended.attempt;
        let lost = matches!(ended.ending, Ending::Halted { halt: Halt::Lost, .. });
        let wanted = if lost { TrackState::Interrupted } else { TrackState::Running };
        let run = self.steps.get_mut(attempt.step.at()).ok_or_else(|| Misfit::new(0, "an attempt of a step that there is not"))?;
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
            run.doubt |= raises_doubt(&ended.ending, run.effects.iter().filter(|e| e.attempt == attempt.number));
            if let Ending::Ok { output } = &ended.ending {
                run.output = Some(output.clone());
            }
        }
        if !lost {
            self.caution = Caution::None;
        }
        Ok(())
    }

    fn retry_scheduled(&mut self, step: StepIndex, direction: Direction, due: Timestamp) -> Result<(), Misfit> {
        self.known(step)?;
        let track = self.steps[step.at()].track_mut(direction);
        if !matches!(track.state, TrackState::Undecided(_)) {
            return misfit(format!("a retry of a step where {track:?}"));
        }
        track.state = TrackState::Retrying(due);
        self.due = Some(self.due.map_or(due, |other| other.min(due)));
        Ok(())
    }

    fn step_failed(&mut self, step: StepIndex) -> Result<(), Misfit> {
        self.known(step)?;
        let track = &mut self.steps[step.at()].forward;
        match track.state {
            // Idle: its mapping failed before there was an attempt.
            TrackState::Idle | TrackState::Undecided(_) | TrackState::Retrying(_) => {
                track.state = TrackState::GivenUp;
                Ok(())
            }
            TrackState::Running | TrackState::Interrupted | TrackState::Done | TrackState::GivenUp => {
                misfit(format!("a step given up where {track:?}"))
            }
        }
    }

    fn known(&self, step: StepIndex) -> Result<&crate::definition::Step, Misfit> {
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

impl StepRun {
    fn track_mut(&mut self, direction: Direction) -> &mut Track {
        match direction {
            Direction::Forward => &mut self.forward,
            Direction::Backward => &mut self.backward,
        }
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
fn raises_doubt<'a>(ending: &Ending, effects: impl Iterator<Item = &'a Effect>) -> bool {
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
