//! Invariant 6: Attempts never exceed the policy, crashes included: by the facts, and by what guests really ran.

use super::{Checked, Invariant, broken, hold};
use crate::books::{RunBook, way};
use crate::sagas::Tries;
use amends_domain::event::{AttemptRef, Direction, Entry, Event};

/// How often a step may be tried; none where it may not at all.
fn tries(run: &RunBook, attempt: AttemptRef) -> Option<Tries> {
    let step = &run.saga.steps[attempt.step.at()];
    match attempt.direction {
        Direction::Forward => step.work().map(|_| step.forward),
        Direction::Backward => step.backward,
    }
}

/// A fact.
pub(crate) fn fact(run: &RunBook, entry: &Entry) -> Checked {
    match &entry.event {
        Event::AttemptStarted { attempt, .. } => {
            let deadline = run.deadlines()[way(attempt.direction)];
            hold(deadline.is_none_or(|deadline| entry.at < deadline), Invariant::Attempts, || {
                format!("{}: {attempt:?} starts at {}, behind the deadline {deadline:?}", run.id, entry.at.0)
            })?;
            started(run, *attempt)
        }
        Event::RetryScheduled { step, direction, due } => {
            let attempt = AttemptRef { step: *step, direction: *direction, number: 0 };
            let since = run.step(*step).since[way(*direction)];
            let end = tries(run, attempt).and_then(|tries| tries.total).zip(since).map(|(total, since)| since.plus(total));
            hold(end.is_none_or(|end| *due <= end), Invariant::Attempts, || {
                format!("{} step {}: another attempt at {due}, and the time for them ends at {end:?}", run.id, step.0)
            })
        }
        _ => Ok(()),
    }
}

fn started(run: &RunBook, attempt: AttemptRef) -> Checked {
    let (step, way) = (run.step(attempt.step), way(attempt.direction));
    let Some(tries) = tries(run, attempt) else {
        return broken(Invariant::Attempts, format!("{}: {attempt:?} of a step that has none that way", run.id));
    };
    let next = step.attempts[way] + 1;
    hold(attempt.number == next, Invariant::Attempts, || format!("{}: {attempt:?} where {next} is next", run.id))?;
    let counted = step.counted[way] + 1;
    hold(tries.attempts.is_none_or(|max| counted <= max), Invariant::Attempts, || {
        format!("{}: {attempt:?} is number {counted} of {tries:?}", run.id)
    })
}

/// A guest begins. `cautious`: the run was found open in this life, and no attempt of it has ended since: its start must be durable.
pub(crate) fn runs(run: Option<&RunBook>, attempt: AttemptRef, cautious: Caution) -> Checked {
    let (started, before) = run.map_or((0, 0), |run| {
        let (step, way) = (run.step(attempt.step), way(attempt.direction));
        (step.attempts[way], step.attempts_before[way])
    });
    hold(attempt.number > before, Invariant::Attempts, || format!("{attempt:?} runs again: it began in an earlier life"))?;
    let durable = attempt.number <= started;
    hold(durable || cautious == Caution::No, Invariant::Attempts, || {
        format!("{attempt:?} runs before its start is durable, though the host died before: it could do so for ever")
    })
}

/// Whether a start must be durable before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caution {
    Yes,
    No,
}
