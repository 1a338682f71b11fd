//! Invariant 1: No effect without a durable intent before it left the host. Invariant 2: no forward effect of a step after its compensation began.

use super::{Checked, Invariant, broken, hold};
use crate::books::RunBook;
use crate::outside::Request;
use amends_domain::event::{AttemptRef, Direction, Event};

/// A request leaves the host. `taken_back`: a guest has begun to take the step back, as far as this life of the host knows.
pub(crate) fn leaves(run: Option<&RunBook>, request: &Request, taken_back: TakenBack) -> Checked {
    let Request { attempt, call, method, target, .. } = request;
    let Some(run) = run else {
        return broken(Invariant::DurableIntent, format!("{attempt:?} sends, and its run is not durable"));
    };
    let intents = &run.step(attempt.step).intents;
    let found = intents
        .iter()
        .any(|intent| intent.attempt == *attempt && intent.call == *call && (&intent.method, &intent.target) == (method, target));
    hold(found, Invariant::DurableIntent, || {
        format!("{}: {attempt:?} sends {method} {target}, and its intent is not durable", run.id)
    })?;
    let begun = taken_back == TakenBack::Begun || run.step(attempt.step).attempts[1] > 0;
    hold(attempt.direction == Direction::Backward || !begun, Invariant::NoLateEffect, || {
        format!("{}: {attempt:?} sends {method} {target} after its compensation began", run.id)
    })
}

/// Whether the compensation of a step has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TakenBack {
    Begun,
    Not,
}

/// A fact: forward before the run turns around, backward after, and never both at once.
pub(crate) fn fact(run: &RunBook, event: &Event) -> Checked {
    let Event::AttemptStarted { attempt, .. } = event else { return Ok(()) };
    match attempt.direction {
        Direction::Forward => hold(run.turned.is_none(), Invariant::NoLateEffect, || {
            format!("{}: {attempt:?} starts in a run that goes back", run.id)
        }),
        Direction::Backward => fenced(run, *attempt),
    }
}

fn fenced(run: &RunBook, attempt: AttemptRef) -> Checked {
    hold(run.turned.is_some(), Invariant::NoLateEffect, || format!("{}: {attempt:?} starts in a run that goes forward", run.id))?;
    let forward = run.steps.iter().filter_map(|step| step.open).find(|open| open.direction == Direction::Forward);
    hold(forward.is_none(), Invariant::NoLateEffect, || format!("{}: {attempt:?} starts while {forward:?} runs", run.id))
}
