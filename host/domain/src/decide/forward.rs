//! Doing: steps start when what they build on is completed, failed attempts are repeated or given up, and the first step given up turns
//! the run around.

use super::{Command, StartAttempt, after_failure, wait};
use crate::definition::Step;
use crate::event::{AttemptRef, Cause, Direction, Event, Fault, Outcome};
use crate::id::StepIndex;
use crate::payload::Payload;
use crate::run::{Run, StepRun, TrackState};
use crate::time::Timestamp;

pub(super) fn decide(run: &Run, now: Timestamp) -> Vec<Command> {
    let undecided = undecided(run);
    if !undecided.is_empty() {
        return undecided;
    }
    if let Some(cause) = turns_around(run, now) {
        return vec![Command::Record(Event::CompensationStarted { cause })];
    }
    if run.steps().all(|(_, step)| step.forward.state == TrackState::Done) {
        return vec![Command::Record(succeeded(run))];
    }
    let starts: Vec<Result<StartAttempt, Event>> =
        ready(run, now).map(|(index, step, state)| start(run, index, step, state)).collect();
    // A mapping that failed is a fact; facts come alone.
    let failed: Vec<Command> = starts.iter().filter_map(|s| s.as_ref().err()).cloned().map(Command::Record).collect();
    if !failed.is_empty() {
        return failed;
    }
    let timer = wait(deadline(run).into_iter().chain(dues(run, now)));
    starts.into_iter().flatten().map(Command::Start).chain(timer).collect()
}

fn undecided(run: &Run) -> Vec<Command> {
    let indexed = run.definition().indexed();
    let verdicts = indexed.filter_map(|(index, step)| match run.step(index).forward.state {
        TrackState::Undecided(verdict) => Some(after_failure(run, index, Direction::Forward, verdict, &step.forward)),
        _ => None,
    });
    verdicts.collect()
}

fn turns_around(run: &Run, now: Timestamp) -> Option<Cause> {
    let given_up = run.steps().find(|(_, step)| step.forward.state == TrackState::GivenUp);
    match given_up {
        Some((step, _)) => Some(Cause::StepFailed(step)),
        None => deadline(run).filter(|deadline| now >= *deadline).map(|_| Cause::DeadlinePassed),
    }
}

fn deadline(run: &Run) -> Option<Timestamp> {
    run.definition().deadline.map(|span| run.started_at().plus(span))
}

fn succeeded(run: &Run) -> Event {
    // The work is done and right; that its summary cannot be made is no reason to take it back.
    let (output, fault) = match run.definition().output.as_ref().map(|mapping| mapping.evaluate(&run.scope())) {
        None => (None, None),
        Some(Ok(output)) => (Some(output), None),
        Some(Err(fault)) => (None, Some(fault)),
    };
    Event::Ended { outcome: Outcome::Succeeded, output, fault }
}

/// Steps whose next attempt can start now.
fn ready(run: &Run, now: Timestamp) -> impl Iterator<Item = (StepIndex, &Step, &StepRun)> {
    let indexed = run.definition().indexed().map(|(index, step)| (index, step, run.step(index)));
    indexed.filter(move |(_, step, state)| match state.forward.state {
        TrackState::Idle => step.after.iter().all(|s| run.step(*s).forward.state == TrackState::Done),
        TrackState::Retrying(due) => due <= now,
        TrackState::Running | TrackState::Interrupted | TrackState::Undecided(_) | TrackState::Done | TrackState::GivenUp => false,
    })
}

fn dues(run: &Run, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    run.steps().filter_map(move |(_, step)| match step.forward.state {
        TrackState::Retrying(due) if due > now => Some(due),
        _ => None,
    })
}

fn start(run: &Run, step: StepIndex, definition: &Step, state: &StepRun) -> Result<StartAttempt, Event> {
    let attempt = AttemptRef { step, direction: Direction::Forward, number: state.forward.attempts + 1 };
    let input = match &state.input {
        Some(input) => input.clone(),
        None => input(run, definition).map_err(|fault| Event::StepFailed { step, fault: Some(fault) })?,
    };
    Ok(StartAttempt { attempt, input, output: None, caution: run.caution() })
}

fn input(run: &Run, step: &Step) -> Result<Payload, Fault> {
    match &step.input {
        Some(mapping) => mapping.evaluate(&run.scope()),
        None => Ok(run.started().input.clone()),
    }
}
