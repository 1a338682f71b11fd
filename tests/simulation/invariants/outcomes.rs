//! Invariant 3: An outcome says what is so: by the facts, and by what the world outside has that nobody took back.

use super::{Checked, Invariant, broken, hold};
use crate::books::{Backward, Forward, RunBook, StepBook, index};
use crate::outside::Outside;
use crate::sagas::{Node, Work};
use amends_domain::definition::Kind;
use amends_domain::event::{Event, Omission, Outcome};
use amends_domain::id::StepIndex;

/// A fact.
pub(crate) fn fact(run: &RunBook, event: &Event, outside: &Outside) -> Checked {
    match event {
        Event::CompensationOmitted { step, reason } => omitted(run, *step, *reason, outside),
        Event::Ended { outcome, .. } => ended(run, *outcome, outside),
        _ => Ok(()),
    }
}

fn omitted(run: &RunBook, step: StepIndex, reason: Omission, outside: &Outside) -> Checked {
    let (book, saga) = (run.step(step), &run.saga.steps[step.at()]);
    let right = match (reason, &saga.node) {
        (Omission::OnlyWaited, Node::Wait(_)) => true,
        (Omission::NotDeclared, Node::Work(_)) => saga.backward.is_none(),
        (Omission::ProvenClean, Node::Work(_)) => {
            saga.kind == Kind::ReadOnly || (!book.doubt && book.forward != Forward::Done && !outside.has_left(run.id, step))
        }
        (Omission::OnlyWaited, Node::Work(_)) | (Omission::NotDeclared | Omission::ProvenClean, Node::Wait(_)) => false,
    };
    hold(right, Invariant::Outcome, || {
        format!("{}: step {} is not taken back because it is {reason:?}: {book:?}, {}", run.id, step.0, outside.left(run.id))
    })
}

fn ended(run: &RunBook, outcome: Outcome, outside: &Outside) -> Checked {
    let open = run.steps.iter().find_map(|step| step.open);
    hold(open.is_none(), Invariant::Outcome, || format!("{} is {} while {open:?} runs", run.id, outcome.word()))?;
    let wrong = |what: String| broken(Invariant::Outcome, format!("{} is {}: {what}", run.id, outcome.word()));
    match outcome {
        Outcome::Succeeded if run.turned.is_some() => wrong("it goes back".to_owned()),
        Outcome::Succeeded => match run.steps.iter().enumerate().find_map(|(at, step)| not_done(run, at, step, outside)) {
            Some(what) => wrong(what),
            None => Ok(()),
        },
        Outcome::Compensated => match (0..run.steps.len()).find_map(|at| not_compensated(run, at, outside)) {
            Some(what) => wrong(what),
            None if run.turned.is_none() => wrong("it never went back".to_owned()),
            None => Ok(()),
        },
        Outcome::Stuck if run.dead_letters().next().is_none() => wrong("nothing waits for a person".to_owned()),
        Outcome::Killed if !run.killed => wrong("nobody demanded it".to_owned()),
        Outcome::Stuck | Outcome::Killed => Ok(()),
    }
}

/// Why a step of a run that succeeded is not done.
fn not_done(run: &RunBook, at: usize, step: &StepBook, outside: &Outside) -> Option<String> {
    if !step.is_over() {
        return Some(format!("step {at} is not over: {step:?}"));
    }
    let sent = step.forward == Forward::Done && run.saga.steps[at].work().is_some_and(Work::sends);
    (sent && !outside.has_left(run.id, index(at))).then(|| format!("what step {at} should have sent is not there: {step:?}"))
}

/// Why a step of a compensated run is not.
fn not_compensated(run: &RunBook, at: usize, outside: &Outside) -> Option<String> {
    let (step, saga) = (&run.steps[at], &run.saga.steps[at]);
    if !step.is_settled() || step.backward == Backward::DeadLetter {
        return Some(format!("step {at} is not settled: {step:?}"));
    }
    let left = outside.has_left(run.id, index(at));
    let may_stay = step.stands || saga.backward.is_none();
    (left && !may_stay).then(|| describe(at, step, &outside.left(run.id)))
}

fn describe(at: usize, step: &StepBook, left: &str) -> String {
    format!("what step {at} did outside is still there: {left}: {step:?}")
}
