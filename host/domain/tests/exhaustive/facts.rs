//! What must be so for a fact to be decided.

use super::rules::{deadline_passed, has_come, is_undecided_pivot, track_state, waiting};
use super::world::{Checked, Rule, World, broken};
use super::{naive, outcomes};
use amends_domain::definition::{Node, OnTimeout, Wait};
use amends_domain::event::{Cause, Direction, Ending, Event, Halt, InFlight, Omission, WaitEnd};
use amends_domain::id::StepIndex;
use amends_domain::run::{TrackState, Verdict};
use amends_domain::time::Timestamp;
/// A fact was decided.
pub(crate) fn fact(world: &World<'_>, event: &Event) -> Checked<()> {
    let stands_still = world.memory.wanted.pause.is_some() && world.memory.wanted.kill.is_none();
    let right = match event {
        Event::AttemptEnded(ended) => {
            let lost = matches!(ended.ending, Ending::Halted { halt: Halt::Lost, .. });
            let state = track_state(world, ended.attempt);
            return if lost && state == TrackState::Interrupted {
                Ok(())
            } else {
                broken(Rule::Truth, format!("{event:?} is made up"))
            };
        }
        Event::RetryScheduled { step, direction, due } => return retry(world, *step, *direction, *due),
        Event::StepFailed { step, .. } => return given_up(world, *step),
        Event::CompensationFailed { step } => return compensation_given_up(world, *step),
        Event::CompensationOmitted { step, reason } => return omitted(world, *step, *reason),
        Event::StepSkipped { step } if !world.graph.skips.contains(&step.0) => {
            return broken(Rule::Truth, format!("step {} is skipped though its condition holds", step.0));
        }
        Event::StepSkipped { .. } => true,
        Event::WaitStarted { step, due } => wait_started(world, *step, *due),
        Event::WaitEnded { step, end } => wait_ended(world, *step, *end),
        Event::CompensationStarted { cause } => turned(world, cause)?,
        Event::Ended { outcome, .. } => return outcomes::ended(world, *outcome),
        Event::Started(_)
        | Event::Adopted
        | Event::Delayed { .. }
        | Event::AttemptStarted { .. }
        | Event::EffectIntended { .. }
        | Event::EffectAnswered { .. }
        | Event::Demanded(_) => false,
    };
    match (right, stands_still) {
        (false, _) => broken(Rule::Time, format!("{event:?} is not so at {}", world.now.0)),
        (true, true) => broken(Rule::Demand, format!("{event:?} in a run that is paused")),
        (true, false) => Ok(()),
    }
}

fn retry(world: &World<'_>, step: StepIndex, direction: Direction, due: Timestamp) -> Checked<()> {
    let state = world.run.step(step);
    let (track, policy) = match direction {
        Direction::Forward => (state.forward, world.graph.definition.step(step).uses().map(|uses| uses.forward)),
        Direction::Backward => (state.backward, world.graph.definition.step(step).backward()),
    };
    let initial = policy.map(|policy| policy.retry.initial);
    match (track.state, initial) {
        (TrackState::Undecided(Verdict::Retryable { ended, .. }), Some(initial)) if due >= ended.plus(initial) => Ok(()),
        _ => broken(Rule::Time, format!("a retry of step {} at {} where {track:?}", step.0, due.0)),
    }
}

/// A step is given up only when its attempts are used up, or there is no use in more, or its time is over.
fn given_up(world: &World<'_>, step: StepIndex) -> Checked<()> {
    let (graph, run) = (world.graph, &world.run);
    let truth = world.memory.truth[step.at()];
    let counted = truth.executions[0] - truth.forgotten[0];
    let right = match (run.step(step).forward.state, &graph.definition.step(step).node) {
        _ if naive::is_backward(run) => true,
        (TrackState::Undecided(Verdict::Final), _) => true,
        (TrackState::Undecided(_), Node::Uses(uses)) => uses.forward.retry.attempts.is_some_and(|attempts| counted >= attempts),
        (TrackState::Idle, _) => graph.unmapped.contains(&step.0),
        (TrackState::Waiting(due), Node::Wait(Wait::Signal { on_timeout: OnTimeout::Fail, .. })) => {
            due.is_some_and(|due| due <= world.now) && !has_come(world, step)
        }
        // Its guest was ended because somebody could not wait: that is the end of trying, too.
        (TrackState::Retrying(_), _) => {
            graph.definition.pivot == Some(step) && world.memory.wanted.cancel == Some(InFlight::EndNow)
        }
        _ => false,
    };
    let paused = world.memory.wanted.pause.is_some();
    match run.step(step).forward.state {
        TrackState::Waiting(_) if !naive::is_backward(run) && !is_in_turn(world, step) => {
            broken(Rule::Time, format!("step {} is given up out of turn", step.0))
        }
        _ if !right => broken(Rule::Attempts, format!("step {} is given up too soon", step.0)),
        TrackState::Waiting(_) | TrackState::Idle if paused && !naive::is_backward(run) => {
            broken(Rule::Demand, format!("step {} is given up in a run that is paused", step.0))
        }
        _ => Ok(()),
    }
}

fn compensation_given_up(world: &World<'_>, step: StepIndex) -> Checked<()> {
    let truth = world.memory.truth[step.at()];
    let counted = truth.executions[1] - truth.forgotten[1];
    let late = world.run.compensation_deadline().is_some_and(|deadline| deadline <= world.now);
    let attempts = world.graph.definition.step(step).backward().and_then(|policy| policy.retry.attempts);
    let right = match world.run.step(step).backward.state {
        TrackState::Undecided(Verdict::Final) => true,
        TrackState::Undecided(_) => attempts.is_some_and(|attempts| counted >= attempts) || late,
        TrackState::Idle | TrackState::Retrying(_) => late,
        _ => false,
    };
    if right { Ok(()) } else { broken(Rule::Attempts, format!("the compensation of step {} is given up too soon", step.0)) }
}

fn omitted(world: &World<'_>, step: StepIndex, reason: Omission) -> Checked<()> {
    let definition = world.graph.definition.step(step);
    let right = match reason {
        Omission::ProvenClean => definition.uses().is_some() && !world.memory.did(world.graph, step),
        Omission::NotDeclared => definition.uses().is_some() && definition.backward().is_none(),
        Omission::OnlyWaited => definition.uses().is_none(),
    };
    if right {
        Ok(())
    } else {
        broken(Rule::Truth, format!("step {} is not taken back because it is {reason:?}, which is not so", step.0))
    }
}

fn wait_started(world: &World<'_>, step: StepIndex, due: Option<Timestamp>) -> bool {
    let right = match &world.graph.definition.step(step).node {
        Node::Wait(Wait::For(span)) => due == Some(world.now.plus(*span)),
        Node::Wait(Wait::Signal { timeout, .. }) => due == timeout.map(|span| world.now.plus(span)),
        Node::Wait(Wait::Until(_)) => due.is_some(),
        Node::Uses(_) => false,
    };
    let after = &world.graph.definition.step(step).after;
    right && !world.graph.skips.contains(&step.0) && after.iter().all(|earlier| world.memory.is_over(*earlier))
}

fn wait_ended(world: &World<'_>, step: StepIndex, end: WaitEnd) -> bool {
    let TrackState::Waiting(due) = world.run.step(step).forward.state else { return false };
    let expired = due.is_some_and(|due| due <= world.now);
    is_in_turn(world, step)
        && match (&world.graph.definition.step(step).node, end) {
            (Node::Wait(Wait::For(_) | Wait::Until(_)), WaitEnd::Elapsed) => expired,
            (Node::Wait(Wait::Signal { .. }), WaitEnd::Signalled) => has_come(world, step),
            (Node::Wait(Wait::Signal { on_timeout: OnTimeout::Continue, .. }), WaitEnd::TimedOut) => {
                expired && !has_come(world, step)
            }
            _ => false,
        }
}

/// When the wait of a step was over, if it is.
fn over_at(world: &World<'_>, step: StepIndex) -> Option<Timestamp> {
    let due = naive::due_of_wait(&world.run, step);
    let name = world.graph.definition.step(step).signal();
    let came = name.and_then(|name| world.memory.signal(name, due)).map(|signal| world.memory.told.signals[signal].1);
    came.or(due.filter(|due| *due <= world.now))
}

/// Whether no wait was over before this one: a host that slept through several finds them in the order of their instants.
fn is_in_turn(world: &World<'_>, step: StepIndex) -> bool {
    let mine = over_at(world, step);
    waiting(world)
        .filter(|other| *other != step)
        .filter_map(|other| over_at(world, other))
        .all(|other| mine.is_some_and(|mine| mine <= other))
}

fn turned(world: &World<'_>, cause: &Cause) -> Checked<bool> {
    if world.memory.is_past_pivot(world.graph) {
        return broken(Rule::Pivot, "the run turns around past its pivot");
    }
    if world.graph.definition.pivot.is_some_and(|pivot| is_undecided_pivot(world, pivot)) {
        return broken(Rule::Pivot, "the run turns around though its pivot may have happened and cannot be taken back");
    }
    if world.running.iter().any(|(running, _)| world.graph.definition.pivot == Some(running.step)) {
        return broken(Rule::Pivot, "the run turns around while its pivot runs");
    }
    let deadline = world.run.deadline().filter(|_| *cause == Cause::DeadlinePassed);
    let in_time = |step| over_at(world, step).is_some_and(|at| deadline.is_some_and(|deadline| at <= deadline));
    if let Some(step) = waiting(world).find(|step| in_time(*step)) {
        return broken(Rule::Time, format!("the deadline comes before step {}, whose wait was over in time", step.0));
    }
    let wanted = &world.memory.wanted;
    let right = match cause {
        Cause::StepFailed(step) => world.run.step(*step).forward.state == TrackState::GivenUp,
        Cause::DeadlinePassed => deadline_passed(world) && !world.run.is_through(),
        Cause::Cancelled => wanted.cancel.is_some(),
        Cause::Requested { .. } => world.run.is_through(),
    };
    if right { Ok(true) } else { broken(Rule::Demand, format!("the run turns around for a cause that is not so: {cause:?}")) }
}
