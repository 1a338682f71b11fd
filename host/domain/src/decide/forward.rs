//! Doing: steps start when what they build on is over, failed attempts are repeated or given up, and the first step given up turns the
//! run around, unless the pivot is behind it: from there on a step that is given up waits for a person.

use super::{Command, StartAttempt, after_failure, wait, waits};
use crate::definition::{Node, Step, Uses, Wait};
use crate::event::{AttemptRef, Cause, Direction, Event, Fault, InFlight, Outcome};
use crate::expression::MAPPING_FAILED;
use crate::id::StepIndex;
use crate::payload::Payload;
use crate::run::{Run, StepRun, TrackState};
use crate::time::Timestamp;

pub(super) fn decide(run: &Run, now: Timestamp) -> Vec<Command> {
    let undecided = undecided(run);
    if !undecided.is_empty() {
        return undecided;
    }
    if run.wishes().paused {
        // A pause stops what is new. Who wants an end at once gets it.
        return if run.wishes().cancel == Some(InFlight::EndNow) { fences(run) } else { Vec::new() };
    }
    if now < run.begins_at() && run.wishes().cancel.is_none() {
        return vec![Command::WaitUntil(run.begins_at())];
    }
    // What was over before the deadline passed was over in time, however late the host looks.
    let over = waits::over(run, now, run.deadline().filter(|deadline| *deadline <= now));
    if !over.is_empty() {
        return over;
    }
    if let Some(turning) = turn_around(run, now) {
        return turning;
    }
    if run.is_through() {
        return vec![Command::Record(succeeded(run))];
    }
    if run.front().all(|(index, _)| run.is_dead_letter(index)) {
        return vec![stuck()];
    }
    go_on(run, now)
}

fn undecided(run: &Run) -> Vec<Command> {
    let verdicts = run.front().filter_map(|(index, step)| match (step.forward.state, run.definition().step(index).uses()) {
        (TrackState::Undecided(verdict), Some(uses)) => Some(after_failure(run, index, Direction::Forward, verdict, &uses.forward)),
        _ => None,
    });
    verdicts.collect()
}

/// What is to be done if the run must go back; none if it need not.
fn turn_around(run: &Run, now: Timestamp) -> Option<Vec<Command>> {
    let cause = cause(run, now)?;
    let pivot = run.definition().pivot.filter(|_| !run.is_past_pivot());
    let Some(pivot) = pivot else { return Some(vec![Command::Record(Event::CompensationStarted { cause })]) };
    // The pivot decides whether there is a way back, so it is waited for. It runs alone.
    let state = run.step(pivot).forward.state;
    let at_once = run.wishes().cancel == Some(InFlight::EndNow);
    if state == TrackState::Running {
        return Some(if at_once { fences(run) } else { Vec::new() });
    }
    if !run.is_held_by_pivot() {
        return Some(vec![Command::Record(Event::CompensationStarted { cause })]);
    }
    // It may have happened and cannot be taken back: there is no way back until it is known. It is tried until then, or until somebody
    // who cannot wait, or its last attempt, leaves it to a person.
    match state {
        TrackState::GivenUp => Some(vec![stuck()]),
        _ if at_once => Some(vec![Command::Record(Event::StepFailed { step: pivot, fault: None })]),
        _ => None,
    }
}

/// Why the run must go back.
fn cause(run: &Run, now: Timestamp) -> Option<Cause> {
    if run.is_past_pivot() {
        return None;
    }
    let given_up = run.front().find(|(_, step)| step.forward.state == TrackState::GivenUp);
    let deadline = || run.deadline().is_some_and(|deadline| now >= deadline);
    match (run.wishes().compensate, given_up) {
        (Some(from), _) => Some(Cause::Requested { from }),
        (None, Some((step, _))) => Some(Cause::StepFailed(step)),
        // Who was told that the run will be taken back was told so for good, also if its last step completed since.
        (None, None) if run.wishes().cancel.is_some() => Some(Cause::Cancelled),
        // The deadline of a run that is through is kept.
        (None, None) => (!run.is_through() && deadline()).then_some(Cause::DeadlinePassed),
    }
}

/// The end of all that runs.
fn fences(run: &Run) -> Vec<Command> {
    let running = run.front().filter(|(_, step)| step.forward.state == TrackState::Running);
    let attempts = running.map(|(step, state)| AttemptRef { step, direction: Direction::Forward, number: state.forward.attempts });
    attempts.map(Command::Fence).collect()
}

fn stuck() -> Command {
    Command::Record(Event::Ended { outcome: Outcome::Stuck, output: None, fault: None })
}

fn succeeded(run: &Run) -> Event {
    // The work is done and right; that its summary cannot be made is no reason to take it back.
    let (output, fault) = match run.definition().output.as_ref().map(|mapping| run.evaluate(mapping)) {
        None => (None, None),
        Some(Ok(output)) => (Some(output), None),
        Some(Err(fault)) => (None, Some(fault)),
    };
    Event::Ended { outcome: Outcome::Succeeded, output, fault }
}

/// What can start now; facts first, and alone.
fn go_on(run: &Run, now: Timestamp) -> Vec<Command> {
    let mut facts = Vec::new();
    let mut starts = Vec::new();
    for (index, state) in run.front().filter(|(_, state)| state.forward.state.is_ready(now)) {
        match next(run, index, state, now) {
            Next::Fact(event) => facts.push(Command::Record(event)),
            Next::Start(start) => starts.push(Command::Start(start)),
        }
    }
    if !facts.is_empty() {
        return facts;
    }
    starts.extend(wait(run.deadline().into_iter().chain(dues(run, now))));
    starts
}

fn dues(run: &Run, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    run.front().filter_map(move |(_, step)| match step.forward.state {
        TrackState::Retrying(due) if due > now => Some(due),
        TrackState::Waiting(due) => due,
        _ => None,
    })
}

/// What a step whose turn has come does first.
enum Next {
    Fact(Event),
    Start(StartAttempt),
}

fn next(run: &Run, index: StepIndex, state: &StepRun, now: Timestamp) -> Next {
    let step = run.definition().step(index);
    let failed = |fault| Next::Fact(Event::StepFailed { step: index, fault: Some(fault) });
    if state.forward.state == TrackState::Idle {
        match holds(run, step) {
            Ok(true) => {}
            Ok(false) => return Next::Fact(Event::StepSkipped { step: index }),
            Err(fault) => return failed(fault),
        }
    }
    match &step.node {
        Node::Wait(wait) => Next::Fact(begin(run, index, wait, now)),
        Node::Uses(uses) => match start(run, index, uses, state) {
            Ok(start) => Next::Start(start),
            Err(fault) => failed(fault),
        },
    }
}

fn begin(run: &Run, index: StepIndex, wait: &Wait, now: Timestamp) -> Event {
    waits::begin(run, index, wait, now)
}

/// Whether the step's condition holds.
fn holds(run: &Run, step: &Step) -> Result<bool, Fault> {
    let Some(when) = &step.when else { return Ok(true) };
    match run.evaluate(when)?.text().as_ref() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(Fault::new(MAPPING_FAILED, &format!("`when` gives {other}: it must give true or false"))),
    }
}

fn start(run: &Run, step: StepIndex, uses: &Uses, state: &StepRun) -> Result<StartAttempt, Fault> {
    let attempt = AttemptRef { step, direction: Direction::Forward, number: state.forward.attempts + 1 };
    let input = match (&state.input, &uses.input) {
        (Some(input), _) => input.clone(),
        (None, Some(mapping)) => run.evaluate(mapping)?,
        (None, None) => run.started().input.clone(),
    };
    Ok(StartAttempt { attempt, input, output: None, caution: run.caution() })
}

// Payloads are bytes of guests; what mappings give is JSON and so text.
impl Payload {
    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}
