//! How each demand changes a run. What follows from it is decided elsewhere, like what follows from any other fact.

use super::fold::{Misfit, misfit};
use super::step::Settled;
use super::{Phase, Run, TrackState};
use crate::digest::Digest;
use crate::event::{Author, Cause, Confirmation, Demand, Demanded, Direction, InFlight, Resolution, Resolve};
use crate::id::{SignalName, StepIndex};
use crate::payload::Payload;
use crate::time::Timestamp;

/// Most demands of a run that are taken from people who may be in a loop. Those that end or settle something are always taken.
pub const DEMANDS_MAX: u32 = 1000;
/// Most signals that wait for a step to take them.
pub const SIGNALS_MAX: usize = 16;

/// A signal that no wait has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Its name.
    pub name: SignalName,
    /// What the wait will give.
    pub payload: Payload,
    /// When it came.
    pub at: Timestamp,
}

impl Signal {
    /// Whether a wait for `name` that ends at `due` takes it. One that came too late changes nothing, whenever the host looks.
    pub(super) fn is_for(&self, name: &SignalName, due: Option<Timestamp>) -> bool {
        self.name == *name && due.is_none_or(|due| self.at < due)
    }
}

impl Run {
    /// What the demand with this key was, if there was one.
    pub fn demand_of_key(&self, key: &str) -> Option<Digest> {
        self.keys.get(key).copied()
    }

    /// How many demands were admitted.
    pub fn demands(&self) -> u32 {
        self.demands
    }

    /// How many signals wait to be taken.
    pub fn signals_len(&self) -> usize {
        self.signals.len()
    }

    pub(super) fn demanded(&mut self, at: Timestamp, demanded: &Demanded) -> Result<(), Misfit> {
        let Demanded { demand, by } = demanded;
        if let Some(key) = &by.key {
            self.keys.insert(key.clone(), demand.digest());
        }
        self.demands = self.demands.saturating_add(1);
        match demand {
            Demand::Cancel { in_flight } => self.cancelled(*in_flight),
            Demand::Pause => self.open().map(|()| self.wishes.paused = true),
            Demand::Resume => self.open().map(|()| self.wishes.paused = false),
            Demand::Signal { name, payload } => self.open().map(|()| {
                self.signals.push(Signal { name: name.clone(), payload: payload.clone(), at });
            }),
            Demand::Retry => self.open().map(|()| self.hurried(at)),
            Demand::Compensate { from } => self.reversed(*from),
            Demand::Redrive { step, component } => self.redriven(at, *step, *component),
            Demand::Resolve(resolve) => self.resolved(at, resolve, by),
            Demand::Kill => {
                self.reopen();
                self.wishes.kill = true;
                Ok(())
            }
        }
    }

    fn open(&self) -> Result<(), Misfit> {
        match &self.phase {
            Phase::Forward | Phase::Backward(_) => Ok(()),
            Phase::Ended(ended) => misfit(format!("a demand after the run {}", ended.outcome.word())),
        }
    }

    /// A run that ended goes on where it was.
    fn reopen(&mut self) {
        if let Phase::Ended(ended) = &self.phase {
            self.phase = ended.cause.clone().map_or(Phase::Forward, Phase::Backward);
        }
    }

    fn cancelled(&mut self, in_flight: InFlight) -> Result<(), Misfit> {
        self.open()?;
        self.wishes.cancel = self.wishes.cancel.max(Some(in_flight));
        Ok(())
    }

    fn hurried(&mut self, at: Timestamp) {
        for step in &mut self.steps {
            for track in [&mut step.forward, &mut step.backward] {
                if let TrackState::Retrying(due) = &mut track.state {
                    *due = at.min(*due);
                }
            }
        }
    }

    fn reversed(&mut self, from: Option<StepIndex>) -> Result<(), Misfit> {
        if !matches!(&self.phase, Phase::Ended(_)) || !self.is_through() || self.is_past_pivot() {
            return misfit("a run taken back that did not succeed or is past its pivot");
        }
        if let Some(from) = from {
            self.known(from)?;
        }
        self.wishes.compensate = Some(from);
        self.phase = Phase::Forward;
        Ok(())
    }

    fn redriven(&mut self, at: Timestamp, step: StepIndex, component: Option<Digest>) -> Result<(), Misfit> {
        let direction = self.dead(step)?;
        self.reopen();
        let run = &mut self.steps[step.at()];
        run.component = component.or(run.component);
        (run.fault, run.proposed) = (None, None);
        let track = run.track_mut(direction);
        // One that failed before its first attempt begins from the beginning: with its condition, or its wait.
        let state = if track.attempts == 0 { TrackState::Idle } else { TrackState::Retrying(at) };
        (track.counted, track.since, track.state) = (0, None, state);
        self.dead_letters -= 1;
        match direction {
            // Somebody wants it done: who wanted the run cancelled before must say so again.
            Direction::Forward => self.wishes.cancel = None,
            Direction::Backward => {
                self.backward_since = at;
                self.face_back();
            }
        }
        Ok(())
    }

    fn resolved(&mut self, at: Timestamp, resolve: &Resolve, by: &Author) -> Result<(), Misfit> {
        let step = resolve.step;
        let direction = self.dead(step)?;
        let run = &mut self.steps[step.at()];
        let mut settled = Settled { resolve: resolve.clone(), by: by.clone(), confirmed_by: None, at };
        match resolve.confirmation {
            Confirmation::NotNeeded => {}
            Confirmation::Awaited => {
                run.proposed = Some(Box::new(settled));
                return Ok(());
            }
            Confirmation::Given => match run.proposed.take() {
                None => return misfit("a confirmation of nothing"),
                Some(first) => settled = Settled { confirmed_by: Some(by.clone()), at, ..*first },
            },
        }
        run.settled = Some(Box::new(settled));
        self.dead_letters -= 1;
        self.reopen();
        match (direction, resolve.resolution) {
            (Direction::Backward, Resolution::Undone) => {
                self.steps[step.at()].backward.state = TrackState::Resolved;
                self.face_back();
                Ok(())
            }
            (Direction::Backward, Resolution::Done) => misfit("a compensation that failed and left its step done"),
            (Direction::Forward, Resolution::Done) => {
                let run = &mut self.steps[step.at()];
                run.forward.state = TrackState::Resolved;
                run.output = Some(resolve.output.clone().unwrap_or_else(Payload::null));
                self.passed(step);
                Ok(())
            }
            (Direction::Forward, Resolution::Undone) if self.is_past_pivot() => misfit("a step taken back after the pivot"),
            (Direction::Forward, Resolution::Undone) => {
                self.steps[step.at()].doubt = false;
                Ok(())
            }
        }
    }

    /// In which direction the step is a dead letter.
    fn dead(&self, step: StepIndex) -> Result<Direction, Misfit> {
        self.known(step)?;
        match &self.phase {
            Phase::Ended(ended) if ended.outcome == crate::event::Outcome::Killed => {
                return misfit("a demand after the run was killed");
            }
            Phase::Forward | Phase::Backward(_) | Phase::Ended(_) => {}
        }
        match self.step(step).backward.state {
            _ if !self.is_dead_letter(step) => misfit(format!("step {} waits for nobody", step.0)),
            TrackState::GivenUp => Ok(Direction::Backward),
            _ => Ok(Direction::Forward),
        }
    }

    /// The run turns around.
    pub(super) fn turned(&mut self, at: Timestamp, cause: &Cause) -> Result<(), Misfit> {
        if self.phase != Phase::Forward || self.is_past_pivot() {
            return misfit("a start of the compensation in a run that goes back already or is past its pivot");
        }
        if self.definition.pivot.is_some_and(|pivot| self.step(pivot).forward.state == TrackState::Running) {
            return misfit("a start of the compensation while the pivot runs");
        }
        let from = match cause {
            Cause::Requested { from } => *from,
            Cause::StepFailed(_) | Cause::DeadlinePassed | Cause::Cancelled => None,
        };
        self.wishes.compensate = None;
        self.backward_since = at;
        self.phase = Phase::Backward(cause.clone());
        self.turn(from);
        Ok(())
    }
}
