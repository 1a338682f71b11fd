//! Invariant 7: Every run reaches an outcome or a recorded reason to wait, whatever single thing fails.

use super::{Checked, Invariant, hold};
use crate::books::{Forward, RunBook};
use amends_domain::time::Timestamp;

/// Why a run waits, as its journal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Somebody paused it.
    Paused,
    /// A signal.
    Signal(usize),
    /// An instant.
    Until(Timestamp),
}

/// The reason that a run has to wait; none if it has none.
pub(crate) fn reason(run: &RunBook) -> Option<Reason> {
    if run.paused {
        return Some(Reason::Paused);
    }
    let mut dues: Vec<Timestamp> = run.delayed.into_iter().filter(|_| run.steps.iter().all(|step| !step.was_begun())).collect();
    let mut signal = None;
    for (at, step) in run.steps.iter().enumerate() {
        match step.forward {
            Forward::Waiting(Some(due)) if run.turned.is_none() => dues.push(due),
            Forward::Waiting(None) if run.turned.is_none() => signal = Some(Reason::Signal(at)),
            _ => dues.extend(step.retry),
        }
    }
    dues.into_iter().min().map(Reason::Until).or(signal)
}

/// A run was put aside: nothing can be done about it now.
pub(crate) fn rests(run: &RunBook, now: Timestamp) -> Checked {
    let waits = match reason(run) {
        Some(Reason::Paused | Reason::Signal(_)) => true,
        Some(Reason::Until(due)) => due > now,
        None => false,
    };
    hold(waits, Invariant::Liveness, || format!("{} was put aside, and nothing says why: {:?}", run.id, run.steps))
}
