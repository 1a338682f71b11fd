//! What a run keeps at hand, worked out from scratch: the front, the dead letters, whether it is through. Slow and plain, so that the
//! quick bookkeeping of `run/front.rs` can be compared with it after every fact.

use super::graph::Graph;
use super::world::{Checked, Rule, broken};
use amends_domain::definition::Order;
use amends_domain::event::{Direction, Outcome, Resolution};
use amends_domain::id::StepIndex;
use amends_domain::run::{Phase, Run, StepRun, TrackState};
use amends_domain::time::Timestamp;

/// Whether what is kept is what is found.
pub(crate) fn compare(graph: &Graph, run: &Run) -> Checked<()> {
    let kept: Vec<StepIndex> = run.front().map(|(step, _)| step).collect();
    let found = front(graph, run);
    if kept != found {
        return broken(Rule::Scratch, format!("the front is {kept:?}, from scratch it is {found:?}"));
    }
    let letters = u32::try_from(dead_letters(graph, run).count()).expect("few steps");
    // Of a run that was killed nothing is settled any more, so nobody is told of its dead letters.
    let told = if is_killed(run) { 0 } else { letters };
    if run.dead_letters() != letters || run.head().dead_letters != told {
        let kept = (run.dead_letters(), run.head().dead_letters);
        return broken(Rule::Scratch, format!("{kept:?} dead letters are counted and told, from scratch there are {letters}"));
    }
    let through = run.steps().all(|(_, step)| is_over(step));
    if run.is_through() != through {
        return broken(Rule::Scratch, format!("the run is through: {}, from scratch: {through}", run.is_through()));
    }
    Ok(())
}

/// Whether the run goes back, or did when it ended.
pub(crate) fn is_backward(run: &Run) -> bool {
    match run.phase() {
        Phase::Forward => false,
        Phase::Backward(_) => true,
        Phase::Ended(ended) => ended.cause.is_some(),
    }
}

/// Whether the run was killed.
pub(crate) fn is_killed(run: &Run) -> bool {
    matches!(run.phase(), Phase::Ended(ended) if ended.outcome == Outcome::Killed)
}

/// The steps that something can be done about.
fn front(graph: &Graph, run: &Run) -> Vec<StepIndex> {
    let all = run.steps();
    if !is_backward(run) {
        let free = |step: StepIndex| graph.definition.step(step).after.iter().all(|earlier| is_over(run.step(*earlier)));
        return all.filter(|(index, step)| !is_over(step) && free(*index)).map(|(index, _)| index).collect();
    }
    let parallel = graph.definition.compensation.order == Order::Parallel;
    let free = |step: StepIndex| {
        let has_begun = run.step(step).backward.state != TrackState::Idle;
        parallel || has_begun || graph.later(step).iter().all(|later| is_settled(run.step(*later)))
    };
    all.filter(|(index, step)| !is_settled(step) && free(*index)).map(|(index, _)| index).collect()
}

/// The steps that wait for a person.
pub(crate) fn dead_letters<'r>(graph: &'r Graph, run: &'r Run) -> impl Iterator<Item = StepIndex> + 'r {
    run.steps().filter(|(index, step)| is_dead_letter(graph, run, *index, step)).map(|(index, _)| index)
}

fn is_dead_letter(graph: &Graph, run: &Run, index: StepIndex, step: &StepRun) -> bool {
    if step.backward.state == TrackState::GivenUp {
        return true;
    }
    let Some(pivot) = graph.definition.pivot else { return false };
    let past = is_over(run.step(pivot));
    let doubtful = index == pivot && step.doubt && graph.definition.step(pivot).backward().is_none();
    step.forward.state == TrackState::GivenUp && !undone_by_hand(step) && (past || doubtful)
}

/// In which direction a dead letter is one.
pub(crate) fn way_of_dead_letter(run: &Run, step: StepIndex) -> Direction {
    match run.step(step).backward.state {
        TrackState::GivenUp => Direction::Backward,
        _ => Direction::Forward,
    }
}

/// Until when a step waits, if it does.
pub(crate) fn due_of_wait(run: &Run, step: StepIndex) -> Option<Timestamp> {
    match run.step(step).forward.state {
        TrackState::Waiting(due) => due,
        _ => None,
    }
}

fn is_over(step: &StepRun) -> bool {
    matches!(step.forward.state, TrackState::Done | TrackState::Skipped | TrackState::Resolved)
}

fn undone_by_hand(step: &StepRun) -> bool {
    step.forward.state == TrackState::GivenUp
        && step.settled.as_ref().is_some_and(|settled| settled.resolve.resolution == Resolution::Undone)
}

fn is_settled(step: &StepRun) -> bool {
    let never = matches!(step.forward.state, TrackState::Idle | TrackState::Skipped);
    let over = matches!(step.backward.state, TrackState::Done | TrackState::GivenUp | TrackState::Resolved);
    never || over || step.omitted.is_some() || step.stands || undone_by_hand(step)
}
