//! Invariant 4: Order respects the graph: forward a step starts when all that it comes after is over, backward when all that was built on it is
//! settled.

use super::{Checked, Invariant, broken, hold};
use crate::books::{RunBook, StepBook};
use amends_domain::definition::{OnStuck, Order};
use amends_domain::event::{Direction, Event};
use amends_domain::id::StepIndex;

/// A fact.
pub(crate) fn fact(run: &RunBook, event: &Event) -> Checked {
    match event {
        Event::AttemptStarted { attempt, .. } => match attempt.direction {
            Direction::Forward => forward(run, attempt.step),
            Direction::Backward => backward(run, attempt.step),
        },
        Event::WaitStarted { step, .. } | Event::StepSkipped { step } => forward(run, *step),
        _ => Ok(()),
    }
}

fn forward(run: &RunBook, step: StepIndex) -> Checked {
    let early = run.saga.steps[step.at()].after.iter().find(|earlier| !run.steps[**earlier].is_over());
    hold(early.is_none(), Invariant::Order, || format!("{}: step {} starts, and step {early:?} is not over", run.id, step.0))
}

fn backward(run: &RunBook, step: StepIndex) -> Checked {
    if run.is_past_pivot() {
        return broken(Invariant::Order, format!("{}: step {} is taken back past the pivot", run.id, step.0));
    }
    if run.step(step).attempts[1] > 0 {
        return Ok(());
    }
    let halted = run.saga.on_stuck == OnStuck::Halt && run.dead_letters().next().is_some();
    hold(!halted, Invariant::Order, || format!("{}: step {} begins to be taken back where a dead letter halts", run.id, step.0))?;
    let in_the_way = |(later, book): &(usize, &StepBook)| run.saga.comes_after(*later, step.at()) && !book.is_settled();
    let late = run.steps.iter().enumerate().find(in_the_way).map(|(later, _)| later);
    hold(run.saga.order == Order::Parallel || late.is_none(), Invariant::Order, || {
        format!("{}: step {} is taken back before step {late:?}, which was built on it", run.id, step.0)
    })
}
