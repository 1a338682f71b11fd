//! What must hold when an attempt starts, sends or is ended, and when nothing is done: judged by the definition and by what really
//! happened. Apart from the world, so that the list can be read against the saga contract.

use super::graph::Graph;
use super::memory::{Backward, way};
use super::naive;
use super::world::{Checked, Rule, World, broken};
use amends_domain::decide::{Command, StartAttempt};
use amends_domain::definition::{Kind, Node, OnStuck, Order};
use amends_domain::event::{AttemptRef, Direction, InFlight};
use amends_domain::id::StepIndex;
use amends_domain::run::{Phase, TrackState};
use amends_domain::time::Timestamp;

/// What a head says of when a run needs somebody must hold for a host that finds nothing but the head.
pub(crate) fn due(world: &World<'_>, commands: &[Command]) -> Checked<()> {
    let due = world.run.head().due;
    if matches!(world.run.phase(), Phase::Ended(_)) || !world.running.is_empty() {
        return Ok(());
    }
    let now = commands.iter().any(|command| !matches!(command, Command::WaitUntil(_)));
    let next = commands.iter().find_map(|command| if let Command::WaitUntil(at) = command { Some(*at) } else { None });
    let right = if now { due.is_none_or(|due| due <= world.now) } else { due == Some(next.unwrap_or(Timestamp(u64::MAX))) };
    if right {
        Ok(())
    } else {
        broken(Rule::Progress, format!("the head says {due:?} where {commands:?} is to be done at {}", world.now.0))
    }
}

/// An attempt is about to start.
pub(crate) fn start(world: &World<'_>, start: &StartAttempt) -> Checked<()> {
    let attempt = start.attempt;
    let wanted = &world.memory.wanted;
    if wanted.pause.is_some() || wanted.kill.is_some() {
        return broken(Rule::Demand, format!("{attempt:?} starts in a run that is paused or killed"));
    }
    match attempt.direction {
        Direction::Forward => start_forward(world, attempt),
        Direction::Backward => start_backward(world, attempt),
    }
}

fn within_policy(world: &World<'_>, attempt: AttemptRef, attempts: Option<u32>) -> Checked<()> {
    let truth = world.memory.truth[attempt.step.at()];
    let counted = truth.executions[way(attempt.direction)] - truth.forgotten[way(attempt.direction)];
    if attempts.is_some_and(|attempts| counted >= attempts) {
        return broken(Rule::Attempts, format!("{attempt:?} is one too many after {counted}"));
    }
    match track_state(world, attempt) {
        TrackState::Retrying(due) if due > world.now => broken(Rule::Time, format!("{attempt:?} starts before it is due")),
        _ => Ok(()),
    }
}

pub(crate) fn track_state(world: &World<'_>, attempt: AttemptRef) -> TrackState {
    let step = world.run.step(attempt.step);
    match attempt.direction {
        Direction::Forward => step.forward.state,
        Direction::Backward => step.backward.state,
    }
}

fn start_forward(world: &World<'_>, attempt: AttemptRef) -> Checked<()> {
    let (graph, memory, step) = (world.graph, &world.memory, attempt.step);
    let Node::Uses(uses) = &graph.definition.step(step).node else {
        return broken(Rule::Kind, format!("{attempt:?} of a step that waits"));
    };
    within_policy(world, attempt, uses.forward.retry.attempts)?;
    let going_back = |at: usize| memory.told.steps[at].backward != Backward::Open || memory.truth[at].took_back;
    if (0..memory.truth.len()).any(going_back) {
        return broken(Rule::Fence, format!("{attempt:?} starts after a compensation"));
    }
    if graph.definition.step(step).after.iter().any(|earlier| !memory.is_over(*earlier)) {
        return broken(Rule::Order, format!("{attempt:?} starts before what it is built on is done"));
    }
    if graph.skips.contains(&step.0) || graph.unmapped.contains(&step.0) {
        return broken(Rule::Truth, format!("{attempt:?} starts though its condition or its input forbids it"));
    }
    if uses.kind == Kind::Pivot && !world.running.is_empty() {
        return broken(Rule::Pivot, "the pivot does not start alone");
    }
    if memory.wanted.cancel.is_some() && !memory.is_past_pivot(graph) && !is_undecided_pivot(world, step) {
        return broken(Rule::Demand, format!("{attempt:?} starts though the run is cancelled"));
    }
    if graph.begins.is_some_and(|begins| world.now < begins) {
        return broken(Rule::Time, format!("{attempt:?} starts before the run begins"));
    }
    if deadline_passed(world) && !is_undecided_pivot(world, step) {
        return broken(Rule::Time, format!("{attempt:?} starts after the deadline"));
    }
    Ok(())
}

/// Whether the step is the pivot, may have happened, and cannot be taken back: it is gone on with, whatever people and clocks say.
pub(crate) fn is_undecided_pivot(world: &World<'_>, step: StepIndex) -> bool {
    let definition = &world.graph.definition;
    definition.pivot == Some(step) && definition.step(step).backward().is_none() && world.memory.did(world.graph, step)
}

pub(crate) fn deadline_passed(world: &World<'_>) -> bool {
    let begins = world.graph.begins.unwrap_or(Timestamp(0));
    let passed = world.graph.definition.deadline.is_some_and(|span| begins.plus(span) <= world.now);
    passed && !world.memory.is_past_pivot(world.graph)
}

fn start_backward(world: &World<'_>, attempt: AttemptRef) -> Checked<()> {
    let (graph, memory, step) = (world.graph, &world.memory, attempt.step);
    let Some(policy) = graph.definition.step(step).backward() else {
        return broken(Rule::Kind, format!("step {} is taken back, which has no compensation", step.0));
    };
    within_policy(world, attempt, policy.retry.attempts)?;
    if memory.is_past_pivot(graph) {
        return broken(Rule::Pivot, format!("step {} is taken back past the pivot", step.0));
    }
    if let Some((running, _)) = world.running.iter().find(|(running, _)| running.direction == Direction::Forward) {
        return broken(Rule::Fence, format!("step {} is taken back while {running:?} runs", step.0));
    }
    if !memory.did(graph, step) {
        return broken(Rule::Truth, format!("step {} is taken back though it did nothing", step.0));
    }
    if !memory.is_in_scope(step) {
        return broken(Rule::Demand, format!("step {} is taken back, which nobody asked for", step.0));
    }
    if memory.is_taken_back(step) {
        return broken(Rule::Truth, format!("step {} is taken back twice", step.0));
    }
    let begins = world.run.step(step).backward.attempts == 0;
    if begins && graph.definition.compensation.on_stuck == OnStuck::Halt && naive::dead_letters(graph, &world.run).next().is_some()
    {
        return broken(Rule::Order, format!("step {} begins to be taken back though a dead letter halts the run", step.0));
    }
    match graph.later(step).iter().find(|later| is_in_the_way(world, **later)) {
        Some(later) if begins && graph.definition.compensation.order == Order::Reverse => {
            broken(Rule::Order, format!("step {} is taken back before step {}, which was built on it", step.0, later.0))
        }
        _ => Ok(()),
    }
}

/// Whether the step is still to be taken back before those that it was built on.
fn is_in_the_way(world: &World<'_>, step: StepIndex) -> bool {
    is_left(world, step) && world.run.step(step).backward.state != TrackState::GivenUp
}

/// Whether the step did something that is not taken back, and should be.
pub(crate) fn is_left(world: &World<'_>, step: StepIndex) -> bool {
    let (graph, memory) = (world.graph, &world.memory);
    let declared = graph.definition.step(step).backward().is_some();
    declared && memory.did(graph, step) && memory.is_in_scope(step) && !memory.is_taken_back(step)
}

/// A request left the host.
pub(crate) fn sent(world: &World<'_>, attempt: AttemptRef) -> Checked<()> {
    let (told, truth) = (world.memory.told.steps[attempt.step.at()], world.memory.truth[attempt.step.at()]);
    let taken_back = told.backward != Backward::Open || truth.took_back;
    if attempt.direction == Direction::Forward && taken_back {
        return broken(Rule::Fence, format!("{attempt:?} sends after its compensation began"));
    }
    Ok(())
}

/// An attempt is to be ended at once.
pub(crate) fn fence(world: &World<'_>, attempt: AttemptRef) -> Checked<()> {
    let wanted = &world.memory.wanted;
    let at_once = wanted.cancel == Some(InFlight::EndNow) && attempt.direction == Direction::Forward;
    if wanted.kill.is_some() || at_once {
        return Ok(());
    }
    broken(Rule::Demand, format!("{attempt:?} is ended, which nobody asked for"))
}

/// Nothing is to be done now: what runs may run, and if nothing does there is something to wait for.
pub(crate) fn at_rest(world: &World<'_>, commands: &[Command]) -> Checked<()> {
    let wanted = &world.memory.wanted;
    let ended = wanted.cancel == Some(InFlight::EndNow) && !world.memory.is_past_pivot(world.graph);
    for (attempt, _) in &world.running {
        if wanted.kill.is_some() || (ended && attempt.direction == Direction::Forward) {
            return broken(Rule::Demand, format!("{attempt:?} goes on though it was to be ended at once"));
        }
    }
    if wanted.pause.is_some() {
        return Ok(());
    }
    let waiting: Vec<StepIndex> = if naive::is_backward(&world.run) { Vec::new() } else { waiting(world).collect() };
    if let Some(step) = waiting.iter().find(|step| has_come(world, **step)) {
        return broken(Rule::Progress, format!("step {} waits for a signal that has come", step.0));
    }
    let timed = commands.iter().any(|command| matches!(command, Command::WaitUntil(_)));
    let for_ever = waiting.iter().any(|step| naive::due_of_wait(&world.run, *step).is_none());
    if world.running.is_empty() && !timed && !for_ever {
        return broken(Rule::Progress, "the run neither goes on nor waits for anything");
    }
    Ok(())
}

pub(crate) fn waiting(world: &World<'_>) -> impl Iterator<Item = StepIndex> {
    world.run.steps().filter(|(_, step)| matches!(step.forward.state, TrackState::Waiting(_))).map(|(index, _)| index)
}

/// Whether the signal came that the step waits for, and in time.
pub(crate) fn has_come(world: &World<'_>, step: StepIndex) -> bool {
    let name = world.graph.definition.step(step).signal();
    name.is_some_and(|name| world.memory.signal(name, naive::due_of_wait(&world.run, step)).is_some())
}

/// Whether the policy lets the step be tried for ever.
pub(crate) fn is_unlimited(graph: &Graph, attempt: AttemptRef) -> bool {
    let step = graph.definition.step(attempt.step);
    match attempt.direction {
        Direction::Forward => step.uses().is_some_and(|uses| uses.forward.retry.attempts.is_none()),
        Direction::Backward => step.backward().is_some_and(|policy| policy.retry.attempts.is_none()),
    }
}
