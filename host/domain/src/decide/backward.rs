//! Making amends: what may have had effects is taken back, what was built last first, and nothing is called compensated that is not.

use super::{Command, StartAttempt, after_failure, wait};
use crate::definition::{OnStuck, Order};
use crate::event::{AttemptRef, Direction, Event, Omission, Outcome};
use crate::id::StepIndex;
use crate::run::{Run, StepRun, TrackState};
use crate::time::Timestamp;

pub(super) fn decide(run: &Run, now: Timestamp) -> Vec<Command> {
    let facts: Vec<Command> = run.steps().filter_map(|(index, step)| fact(run, index, step)).collect();
    if !facts.is_empty() {
        return facts;
    }
    // Knowing what happened beats being quick: nothing is taken back while an attempt forward is still running somewhere.
    if run.steps().any(|(_, step)| step.forward.state == TrackState::Running) {
        return Vec::new();
    }
    let halted =
        run.definition().on_stuck == OnStuck::Halt && run.steps().any(|(_, step)| step.backward.state == TrackState::GivenUp);
    let idle = run.steps().all(|(_, step)| step.backward.state != TrackState::Running);
    if run.steps().all(|(_, step)| step.is_settled()) || (halted && idle) {
        return vec![Command::Record(Event::Ended { outcome: outcome(run), output: None, fault: None })];
    }
    if halted {
        return Vec::new();
    }
    let starts = run
        .steps()
        .filter(|(index, step)| is_ready(run, *index, step, now))
        .map(|(index, step)| Command::Start(start(run, index, step)));
    starts.chain(wait(dues(run, now))).collect()
}

/// What is to be noted about a step before anything is started.
fn fact(run: &Run, index: StepIndex, step: &StepRun) -> Option<Command> {
    let backward = run.definition().step(index).backward;
    match (step.forward.state, step.backward.state) {
        // No more attempts forward: what is known by now decides.
        (TrackState::Undecided(_) | TrackState::Retrying(_), _) => {
            Some(Command::Record(Event::StepFailed { step: index, fault: None }))
        }
        (_, TrackState::Undecided(verdict)) => {
            let policy = backward.expect("a step without a compensation has no attempt backward");
            Some(after_failure(run, index, Direction::Backward, verdict, &policy))
        }
        (TrackState::Done | TrackState::GivenUp, TrackState::Idle) if step.omitted.is_none() => {
            let reason = match backward {
                _ if !step.may_have_effects() => Omission::ProvenClean,
                // In its turn: a step without a compensation still stands between what was built on it and what it was built on.
                None if is_free(run, index) => Omission::NotDeclared,
                None | Some(_) => return None,
            };
            Some(Command::Record(Event::CompensationOmitted { step: index, reason }))
        }
        _ => None,
    }
}

fn is_ready(run: &Run, index: StepIndex, step: &StepRun, now: Timestamp) -> bool {
    match step.backward.state {
        TrackState::Idle => !step.is_settled() && is_free(run, index),
        TrackState::Retrying(due) => due <= now,
        TrackState::Running | TrackState::Interrupted | TrackState::Undecided(_) | TrackState::Done | TrackState::GivenUp => false,
    }
}

/// Whether everything that was built on the step is settled.
fn is_free(run: &Run, index: StepIndex) -> bool {
    match run.definition().order {
        Order::Parallel => true,
        Order::Reverse => run.definition().step(index).before.iter().all(|later| run.step(*later).is_settled()),
    }
}

fn start(run: &Run, index: StepIndex, step: &StepRun) -> StartAttempt {
    StartAttempt {
        attempt: AttemptRef { step: index, direction: Direction::Backward, number: step.backward.attempts + 1 },
        input: step.input.clone().unwrap_or_default(),
        output: step.output.clone(),
        caution: run.caution(),
    }
}

fn dues(run: &Run, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    run.steps().filter_map(move |(_, step)| match step.backward.state {
        TrackState::Retrying(due) if due > now => Some(due),
        _ => None,
    })
}

fn outcome(run: &Run) -> Outcome {
    let stuck = run.steps().any(|(_, step)| !step.is_settled() || step.backward.state == TrackState::GivenUp);
    if stuck { Outcome::Stuck } else { Outcome::Compensated }
}
