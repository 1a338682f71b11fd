//! What must be so for a run to be called succeeded, compensated, stuck or killed.

use super::memory::Backward;
use super::naive;
use super::rules::is_left;
use super::world::{Checked, Rule, World, broken};
use amends_domain::definition::OnStuck;
use amends_domain::event::Outcome;
use amends_domain::id::StepIndex;
/// The run is to be called what it is.
pub(crate) fn ended(world: &World<'_>, outcome: Outcome) -> Checked<()> {
    if let Some((attempt, _)) = world.running.first() {
        return broken(Rule::Truth, format!("the run is {} while {attempt:?} runs", outcome.word()));
    }
    let wanted = &world.memory.wanted;
    if wanted.kill.is_some() != (outcome == Outcome::Killed) {
        return broken(Rule::Demand, format!("the run is {}, killed by somebody: {}", outcome.word(), wanted.kill.is_some()));
    }
    match outcome {
        Outcome::Killed => Ok(()),
        Outcome::Succeeded | Outcome::Compensated | Outcome::Stuck if wanted.pause.is_some() => {
            broken(Rule::Demand, format!("the run is {} in a pause", outcome.word()))
        }
        Outcome::Succeeded => succeeded(world),
        Outcome::Compensated => compensated(world),
        Outcome::Stuck => stuck(world),
    }
}

fn succeeded(world: &World<'_>) -> Checked<()> {
    let (graph, memory) = (world.graph, &world.memory);
    for (step, _) in graph.definition.indexed() {
        if !memory.is_over(step) || memory.told.steps[step.at()].backward != Backward::Open {
            return broken(Rule::Truth, format!("succeeded with step {} not done", step.0));
        }
    }
    if memory.wanted.cancel.is_some() && !memory.is_past_pivot(graph) {
        return broken(Rule::Demand, "succeeded though it was cancelled");
    }
    if memory.wanted.scope.is_some() {
        return broken(Rule::Demand, "succeeded though it was to be taken back");
    }
    Ok(())
}

fn compensated(world: &World<'_>) -> Checked<()> {
    for (step, _) in world.graph.definition.indexed() {
        if is_left(world, step) {
            let status = world.run.status_of(step);
            return broken(Rule::Truth, format!("compensated with step {} {status}, which is not taken back", step.0));
        }
    }
    Ok(())
}

/// Some step needs a person, and nothing more can be done without one.
fn stuck(world: &World<'_>) -> Checked<()> {
    let (graph, run) = (world.graph, &world.run);
    let letters: Vec<StepIndex> = naive::dead_letters(graph, run).collect();
    if letters.is_empty() {
        return broken(Rule::Truth, "stuck without a dead letter");
    }
    let halted = graph.definition.compensation.on_stuck == OnStuck::Halt;
    for (step, state) in run.steps().filter(|(step, _)| !letters.contains(step)) {
        let left = if naive::is_backward(run) {
            // What has begun goes on to its end, even where a dead letter halts the rest.
            is_left(world, step) && (!halted || state.backward.attempts > 0)
        } else {
            !world.memory.is_over(step) && !letters.iter().any(|letter| graph.comes_after(step, *letter))
        };
        if left {
            return broken(Rule::Progress, format!("stuck though something can be done about step {}", step.0));
        }
    }
    Ok(())
}
