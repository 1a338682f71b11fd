//! Making amends: what may have had effects is taken back, what was built last first, and nothing is called compensated that is not.

use super::{Command, StartAttempt, after_failure, wait};
use crate::definition::{Kind, Node, OnStuck};
use crate::event::{AttemptRef, Direction, Event, InFlight, Omission, Outcome};
use crate::id::StepIndex;
use crate::run::{Run, StepRun, TrackState};
use crate::time::Timestamp;

pub(super) fn decide(run: &Run, now: Timestamp) -> Vec<Command> {
    let verdicts = facts(run, verdict);
    if !verdicts.is_empty() {
        return verdicts;
    }
    let needless = if run.wishes().paused { Vec::new() } else { facts(run, needless) };
    if !needless.is_empty() {
        return needless;
    }
    // Knowing what happened beats being quick: nothing is taken back while an attempt forward is still running somewhere.
    let running: Vec<AttemptRef> = run.front().filter_map(|(index, step)| forward_running(index, step)).collect();
    if !running.is_empty() {
        let at_once = run.wishes().cancel == Some(InFlight::EndNow);
        return running.into_iter().filter(|_| at_once).map(Command::Fence).collect();
    }
    if run.wishes().paused {
        return Vec::new();
    }
    go_on(run, now)
}

fn go_on(run: &Run, now: Timestamp) -> Vec<Command> {
    let late: Vec<Command> = late(run, now).map(|step| Command::Record(Event::CompensationFailed { step })).collect();
    if !late.is_empty() {
        return late;
    }
    // Halted: nothing new begins. What has begun goes on to its end, so that a stuck run has only steps that are over or wait for a person.
    let halted = run.definition().compensation.on_stuck == OnStuck::Halt && run.dead_letters() > 0;
    let mut left = run.front().filter(|(_, step)| !halted || step.backward.state != TrackState::Idle).peekable();
    if left.peek().is_none() {
        let outcome = if run.dead_letters() > 0 { Outcome::Stuck } else { Outcome::Compensated };
        return vec![Command::Record(Event::Ended { outcome, output: None, fault: None })];
    }
    let starts =
        left.filter(|(_, step)| step.backward.state.is_ready(now)).map(|(index, step)| Command::Start(start(run, index, step)));
    // What runs when the time is over may end: there is nothing to wait for but its end.
    let deadline = run.compensation_deadline().filter(|deadline| *deadline > now);
    starts.chain(wait(deadline.into_iter().chain(dues(run, now)))).collect()
}

fn facts(run: &Run, fact: fn(&Run, StepIndex, &StepRun) -> Option<Event>) -> Vec<Command> {
    run.front().filter_map(|(index, step)| fact(run, index, step)).map(Command::Record).collect()
}

/// What follows from the end of an attempt.
fn verdict(run: &Run, index: StepIndex, step: &StepRun) -> Option<Event> {
    match (step.forward.state, step.backward.state) {
        // No more attempts forward: what is known by now decides.
        (TrackState::Undecided(_), _) => Some(Event::StepFailed { step: index, fault: None }),
        (_, TrackState::Undecided(verdict)) => {
            let policy = run.definition().step(index).backward().expect("a step without a compensation has no attempt backward");
            match after_failure(run, index, Direction::Backward, verdict, &policy) {
                Command::Record(event) => Some(event),
                Command::Start(_) | Command::WaitUntil(_) | Command::Fence(_) => None,
            }
        }
        _ => None,
    }
}

/// What is not to be waited for, and not to be taken back.
fn needless(run: &Run, index: StepIndex, step: &StepRun) -> Option<Event> {
    match (step.forward.state, step.backward.state) {
        (TrackState::Waiting(_), _) => Some(omitted(index, Omission::OnlyWaited)),
        (TrackState::Retrying(_), _) => Some(Event::StepFailed { step: index, fault: None }),
        (TrackState::Done | TrackState::GivenUp, TrackState::Idle) => {
            omission(run.definition().step(index), step).map(|reason| omitted(index, reason))
        }
        _ => None,
    }
}

fn omitted(step: StepIndex, reason: Omission) -> Event {
    Event::CompensationOmitted { step, reason }
}

/// Why a step in its turn needs no compensation; none if it does.
fn omission(definition: &crate::definition::Step, step: &StepRun) -> Option<Omission> {
    match &definition.node {
        Node::Wait(_) => Some(Omission::OnlyWaited),
        Node::Uses(uses) if uses.kind == Kind::ReadOnly || !step.may_have_effects() => Some(Omission::ProvenClean),
        Node::Uses(uses) if uses.backward.is_none() => Some(Omission::NotDeclared),
        Node::Uses(_) => None,
    }
}

fn forward_running(index: StepIndex, step: &StepRun) -> Option<AttemptRef> {
    let running = step.forward.state == TrackState::Running;
    running.then_some(AttemptRef { step: index, direction: Direction::Forward, number: step.forward.attempts })
}

/// The steps for which the time of the whole way back is over.
fn late(run: &Run, now: Timestamp) -> impl Iterator<Item = StepIndex> {
    let passed = run.compensation_deadline().is_some_and(|deadline| deadline <= now);
    let open = |state| matches!(state, TrackState::Idle | TrackState::Retrying(_));
    run.front().filter(move |(_, step)| passed && open(step.backward.state)).map(|(index, _)| index)
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
    run.front().filter_map(move |(_, step)| match step.backward.state {
        TrackState::Retrying(due) if due > now => Some(due),
        _ => None,
    })
}
